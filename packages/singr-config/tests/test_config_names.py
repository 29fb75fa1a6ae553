"""No organization goes by the platform's own name, whatever letters it is written in."""

# ruff: noqa: RUF001 — look-alike letters are what is tried

import pytest

from singr_config.names import PublicNameError, check_public_name

OWN = ("Singr",)


@pytest.mark.parametrize(
    "name",
    [
        "Singr",
        "Singr Security",
        "SINGR",
        "the singr team",
        "Singr-Support",
        "Singr's friends",
        "Singr_Team",
        "SingrTeam",
        "Singr24",
        "SINGR™",
        "Singr™",
        "Singr🎤",
        "(Singr)",
        "S.i.n.g.r",
        "S I N G R Team",
        "S i n g r",
        "Si-ngr",
        "Ѕingr",
        "ꓢingr",
        "Singг",
        "Sıngr",
        "Síngr",
        "S̈ingr",
        "Ｓingr",
        "𝐒𝐢𝐧𝐠𝐫 Support",
        "Ⓢⓘⓝⓖⓡ",
        "SlNGR",
        "S1NGR",
        "S|ngr Ѕіngr",
        "Singr\u3000Team",
        "S|ngr",
        "5ingr Support",
        "$ingr",
        "$INGR",
        "Sin9r",
        "Sing r",
        "S ingr",
    ],
)
def test_names_that_pass_for_the_platforms_are_refused(name: str) -> None:
    with pytest.raises(PublicNameError, match="must not contain Singr") as refused:
        check_public_name(name, OWN)
    assert refused.value.code == "taken"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Singr\u2060", "character 6 is U+2060 WORD JOINER"),
        ("Pay\u00adPal", "character 4 is U+00AD SOFT HYPHEN"),
        ("A\u200db", "U+200D ZERO WIDTH JOINER"),
        ("Farm\ufe0f", "U+FE0F VARIATION SELECTOR-16"),
        ("\u200bFarm", "character 1 is U+200B"),
        ("Far\u3164m", "U+3164 HANGUL FILLER"),
        ("x\U000e0041", "U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("x\U000e0fff", "U+E0FFF"),
    ],
)
def test_invisible_characters_are_named(name: str, says: str) -> None:
    with pytest.raises(PublicNameError) as refused:
        check_public_name(name, OWN)
    assert refused.value.message.startswith("must not contain invisible characters: character ")
    assert says in refused.value.message


@pytest.mark.parametrize(
    "name",
    [
        "Chor der Donau",
        "Kissingroom",
        "Blessing®",
        "Singer",
        "Sing R Us",
        "Sing | Relax",
        "Sing 5",
        "Ca$h & $ing",
        "Bar 95",
        "Sing",
        "Café Müller",
        "Кафе Wine",
        "کتاب‌خانه",
        "क्‍ष",
        "👩\u200d🎤 Karaoke ❤\ufe0f",
        "北京卡拉OK",
        "***",
    ],
)
def test_names_of_others_are_taken(name: str) -> None:
    check_public_name(name, OWN)


def test_names_of_several_words_are_compared_as_a_whole() -> None:
    for name in ("Blue Note", "The blue-note Team", "BlueNote Support", "BlueNote24"):
        with pytest.raises(PublicNameError):
            check_public_name(name, ("Blue Note",))
    for name in ("Note Blue", "Blue Moon Note", "Note"):
        check_public_name(name, ("Blue Note",))
