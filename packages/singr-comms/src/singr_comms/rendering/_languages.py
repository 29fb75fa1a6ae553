"""Which language a message is in, and how names of other scripts stand in its lines.

A type's words in another language are a subfolder of its folder, named as BCP 47 has it: `de`, `ar`, `pt-BR`. For each
channel it holds all texts or none: a message is in one language as a whole.
"""

import re
import unicodedata
from collections.abc import Iterable
from importlib.resources.abc import Traversable
from typing import Final, Literal

from singr_comms.models._locale import LOCALE_PATTERN, canonical_locale
from singr_comms.rendering._formats import DEFAULT_LANGUAGE

LOCALE: Final = re.compile(LOCALE_PATTERN, re.ASCII)
_RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "he", "ps", "ur", "yi"})
ISOLATE: Final = "\u2068"  # FSI and PDI (UAX #9): a name turns nothing but itself
END: Final = "\u2069"
ISOLATES: Final = frozenset((ISOLATE, END))
_STRONG: Final = {"L": "ltr", "R": "rtl", "AL": "rtl"}


def direction(locale: str) -> Literal["ltr", "rtl"]:
    """Which way a language is written."""
    return "rtl" if locale.partition("-")[0] in _RIGHT_TO_LEFT else "ltr"


def isolated(text: str, base_direction: str) -> str:
    """A name set apart from the line around it, where it is written the other way; a single word of ASCII is clear."""
    if text.isascii() and (base_direction == "ltr" or text.isalnum()):
        return text
    directions = {_STRONG.get(unicodedata.bidirectional(character), base_direction) for character in text}
    other = directions - {base_direction} or (
        base_direction == "rtl" and any(character.isdigit() for character in text)
    )
    return f"{ISOLATE}{text}{END}" if other else text


def fitting(there: Iterable[str], *wanted: str | None) -> str:
    """The first of the wanted locales that there are words in, by itself or by less and less of it; else English.

    What is looked for is the tag without its last part, then without the one before (lookup, RFC 4647 section 3.4).
    """
    known = frozenset(there)
    for locale in filter(None, wanted):
        tag = canonical_locale(locale)
        while tag:
            if tag in known or tag == DEFAULT_LANGUAGE:
                return tag
            tag = tag.rpartition("-")[0]
    return DEFAULT_LANGUAGE


def locales_in(folder: Traversable, texts: Iterable[str]) -> frozenset[str]:
    """In which languages beside English a folder has all of these texts."""
    needed = tuple(texts)
    return frozenset(one.name for one in languages_of(folder) if all((one / text).is_file() for text in needed))


def languages_of(folder: Traversable) -> tuple[Traversable, ...]:
    """The subfolders that are named as a language is."""
    if not folder.is_dir():
        return ()
    return tuple(one for one in folder.iterdir() if one.is_dir() and LOCALE.fullmatch(one.name))
