"""Names that look alike have a skeleton in common (UTS #39, section 4, by the tables of confusable-homoglyphs)."""

import functools
import unicodedata
from typing import Final

from singr_config.text import is_visible

_UNSEEN_MARKS: Final = frozenset(
    chr(code)
    for codes in ((0x034F, 0x034F), (0x17B4, 0x17B5), (0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    for code in range(codes[0], codes[1] + 1)
)


def skeletons(name: str) -> frozenset[str]:
    """Return what a name is compared by: two names that share one of these are taken for each other by people.

    Case, spaces, punctuation and what cannot be seen do not count. There are two, since looks depend on case:
    `Bar l` looks like `Bar I`, and means the same as `bar L`. Never show them: they are no words.
    """
    found = frozenset({_skeleton(name), _skeleton(_plain(name).casefold())}) - {""}
    return found or frozenset({name})  # nothing but punctuation: it looks like itself


def bare_skeletons(name: str) -> frozenset[str]:
    """Return what a name is compared by with words of ours, in ASCII: of its skeletons, the letters and digits alone.

    A mark on a letter makes another word in many scripts, but not of ours: `cüstomer` is taken for `customer`.
    """
    return frozenset("".join(c for c in one if unicodedata.category(c)[0] in "LN") for one in skeletons(name))


def looking_like(character: str) -> tuple[str, ...]:
    """Return what a character is taken for by the table: single characters, or letters with marks."""
    return _table().get(character, ())


def _skeleton(text: str) -> str:
    looks = "".join(map(_prototype, _plain(text)))
    return _plain(looks).casefold()


def _plain(text: str) -> str:
    # by compatibility: full-width and styled letters are plain ones
    return "".join(filter(_counts, unicodedata.normalize("NFKD", text)))


def _counts(character: str) -> bool:
    category = unicodedata.category(character)
    if category.startswith("M"):
        return character not in _UNSEEN_MARKS  # a mark on a letter makes another letter, in many scripts another word
    return not category.startswith("P") and is_visible(character)


@functools.cache
def _prototype(character: str) -> str:
    table = _table()
    others = table.get(character, ())
    if len(others) != 1:
        return character  # nothing looks like it; or many things, and it stands for all of them
    [other] = others
    # of a pair, one of the two, whichever is asked for
    return other if len(table.get(other, ())) > 1 else min(character, other)


@functools.cache
def _table() -> dict[str, tuple[str, ...]]:
    from confusable_homoglyphs import confusables  # noqa: PLC0415 — reads a megabyte, for the first name that is compared

    return {
        character: tuple(other["c"] for other in others) for character, others in confusables.confusables_data.items()
    }
