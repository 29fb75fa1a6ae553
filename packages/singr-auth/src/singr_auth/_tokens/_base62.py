"""Base 62, so that a key can be selected with a double click and pasted into any shell or header."""

import secrets
import zlib
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def encode(data: bytes, width: int) -> str:
    """Return `data` as a big-endian base-62 number, padded with zeros to `width` characters."""
    number = int.from_bytes(data)
    digits: list[str] = []
    while number:
        number, rest = divmod(number, 62)
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits)).rjust(width, "0")


def checksum(text: str) -> str:
    """Return six base-62 characters of CRC-32 over `text`: enough to catch every typing slip, not a secret."""
    return encode(zlib.crc32(text.encode()).to_bytes(4), 6)


def random_token(prefix: str, size: int, width: int) -> str:
    """Return `prefix`, `size` random bytes as `width` base-62 characters, and a checksum over both."""
    body = prefix + encode(secrets.token_bytes(size), width)
    return body + checksum(body)
