"""Telling what a picture is, and reading it."""

from collections.abc import Callable
from typing import Final

from singr_comms.notifications.branding.pictures._gif import read_gif
from singr_comms.notifications.branding.pictures._jpeg import START, read_jpeg
from singr_comms.notifications.branding.pictures._picture import LARGEST_BYTES, ImageError, Picture
from singr_comms.notifications.branding.pictures._png import SIGNATURE, read_png

_KINDS: Final[tuple[tuple[bytes, str, Callable[[bytes], Picture]], ...]] = (
    (SIGNATURE, "image/png", read_png),
    (b"GIF87a", "image/gif", read_gif),
    (b"GIF89a", "image/gif", read_gif),
    (START, "image/jpeg", read_jpeg),
)


def media_type_of(data: bytes) -> str | None:
    """What bytes say that they are at their head; None for what is no PNG, JPEG or GIF."""
    return next((media_type for start, media_type, _ in _KINDS if data.startswith(start)), None)


def picture_of(data: bytes) -> Picture:
    """Read a picture to its end, and write it anew with what draws it alone.

    So it has no metadata (where it was taken, who wrote it, colour profiles), nothing that inflates to more than its
    pixels, and nothing behind its end. It takes little memory, and up to tenths of a second: not for an event loop.

    Raises:
        ImageError: it is no PNG, JPEG or GIF, not whole, moves, or is too small or too large.
    """
    if len(data) > LARGEST_BYTES:
        raise ImageError(f"must be a picture of at most {LARGEST_BYTES // 1024} kB")
    for start, _, read in _KINDS:
        if data.startswith(start):
            return read(data)
    raise ImageError("must be a PNG, JPEG or GIF: mail programs do not show other pictures, such as SVG")
