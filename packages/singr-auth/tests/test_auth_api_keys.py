"""What an API key promises: unguessable, recognisable, stored only as a hash, typing slips caught."""

import hashlib
import re
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singr_auth import ApiKeyError, OrganizationError, Principal, ScopeError, hash_api_key, new_api_key, parse_api_key
from singr_config import Secret

FIXED = new_api_key().secret.reveal()


def test_keys_are_all_different_and_of_one_form() -> None:
    keys = {new_api_key().secret.reveal() for _ in range(500)}
    assert len(keys) == 500
    assert all(re.fullmatch(r"sk_live_[0-9A-Za-z]{49}", key) for key in keys)


def test_a_key_reads_back_with_the_same_public_name() -> None:
    key = new_api_key()
    again = parse_api_key(key.secret.reveal())
    assert again == key
    assert re.fullmatch(r"ak_[0-9A-Za-z]{17}", key.key_id)


def test_what_is_stored_is_the_sha256_and_neither_it_nor_the_name_holds_the_key() -> None:
    key = new_api_key()
    assert key.hash == hash_api_key(key.secret) == hashlib.sha256(key.secret.reveal().encode()).digest()
    assert key.key_id.removeprefix("ak_") not in key.secret.reveal()
    assert key.secret.reveal() not in repr(key)


@given(position=st.integers(8, len(FIXED) - 1), letter=st.sampled_from("0aZ9kQ"))
def test_one_wrong_character_is_caught_by_the_checksum(position: int, letter: str) -> None:
    wrong = FIXED[:position] + letter + FIXED[position + 1 :]
    if wrong != FIXED:
        with pytest.raises(ApiKeyError):
            parse_api_key(wrong)


@given(position=st.integers(8, len(FIXED) - 2))
def test_two_characters_swapped_are_caught(position: int) -> None:
    wrong = FIXED[:position] + FIXED[position + 1] + FIXED[position] + FIXED[position + 2 :]
    if wrong != FIXED:
        with pytest.raises(ApiKeyError):
            parse_api_key(wrong)


@pytest.mark.parametrize(
    "text",
    ["", "sk_live_", FIXED + "0", FIXED[:-1], FIXED + "\n", "sk_test_" + FIXED[8:], "é" * 57],
    ids=[
        "empty",
        "prefix",
        "too long",
        "too short",
        "line end",
        "other prefix",
        "not ascii",
    ],  # the key is new each time
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ApiKeyError) as caught:
        parse_api_key(text)
    assert len(text) < 9 or text not in str(caught.value)


@given(st.text(max_size=80))
def test_no_text_makes_parsing_fail_otherwise_than_by_refusing(text: str) -> None:
    with pytest.raises(ApiKeyError):
        parse_api_key(text)


def test_principal_says_which_scope_is_lacking() -> None:
    principal = Principal("k", None, frozenset({"jobs:read"}), "api_key")
    principal.require("jobs:read")
    with pytest.raises(ScopeError, match="jobs:write"):
        principal.require("jobs:write")


def test_principal_of_an_organization_acts_for_no_other() -> None:
    own = uuid4()
    principal = Principal("k", own, frozenset(), "signature")
    principal.require_organization(own)
    with pytest.raises(OrganizationError):
        principal.require_organization(uuid4())
    Principal("k", None, frozenset(), "signature").require_organization(uuid4())


def test_a_secret_in_a_key_is_masked_when_printed() -> None:
    assert "sk_live" not in f"{new_api_key()}" + repr(Secret("sk_live_x"))
