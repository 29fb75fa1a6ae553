"""How many parts an SMS is billed and sent as (3GPP TS 23.038 and 23.040)."""

import unicodedata
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

_GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED: Final = frozenset("\f^{}\\[~]|€")  # sent as an escape and a character: two septets
_SINGLE: Final = {"GSM-7": 160, "UCS-2": 70}
_PART: Final = {"GSM-7": 153, "UCS-2": 67}  # seven septets, or three units, go to the header that joins the parts
_BEYOND_BMP: Final = 0xFFFF


class SmsSegments(msgspec.Struct, frozen=True):
    """How an SMS is encoded.

    Args:
        encoding: `GSM-7` (7-bit septets), or `UCS-2` (16-bit units) if any character needs it.
        units: the length in septets or 16-bit units.
        segments: the number of parts; each is billed as one SMS.
    """

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int


def composed(text: str) -> str:
    """The text of an SMS as it is sent: each letter with its accents as one character, where there is one (NFC).

    GSM-7 has some of those, and no accent by itself: one decomposed letter would cost an SMS its alphabet.
    """
    whole = unicodedata.normalize("NFC", text)
    return whole if len(whole) <= len(text) else text  # a few letters of India's and Israel's scripts come apart by it


def sms_segments(text: str) -> SmsSegments:
    """Count the parts of an SMS as it is sent; no escape sequence and no surrogate pair is split between two parts."""
    text = composed(text)
    encoding: Literal["GSM-7", "UCS-2"] = (
        "GSM-7" if all(c in _GSM_BASIC or c in _GSM_EXTENDED for c in text) else "UCS-2"
    )
    widths = list(_widths(text, encoding))
    units = sum(widths)
    if units <= _SINGLE[encoding]:
        return SmsSegments(encoding, units, 1)
    segments, filled = 1, 0
    for width in widths:
        if filled + width > _PART[encoding]:
            segments, filled = segments + 1, 0
        filled += width
    return SmsSegments(encoding, units, segments)


def _widths(text: str, encoding: str) -> Iterator[int]:
    for character in text:
        wide = character in _GSM_EXTENDED if encoding == "GSM-7" else ord(character) > _BEYOND_BMP
        yield 2 if wide else 1
