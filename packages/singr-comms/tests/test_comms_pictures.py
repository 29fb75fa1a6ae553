"""S14: a picture that a stranger brings is read to its end, and nothing of it is kept but what draws it."""

import random
import struct
import tracemalloc

import pytest
from comms_pictures import JFIF, blocks, bomb, chunk, frame, gif, jpeg, packed, png, segment

from singr_comms.notifications import ImageError, media_type_of, picture_of

PAGE = b"<html><script>alert(1)</script>"
TIFF = b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 3, 1, 1)
UPRIGHT, TURNED = TIFF, TIFF[:-4] + struct.pack("<I", 6)
BIG_TURNED = b"MM\0*" + struct.pack(">IHHHIHH", 8, 1, 0x0112, 3, 1, 6, 0)
SWELLS = bomb(32 * 1024 * 1024)
PICTURES = {"png": png(40, 20), "gif": gif(40, 20), "jpeg": jpeg(40, 20)}
CONTROL = b"!\xf9" + blocks(bytes([9, 50, 0, 2]))
# Codes of a pixel each: 400 of them draw 20 by 20.
EACH = packed([0, 1, 2, 3] * 100, 2)
# With what is kept of each; None for all.
KEPT = {
    "png-text": (png(40, 20, extra=chunk(b"tEXt", b"Author\0Jo")), png(40, 20)),
    "png-profile": (png(40, 20, extra=chunk(b"iCCP", b"x\0\0" + SWELLS)), png(40, 20)),
    "png-packed-text": (png(40, 20, extra=chunk(b"zTXt", b"x\0\0" + SWELLS)), png(40, 20)),
    "png-exif": (png(40, 20, extra=chunk(b"eXIf", UPRIGHT)), png(40, 20)),
    "png-tail": (png(40, 20, tail=PAGE), png(40, 20)),
    "png-palette-of-none": (png(40, 20, colour=2, extra=chunk(b"PLTE", PAGE[:30])), png(40, 20, colour=2)),
    "gif-comment": (gif(40, 20, extra=b"!\xfe" + blocks(PAGE)), gif(40, 20)),
    "gif-loop": (gif(40, 20, extra=b"!\xff" + blocks(b"NETSCAPE2.0\1\0\0")), gif(40, 20)),
    "gif-delay": (gif(40, 20, extra=CONTROL), gif(40, 20, extra=b"!\xf9\4\1\0\0\2\0")),
    "gif-behind-pixels": (gif(20, 20, frames=frame(20, 20, EACH + PAGE)), gif(20, 20, frames=frame(20, 20, EACH))),
    "gif-behind-frame": (gif(40, 20, frames=frame(40, 20) + b"!\xfe" + blocks(PAGE)), gif(40, 20)),
    "gif-tail": (gif(40, 20, tail=PAGE), gif(40, 20)),
    "jpeg-exif": (jpeg(40, 20, extra=segment(0xE1, b"Exif\0\0" + UPRIGHT + b"GPS")), jpeg(40, 20)),
    "jpeg-profile": (jpeg(40, 20, extra=segment(0xE2, b"ICC_PROFILE\0" + PAGE)), jpeg(40, 20)),
    "jpeg-comment": (jpeg(40, 20, extra=segment(0xFE, PAGE)), jpeg(40, 20)),
    "jpeg-thumbnail": (jpeg(40, 20, first=segment(0xE0, JFIF[4:16] + b"\x10\x10" + bytes(768))), jpeg(40, 20)),
    "jpeg-colours": (jpeg(40, 20, extra=segment(0xEE, b"Adobe\0\x64\0\0\0\0\1")), None),
    "jpeg-tail": (jpeg(40, 20, tail=PAGE), jpeg(40, 20)),
    "png-colours": (png(40, 20, extra=chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"sRGB", b"\0")), None),
    "png-palette": (png(40, 20, colour=3, extra=chunk(b"PLTE", bytes(6)) + chunk(b"tRNS", b"\0")), None),
}
UNFIT = {
    "two-frames": (gif(16, 16, frames=frame(16, 16) * 2), "does not move: this GIF"),
    "7000-frames": (gif(16, 16, frames=frame(16, 16, packed(bytes(256), 2)) * 7000), "does not move: this GIF"),
    "moving-png": (png(16, 16, extra=chunk(b"acTL", struct.pack(">II", 9, 0))), "does not move: this PNG"),
    "1x1": (png(1, 1), "16 to 2000 pixels a side, not 1 by 1"),
    "15x16": (gif(15, 16), "16 to 2000 pixels a side, not 15 by 16"),
    "16x15": (jpeg(16, 15), "16 to 2000 pixels a side, not 16 by 15"),
    "2001x16": (jpeg(2001, 16), "16 to 2000 pixels a side, not 2001 by 16"),
    "turned-png": (png(40, 20, extra=chunk(b"eXIf", BIG_TURNED)), "stored upright"),
    "turned-jpeg": (jpeg(40, 20, extra=segment(0xE1, b"Exif\0\0" + TURNED)), "stored upright"),
    "33-scans": (jpeg(40, 20, sof=0xC2, scans=33), "fewer than 33 scans"),
    "drawn-twice": (jpeg(40, 20, scans=2), "fewer than 2 scans"),
    "arithmetic": (jpeg(40, 20, sof=0xC9), "baseline or progressive JPEG"),
    "no-scan": (jpeg(40, 20, scans=0), "no whole picture in it"),
}
NOT_SOUND = {
    "png-few-rows": png(40, 20, rows=b"\0" * 10),
    "png-depth": png(40, 20, depth=3),
    "png-no-palette": png(40, 20, colour=3),
    "png-palette-cut": png(40, 20, colour=3, extra=chunk(b"PLTE", b"12345")),
    "png-palette-long": png(40, 20, colour=3, depth=1, extra=chunk(b"PLTE", bytes(9))),
    "png-clear-long": png(40, 20, colour=3, extra=chunk(b"PLTE", bytes(6)) + chunk(b"tRNS", bytes(3))),
    "png-clear-none": png(40, 20, extra=chunk(b"tRNS", b"")),
    "png-clear-twice": png(40, 20, colour=6, extra=chunk(b"tRNS", bytes(2))),
    "png-gamma": png(40, 20, extra=chunk(b"gAMA", bytes(5))),
    "png-twice": png(40, 20, extra=chunk(b"sRGB", b"\0") * 2),
    "png-unknown": png(40, 20, extra=chunk(b"NEWS", b"")),
    "png-apart": png(40, 20, extra=chunk(b"IDAT", b"x") + chunk(b"tEXt", b"")),
    "png-checksum": png(40, 20).replace(b"IDAT", b"IDAt"),
    "png-length": png(40, 20, extra=b"\xff\xff\xff\xfftEXt"),
    "gif-empty": gif(40, 20, frames=b""),
    "gif-outside": gif(40, 20, frames=frame(41, 20)),
    "gif-codes": gif(40, 20, frames=frame(40, 20, b"\xff\xff")),
    "gif-block": gif(40, 20, frames=b"?"),
    "gif-control": gif(40, 20, extra=b"!\xf9" + blocks(b"123")),
    "gif-no-colours": gif(40, 20)[:10] + b"\0\0\0" + gif(40, 20)[25:],
    "jpeg-between": jpeg(40, 20, extra=b"junk"),
    "jpeg-no-length": jpeg(40, 20, extra=b"\xff\xfe\0\1"),
    "jpeg-two-frames": jpeg(40, 20, extra=segment(0xC0, struct.pack(">BHHB", 8, 20, 40, 1) + b"\1\x11\0")),
    "jpeg-quantizer": jpeg(40, 20, extra=segment(0xDB, bytes(70))),
    "jpeg-huffman": jpeg(40, 20, extra=segment(0xC4, bytes([0, 255, *bytes(15)]))),
    "jpeg-early-scan": jpeg(40, 20, extra=segment(0xDA, bytes([1, 1, 0, 0, 63, 0])) + b"1"),
    "jpeg-sampling": jpeg(40, 20).replace(b"\1\x11\0", b"\1\x51\0"),
    "jpeg-component": jpeg(40, 20).replace(b"\xda\0\x08\1\1", b"\xda\0\x08\1\2"),
}


@pytest.mark.parametrize("given", KEPT)
def test_nothing_is_kept_of_a_picture_but_what_draws_it(given: str) -> None:
    brought, kept = KEPT[given]
    found = picture_of(brought)
    assert found.data == (brought if kept is None else kept)
    assert picture_of(found.data) == found, "it is itself once it is read again"


def test_pixels_that_inflate_to_more_than_a_picture_has_are_refused_in_little_memory() -> None:
    given = png(600, 300, colour=6)[:33] + chunk(b"IDAT", SWELLS) + chunk(b"IEND", b"")
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match="more pixels in it than it says"):
            picture_of(given)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1024 * 1024


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("width", [16, 17, 21])
@pytest.mark.parametrize("height", [16, 23])
def test_interlaced_rows_are_counted_to_the_byte(width: int, height: int, depth: int) -> None:
    # Of 8 by 8 pixels, the pass that brings each (8.1, Adam7).
    passes = ("16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656", "77777777")
    rows = 0
    for one in "1234567":
        columns = [sum(passes[y % 8][x % 8] == one for x in range(width)) for y in range(height)]
        rows += sum(1 + (count * depth + 7) // 8 for count in columns if count)
    picture_of(png(width, height, depth=depth, interlace=1, rows=bytes(rows)))
    for wrong in (rows - 1, rows + 1):
        with pytest.raises(ImageError, match="pixels in it than it says"):
            picture_of(png(width, height, depth=depth, interlace=1, rows=bytes(wrong)))


@pytest.mark.parametrize("size", [2, 8])
@pytest.mark.parametrize("clears", [True, False])
def test_codes_of_a_gif_are_counted_to_the_pixel(size: int, *, clears: bool) -> None:
    """Past 4,096 of them, where no further one is free."""
    drawn = random.Random(size).choices(range(1 << size), k=100 * 100)

    def drawing(pixels: list[int], *, ends: bool = True) -> bytes:
        data = bytearray(frame(100, 100, packed(pixels, size, clears=clears, ends=ends)))
        data[10] = size
        return gif(100, 100, frames=bytes(data))

    for ends in (True, False):
        assert picture_of(drawing(drawn, ends=ends)).data == drawing(drawn, ends=ends)
        for wrong in (drawn[:-1], [*drawn, 0]):
            with pytest.raises(ImageError, match="pixels in it than it says"):
                picture_of(drawing(wrong, ends=ends))


@pytest.mark.parametrize("given", UNFIT)
def test_what_mails_do_not_show_well_is_refused_with_what_would_be_right(given: str) -> None:
    brought, says = UNFIT[given]
    with pytest.raises(ImageError, match=says):
        picture_of(brought)


def test_progressive_jpegs_are_taken_as_programs_write_them() -> None:
    given = jpeg(40, 20, sof=0xC2, scans=18)
    assert picture_of(given).data == given


@pytest.mark.parametrize("given", NOT_SOUND)
def test_pictures_that_are_not_sound_are_refused(given: str) -> None:
    with pytest.raises(ImageError, match="must be"):
        picture_of(NOT_SOUND[given])


@pytest.mark.parametrize("kind", PICTURES)
def test_cut_pictures_are_refused_wherever_they_are_cut(kind: str) -> None:
    whole = PICTURES[kind]
    for end in range(len(whole)):
        with pytest.raises(ImageError):
            picture_of(whole[:end])


@pytest.mark.parametrize("kind", PICTURES)
def test_altered_pictures_are_refused_or_come_out_as_they_would_again(kind: str) -> None:
    chance = random.Random(kind)
    for _ in range(2000):
        altered = bytearray(PICTURES[kind])
        for _ in range(chance.randint(1, 4)):
            altered[chance.randrange(len(altered))] = chance.randrange(256)
        try:
            found = picture_of(bytes(altered))
        except ImageError:
            continue
        assert picture_of(found.data) == found


def test_what_was_stored_before_is_told_by_its_first_bytes() -> None:
    assert [media_type_of(one[:10]) for one in PICTURES.values()] == ["image/png", "image/gif", "image/jpeg"]
    assert media_type_of(PAGE) is None
