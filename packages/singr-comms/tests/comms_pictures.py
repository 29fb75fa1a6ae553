"""Pictures for tests, made without a library: black or grey ones, and what strangers put into them."""

import struct
import zlib
from collections.abc import Iterator, Sequence

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int,
    height: int,
    *,
    depth: int = 8,
    colour: int = 0,
    interlace: int = 0,
    rows: bytes | None = None,
    extra: bytes = b"",
    tail: bytes = b"",
) -> bytes:
    """A PNG, grey unless its colours are told.

    Args:
        width: in pixels.
        height: in pixels.
        depth: bits of a sample.
        colour: its type.
        interlace: how rows are ordered.
        rows: inflated ones; black ones of the right size without.
        extra: chunks before the pixels.
        tail: what stands behind the end.
    """
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    if rows is None:
        rows = bytes(1 + (width * samples * depth + 7) // 8) * height
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
    return SIGNATURE + head + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"") + tail


def bomb(size: int) -> bytes:
    """Zeros, compressed a thousandfold."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(1024 * 1024)) for _ in range(size // (1024 * 1024))]
    return b"".join(parts) + packer.flush()


def blocks(content: bytes) -> bytes:
    """Blocks of a GIF."""
    parts = (content[at : at + 255] for at in range(0, len(content), 255))
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def packed(pixels: Sequence[int], size: int, *, clears: bool = True, ends: bool = True) -> bytes:
    """Pixels in LZW codes (GIF89a, appendix F).

    Args:
        pixels: numbers of colours.
        size: bits of one.
        clears: start anew once no code is free; the codes stay as they are without.
        ends: with a code for the end.
    """
    held = at = 0
    for code, width in _codes(pixels, size, clears=clears, ends=ends):
        held |= code << at
        at += width
    return held.to_bytes((at + 7) // 8, "little")


def _codes(pixels: Sequence[int], size: int, *, clears: bool, ends: bool) -> Iterator[tuple[int, int]]:
    clear = 1 << size
    known: dict[tuple[int, ...], int] = {}
    width, following = size + 1, clear + 2
    yield clear, width
    run: tuple[int, ...] = ()
    for pixel in pixels:
        longer = (*run, pixel)
        if len(longer) == 1 or longer in known:
            run = longer
            continue
        yield known[run] if len(run) > 1 else run[0], width
        run = (pixel,)
        if following < 4096:
            known[longer] = following
            width += following == 1 << width
            following += 1
        elif clears:
            yield clear, width
            known, width, following = {}, size + 1, clear + 2
    if run:
        yield known[run] if len(run) > 1 else run[0], width
        width += following == 1 << width and width < 12
    if ends:
        yield clear + 1, width


def frame(width: int, height: int, pixels: bytes | None = None) -> bytes:
    """A frame of a GIF: black unless LZW codes are given."""
    data = packed(bytes(width * height), 2) if pixels is None else pixels
    return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2" + blocks(data)


def gif(width: int, height: int, *, frames: bytes | None = None, extra: bytes = b"", tail: bytes = b"") -> bytes:
    """A GIF of four colours.

    Args:
        width: in pixels.
        height: in pixels.
        frames: what it draws; one black frame without.
        extra: blocks before that.
        tail: what stands behind the end.
    """
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x81, 0, 0) + bytes(range(12))
    return head + extra + (frame(width, height) if frames is None else frames) + b";" + tail


def segment(marker: int, content: bytes) -> bytes:
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
SCAN = segment(0xDA, bytes([1, 1, 0, 0, 63, 0]))


def jpeg(
    width: int,
    height: int,
    *,
    sof: int = 0xC0,
    first: bytes = JFIF,
    extra: bytes = b"",
    scans: int = 1,
    tail: bytes = b"",
) -> bytes:
    """A JPEG, grey.

    Args:
        width: in pixels.
        height: in pixels.
        sof: the marker of its frame.
        first: segments at the head.
        extra: further ones, before the frame.
        scans: how often it is drawn.
        tail: what stands behind the end.
    """
    tables = segment(0xDB, b"\0" + b"\1" * 64)
    for each in (0x00, 0x10):  # one code each, of one bit: no difference, no more coefficients
        tables += segment(0xC4, bytes([each, 1, *bytes(15), 0]))
    framed = segment(sof, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    bits = 2 * -(-width // 8) * -(-height // 8)
    data = bytes(bits // 8) + (bytes([0xFF >> bits % 8]) if bits % 8 else b"")
    return b"\xff\xd8" + first + extra + tables + framed + (SCAN + data) * scans + b"\xff\xd9" + tail
