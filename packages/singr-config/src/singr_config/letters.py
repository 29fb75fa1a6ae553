"""Which letters of ASCII a character is read as: by its name, by the table of look-alikes, and by what people write."""

# ruff: noqa: RUF001 — look-alike letters are what it is about

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from singr_config.skeletons import looking_like

# What follows the letter: "LATIN SMALL LETTER S WITH SWASH TAIL", "LATIN SMALL LETTER R ROTUNDA".
_SHAPED: Final = re.compile(r" (?:WITH|LONGA|ROTUNDA|BELOW)\b")
_BY_CALLED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ENG": "n",
        "ESH": "s",
        "IOTA": "i",
        "SCHWA": "e",
        "ALPHA": "a",
        "OMEGA": "w",
        "UPSILON": "u",
        "ETH": "d",
        "EZH": "z",
        "RUM": "r",
        "TONE FIVE": "s",
        "TONE TWO": "s",
    }
)
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz"
# Alphabets of other scripts and signs that generators of "fancy text" write Latin ones in, from a to z: no look-alikes
# in the sense of UTS #39, and read all the same. Collected by hand.
_STYLES: Final = (
    "ᗩᗷᑕᗪEᖴGᕼIᒍKᒪᗰᑎOᑭᑫᖇᔕTᑌᐯᗯ᙭Yᘔ",
    "ᎪbᏟᎠᎬfᎶhᎥjᏦᏞmᏁᎾᏢqᏒᏚᎢuᏙᏔxᎩᏃ",
    "ᏗᏰፈᎴᏋᎦᎶᏂᎥᏠᏦᏝᎷᏁᎧᎮᎤᏒᏕᏖᏬᏉᏇጀᎩፚ",
    "ﾑ乃ᄃりモｷムんﾉﾌズﾚﾶ刀のｱゐ尺丂ｲひﾚwﾒﾘ乙",
    "卂乃匚ᗪ乇千Ꮆ卄丨ﾌҜㄥ爪几ㄖ卩Ɋ尺丂ㄒㄩᐯ山乂ㄚ乙",
    "ልጌርዕቿቻኗዘጎጋጕረጠክዐየዒዪነፕሁሀሠሸሃጊ",
    "ꍏꌃꏳꀷꏂꎇꁅꀍꀤꀭꀘ꒒ꎭꈤꂦᖘꆰꋪꌚ꓄ꀎ꒦ꅐꉧꌩꁴ",
    "ค๒ς๔єŦﻮђเןкl๓ภ๏קợгรtยשฬאץz",
    "₳฿₵ĐɆ₣₲ⱧłJ₭Ⱡ₥₦Ø₱QⱤ₴₮ɄV₩ӾɎⱫ",
    "ąცƈɖɛʄɠɧıʝƙƖɱŋơ℘զཞʂɬų۷ῳҳყʑ",
    "ɒdɔbɘʇǫʜiꞁʞlmᴎoqpɿꙅɈυvwxγz",
    "αв¢∂єƒgнιנкℓмησρqяѕтυνωχуz",
    "ДБСDЁFGHЇJКLМИОРQЯЅТЦVШЖУZ",
)
# Signs, and letters of other scripts, that people write for a letter beside those.
_SIGNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "a": "@∀Λ△▲",
        "b": "฿₿ß",
        "c": "©¢",
        "e": "€∑Σ£",
        "f": "ƒ",
        "g": "ƃց₲",
        "i": "!¡|¦❗❕ǃ",
        "l": "£|¦∟",
        "n": "∩⋂∏ПπՈ",
        "o": "°●○◯⭕⚪⚫Ø",
        "p": "¶₽",
        "r": "℞℟Гг",
        "s": "$§∫💲ςƧ",
        "t": "+†‡⊥",
        "u": "∪⋃µ",
        "v": "√∨",
        "x": "×✕✖❌",
        "y": "¥",
    }
)
# What is drawn alike in capitals or in small letters, beside what the table has.
_ALIKE: Final[Mapping[str, str]] = MappingProxyType(
    {"l": "i", "i": "l", "q": "g", "1": "il", "0": "o", "5": "s", "9": "gq", "3": "e", "4": "a", "7": "t", "8": "b"}
)


@functools.lru_cache(maxsize=16_384)
def letters_of(character: str) -> frozenset[str]:
    """Return what a character may be read as: small letters and digits of ASCII, itself, and what it looks like.

    More than one where people read it by what stands around it: `1` is `1`, `i` and `l`.
    """
    found = {character.casefold()}
    if character == "®":  # like Ⓡ, and behind many an honest name
        return frozenset(found)
    for one in _cases(character):
        found |= set(_read(one))
    if not (character.isascii() and character.isalnum()):  # what looks like one of those is no other letter for that
        for other in looking_like(character):
            cases = _cases(_bare(other))
            found |= {one.casefold() for one in cases} | {letter for one in cases for letter in _read(one)}
    return frozenset(found | {other for one in found for other in _ALIKE.get(one, "")})


def _cases(text: str) -> set[str]:
    return {one for one in (text, text.lower(), text.upper()) if len(one) == 1}


def _bare(text: str) -> str:
    return "".join(one for one in text if unicodedata.category(one)[0] != "M")


def _read(character: str) -> Iterator[str]:
    yield from _styled().get(character, "")
    plain = _bare(unicodedata.normalize("NFKD", character))
    if len(plain) == 1:
        yield from _styled().get(plain, "")
        if plain.isascii() and plain.isalnum():
            yield plain.lower()
    yield from _called(unicodedata.name(character, ""))
    if unicodedata.category(character) == "No" and (digit := unicodedata.digit(character, None)) is not None:
        yield str(digit)


def _called(name: str) -> str:
    """The letter in a name, such as NEGATIVE SQUARED LATIN CAPITAL LETTER G, or REGIONAL INDICATOR SYMBOL LETTER N."""
    script, _, rest = name.partition(" LETTER ")
    if "LATIN" not in script and not script.startswith("REGIONAL"):
        return ""
    called = _SHAPED.split(rest)[0]
    last = called.rsplit(" ", 1)[-1]  # behind SMALL CAPITAL, REVERSED, SCRIPT
    return last.lower() if len(last) == 1 else _BY_CALLED.get(called, _BY_CALLED.get(last, ""))


@functools.cache
def _styled() -> dict[str, str]:
    found: dict[str, str] = {}
    rows = [(letter, drawn) for style in _STYLES for letter, drawn in zip(_ALPHABET, style, strict=True)]
    rows += [(letter, drawn) for letter, signs in _SIGNS.items() for drawn in signs]
    for letter, drawn in rows:
        if not (drawn.isascii() and drawn.isalpha()):
            found[drawn] = found.get(drawn, "") + letter
    return found
