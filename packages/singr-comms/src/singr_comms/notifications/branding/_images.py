"""Pictures for mails: told by their first bytes, with how large they are; nothing is decoded."""

import struct
from typing import Final

import msgspec

LARGEST_BYTES: Final = 256 * 1024
_MOST_PIXELS: Final = 2000
_STARTS_OF_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})


class ImageError(ValueError):
    """It is no picture that mails show; says what would be right."""


class Picture(msgspec.Struct, frozen=True):
    """A picture.

    Args:
        data: its bytes.
        media_type: what it is.
        width: in pixels.
        height: in pixels.
    """

    data: bytes
    media_type: str
    width: int
    height: int


def picture_of(data: bytes) -> Picture:
    """Tell what bytes are.

    Raises:
        ImageError: they are no PNG, JPEG or GIF, or too large.
    """
    if len(data) > LARGEST_BYTES:
        raise ImageError(f"must be a picture of at most {LARGEST_BYTES // 1024} kB")
    kind, size = _read(data)
    if size is None:
        raise ImageError("must be a PNG, JPEG or GIF: mail programs do not show other pictures, such as SVG")
    if not all(1 <= side <= _MOST_PIXELS for side in size):
        raise ImageError(f"must be a picture of at most {_MOST_PIXELS} pixels a side, not {size[0]} by {size[1]}")
    return Picture(data, kind, *size)


def _read(data: bytes) -> tuple[str, tuple[int, int] | None]:
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 33:  # noqa: PLR2004 - one chunk
        return "image/png", struct.unpack(">II", data[16:24])
    if data[:6] in {b"GIF87a", b"GIF89a"} and len(data) >= 13:  # noqa: PLR2004 - the header
        return "image/gif", struct.unpack("<HH", data[6:10])
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg", _jpeg(data)
    return "", None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """The size that the first frame says (ITU-T T.81, B.2.2)."""
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:  # noqa: PLR2004 - the mark of a marker
            return None
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:  # noqa: PLR2004 - filling
            at += 1 if marker == 0xFF else 2  # noqa: PLR2004 - likewise
            continue
        if marker in _STARTS_OF_FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + int(struct.unpack(">H", data[at + 2 : at + 4])[0])
    return None
