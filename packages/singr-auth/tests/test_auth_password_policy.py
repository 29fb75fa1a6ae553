"""What the policy promises: length counts, composition does not, and what everybody tries first is refused."""

import runpy
import time
from pathlib import Path

import pytest

from singr_auth import PasswordPolicy, WeakPasswordError
from singr_auth._passwords._policy import common_passwords
from singr_config import Secret

POLICY = PasswordPolicy()
PERSON = ("maria.silva@venue.example", "Maria João Silva")
SCRIPT = Path(__file__).parents[3] / "scripts" / "write_password_blocklist.py"
SHIPPED = Path(__file__).parents[1] / "src" / "singr_auth" / "_passwords" / "_common_passwords.txt"


def verdict(password: str, *, second_factor: bool = False, personal: tuple[str, ...] = ()) -> str:
    try:
        POLICY.check(Secret(password), second_factor=second_factor, personal=personal)
    except WeakPasswordError as error:
        return error.code
    return "taken"


@pytest.mark.parametrize(
    ("password", "second_factor", "expected"),
    [
        ("tgvuikmohnwpqy", False, "too_short"),  # 14
        ("tgvuikmohnwpqyx", False, "taken"),  # 15
        ("tgvuikm", True, "too_short"),  # 7
        ("tgvuikmo", True, "taken"),  # 8
        ("", False, "too_short"),
        ("tgvuikmohnwpqyx " * 16, False, "taken"),  # 256
        ("tgvuikmohnwpqyx " * 16 + "!", False, "too_long"),
        ("x" * 5_000_000, False, "too_long"),
    ],
    ids=["14", "15", "7 with second factor", "8 with second factor", "empty", "256", "257", "5 million"],
)
def test_length_decides(password: str, *, second_factor: bool, expected: str) -> None:
    assert verdict(password, second_factor=second_factor) == expected


def test_length_is_counted_in_characters_as_people_see_them_composed() -> None:
    assert verdict("tgve\u0301uikme\u0301ohnwpq") == "taken"  # 15 characters, composed from 17
    assert verdict("tgve\u0301uikme\u0301ohnwp") == "too_short"  # 14, though 16 were sent
    assert verdict("日本語のパスワードはとても長い") == "taken"
    assert verdict("🎤🎶🎧🎼🎹🎷🎺🎸🪕🎻🥁🪘🎵🪇🪈") == "taken"


@pytest.mark.parametrize(
    "password",
    [
        "tgvuikmohnwpqyxs",
        "TGVUIKMOHNWPQYXS",
        "8305916274950361",
        "correct horse battery staple",
        "purple monkey dishwasher",
        "  spaces  at  both  ends  ",
        "a valid passphrase, really",
        "I love karaoke a lot",
        "qT7#vL2p9XwZ1mK",
        "ünïcödé wörds gälore",
    ],
)
def test_no_kind_of_character_is_demanded_or_forbidden(password: str) -> None:
    assert verdict(password) == "taken"


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "Password12345678",
        "P@ssw0rdP@ssw0rd",
        "password-password-password",
        "mypassword123456",
        "123456789012345",
        "987654321098765",
        "111111111111111",
        "112233445566778899",
        "abcdefghijklmno",
        "abcabcabcabcabc",
        "ababababababababa",
        "aaaaaaaaaaaaaab",
        "qwertyuiopasdfgh",
        "QWERTYUIOPASDFGHJKL",
        "qwertzuiopasdfghjkl",
        "azertyuiopqsdfghjklm",
        "1qaz2wsx3edc4rfv",
        "1q2w3e4r5t6y7u8i",
        "iloveyouiloveyou",
        "iloveyou-forever",
        "letmeinletmeinletmein",
        "hunter2hunter2hunter2",
        "administrator2026",
        "WelcomeWelcome1!",
        "contrasenacontrasena",
        "SingrKaraoke2026!",
        "karaoke-karaoke-karaoke",
        "karaoke-singr-2026",
        "$ingr k4r40k3 1234",
    ],
)
def test_what_everybody_tries_first_is_refused_however_long(password: str) -> None:
    assert verdict(password) == "common"


@pytest.mark.parametrize(
    "password",
    [
        *("password", "Passw0rd", "p@$$w0rd", "dragon12", "Dragon1!", "sunshine", "12345678", "11111111", "qwertyui"),
        *("asdfghjk", "xkcdxkcd", "abcd1234", "karaoke1", "singr123", "S1ngr2026", "12341234", "20202020", "football"),
        *("iloveyou", "trustno1", "zaq12wsx", "a1b2c3d4", "jennifer", "monday01", "passwort", "motdepasse"),
    ],
)
def test_behind_a_second_factor_the_common_ones_are_refused_too(password: str) -> None:
    assert verdict(password, second_factor=True) == "common"


@pytest.mark.parametrize("password", ["k9#mQ2xv", "Tr0ub4d0r", "zebra7!q", "gläsern8", "vivid-otter"])
def test_behind_a_second_factor_eight_uncommon_characters_do(password: str) -> None:
    assert verdict(password, second_factor=True) == "taken"


@pytest.mark.parametrize(
    ("password", "second_factor"),
    [
        ("maria.silva@venue.example", False),
        ("Maria João Silva!", False),
        ("mariasilva-mariasilva", False),
        ("SILVA-joão-1987-maria", False),
        ("M4r1a Silva 2026", False),
        ("maria.silva.venue.example", False),
        ("maria-silva", True),
        ("silva123", True),
        ("m4r1as1lv4", True),
    ],
)
def test_what_others_know_of_the_person_is_refused(password: str, *, second_factor: bool) -> None:
    assert verdict(password, second_factor=second_factor, personal=PERSON) in {"personal", "common"}
    assert verdict("tgvuikmohnwpqyxs", personal=PERSON) == "taken"


def test_a_name_within_a_good_password_does_no_harm() -> None:
    assert verdict("maria keeps seven odd socks", personal=PERSON) == "taken"
    assert verdict("tgvuikmohnwpqyxs", personal=("", "a", "--", "@", "x" * 10_000)) == "taken"


@pytest.mark.parametrize("password", ["canary", "canary-canary-canary", "canary" * 100])
def test_the_refusal_repeats_nothing_of_the_password(password: str) -> None:
    with pytest.raises(WeakPasswordError) as caught:
        POLICY.check(Secret(password), personal=("canary",))
    assert str(caught.value) == caught.value.message
    assert "canary" not in caught.value.message
    assert caught.value.message.endswith((".", "!"))


def test_a_personal_password_is_told_from_a_common_one() -> None:
    strange = ("zbigniewa.krzysztofek@venue.example",)
    assert verdict("zbigniewakrzysztofek", personal=strange) == "personal"
    assert verdict("zbigniewakrzysztofek") == "taken"


def test_the_list_is_sorted_unique_small_and_large_enough() -> None:
    lines = [line for line in SHIPPED.read_text("ascii").splitlines() if not line.startswith("#")]
    assert lines == sorted(set(lines))
    assert all(line == line.lower().strip() and len(line) >= 4 for line in lines)
    assert sum(len(line) >= 8 for line in lines) >= 5000
    assert common_passwords() == frozenset(lines)


def test_every_listed_password_is_refused_as_it_stands_and_in_capitals() -> None:
    for entry in (entry for entry in common_passwords() if len(entry) >= 8):
        assert verdict(entry, second_factor=True) == "common", entry
        assert verdict(entry.upper(), second_factor=True) == "common", entry


def test_the_list_is_what_its_script_writes() -> None:
    assert runpy.run_path(str(SCRIPT))["text"]() == SHIPPED.read_text("ascii"), (
        "run: python scripts/write_password_blocklist.py"
    )


@pytest.mark.parametrize(
    "password",
    ["pa$$word1!x9" * 21, "password monkey " * 16, "ab" * 128, "".join(map(chr, range(300, 556))), "1!" * 127 + "xy"],
)
def test_no_password_takes_long_to_judge(password: str) -> None:
    begun = time.process_time()
    verdict(password, personal=("maria" * 200, *PERSON))
    assert time.process_time() - begun < 0.1
