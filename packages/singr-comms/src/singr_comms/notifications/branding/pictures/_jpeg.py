"""JPEG (ITU-T T.81): each segment checked, scans counted, and nothing kept that draws nothing."""

import re
import struct
from typing import Final

from singr_comms.notifications.branding.pictures._picture import ImageError, Picture, Source, check_sides, check_upright

START: Final = b"\xff\xd8\xff"
_SOF0, _SOF1, _PROGRESSIVE, _DHT, _EOI, _SOS, _DQT, _DRI = 0xC0, 0xC1, 0xC2, 0xC4, 0xD9, 0xDA, 0xDB, 0xDD
_APP0, _APP1, _APP14, _LAST_APP, _COM = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_FILLING: Final = 0xFF
_BITS: Final = 8
_COMPONENTS: Final = frozenset({1, 3, 4})
# Each is drawn over the whole picture. Programs make 18 at the most (libjpeg's progression for four components).
_MOST_SCANS: Final = 32
# A scan lasts until a marker that is neither a byte of it (FF 00) nor one for starting anew (RST, E.2.4).
_AFTER_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7]")
_EXIF: Final = b"Exif\0\0"


class _Frame:
    """What the frame says (B.2.2), and what is drawn of it; raises ImageError."""

    def __init__(self, source: Source, content: bytes, *, progressive: bool) -> None:
        if len(content) < 6:  # noqa: PLR2004 - what stands before the components
            raise source.broken("its frame is cut off")
        bits, self.height, self.width, count = struct.unpack(">BHHB", content[:6])
        check_sides(self.width, self.height)
        self.components = set(content[6::3])
        sampled = [side for each in content[7::3] for side in (each >> 4, each & 15)]
        if (
            bits != _BITS
            or count not in _COMPONENTS
            or len(content) != 6 + 3 * count
            or len(self.components) != count
            or not all(1 <= side <= 4 for side in sampled)  # noqa: PLR2004 - a block may be so many times finer
        ):
            raise source.broken("its frame says what no JPEG is")
        self.most_scans = _MOST_SCANS if progressive else count
        self.scans, self.drawn = 0, set[int]()

    def scan(self, source: Source, content: bytes) -> None:
        """Count a scan (B.2.3)."""
        count = content[0] if content else 0
        drawn = content[1 : 1 + 2 * count : 2]
        if not count or len(content) != 4 + 2 * count or not self.components.issuperset(drawn):
            raise source.broken("a scan is not of its frame")
        self.scans += 1
        if self.scans > self.most_scans:
            raise ImageError(f"must be a JPEG of fewer than {self.most_scans + 1} scans: save it as a baseline JPEG")
        self.drawn.update(drawn)


def read_jpeg(data: bytes) -> Picture:
    """A JPEG with what draws it alone: without EXIF, profiles, comments, thumbnails, and what stands behind its end.

    Raises:
        ImageError: it is not whole, lies on its side, is of a rare kind, or too large.
    """
    source = Source(data, "JPEG")
    written = bytearray(source.take(2))
    frame: _Frame | None = None
    while (marker := _marker(source)) != _EOI:
        content = _content(source)
        if marker in {_SOF0, _SOF1, _PROGRESSIVE}:
            if frame:
                raise ImageError("must be one picture: this JPEG has several frames")
            frame = _Frame(source, content, progressive=marker == _PROGRESSIVE)
        elif marker == _SOS:
            if frame is None:
                raise source.broken("a scan stands before its frame")
            frame.scan(source, content)
        else:
            content = _kept(source, marker, content)
        if content:
            written += struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
        if marker == _SOS:
            written += _scanned(source, data)
    if frame is None or frame.drawn != frame.components:
        raise source.broken("there is no whole picture in it")
    return Picture(bytes(written) + bytes([0xFF, _EOI]), "image/jpeg", frame.width, frame.height)


def _marker(source: Source) -> int:
    """The next marker, without the filling before it (B.1.1.2); raises ImageError."""
    if source.byte() != _FILLING:
        raise source.broken("something stands between its segments")
    marker = source.byte()
    while marker == _FILLING:
        marker = source.byte()
    return marker


def _content(source: Source) -> bytes:
    """What the segment contains; raises ImageError."""
    length = int.from_bytes(source.take(2))
    if length < 2:  # noqa: PLR2004 - the length counts itself
        raise source.broken("a segment has no length")
    return source.take(length - 2)


def _kept(source: Source, marker: int, content: bytes) -> bytes:
    """What is needed of a segment, if anything; raises ImageError."""
    if marker in {_DQT, _DHT, _DRI}:
        _check_tables(source, marker, content)
        return content
    if not (_APP0 <= marker <= _LAST_APP or marker == _COM):
        raise ImageError("must be a baseline or progressive JPEG: mail programs do not show other kinds")
    if marker == _APP0 and content.startswith(b"JFIF\0"):
        return content[:12] + b"\0\0" if len(content) > 12 else b""  # noqa: PLR2004 - the thumbnail is behind
    if marker == _APP14 and content.startswith(b"Adobe"):
        return content[:12]  # which colours the components are
    if marker == _APP1 and content.startswith(_EXIF):
        check_upright(content[len(_EXIF) :])
    return b""


def _check_tables(source: Source, marker: int, content: bytes) -> None:
    """Refuse a segment that has more or less in it than its tables (B.2.4); raises ImageError."""
    at = 0
    while at < len(content):
        if marker == _DQT:
            at += 1 + 64 * (2 if content[at] >> 4 else 1)
        else:
            at += 2 if marker == _DRI else 17 + sum(content[at + 1 : at + 17])
    if at != len(content):
        raise source.broken("a table of it has another length than it says")


def _scanned(source: Source, data: bytes) -> bytes:
    """The pixels of a scan; raises ImageError."""
    found = _AFTER_SCAN.search(data, source.at)
    if found is None:
        raise source.broken("it is cut off")
    if found.start() == source.at:
        raise source.broken("there is nothing in a scan")
    return source.take(found.start() - source.at)
