"""A name that is read as the platform's is refused, in whatever letters, signs and joined words it is written."""

# ruff: noqa: RUF001 — look-alike letters are what is tried

import random
import re
import unicodedata

import pytest

from singr_config import letters
from singr_config.letters import letters_of
from singr_config.names import PublicNameError, check_public_name, passes_for_own
from singr_config.testing import settings_for_tests

OWN = ("Singr", "singrkaraoke")
STYLED = """
ꜱɪɴɢʀ sɪɴɢʀ SIɴGR 🅢🅘🅝🅖🅡 🆂🅸🅽🅶🆁 🇸🇮🇳🇬🇷 ȿingr Ꞩingr ƨingr ʃingr ᵴᵢᶇɠᵳ SᴵNGR Singͬ S⃣I⃣N⃣G⃣R⃣ sinƃr ꙅiᴎǫɿ ʂıŋɠཞ ➎ingr
ᏕᎥᏁᎶᏒ ᔕIᑎGᖇ 丂ﾉ刀ムR 丂丨几Ꮆ尺 ነጎክኗዪ ꌚꀤꈤꁅꋪ รเภﻮг ѕιηgя SIИGЯ
₴ł₦₲Ɽ S!ngr S¡ngr §ingr Si∩gr $!ngr §!∩9Я 5!n9r 💲ingr !$ingr! $ingrsupport S*ngr S🎤ngr s.!.n.g.r S-!-N-G-R Sing® Sinqr
"""
JOINED = """
singrsupport SINGRSUPPORT MYSINGR singrteam singrkaraoke Singrkaraoke SINGRKARAOKE MySingrTeam S1ngrHelp helpsingr
ѕіngrsupport
"""


@pytest.mark.parametrize("name", STYLED.split())
def test_names_in_styled_letters_and_signs_are_refused(name: str) -> None:
    for said in (name, f"{name} Support", f"Team {name}"):
        with pytest.raises(PublicNameError, match="must not contain Singr"):
            check_public_name(said, OWN)


@pytest.mark.parametrize("name", JOINED.split())
def test_words_that_begin_or_end_with_the_platforms_name_are_refused(name: str) -> None:
    with pytest.raises(PublicNameError, match="must not contain Singr"):
        check_public_name(name, OWN)


def test_every_latin_letter_is_read_as_the_one_it_is_called_after() -> None:
    shape = re.compile(r"LATIN (?:LETTER SMALL CAPITAL|(?:SMALL|CAPITAL) LETTER(?: TURNED)?) ([SINGR])(?: WITH .*)?$")
    latin = ((chr(code), shape.search(unicodedata.name(chr(code), ""))) for code in range(0x20000))
    called = {character: found[1] for character, found in latin if found is not None}
    assert len(called) > 100
    missed = [character for character, letter in called.items() if letter.lower() not in letters_of(character)]
    assert missed == []


def test_every_style_has_an_alphabet() -> None:
    assert {len(style) for style in letters._STYLES} == {26}


def test_short_names_of_the_platform_are_parts_of_other_words() -> None:
    for name in ("Poster Bar", "Outpost", "Postamt"):
        check_public_name(name, ("Post",))
    for name in ("Post", "P0st", "PostTeam", "POST 24", "ᑭOᔕT"):
        with pytest.raises(PublicNameError):
            check_public_name(name, ("Post",))


def test_names_in_other_scripts_are_kept_from_others_too() -> None:
    for name in ("Караоке", "KАРАОKЕ", "Каpaoкe24", "караокетим"):
        with pytest.raises(PublicNameError):
            check_public_name(name, ("Караоке",))
    check_public_name("Карусель", ("Караоке",))


def test_a_line_names_the_platform_though_nobody_sees_all_of_it() -> None:
    assert "must not contain Singr" in (passes_for_own("Sin\u200bgr Security, 1 Main St", OWN) or "")
    assert "must not contain Singr" in (passes_for_own("powered by Singr", OWN) or "")
    assert passes_for_own("Sing Right GmbH, Ringstra\u00adße 9, 50667 Köln", OWN) is None


@pytest.mark.parametrize(
    ("sender", "own"),
    [
        ("noreply@singrkaraoke.com", ("Singr", "singrkaraoke")),
        ("Blue Note <post@mail.bluenote.co.uk>", ("Singr", "Blue Note", "bluenote")),
        ("x@singr.example", ("Singr",)),
        ("x@bluenote.co", ("Singr", "bluenote")),
        ("x@bar.example", ("Singr",)),
        ("x@example.org", ("Singr",)),
        ("x@com.example", ("Singr",)),
    ],
)
def test_what_the_senders_domain_is_called_is_the_platforms(sender: str, own: tuple[str, ...]) -> None:
    settings = settings_for_tests(EMAIL_FROM=sender, MAILJET_FROM_EMAIL=sender.rsplit("<", maxsplit=1)[-1].rstrip(">"))
    assert settings.own_names == own


def test_looking_at_a_name_of_odd_characters_is_bounded_work(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    def counted(character: str) -> frozenset[str]:
        nonlocal looked
        looked += 1
        return letters_of(character)

    monkeypatch.setattr("singr_config.names.letters_of", counted)
    odd = [chr(code) for code in range(0xA1, 0x20000) if unicodedata.category(chr(code))[0] in "LNS"]
    chosen = random.Random(7)
    for name in ("".join(chosen.choices(odd, k=100)), "s " * 50, "singsing" * 12, "$" * 100, "sin\u0301" * 25):
        looked = 0
        try:
            check_public_name(name, OWN)
        except PublicNameError:
            continue
        assert looked < 12_000
