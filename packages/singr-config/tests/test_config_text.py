"""What can be seen of a text."""

import random
import re
import unicodedata

import pytest

from singr_config.text import has_visible, is_visible, unlinked

INVISIBLE = {
    "nothing": "",
    "spaces": " \t\u00a0\u2003\u3000",
    "zero width space": "\u200b",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "hangul filler": "\u3164",
    "hangul fillers": "\u115f\u1160\uffa0",
    "blank braille": "\u2800",
    "a lone combining mark": "\u0301",
    "a combining mark on a space": " \u0301",
    "grapheme joiner": "\u034f",
    "variation selectors": "\ufe0f\U000e0100",
    "tag characters": "\U000e0041\U000e0042",
    "direction marks": "\u200e\u200f\u061c",
    "mongolian vowel separator": "\u180e",
    "khmer inherent vowels": "\u17b4\u17b5",
    "null notehead": "\U0001d159",
    "object replacement": "\ufffc",
    "shorthand format": "\U0001bca0",
    "private use": "\ue000",
    "unassigned": "\U000e0080\uffff",
    "a surrogate": "\ud800",
    "controls": "\x00\x7f\x85",
}


@pytest.mark.parametrize("text", INVISIBLE.values(), ids=INVISIBLE)
def test_text_of_invisible_characters_has_nothing_visible(text: str) -> None:
    assert not has_visible(text)


@pytest.mark.parametrize("text", ["a", "\u200ba", "é", "e\u0301", "日本", "ﷺ", "🎤", "-", "7", "‽", "ᄀ", "क्ष", "٣"])
def test_text_with_one_visible_character_is_visible(text: str) -> None:
    assert has_visible(text)


def test_no_character_that_unicode_ignores_by_default_is_visible() -> None:
    ignorable = "\u115f\u1160\u3164\uffa0"
    assert not any(is_visible(chr(code)) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf")
    assert not any(map(is_visible, ignorable))


# What mail programs, phones and chats make links of, each as broad as the broadest that we know: any scheme, any host
# with an ending of two letters in any script, what begins with www., four numbers, and any address.
LINKS = re.compile(
    r"(?<![^\W_])[^\W\d_][\w+.-]*:\S*[\w/]|[^\s.]\.[^\W\d_]{2}|www\.\S*\w|\d\.\d+\.\d+\.\d|\S@\S+\.\S*\w",
    re.IGNORECASE,
)
DOTS = "\u3002\uff61\u0589\u05c3\u06d4\u0701\u0702\u1362\u166e\u1803\ua4f8\ua789\ua4fd"
SIGNS = ["a", "b", "com", "www", "http", "1", "20", "T", "x", "\u00e9", "\u043f", "\u4f8b", "\uff57", "\uff11"]
BETWEEN = [*".:.:.:/@-_ ,)'\"?#", "\u3002", "\uff0e", "\uff1a", "\u2024", "\u2026", "\ua789", "//", "..", " "]


def linked(text: str) -> str | None:
    """The first that a program could make a link of."""
    plain = unicodedata.normalize("NFKC", text).translate(dict.fromkeys(map(ord, DOTS), "."))
    found = LINKS.search(plain)
    return found and found[0]


def words_of(draw: random.Random) -> str:
    return "".join(draw.choice(draw.choice((SIGNS, BETWEEN))) for _ in range(draw.randint(1, 14)))


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.full)])
def test_nothing_that_people_type_is_a_link_and_once_is_enough(count: int) -> None:
    draw = random.Random(5322)
    texts = [words_of(draw) for _ in range(count)]
    assert sum(linked(text) is not None for text in texts) > count / 10, "it is typed often enough"
    for text in texts:
        shown = unlinked(text)
        assert linked(shown) is None, (text, shown)
        assert unlinked(shown) == shown, "a digest passes a finished text through it again"
        assert "".join(shown.split()) == "".join(text.split()), "nothing else is changed"


@pytest.mark.parametrize(
    "text",
    [
        "Concert at 19:30, 3.50 EUR",
        "2026.11.29-1",
        "29. Dezember 2026 um 19:30 Uhr",
        "Invoice 1.234,50; 12.5%, 2:1, 19:30:15",
        "999.999.999,99 EUR or EUR 1,234,567.50, KWD 1.250.",
        "\u20ac1.234,50 (3.50)",
        "2026-11-22T18:05Z",
        "19:30/20:00",
        "J.R.R. Tolkien, R.E.M., N.W.A and M.I.A.: live",
        "R.E.M.'s at 8 p.m.",
        "Wait...",
        "z.B. heute",
        "\u0661\u0669:\u0663\u0660",
        "Mr. Brightside: live",
    ],
)
def test_times_amounts_numbers_and_initials_stay_as_they_are(text: str) -> None:
    assert unlinked(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("will.i.am", "will. i. am"),
        ("10.0.0.1", "10. 0. 0. 1"),
        ("2026.11.29.1", "2026. 11. 29. 1"),
        ("3.50.com", "3. 50. com"),
        ("1.5/evil", "1. 5/evil"),
        ("tel:555", "tel: 555"),
        ("a1:80", "a1: 80"),
        ("\uff11.\uff12.\uff13.\uff14", "\uff11. \uff12. \uff13. \uff14"),
        ("a@b.c", "a@b. c"),
        ("www.x", "www. x"),
        ("\u4f8b.\u4e2d", "\u4f8b. \u4e2d"),
    ],
)
def test_what_might_be_a_host_or_an_address_is_taken_apart(text: str, shown: str) -> None:
    assert unlinked(text) == shown
