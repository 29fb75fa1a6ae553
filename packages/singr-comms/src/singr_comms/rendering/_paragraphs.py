"""A text of somebody's as a page has it."""

import re
from typing import Final

MOST_PARAGRAPHS: Final = 100
"""A mail has no more paragraphs than these: each brings some 200 bytes of style, whatever it says."""
_BLANK_LINES: Final = re.compile(r"\n\s*\n")


def split_paragraphs(text: str) -> list[str]:
    """The paragraphs of a text: a blank line begins one; the last has all that is left, with its blank lines."""
    return [one for one in _BLANK_LINES.split(text.strip(), maxsplit=MOST_PARAGRAPHS - 1) if one]
