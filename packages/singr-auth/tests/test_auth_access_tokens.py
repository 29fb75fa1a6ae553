"""What access tokens promise to honest people: they verify everywhere while they live, through changes of keys too."""

import base64
import datetime as dt
import itertools
import json
import time
from uuid import UUID, uuid4

import joserfc.jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey, KeySet

from singr_auth import (
    AccessTokenError,
    AccessTokenIssuer,
    AccessTokenVerifier,
    KeyFormError,
    KeyRing,
    PublicKeys,
)
from singr_config import Secret

NOW = 1_795_357_200
ISSUER = "system.singrkaraoke.com"
USER, SESSION = UUID(int=1), UUID(int=2)
AUTHENTICATED = dt.datetime.fromtimestamp(NOW - 100, tz=dt.UTC)


def pem_pair(curve: ec.EllipticCurve | None = None) -> tuple[str, str]:
    key = ec.generate_private_key(curve or ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


PRIVATE, PUBLIC = pem_pair()
RING = KeyRing.from_pem(Secret(PRIVATE))


def issue(ring: KeyRing = RING, *, now: float = NOW, ttl: int = 900, **options: object) -> str:
    issuer = AccessTokenIssuer(ring, issuer=ISSUER, audience="api", ttl=ttl)
    given = {"methods": ["pwd", "otp"], "authenticated_at": AUTHENTICATED, **options}
    return issuer.issue(USER, SESSION, now=now, **given).token.reveal()  # type: ignore[arg-type] # a test's mixed bag


def verifier(keys: KeyRing | PublicKeys = RING) -> AccessTokenVerifier:
    return AccessTokenVerifier(keys, issuer=ISSUER, audience="api")


def part(token: str, number: int) -> dict[str, object]:
    text = token.split(".")[number]
    decoded = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    assert isinstance(decoded, dict)
    return decoded


def test_a_token_says_who_in_which_session_since_when_and_how() -> None:
    access = verifier().verify(issue(), now=NOW + 1)
    assert (access.user_id, access.session_id, access.methods) == (USER, SESSION, ("pwd", "otp"))
    assert (access.issued_at, access.expires_at, access.authenticated_at) == (NOW, NOW + 900, NOW - 100)


def test_a_token_has_the_header_and_the_claims_of_rfc_9068_and_nothing_personal() -> None:
    token = issue()
    assert part(token, 0) == {"alg": "ES256", "kid": RING.signing_kid, "typ": "at+jwt"}
    claims = part(token, 1)
    assert set(claims) == {"iss", "aud", "sub", "client_id", "jti", "iat", "exp", "sid", "auth_time", "amr"}
    assert (claims["iss"], claims["aud"], claims["sub"], claims["sid"]) == (ISSUER, "api", str(USER), str(SESSION))
    assert len(token) < 800


def test_every_token_has_an_id_of_its_own() -> None:
    issuer = AccessTokenIssuer(RING, issuer=ISSUER, audience="api", ttl=60)
    issued = [issuer.issue(USER, SESSION, methods=["pwd"], authenticated_at=AUTHENTICATED, now=NOW) for _ in range(20)]
    assert len({one.token_id for one in issued}) == 20
    assert all(verifier().verify(one.token.reveal(), now=NOW).token_id == one.token_id for one in issued)
    assert {one.expires_in for one in issued} == {60}
    assert issued[0].token.reveal() not in repr(issued[0])


def test_a_token_lives_to_its_last_second_by_the_verifiers_clock() -> None:
    token = issue(ttl=60)
    verifier().verify(token, now=NOW + 59.9)
    with pytest.raises(AccessTokenError) as caught:
        verifier().verify(token, now=NOW + 60)
    assert caught.value.code == "expired"


def test_an_issuers_clock_may_be_a_minute_ahead_and_no_more() -> None:
    token = issue()
    verifier().verify(token, now=NOW - 60)
    with pytest.raises(AccessTokenError, match="not valid yet") as caught:
        verifier().verify(token, now=NOW - 61)
    assert caught.value.code == "claims"


def test_a_database_clock_ahead_of_ours_does_not_make_a_token_that_nobody_takes() -> None:
    ahead = dt.datetime.fromtimestamp(NOW + 5, tz=dt.UTC)
    assert verifier().verify(issue(authenticated_at=ahead), now=NOW).authenticated_at == NOW


def test_issuing_takes_the_clock_unless_told() -> None:
    issuer = AccessTokenIssuer(RING, issuer=ISSUER, audience="api", ttl=900)
    token = issuer.issue(USER, uuid4(), methods=("pwd",), authenticated_at=dt.datetime.now(dt.UTC)).token.reveal()
    assert abs(verifier().verify(token).issued_at - time.time()) < 60


@pytest.mark.parametrize("ttl", [0, -1, 901, 86_400])
def test_a_longer_life_than_a_quarter_of_an_hour_is_not_to_be_had(ttl: int) -> None:
    with pytest.raises(ValueError, match="1 to 900"):
        AccessTokenIssuer(RING, issuer=ISSUER, audience="api", ttl=ttl)


@pytest.mark.parametrize(
    "options",
    [{"methods": []}, {"methods": "pwd"}, {"authenticated_at": dt.datetime(2026, 11, 22)}],  # noqa: DTZ001 — the missing zone is the point
)
def test_an_issuer_refuses_what_no_verifier_would_understand(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"methods|time zone"):
        issue(**options)


@pytest.mark.parametrize(("issuer", "audience"), [("", "api"), (ISSUER, "")])
def test_a_verifier_knows_for_whom_and_from_whom(issuer: str, audience: str) -> None:
    with pytest.raises(ValueError, match="issuer and audience"):
        AccessTokenVerifier(RING, issuer=issuer, audience=audience)


def test_another_library_verifies_our_tokens_with_our_key_set() -> None:
    keys = KeySet.import_key_set(json.loads(json.dumps(RING.jwks())))
    decoded = joserfc.jwt.decode(issue(), keys, algorithms=["ES256"])
    assert decoded.claims["sub"] == str(USER)


def test_a_service_with_nothing_but_the_key_set_verifies() -> None:
    keys = PublicKeys.from_jwks(json.loads(json.dumps(RING.jwks())))
    assert verifier(keys).verify(issue(), now=NOW).user_id == USER


def test_the_key_set_holds_public_members_only_the_signing_key_first_and_each_once() -> None:
    following = pem_pair()[1]
    ring = KeyRing.from_pem(Secret(PRIVATE), [following, PUBLIC, following])
    entries = ring.jwks()["keys"]
    assert [set(entry) for entry in entries] == [{"kty", "crv", "x", "y", "kid", "use", "alg"}] * 2
    assert entries[0]["kid"] == ring.signing_kid == ECKey.import_key(PUBLIC).thumbprint()
    assert {(entry["kty"], entry["crv"], entry["use"], entry["alg"]) for entry in entries} == {
        ("EC", "P-256", "sig", "ES256")
    }
    secret_number = str(ECKey.import_key(PRIVATE).as_dict(private=True)["d"])
    assert secret_number not in json.dumps(ring.jwks())
    assert secret_number not in f"{ring!r} {ring}"
    assert "PRIVATE" not in f"{ring!r} {ring}"


def test_no_token_is_refused_while_the_signing_key_is_replaced() -> None:
    old_private, old_public = pem_pair()
    new_private, new_public = pem_pair()
    steps = [
        KeyRing.from_pem(Secret(old_private)),
        KeyRing.from_pem(Secret(old_private), [new_public]),
        KeyRing.from_pem(Secret(new_private), [old_public]),
        KeyRing.from_pem(Secret(new_private)),
    ]
    for before, after in itertools.pairwise(steps):  # processes of both kinds run side by side
        newer, older = issue(after), issue(before)
        assert verifier(after).verify(newer, now=NOW).user_id == USER
        if after is not steps[-1]:  # by then every token of the old key has expired
            assert verifier(after).verify(older, now=NOW).user_id == USER
            assert verifier(before).verify(newer, now=NOW).user_id == USER
    with pytest.raises(AccessTokenError) as caught:
        verifier(steps[-1]).verify(issue(steps[0]), now=NOW)
    assert caught.value.code == "signature"


@pytest.mark.parametrize("private", ["", "no key", PUBLIC, pem_pair(ec.SECP384R1())[0], PRIVATE[:-40]])
def test_what_cannot_sign_is_no_signing_key(private: str) -> None:
    with pytest.raises(KeyFormError) as caught:
        KeyRing.from_pem(Secret(private))
    assert caught.value.__cause__ is None
    assert not private or private not in str(caught.value)


@pytest.mark.parametrize("published", ["", "no key", PRIVATE, pem_pair(ec.SECP384R1())[1]])
def test_what_is_no_public_key_is_not_published(published: str) -> None:
    with pytest.raises(KeyFormError):
        KeyRing.from_pem(Secret(PRIVATE), [published])


def test_keys_for_other_uses_in_a_set_are_passed_over() -> None:
    good = RING.jwks()["keys"][0]
    others = [
        {**good, "kid": "enc", "use": "enc"},
        {**good, "kid": "alg", "alg": "ES384"},
        {**good, "kid": "curve", "crv": "P-384"},
        {**good, "kid": "off the curve", "x": good["y"]},
        {**good, "kid": "torn", "x": "AA"},
        {"kty": "RSA", "kid": "rsa", "n": "AQAB", "e": "AQAB"},
        {name: value for name, value in good.items() if name != "kid"},
        {**good, "kid": 7},
        {**good, "kid": ["a"]},
        {**good, "kid": ""},
        "text",
        None,
    ]
    keys = PublicKeys.from_jwks({"keys": [*others, good]})
    assert [entry["kid"] for entry in keys.jwks()["keys"]] == [RING.signing_kid]


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": None}, "keys", {"keys": [{}] * 33}])
def test_what_is_no_key_set_is_refused(document: object) -> None:
    with pytest.raises(KeyFormError):
        PublicKeys.from_jwks(document)


def test_a_key_set_with_a_private_key_in_it_is_refused_loudly() -> None:
    private = {**RING.jwks()["keys"][0], "d": "canary"}
    with pytest.raises(KeyFormError, match="private key") as caught:
        PublicKeys.from_jwks({"keys": [private]})
    assert "canary" not in str(caught.value)


def test_the_first_of_two_keys_with_one_id_counts() -> None:
    good, other = RING.jwks()["keys"][0], KeyRing.from_pem(Secret(pem_pair()[0])).jwks()["keys"][0]
    keys = PublicKeys.from_jwks({"keys": [good, {**other, "kid": good["kid"]}]})
    assert verifier(keys).verify(issue(), now=NOW).user_id == USER


@pytest.mark.full
def test_checking_a_token_takes_less_than_a_quarter_of_a_millisecond() -> None:
    token, check = issue(), verifier()
    took = []
    for _ in range(200):
        begun = time.perf_counter()
        check.verify(token, now=NOW)
        took.append(time.perf_counter() - begun)
    assert sorted(took)[20] < 0.00025  # the tenth part that nothing else on the machine disturbed
