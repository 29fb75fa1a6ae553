"""PNG (W3C PNG, Third Edition): each chunk checked, the rows counted while they are inflated, and nothing else kept."""

import struct
import zlib
from typing import Final

from singr_comms.notifications.branding.pictures._picture import (
    ImageError,
    Picture,
    Source,
    check_sides,
    check_upright,
)

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEAD: Final = struct.Struct(">IIBBBBB")
# By colour type: samples of a pixel, and how many bits one may have.
_COLOURS: Final = {
    0: (1, (1, 2, 4, 8, 16)),
    2: (3, (8, 16)),
    3: (1, (1, 2, 4, 8)),
    4: (2, (8, 16)),
    6: (4, (8, 16)),
}
_INDEXED: Final = 3
# Where pixels of each pass begin, and how far apart they are (8.1, Adam7): x, y, between columns, between rows.
_ADAM7: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
# What is kept beside the pixels, in the order in which it is written, and its lengths.
_COLOUR_SPACE: Final = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1}
_KEPT: Final = (*_COLOUR_SPACE, b"PLTE", b"tRNS")
# So much is fed and inflated at a time: memory stays small, whatever it comes to.
_FED: Final = 4 * 1024
_INFLATED: Final = 64 * 1024


class _Head:
    """What the first chunk says (11.2.1); raises ImageError."""

    def __init__(self, source: Source) -> None:
        kind, content = _chunk(source)
        if kind != b"IHDR" or len(content) != _HEAD.size:
            raise source.broken("it has no IHDR chunk")
        self.width, self.height, self.depth, self.colour, packing, filtering, self.interlace = _HEAD.unpack(content)
        check_sides(self.width, self.height)
        self.samples, depths = _COLOURS.get(self.colour, (0, ()))
        if self.depth not in depths or packing or filtering or self.interlace > 1:
            raise source.broken("its IHDR chunk says what no PNG is")
        self.content = content

    def rows(self) -> int:
        """How many bytes its rows have once they are inflated."""
        passes = _ADAM7 if self.interlace else ((0, 0, 1, 1),)
        total = 0
        for x, y, apart, below in passes:
            columns, lines = -((x - self.width) // apart), -((y - self.height) // below)
            if columns > 0 and lines > 0:
                total += lines * (1 + (columns * self.samples * self.depth + 7) // 8)
        return total


def read_png(data: bytes) -> Picture:
    """A PNG with what draws it alone: without texts, profiles, other pictures, and what stands behind its end.

    Raises:
        ImageError: it is not whole, moves, or is too large.
    """
    source = Source(data, "PNG")
    source.take(len(SIGNATURE))
    head = _Head(source)
    kept: dict[bytes, bytes] = {}
    packed = bytearray()
    before = b"IHDR"
    while True:
        kind, content = _chunk(source)
        if kind == b"IEND":
            break
        if kind == b"IDAT":
            if packed and before != b"IDAT":
                raise source.broken("its IDAT chunks do not stand together")
            packed += content
        elif kind in _KEPT:
            if kind in kept or packed:
                raise source.broken(f"its {kind.decode()} chunk stands where none may be")
            kept[kind] = content
        else:
            _check_left_out(source, kind, content)
        before = kind
    _check_kept(source, head, kept)
    pixels = _pixels(source, bytes(packed), head.rows())
    chunks = [(b"IHDR", head.content), *((kind, kept[kind]) for kind in _KEPT if kind in kept)]
    written = [_written(*one) for one in (*chunks, (b"IDAT", pixels), (b"IEND", b""))]
    return Picture(SIGNATURE + b"".join(written), "image/png", head.width, head.height)


def _chunk(source: Source) -> tuple[bytes, bytes]:
    """The kind and content of the next chunk; raises ImageError."""
    length, kind = struct.unpack(">I4s", source.take(8))
    content = source.take(length)
    if source.take(4) != _sum(kind, content):
        raise source.broken("a checksum is wrong")
    return kind, content


def _sum(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def _written(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + _sum(kind, content)


def _check_left_out(source: Source, kind: bytes, content: bytes) -> None:
    """What may be left out; raises ImageError where it would be another picture then."""
    if kind == b"acTL":
        raise ImageError("must be one picture that does not move: this PNG is animated")
    if kind == b"eXIf":
        check_upright(content)
    if not kind[0] & 0x20:  # it says that nobody can draw the picture without it (5.4)
        raise source.broken("it has a chunk that no program knows")


def _check_kept(source: Source, head: _Head, kept: dict[bytes, bytes]) -> None:
    """Drop a palette that is a mere suggestion, and refuse lengths that cannot be; raises ImageError."""
    if head.colour != _INDEXED:
        kept.pop(b"PLTE", None)
    colours, rest = divmod(len(kept.get(b"PLTE", b"")), 3)
    if head.colour == _INDEXED and (rest or not 1 <= colours <= 1 << head.depth):
        raise source.broken("its palette is not one of its colours")
    clear = {0: (2,), 2: (6,), _INDEXED: range(1, colours + 1)}.get(head.colour, ())
    for kind, content in kept.items():
        lengths = {b"PLTE": (len(content),), b"tRNS": clear}.get(kind) or (_COLOUR_SPACE.get(kind),)
        if len(content) not in lengths:
            raise source.broken(f"its {kind.decode()} chunk has another length than it must have")


def _pixels(source: Source, packed: bytes, rows: int) -> bytes:
    """The compressed rows, without what stands behind them; raises ImageError where they are more or fewer bytes."""
    inflater = zlib.decompressobj()
    used, left = 0, rows
    try:
        while used < len(packed) and not inflater.eof:
            fed = packed[used : used + _FED]
            used += len(fed)
            while not inflater.eof:
                got = inflater.decompress(fed, _INFLATED)
                fed = inflater.unconsumed_tail
                left -= len(got)
                if left < 0:
                    raise source.broken("there are more pixels in it than it says")
                if not fed and len(got) < _INFLATED:
                    break
    except zlib.error:
        raise source.broken("its pixels cannot be inflated") from None
    if left or not inflater.eof:
        raise source.broken("there are fewer pixels in it than it says")
    return packed[: used - len(inflater.unused_data)]
