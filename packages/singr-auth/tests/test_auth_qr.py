"""QR codes: both pictures show the same code, with the quiet zone that scanners need, and carry nothing else."""

import re
import struct
import zlib
from xml.etree import ElementTree as ET

import pytest
import segno

from singr_auth import new_totp_secret, provisioning_uri, qr_png, qr_svg

URI = provisioning_uri(new_totp_secret(), account="maria.silva@a-rather-long-venue-name.example", issuer="Singr")
QUIET = 4


def modules_of_png(data: bytes) -> list[list[bool]]:
    """Dark modules of a grey-scale picture of one bit, six pixels a module."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        chunks[kind] = chunks.get(kind, b"") + data[at + 8 : at + 8 + size]
        at += size + 12
    width, height, depth, colours = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colours, width) == (1, 0, height)
    lines = zlib.decompress(chunks[b"IDAT"])
    stride = (width + 7) // 8 + 1
    rows = [lines[row * stride : (row + 1) * stride] for row in range(height)]
    for number, row in enumerate(rows):
        assert row[0] in {0, 2}  # as it stands, or as the difference to the row above
        if row[0] == 2:
            rows[number] = bytes([0, *((a + b) % 256 for a, b in zip(row[1:], rows[number - 1][1:], strict=True))])
    dark = [[not row[1 + x // 8] >> (7 - x % 8) & 1 for x in range(width)] for row in rows]
    for y in range(height):
        assert dark[y] == dark[y - y % 6]
    return [line[::6] for line in dark[::6]]


def modules_of_svg(text: str) -> list[list[bool]]:
    """Dark modules of a picture whose path draws horizontal strokes one module high."""
    root = ET.fromstring(text)
    size = int(root.attrib["width"]) // 6
    path = next(element.attrib["d"] for element in root.iter() if "stroke" in element.attrib)
    dark = [[False] * size for _ in range(size)]
    x = y = 0.0
    for command, numbers in re.findall(r"([MmhH])([-0-9. ]+)", path):
        values = [float(number) for number in re.findall(r"-?[0-9]*\.?[0-9]+", numbers)]
        if command == "M":
            x, y = values
        elif command == "m":
            x, y = x + values[0], y + values[1]
        else:
            for column in range(int(x), int(x + values[0])):
                dark[int(y)][column] = True
            x += values[0]
    return dark


def test_both_pictures_show_the_address_with_its_quiet_zone() -> None:
    matrix = [[bool(module) for module in row] for row in segno.make_qr(URI, error="m").matrix]
    blank = [False] * (len(matrix) + 2 * QUIET)
    edge = [False] * QUIET
    expected = [blank] * QUIET + [[*edge, *row, *edge] for row in matrix] + [blank] * QUIET
    assert modules_of_png(qr_png(URI)) == expected
    assert modules_of_svg(qr_svg(URI)) == expected


def test_the_svg_is_a_document_that_runs_and_loads_nothing() -> None:
    text = qr_svg('otpauth://totp/"><script>alert(1)</script>')
    root = ET.fromstring(text)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {"svg", "g", "path"}
    assert "script" not in text
    assert not re.search(r"href|url\(|style|on[a-z]+=", text)


def test_the_picture_tells_the_secret_only_to_who_scans_it() -> None:
    secret = re.search("secret=([A-Z2-7]+)", URI)
    assert secret is not None
    assert secret[1] not in qr_svg(URI)
    assert secret[1].encode() not in qr_png(URI)


def test_what_no_code_can_hold_is_refused() -> None:
    for draw in (qr_svg, qr_png):
        with pytest.raises(ValueError, match=r"[Dd]ata|version|fit"):
            draw("x" * 5000)
