"""Names that organizations go by before strangers: none holds what nobody sees, or passes for the platform's own."""

import functools
import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import Final, Literal, TypeAlias

from singr_config.letters import letters_of
from singr_config.skeletons import bare_skeletons
from singr_config.values._portable import PortableError

# Default_Ignorable_Code_Point of Unicode 17 (DerivedCoreProperties.txt): drawn as nothing where a program does not know
# better.
_IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_HIDDEN: Final = re.compile(f"[{_IGNORABLE}]")
_JOINERS: Final = frozenset("\u200c\u200d\ufe0e\ufe0f")
_VIRAMA: Final = 9
_WORD: Final = re.compile(r"[^\W_]+")
# "SingrTeam" and "Singr24" are read as two words.
_BORDER: Final = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)")
# An own name of so many letters counts where a word only begins or ends with it ("singrsupport"), too, and where a sign
# stands for one of its letters; shorter ones are parts of many words.
_LONG: Final = 5
_GAPS: Final = frozenset("*#?%~•")
# Words of others that begin as the platform's default name does, and are no more than words.
_WORDS: Final = re.compile(r"\bsing(?:runden?|reisen?|rooms?|rauli)\b", re.IGNORECASE)
_Spelling: TypeAlias = tuple[frozenset[str], ...]


class PublicNameError(PortableError, ValueError):
    """A name that readers see may not be used.

    Attributes:
        message: what would be right; follows the field's name.
        code: `malformed`, or `taken` where it passes for the platform's.
    """

    def __init__(self, message: str, code: Literal["malformed", "taken"]) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def check_public_name(name: str, own_names: Collection[str]) -> None:
    """Refuse a name under which an organization could write in the platform's name, or that holds what nobody sees.

    Words are compared by what they look like (`singr_config.letters`, `singr_config.skeletons`: look-alike letters of
    all scripts and signs, by case, without marks), so that a name of two scripts stays possible, and one wholly in
    another script is not missed. A word that begins or ends with an own name of five letters or more is refused too.

    Args:
        name: of an organization, or of its brand.
        own_names: what the platform itself writes as (`Settings.own_names`).

    Raises:
        PublicNameError: it may not be used.
    """
    if (at := _hidden_in(name)) is not None:
        called = f"U+{ord(name[at]):04X} {unicodedata.name(name[at], '')}".strip()
        raise PublicNameError(f"must not contain invisible characters: character {at + 1} is {called}", "malformed")
    if wrong := passes_for_own(name, own_names):
        raise PublicNameError(wrong, "taken")


def passes_for_own(text: str, own_names: Collection[str]) -> str | None:
    """What is wrong with a line that names the platform, or seems to; follows the field's name. What is unseen is left.

    Args:
        text: one line, such as of the foot of mails.
        own_names: what the platform itself writes as (`Settings.own_names`).
    """
    seen = _HIDDEN.sub("", text)
    others = _WORDS.sub(" ", seen)
    for own in own_names:
        if _passes_for(seen if _WORDS.search(own) else others, own):
            return (
                f"must not contain {own}, or what looks like it: messages would seem to come from the platform itself"
            )
    return None


def _hidden_in(name: str) -> int | None:
    """Where the first character is that nobody sees; joiners are seen in what they join (RFC 5892, A.1 and A.2)."""
    for found in _HIDDEN.finditer(name):
        at = found.start()
        if at == 0 or name[at] not in _JOINERS or not _is_joined(name[at - 1]):
            return at
    return None


def _is_joined(before: str) -> bool:
    is_emoji = unicodedata.category(before) in {"So", "Sk"} or before == "\ufe0f"
    return is_emoji or unicodedata.bidirectional(before) == "AL" or unicodedata.combining(before) == _VIRAMA


def _passes_for(name: str, own: str) -> bool:
    words = _WORD.findall(own)
    joined = "".join(words)
    spelling = _spelling(joined)
    seen = _seen(name)
    if any(_stands_in(text, spelling) for text in seen):
        return True
    return any(
        _is_spelled(one, spelling) or (_is_nearly(one, spelling) and _looks(joined) & _looks(one))
        for text in dict.fromkeys((*seen, *("".join(map(_as_letter, text)) for text in seen)))
        for one in _readings(text, len(words))
    )


@functools.lru_cache(maxsize=256)
def _spelling(own: str) -> _Spelling:
    """What each letter of an own name may be written as: a letter of ASCII as itself."""
    return tuple(frozenset(one.lower()) if one.isascii() else letters_of(one) for one in own)


def _is_spelled(word: str, spelling: _Spelling) -> bool:
    return len(word) == len(spelling) and all(
        wanted & letters_of(one) for one, wanted in zip(word, spelling, strict=True)
    )


def _is_nearly(word: str, spelling: _Spelling) -> bool:
    """Whether a word could be an own name of which a few letters are one or two others: "rn" for "m"."""
    if len(word) == len(spelling) or not len(spelling) <= 2 * len(word) <= 4 * len(spelling):
        return False
    return not (spelling[0].isdisjoint(letters_of(word[0])) and spelling[-1].isdisjoint(letters_of(word[-1])))


def _stands_in(text: str, spelling: _Spelling) -> bool:
    """Whether a word is an own name, or begins or ends with a long one."""
    length = len(spelling)
    is_long = length >= _LONG
    for at in range(len(text) - length + 1 if length else 0):
        if (gaps := _gaps_in(text[at : at + length], spelling)) is None or (gaps and not is_long):
            continue
        edges = (_is_edge(text, at), _is_edge(text, at + length))
        if all(edges) or (any(edges) and is_long and not gaps):
            return True
    return False


def _gaps_in(row: str, spelling: _Spelling) -> int | None:
    """How many letters of an own name a sign stands in for, one within it at most; None: it is another word."""
    gaps = 0
    for at, wanted in enumerate(spelling):
        if wanted.isdisjoint(letters_of(row[at])):
            gaps += 1
            if gaps > 1 or at in {0, len(row) - 1} or not _is_gap(row[at]):
                return None
    return gaps


def _is_edge(text: str, at: int) -> bool:
    """Whether a word may begin or end there. A sign beside what is read as a letter is none of its word."""
    if at in {0, len(text)}:
        return True
    before, after = text[at - 1], text[at]
    return not (before.isalnum() and after.isalnum()) or _BORDER.search(before + after) is not None


def _is_gap(character: str) -> bool:
    """Whether a sign could stand in for a letter: a picture, a star."""
    return character in _GAPS or unicodedata.category(character) == "So"


@functools.lru_cache(maxsize=4_096)
def _looks(word: str) -> frozenset[str]:
    """What a word is compared by, in capitals too: the small letter l is like I, and not like i."""
    return bare_skeletons(word) | bare_skeletons(word.upper())


def _seen(name: str) -> tuple[str, ...]:
    """A name without its marks, as it is typed and by compatibility; and with the marks that are letters."""
    texts = dict.fromkeys((name, unicodedata.normalize("NFKC", name)))  # "SINGR™" ends before its sign
    marked = [[(one, unicodedata.category(one)[0] == "M") for one in text] for text in texts]
    bare = ["".join(one for one, is_mark in row if not is_mark) for row in marked]
    lettered = ["".join(one for one, is_mark in row if not is_mark or letters_of(one)) for row in marked]
    return tuple(dict.fromkeys((*bare, *lettered)))


def _as_letter(character: str) -> str:
    """A letter for a sign that people write for it, one of those that it is read as."""
    if character == "®":  # "Sing®" is read as the name, and "Blessing®" as no part of it
        return "r"
    if character.isalnum() or character.isspace():
        return character
    return min((one for one in letters_of(character) if one.isascii() and one.isalnum()), default=character)


def _readings(text: str, length: int) -> Iterator[str]:
    """Everything in a text that is read as one word, or as so many in a row."""
    chunks = ["".join(_WORD.findall(chunk)) for chunk in text.split()]
    words = _WORD.findall(text)
    parts = [part for word in words for part in _BORDER.split(word)]
    yield "".join(words)  # "Sing r" is nobody's name, and "Sing R Us" may be
    yield from chunks
    yield from _spelled(words)
    for row in (chunks, words, parts):
        yield from ("".join(row[at : at + length]) for at in range(len(row) - length + 1))


def _spelled(words: list[str]) -> Iterator[str]:
    """Words of single letters in a row, such as "S I N G R"."""
    run = ""
    for word in [*words, ""]:
        if len(word) == 1:
            run += word
        elif run:
            yield run
            run = ""
