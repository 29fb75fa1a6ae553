"""S6, the part without a store: a time-based code is good for its step, in ASCII digits, and once."""

import base64
import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from singr_auth import TotpError, match_totp, new_totp_secret, provisioning_uri
from singr_config import Secret

RFC_SECRET = Secret(base64.b32encode(b"12345678901234567890").decode())
STEP = 50_000_000
NOW = STEP * 30 + 11.5


def code_at(step: int, secret: Secret = RFC_SECRET) -> str:
    """The code of a step by RFC 4226 5.3, computed here and not by the library under test."""
    import hmac  # noqa: PLC0415 — the test's own reckoning

    digest = hmac.digest(base64.b32decode(secret.reveal()), step.to_bytes(8), "sha1")
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF) % 10**6:06}"


def refusal(code: str, *, now: float = NOW, window: int = 1, after: int | None = None) -> str:
    with pytest.raises(TotpError) as caught:
        match_totp(RFC_SECRET, code, now=now, window=window, after=after)
    assert not code or code not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize(
    ("moment", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(moment: int, code: str) -> None:
    assert match_totp(RFC_SECRET, code, now=moment) == moment // 30


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_one_step_to_either_side_is_accepted_and_named(offset: int) -> None:
    assert match_totp(RFC_SECRET, code_at(STEP + offset), now=NOW) == STEP + offset


@pytest.mark.parametrize("offset", [-3, -2, 2, 3])
def test_two_steps_away_is_too_far(offset: int) -> None:
    assert refusal(code_at(STEP + offset)) == "mismatch"


@pytest.mark.parametrize("window", [0, 1, 2, 5])
def test_the_window_is_as_wide_as_it_is_set(window: int) -> None:
    assert match_totp(RFC_SECRET, code_at(STEP - window), now=NOW, window=window) == STEP - window
    assert match_totp(RFC_SECRET, code_at(STEP + window), now=NOW, window=window) == STEP + window
    assert refusal(code_at(STEP + window + 1), window=window) == "mismatch"
    assert refusal(code_at(STEP - window - 1), window=window) == "mismatch"


def test_a_step_changes_exactly_every_thirty_seconds() -> None:
    code = code_at(STEP)
    for now in (STEP * 30, STEP * 30 + 29.999):
        assert match_totp(RFC_SECRET, code, now=now, window=0) == STEP
    assert refusal(code, now=STEP * 30 + 30, window=0) == "mismatch"
    assert refusal(code, now=STEP * 30 - 0.001, window=0) == "mismatch"


def test_a_code_is_accepted_once_and_only_later_ones_after_it() -> None:
    accepted = match_totp(RFC_SECRET, code_at(STEP), now=NOW)
    assert refusal(code_at(STEP), after=accepted) == "reused"
    assert refusal(code_at(STEP - 1), after=accepted) == "reused"
    assert match_totp(RFC_SECRET, code_at(STEP + 1), now=NOW, after=accepted) == STEP + 1
    assert match_totp(RFC_SECRET, code_at(STEP), now=NOW, after=STEP - 1) == STEP


def test_a_code_that_two_steps_share_uses_up_both() -> None:
    shared = 153567  # the first step of which this is so
    assert code_at(shared) == code_at(shared + 2)
    accepted = match_totp(RFC_SECRET, code_at(shared), now=(shared + 1) * 30)
    assert accepted == shared + 2
    assert refusal(code_at(shared), now=(shared + 1) * 30, after=accepted) == "reused"


@pytest.mark.parametrize("typed", ["{} ", " {}", "{}\t"])
def test_spaces_do_not_count(typed: str) -> None:
    assert match_totp(RFC_SECRET, typed.format(code_at(STEP)), now=NOW) == STEP
    middle = code_at(STEP)[:3] + " " + code_at(STEP)[3:]
    assert match_totp(RFC_SECRET, middle, now=NOW) == STEP


@pytest.mark.parametrize("zero", [0xFF10, 0x0660, 0x0966, 0x1D7CE], ids=["full-width", "arabic", "devanagari", "bold"])
def test_digits_of_other_scripts_are_refused_so_that_a_code_has_one_spelling(zero: int) -> None:
    translated = "".join(chr(zero + int(digit)) for digit in code_at(STEP))
    assert translated.isdigit()
    assert refusal(translated) == "malformed"
    assert refusal(code_at(STEP)[:5] + translated[5]) == "malformed"


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "abcdef", "-12345", "12345\0", "1e5000", "\ud800" * 6, "1" * 1_000_000]
)
def test_what_is_no_code_is_refused(typed: str) -> None:
    assert refusal(typed) == "malformed"


def test_zeros_in_front_belong_to_the_code() -> None:
    step = next(step for step in range(1, 10_000) if code_at(step).startswith("00"))
    assert match_totp(RFC_SECRET, code_at(step), now=step * 30) == step
    assert refusal(code_at(step).lstrip("0"), now=step * 30) == "malformed"


def test_the_first_step_of_all_has_nothing_before_it() -> None:
    assert match_totp(RFC_SECRET, code_at(0), now=0) == 0
    assert refusal(code_at(5), now=0) == "mismatch"


def test_secrets_are_160_bits_in_base_32_and_all_different() -> None:
    secrets = {new_totp_secret().reveal() for _ in range(100)}
    assert len(secrets) == 100
    assert all(re.fullmatch(r"[A-Z2-7]{32}", secret) for secret in secrets)


@pytest.mark.parametrize(
    "account",
    ["maria@venue.example", "o'brien+singr@venue.example", "a&b=c?#@x.example", "zoë@venue.example", "a:b@x.example"],
)
def test_an_app_reads_secret_account_and_issuer_from_the_address(account: str) -> None:
    secret = new_totp_secret()
    parts = urlsplit(provisioning_uri(secret, account=account, issuer="Singr & Söhne"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    issuer, _, name = unquote(parts.path.removeprefix("/")).partition(":")
    assert (issuer, name) == ("Singr & Söhne", account.replace(":", " "))
    query = parse_qs(parts.query)
    assert query["secret"] == [secret.reveal()]
    assert query["issuer"] == ["Singr & Söhne"]
    assert query.get("digits", ["6"]) == ["6"]
    assert query.get("period", ["30"]) == ["30"]
    assert query.get("algorithm", ["SHA1"]) == ["SHA1"]
