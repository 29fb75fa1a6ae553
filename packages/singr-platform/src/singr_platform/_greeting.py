"""What the platform's own mails call somebody: a name is typed by whoever gives an address, be it another's."""

import unicodedata
from typing import Final

from singr_comms.notifications import is_fit_name
from singr_config.text import unlinked

_LONGEST: Final = 60
_MOST_WORDS: Final = 6
_MOST_DIGITS: Final = 4
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# What stands in names of people beside letters, digits, marks and pictures: "Doe, Jane", "Anne-Marie (Annie) O'Neil".
_SIGNS: Final = frozenset(
    " .,'()&_-\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}\N{EN DASH}\N{HYPHEN}\N{MIDDLE DOT}"
    "\N{KATAKANA MIDDLE DOT}"
)


def in_one_line(name: str) -> str:
    """Make one line of a name that no mail client takes for a link: "x.example" becomes "x. example"."""
    return unlinked("".join(" " if unicodedata.category(one) in _UNSEEN else one for one in name))


def greeted(name: str, own_names: tuple[str, ...]) -> str | None:
    """What a mail calls somebody whose address nobody may have proven yet; None: nobody is called like that.

    A stranger can have a mail sent to anybody, under a name that they typed. It is said where it is fit for a brand,
    and is no message of its own: up to 60 characters and six words, with four digits at most, and no signs that names
    have not, such as a colon.

    Args:
        name: as it was typed.
        own_names: what the platform itself writes as (`Settings.own_names`).
    """
    said = in_one_line(name)
    is_short = len(said) <= _LONGEST and len(said.split()) <= _MOST_WORDS
    digits = sum(unicodedata.category(one)[0] == "N" for one in said)
    is_name = is_short and digits <= _MOST_DIGITS and all(map(_stands_in_names, said))
    return said if is_name and said and is_fit_name(said, own_names) else None


def _stands_in_names(character: str) -> bool:
    category = unicodedata.category(character)
    return character in _SIGNS or category[0] in "LMN" or category in {"So", "Sk"}
