"""Colours as web pages and mails write them: mixed, and compared as WCAG 2.2 (1.4.3) asks."""

from functools import cache
from typing import Final

LEAST_CONTRAST: Final = 4.5
"""What WCAG 2.2 (AA) asks between a text and its ground."""

_WHITE: Final = "#ffffff"


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, `#rrggbb` each: 1 for the same, 21 for black and white.

    >>> contrast("#000000", "#ffffff"), round(contrast("#777777", "#ffffff"), 2)
    (21.0, 4.48)
    """
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mixed(color: str, ground: str, share: float) -> str:
    """Return a colour of which `share` (0 to 1) is `color` and the rest `ground`.

    >>> mixed("#6a35d9", "#ffffff", 0.06)
    '#f6f3fd'
    """
    pairs = zip(_parts(color), _parts(ground), strict=True)
    return "#" + "".join(f"{round(ours * share + theirs * (1 - share)):02x}" for ours, theirs in pairs)


@cache
def lightened(color: str, *, ground: str, least: float) -> str:
    """Return `color` with as little white as gives it a contrast of `least` on a dark `ground`."""
    steps = (mixed(color, _WHITE, share / 100) for share in range(100, -1, -1))
    return next((step for step in steps if contrast(step, ground) >= least), _WHITE)


def _parts(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    red, green, blue = (_linear(part / 255) for part in _parts(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB (IEC 61966-2-1)
