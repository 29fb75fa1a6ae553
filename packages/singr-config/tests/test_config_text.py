"""What can be seen of a text."""

import unicodedata

import pytest

from singr_config.text import has_visible, is_visible

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
