"""S9: a genuine signature over wrong, missing, doubled or stale claims is refused, with a code."""

import datetime as dt
import json
from uuid import UUID

import pytest
from forged_support import AUDIENCE, CLAIMS, HEADER, ISSUER, NOW, VERIFIER, refusal, token, without

from singr_auth import AccessTokenError


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("iss", "https://evil.example", "claims"),
        ("iss", ISSUER + "/", "claims"),
        ("iss", [ISSUER], "claims"),
        ("iss", None, "claims"),
        ("aud", "other", "claims"),
        ("aud", "", "claims"),
        ("aud", [], "claims"),
        ("aud", ["other"], "claims"),
        ("aud", [AUDIENCE, 1], "claims"),
        ("aud", {AUDIENCE: True}, "claims"),
        ("aud", AUDIENCE + "s", "claims"),
        ("sub", "somebody", "claims"),
        ("sub", 1, "claims"),
        ("sub", "", "claims"),
        ("sid", None, "claims"),
        ("sid", "'; DROP TABLE users", "claims"),
        ("jti", "", "claims"),
        ("jti", 12345, "claims"),
        ("client_id", "", "claims"),
        ("client_id", None, "claims"),
        ("exp", NOW, "expired"),
        ("exp", NOW - 1, "expired"),
        ("exp", 0, "expired"),
        ("exp", -1, "claims"),
        ("exp", str(NOW + 100), "claims"),
        ("exp", NOW + 100.5, "claims"),
        ("exp", True, "claims"),
        ("exp", None, "claims"),
        ("exp", [NOW + 100], "claims"),
        ("exp", 10**400, "claims"),
        ("exp", NOW + 10_000_000, "claims"),
        ("exp", NOW + 891, "claims"),
        ("iat", NOW + 61, "claims"),
        ("iat", NOW + 890, "claims"),
        ("iat", str(NOW), "claims"),
        ("iat", -1, "claims"),
        ("iat", False, "claims"),
        ("nbf", NOW + 61, "claims"),
        ("nbf", NOW + 3600, "claims"),
        ("nbf", str(NOW - 1), "claims"),
        ("nbf", None, "claims"),
        ("auth_time", NOW + 3600, "claims"),
        ("auth_time", None, "claims"),
        ("auth_time", "yesterday", "claims"),
        ("amr", [], "claims"),
        ("amr", "pwd", "claims"),
        ("amr", ["pwd", 1], "claims"),
        ("amr", [""], "claims"),
        ("amr", ["x"] * 17, "claims"),
    ],
)
def test_a_genuine_token_with_a_wrong_claim_is_refused(name: str, value: object, code: str) -> None:
    assert refusal(token(claims={**CLAIMS, name: value})) == code


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_is_required(name: str) -> None:
    assert refusal(token(claims=without(CLAIMS, name))) == "claims"


def test_an_nbf_that_has_passed_does_no_harm() -> None:
    assert VERIFIER.verify(token(claims={**CLAIMS, "nbf": NOW - 1}), now=NOW).user_id == UUID(int=1)


def test_an_expired_token_stays_expired_whatever_else_it_says() -> None:
    stale = {**CLAIMS, "iat": NOW - 1000, "exp": NOW - 100, "auth_time": NOW - 1000}
    assert refusal(token(claims=stale)) == "expired"
    assert refusal(token(claims={**stale, "nbf": NOW + 100})) == "expired"


@pytest.mark.parametrize("twice", ['"sub"', '"exp"', '"aud"', '"iss"'])
def test_a_claim_named_twice_is_refused(twice: str) -> None:
    name = json.loads(twice)
    text = json.dumps(CLAIMS)
    doubled = text[:-1] + f", {twice}: {json.dumps(CLAIMS[name])}}}"
    assert refusal(token(claims=doubled.encode())) == "claims"
    escaped = text[:-1] + f', "\\u00{ord(name[0]):02x}{name[1:]}": {json.dumps(CLAIMS[name])}}}'
    assert refusal(token(claims=escaped.encode())) == "claims"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_json_does_not_know_is_refused_in_claims_that_nobody_reads(constant: str) -> None:
    text = json.dumps(CLAIMS)[:-1] + f', "extra": {constant}}}'
    assert refusal(token(claims=text.encode())) == "claims"


def test_a_header_member_named_twice_is_refused() -> None:
    text = json.dumps(HEADER)
    for again in ('"alg": "none"', '"alg": "ES256"', '"kid": "x"', '"\\u0061lg": "none"'):
        assert refusal(token((text[:-1] + f", {again}}}").encode())) == "malformed"
        assert refusal(token(("{" + again + ", " + text[1:]).encode())) == "malformed"


def test_now_is_the_clock_unless_told() -> None:
    far = dt.datetime(2020, 1, 1, tzinfo=dt.UTC).timestamp()
    old = {**CLAIMS, "iat": int(far), "exp": int(far) + 900, "auth_time": int(far)}
    with pytest.raises(AccessTokenError) as caught:
        VERIFIER.verify(token(claims=old))
    assert caught.value.code == "expired"
