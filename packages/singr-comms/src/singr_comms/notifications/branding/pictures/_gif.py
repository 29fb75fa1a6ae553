"""GIF (GIF89a): one frame, its LZW codes counted to the last pixel, and no extension but what is see-through."""

import struct
from collections.abc import Iterator
from typing import Final

from singr_comms.notifications.branding.pictures._picture import ImageError, Picture, Source, check_sides

_EXTENSION, _FRAME, _END = 0x21, 0x2C, 0x3B
_CONTROL: Final = 0xF9
_CONTROL_BYTES: Final = 4
_HAS_TABLE: Final = 0x80
_BLOCK: Final = 255
_CODE_SIZES: Final = range(2, 9)
_WIDEST: Final = 12
_MOST_CODES: Final = 1 << _WIDEST


def read_gif(data: bytes) -> Picture:
    """A GIF with one frame, without comments, other programs' blocks, and what stands behind its end.

    Raises:
        ImageError: it is not whole, moves, or is too large.
    """
    source = Source(data, "GIF")
    version, screen = source.take(6), source.take(7)
    width, height, flags = struct.unpack("<HHB2x", screen)
    check_sides(width, height)
    table = _table(source, flags)
    control = frame = b""
    while (mark := source.byte()) != _END:
        if mark == _EXTENSION:
            label, content = source.byte(), b"".join(_blocks(source))
            if label == _CONTROL and not frame:
                control = _see_through(source, content)
        elif mark != _FRAME:
            raise source.broken("it has a block of an unknown kind")
        elif frame:
            raise ImageError("must be one picture that does not move: this GIF has several frames")
        else:
            frame = _frame(source, width, height, has_table=bool(table))
    if not frame:
        raise source.broken("there is no picture in it")
    version = b"GIF89a" if control else version
    return Picture(version + screen + table + control + frame + bytes([_END]), "image/gif", width, height)


def _table(source: Source, flags: int) -> bytes:
    """The colours that follow, if any."""
    return source.take(3 << ((flags & 7) + 1)) if flags & _HAS_TABLE else b""


def _blocks(source: Source) -> Iterator[bytes]:
    while length := source.byte():
        yield source.take(length)


def _see_through(source: Source, content: bytes) -> bytes:
    """Which colour is see-through, without how long the frame stays (section 23); raises ImageError."""
    if len(content) != _CONTROL_BYTES:
        raise source.broken("its control block has another length than it must have")
    return bytes([_EXTENSION, _CONTROL, _CONTROL_BYTES, content[0] & 1, 0, 0, content[3], 0])


def _frame(source: Source, width: int, height: int, *, has_table: bool) -> bytes:
    described = source.take(9)
    left, top, across, down, flags = struct.unpack("<HHHHB", described)
    if not (across and down and left + across <= width and top + down <= height):
        raise source.broken("its frame does not lie within its own size")
    table = _table(source, flags)
    if not (table or has_table):
        raise source.broken("it has no colours")
    size = source.byte()
    if size not in _CODE_SIZES:
        raise source.broken("its pixels cannot be unpacked")
    packed = b"".join(_blocks(source))
    packed = packed[: _drawn(source, packed, size, across * down)]
    blocks = (packed[at : at + _BLOCK] for at in range(0, len(packed), _BLOCK))
    data = b"".join(bytes([len(block)]) + block for block in blocks)
    return bytes([_FRAME]) + described + table + bytes([size]) + data + b"\0"


class _Codes:
    """How many pixels each code stands for (appendix F): none is drawn.

    Args:
        size: bits of a pixel.
    """

    def __init__(self, size: int) -> None:
        self.clear, self.end, self._size = 1 << size, (1 << size) + 1, size
        self.start()

    def start(self) -> None:
        """Forget all but the colours themselves."""
        self._lengths, self.width, self._before = [1] * self.clear + [0, 0], self._size + 1, 0

    def pixels(self, code: int) -> int:
        """Those of a code, which makes another one together with that before it; 0 for one that stands for nothing."""
        if self._before and len(self._lengths) < _MOST_CODES:
            self._lengths.append(self._before + 1)
            if len(self._lengths) == 1 << self.width and self.width < _WIDEST:
                self.width += 1
        self._before = self._lengths[code] if code < len(self._lengths) else 0
        return self._before

    def read(self, packed: bytes) -> Iterator[tuple[int, int]]:
        """Codes, each with how many bytes were read: as wide as they are by then."""
        held = bits = 0
        for at, byte in enumerate(packed, 1):
            held |= byte << bits
            bits += 8
            while bits >= self.width:
                code = held & ((1 << self.width) - 1)
                held >>= self.width
                bits -= self.width
                yield code, at


def _drawn(source: Source, packed: bytes, size: int, pixels: int) -> int:
    """How many bytes draw so many pixels; raises ImageError where they draw more or fewer."""
    codes, used = _Codes(size), len(packed)
    for code, at in codes.read(packed):
        if code == codes.clear:
            codes.start()
            continue
        if code == codes.end:
            used = at
            break
        drawn = codes.pixels(code)
        pixels -= drawn
        if not drawn:
            raise source.broken("its pixels cannot be unpacked")
        if pixels < 0:
            raise source.broken("there are more pixels in it than it says")
    if pixels:
        raise source.broken("there are fewer pixels in it than it says")
    return used
