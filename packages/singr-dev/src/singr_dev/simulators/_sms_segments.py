"""How many SMS segments a text takes (3GPP TS 23.038: GSM 7-bit alphabet, else UCS-2)."""

import math

_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")


def segments(text: str) -> int:
    """The number of segments, at least 1."""
    if set(text) <= _GSM_BASIC | _GSM_EXTENDED:
        length, single, joined = sum(2 if c in _GSM_EXTENDED else 1 for c in text), 160, 153
    else:
        length, single, joined = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if length <= single else math.ceil(length / joined)
