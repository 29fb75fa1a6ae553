"""Names that organizations go by before strangers: none holds what nobody sees, or passes for the platform's own."""

import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import Final, Literal

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
# Signs and digits that people write for letters, and that no table of letters has. A word of them that is none of ours
# is not touched: what a name is read as otherwise goes on to count.
_SIGNS: Final = str.maketrans({"|": "l", "$": "s", "5": "s", "9": "g"})


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

    Words are compared by what they look like (`singr_config.skeletons`: look-alike letters of all scripts, by case,
    without marks), so that a name of two scripts stays possible, and one wholly
    in another script is not missed.

    Args:
        name: of an organization, or of its brand.
        own_names: what the platform itself writes as (`Settings.own_names`).

    Raises:
        PublicNameError: it may not be used.
    """
    if (at := _hidden_in(name)) is not None:
        called = f"U+{ord(name[at]):04X} {unicodedata.name(name[at], '')}".strip()
        raise PublicNameError(f"must not contain invisible characters: character {at + 1} is {called}", "malformed")
    for own in own_names:
        if _passes_for(name, own):
            raise PublicNameError(
                f"must not contain {own}, or what looks like it: messages would seem to come from the platform itself",
                "taken",
            )


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
    looks = _looks("".join(_WORD.findall(own)))
    length = len(_WORD.findall(own))
    return any(looks & _looks(one) for one in _readings(name, length))


def _looks(word: str) -> frozenset[str]:
    """What a word is compared by, in capitals too: the small letter l is like I, and not like i."""
    return bare_skeletons(word) | bare_skeletons(word.upper())


def _readings(name: str, length: int) -> Iterator[str]:
    """Everything in a name that is read as one word, or as so many in a row."""
    texts = {name, unicodedata.normalize("NFKC", name)}  # "SINGR™" ends before its sign, and "ⓢingr" is a word
    for text in texts | {one.translate(_SIGNS) for one in texts}:
        bare = "".join(one for one in text if unicodedata.category(one)[0] != "M")
        chunks = ["".join(_WORD.findall(chunk)) for chunk in bare.split()]
        words = _WORD.findall(bare)
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
