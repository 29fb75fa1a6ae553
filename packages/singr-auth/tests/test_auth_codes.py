"""What typed codes promise: uniform, whole range, one spelling each."""

import re
from collections import Counter

import pytest

from singr_auth import BACKUP_ALPHABET, CodeError, check_code_form, new_backup_codes, new_code, normalise_backup_code
from singr_auth._codes import _codes as codes


def test_codes_have_six_digits_and_keep_their_zeros() -> None:
    drawn = [new_code().reveal() for _ in range(3000)]
    assert all(re.fullmatch(r"[0-9]{6}", code, re.ASCII) for code in drawn)
    first = Counter(code[0] for code in drawn)
    assert set(first) == set("0123456789")
    assert min(first.values()) > 150  # 300 expected; below 150 happens less than once in 10**19 runs


def test_the_whole_range_is_drawn_from_its_ends_included(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def highest(bound: int) -> int:
        asked.append(bound)
        return bound - 1

    monkeypatch.setattr(codes.secrets, "randbelow", highest)
    assert new_code().reveal() == "999999"
    assert new_code(8).reveal() == "99999999"
    assert asked == [10**6, 10**8]
    monkeypatch.setattr(codes.secrets, "randbelow", lambda _bound: 0)
    assert new_code().reveal() == "000000"


@pytest.mark.parametrize("digits", [0, 1, 5, 13])
def test_a_code_that_is_soon_guessed_is_not_made(digits: int) -> None:
    with pytest.raises(ValueError, match="6 to 12 digits"):
        new_code(digits)


@pytest.mark.parametrize("typed", ["123456", " 123456 ", "123 456", "123-456", "1 2 3 4 5 6", "\t123456"])
def test_spaces_and_hyphens_that_people_type_do_not_count(typed: str) -> None:
    assert check_code_form(typed) == "123456"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "12345",
        "1234567",
        "12345a",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "١٢٣٤٥٦",
        "१२३४५६",
        "12345²",
        "123456\n",
        "123456\0",
        "+23456",
        "1_2345",
        "-12345",
        "0x1234",
        "1" * 100_000,
    ],
)
def test_what_is_not_six_ascii_digits_is_refused(typed: str) -> None:
    with pytest.raises(CodeError) as caught:
        check_code_form(typed)
    assert not typed or typed not in str(caught.value)


def test_backup_codes_are_ten_different_ones_of_eight_without_lookalikes() -> None:
    for _ in range(20):
        drawn = [code.reveal() for code in new_backup_codes()]
        assert len(set(drawn)) == len(drawn) == 10
        assert all(re.fullmatch(f"[{BACKUP_ALPHABET}]{{8}}", code) for code in drawn)
    assert not set(BACKUP_ALPHABET) & set("0O1IL")
    assert len(set(BACKUP_ALPHABET)) == len(BACKUP_ALPHABET)


def test_backup_codes_use_the_whole_alphabet() -> None:
    drawn = Counter("".join(code.reveal() for _ in range(50) for code in new_backup_codes()))
    assert set(drawn) == set(BACKUP_ALPHABET)
    assert max(drawn.values()) < 2 * min(drawn.values())


def test_a_backup_code_is_one_code_however_it_is_typed() -> None:
    for typed in ("ABCD2345", "abcd2345", "abcd-2345", " abcd 2345 ", "AbCd-2345"):
        assert normalise_backup_code(typed) == "ABCD2345"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ABCD234",
        "ABCD23456",
        "ABCD234O",
        "ABCD2340",
        "\uff21\uff22\uff23\uff242345",
        "ABCD234ß",
        "\u017fBCD2345",
        "A" * 100_000,
    ],
)
def test_what_is_no_backup_code_is_refused(typed: str) -> None:
    with pytest.raises(CodeError):
        normalise_backup_code(typed)
