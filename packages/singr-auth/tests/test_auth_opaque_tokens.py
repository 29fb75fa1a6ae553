"""What an opaque token promises: unguessable, of one kind only, typing slips caught, stored only as a hash."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singr_auth import TokenError, TokenKind, derived_token, new_token, parse_token

FIXED = new_token(TokenKind.REFRESH).secret.reveal()


@pytest.mark.parametrize("kind", TokenKind)
def test_tokens_are_all_different_and_say_what_they_are_for(kind: TokenKind) -> None:
    tokens = {new_token(kind).secret.reveal() for _ in range(200)}
    assert len(tokens) == 200
    assert all(re.fullmatch(rf"{kind.value}[0-9A-Za-z]{{49}}", token) for token in tokens)


def test_prefixes_differ_from_each_other_and_from_api_keys() -> None:
    assert len({*TokenKind, "sk_live_", "ss_live_"}) == len(TokenKind) + 2
    assert all(re.fullmatch(r"s[a-z]{2}_", kind) for kind in TokenKind)


def test_what_is_stored_is_the_sha256_and_the_secret_does_not_print() -> None:
    token = new_token(TokenKind.DEVICE)
    text = token.secret.reveal()
    assert token.hash == hashlib.sha256(text.encode()).digest()
    assert parse_token(TokenKind.DEVICE, text) == token
    assert text not in repr(token)


def test_a_derived_token_is_the_same_each_time_and_another_for_other_bytes() -> None:
    entropy = bytes(range(32))
    first = derived_token(TokenKind.REFRESH, entropy)
    assert first == derived_token(TokenKind.REFRESH, entropy)
    assert first.hash != derived_token(TokenKind.REFRESH, bytes(32)).hash
    assert first.secret.reveal()[4:] != derived_token(TokenKind.DEVICE, entropy).secret.reveal()[4:]  # the checksum
    assert parse_token(TokenKind.REFRESH, first.secret.reveal()) == first


@pytest.mark.parametrize("mark", [".", ")", ",", ">", ";", "/", "%3E", "),"])
def test_sign_behind_a_link_is_no_part_of_its_token(mark: str) -> None:
    for kind in TokenKind:
        token = new_token(kind)
        if kind in {TokenKind.REFRESH, TokenKind.CHALLENGE, TokenKind.DEVICE}:  # of programs, in no mail
            with pytest.raises(TokenError):
                parse_token(kind, token.secret.reveal() + mark)
        else:
            assert parse_token(kind, token.secret.reveal() + mark) == token


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_less_or_more_entropy_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        derived_token(TokenKind.REFRESH, bytes(size))


@pytest.mark.parametrize("kind", [kind for kind in TokenKind if kind is not TokenKind.REFRESH])
def test_a_token_of_one_kind_is_none_of_another(kind: TokenKind) -> None:
    with pytest.raises(TokenError):
        parse_token(kind, FIXED)
    with pytest.raises(TokenError):
        parse_token(kind, kind.value + FIXED[4:])  # the checksum covers the prefix


@given(position=st.integers(4, len(FIXED) - 1), letter=st.sampled_from("0aZ9kQ"))
def test_one_wrong_character_is_caught_by_the_checksum(position: int, letter: str) -> None:
    wrong = FIXED[:position] + letter + FIXED[position + 1 :]
    if wrong != FIXED:
        with pytest.raises(TokenError):
            parse_token(TokenKind.REFRESH, wrong)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "srt_",
        FIXED[:-1],
        FIXED + "0",
        FIXED + "\n",
        " " + FIXED,
        FIXED.upper(),
        "é" * 53,
        FIXED[:-1] + "٣",
        "\0" * 53,
        "a" * 100_000,
    ],
    ids=["empty", "prefix", "cut", "longer", "newline", "space", "upper", "letters", "digit", "nul", "huge"],
)
def test_what_is_no_token_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(TokenError) as caught:
        parse_token(TokenKind.REFRESH, text)
    assert caught.value.code == "malformed"
    assert len(text) < 5 or text not in str(caught.value)
