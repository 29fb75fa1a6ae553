"""Names that people choose: what can be seen of one, and what a reader's programs would make of it and of links."""

import re
import unicodedata
from typing import Final

VISIBLE_RULE: Final = "must hold at least one visible character"
"""What to say of a name that holds none."""

ONE_LINE: Final = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+(?![\s\S])"
"""What a person writes in one line, in any script, as a pattern: nothing that steers a terminal or turns it round."""

# Letters and symbols by their category, which are drawn as nothing at all: fillers of Hangul, the blank Braille
# pattern, the object replacement character, the null notehead, and the blanks of Egyptian hieroglyphs.
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc\U0001d159\U00013441\U00013442")
_DRAWN: Final = frozenset("LNPS")

# "https://evil.example" and "evil.example" become links in mail clients; "evil. example" does not. What IDNA (UTS #46)
# reads as a dot, what NFKC makes one or a colon of, and what is drawn as one, counts as such.
_LINKING: Final = frozenset(":.")
_LIKE_THEM: Final = frozenset("\u3002\uff61\u0589\u05c3\u06d4\u0701\u0702\u1362\u166e\u1803\u2236\ua4f8\ua789\ua4fd")
# What could lead somewhere whatever its dots are like: an address, a path behind more than a number, four numbers as an
# IPv4 address has them, and a host by its first label.
_LEADS: Final = re.compile(r"[@\\]|(?<!\d)/|/(?!\d)|\d(?:\.\d+){3}|www\.", re.IGNORECASE)
_TIME_OF_ISO: Final = re.compile(r"(?<=\d)T(?=\d)")
# No top-level domain begins with a digit or is one letter, and none follows a closing sign: "3.50", "19:30", "J.R.R.".
_HARMLESS: Final = (
    re.compile(r"(?<=\d)[.:](?=\d)"),
    re.compile(r"(?<=\w)\.(?=[A-Za-z\u00c0-\u024f\u0370-\u052f](?:[.,;:!?)\]'\"\u2019\u201d]|\Z))"),
    re.compile(r"\.(?=[,;!?)\]'\"\u2019\u201d\u00bb])"),
)
# Signs that end a sentence, a bracket or a quotation, as they are and as browsers write them in an address. At most
# eight: whatever is sent here is read once.
_CLOSING: Final = re.compile(
    r"(?:[.,;:!?/)\]}>'\"*]|%(?:21|22|27|29|2A|2C|2E|2F|3A|3B|3E|3F|5D|7D)){1,8}\Z", re.IGNORECASE | re.ASCII
)


def as_linked(text: str) -> str:
    """Take off the end of a link, or of its token, what a mail program took into it from around it.

    No token of ours ends in such a sign.

    >>> as_linked("sml_4tX)."), as_linked("/preferences/AQ_-%3E"), as_linked("sml_4tX")
    ('sml_4tX', '/preferences/AQ_-', 'sml_4tX')
    """
    return _CLOSING.sub("", text)


def is_visible(character: str) -> bool:
    """Tell whether a character can be seen by itself.

    Spaces, controls, format characters (zero-width ones, direction marks, tags), variation selectors, surrogates and
    what Unicode has not assigned cannot; nor can a combining mark, which needs a letter to sit on.
    """
    return unicodedata.category(character)[0] in _DRAWN and character not in _BLANK


def has_visible(text: str) -> bool:
    """Tell whether anything of a text can be seen.

    >>> has_visible("Ada"), has_visible("\u200b\u3164")
    (True, False)
    """
    return any(map(is_visible, text))


def unlinked(text: str) -> str:
    """Make one line of a text that no program takes for a link: dots and colons that could make one get a space behind.

    Times, amounts, numbers of up to three parts and initials stay as they are; any word that might be a host, an
    address or a URL is taken apart as a whole.

    >>> unlinked("evil.example"), unlinked("https://evil.example"), unlinked("Mr. Brightside")
    ('evil. example', 'https: //evil. example', 'Mr. Brightside')
    >>> unlinked("No. 2026.11.29-1 at 19:30, 3.50 EUR"), unlinked("10.0.0.1")
    ('No. 2026.11.29-1 at 19:30, 3.50 EUR', '10. 0. 0. 1')
    """
    apart = " ".join("".join(map(_apart, word)) if _may_lead(word) else word for word in text.split())
    return " ".join(apart.split())


def _may_lead(word: str) -> bool:
    """Whether a program could make a link of a word or of a part of it; where nobody can be sure, it could."""
    plain = (word if word.isascii() else unicodedata.normalize("NFKC", word)).rstrip("".join(_LINKING))
    linking = {at for at, one in enumerate(plain) if one in _LINKING or one in _LIKE_THEM}
    if not linking:
        return False
    harmless = {match.start() for pattern in _HARMLESS for match in pattern.finditer(plain)}
    is_like_a_scheme = any(map(str.isalpha, _TIME_OF_ISO.sub("", plain.rpartition(":")[0])))
    return is_like_a_scheme or not linking <= harmless or _LEADS.search(plain) is not None


def _apart(character: str) -> str:
    if character.isascii():
        return f"{character} " if character in _LINKING else character
    plain = unicodedata.normalize("NFKC", character)
    return f"{character} " if character in _LIKE_THEM or not _LINKING.isdisjoint(plain) else character
