"""What a picture is, what is wrong with one, and its bytes one after another."""

import struct
from typing import Final

import msgspec

LARGEST_BYTES: Final = 256 * 1024
# One of a pixel is for counting readers, and none that shows whose mail it is.
_LEAST_PIXELS: Final = 16
_MOST_PIXELS: Final = 2000
_EXIF_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
_ORIENTATION: Final = 0x0112
_TURNED: Final = range(2, 9)


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


class Source:
    """The bytes of a picture, taken one after another.

    Args:
        data: all of them.
        kind: what the picture is, as people call it.
    """

    def __init__(self, data: bytes, kind: str) -> None:
        self._data, self._kind, self.at = data, kind, 0

    def take(self, count: int) -> bytes:
        """The next so many; raises ImageError where it ends before."""
        taken = self._data[self.at : self.at + count]
        if len(taken) < count:
            raise self.broken("it is cut off")
        self.at += count
        return taken

    def byte(self) -> int:
        """The next one; raises ImageError at the end."""
        return self.take(1)[0]

    def broken(self, why: str) -> ImageError:
        """The error that says what is wrong with it."""
        return ImageError(f"must be a sound {self._kind}: {why}; save it anew")


def check_sides(width: int, height: int) -> None:
    """Refuse a picture that is too large or too small; raises ImageError."""
    if not all(_LEAST_PIXELS <= side <= _MOST_PIXELS for side in (width, height)):
        raise ImageError(
            f"must be a picture of {_LEAST_PIXELS} to {_MOST_PIXELS} pixels a side, not {width} by {height}"
        )


def check_upright(exif: bytes) -> None:
    """Refuse a picture that is to be turned before it is shown: what says so is not kept (Exif 2.32, 4.6.4).

    Args:
        exif: a TIFF structure; one that cannot be read turns nothing.

    Raises:
        ImageError: it lies on its side, or is mirrored.
    """
    order = _EXIF_ORDERS.get(exif[:4])
    if order is None:
        return
    try:
        (at,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, at)
        for each in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, at + 2 + 12 * each)
            if tag == _ORIENTATION and value in _TURNED:
                raise ImageError("must be stored upright: its EXIF turns or mirrors it, so turn the picture itself")
    except struct.error:
        return
