"""S9: forged, altered, borrowed and stale tokens are refused, with a code, and never by a crash.

Each forgery is made by hand, since no library would make it, and differs from a token that verifies in one thing only.
"""

import hashlib
import hmac
import itertools
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from forged_support import (
    AUDIENCE,
    CLAIMS,
    HEADER,
    ISSUER,
    KEY,
    NOW,
    ORDER,
    PUBLIC,
    RING,
    STRANGER,
    VERIFIER,
    b64,
    refusal,
    token,
    without,
)

from singr_auth import AccessTokenError, AccessTokenVerifier, KeyRing
from singr_auth._tokens import _access_tokens as access_tokens
from singr_config import Secret


def test_the_token_that_all_forgeries_start_from_verifies() -> None:
    access = VERIFIER.verify(token(), now=NOW)
    assert (access.user_id, access.session_id) == (UUID(int=1), UUID(int=2))
    assert VERIFIER.verify(token(claims={**CLAIMS, "aud": ["other", AUDIENCE], "extra": {"a": 1}}), now=NOW) == access


@pytest.mark.parametrize(
    "alg",
    ["none", "None", "NONE", "nOnE", "", "ES384", "RS256", "PS256", "EdDSA", "es256", "HS256", None, 0, ["ES256"]],
)
def test_any_other_algorithm_is_refused_even_over_a_genuine_signature(alg: object) -> None:
    assert refusal(token({**HEADER, "alg": alg})) == "malformed"


@pytest.mark.parametrize(
    "signature", ["", "A", "AA", "A" * 86, "A" * 85, "A" * 88, b64(bytes(64)), b64(bytes(63)), b64(bytes(65))]
)
@pytest.mark.parametrize("alg", ["none", "ES256"])
def test_a_token_without_a_real_signature_is_refused(alg: str, signature: str) -> None:
    unsigned = token({**HEADER, "alg": alg}).rpartition(".")[0]
    assert refusal(f"{unsigned}.{signature}") in {"malformed", "signature"}
    assert refusal(unsigned) == "malformed"


@pytest.mark.parametrize(
    "secret",
    [PUBLIC, PUBLIC.strip(), PUBLIC.replace(b"\n", b""), b"", RING.signing_kid.encode()],
    ids=["PEM", "stripped", "one line", "empty", "kid"],
)
def test_an_hmac_under_the_public_key_is_refused(secret: bytes) -> None:
    def sign(message: bytes) -> bytes:
        return hmac.digest(secret, message, "sha256")

    assert refusal(token({**HEADER, "alg": "HS256"}, sign=sign)) == "malformed"
    assert refusal(token(sign=lambda message: sign(message) * 2)) == "signature"
    assert refusal(token({**HEADER, "alg": "HS512"}, sign=lambda m: hmac.digest(secret, m, "sha512"))) == "malformed"


def test_a_key_that_the_token_brings_along_is_not_looked_at() -> None:
    numbers = STRANGER.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "x": b64(numbers.x.to_bytes(32)), "y": b64(numbers.y.to_bytes(32))}
    brought: list[dict[str, Any]] = [
        {"jwk": jwk},
        {"jwk": {**jwk, "kid": RING.signing_kid}},
        {"jku": "https://attacker.example/jwks.json"},
        {"x5u": "https://attacker.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "AAAA"},
        {"x5t#S256": "AAAA"},
    ]
    for members in brought:
        assert refusal(token({**HEADER, **members}, key=STRANGER)) == "malformed"
        assert refusal(token({**HEADER, **members})) == "malformed"  # even where the signature is genuine
    assert refusal(token(key=STRANGER)) == "signature"


@pytest.mark.parametrize(
    "kid",
    [
        "",
        "unknown",
        "../../../../dev/null",
        "/dev/null",
        "' OR 1=1 --",
        "https://attacker.example/k",
        "\0",
        "kid\n",
        RING.signing_kid + " ",
        RING.signing_kid.upper(),
        "x" * 201,
        None,
        0,
        True,
        [RING.signing_kid],
        {"kid": RING.signing_kid},
    ],
    ids=itertools.count(),  # keys are drawn anew by each process, and no test's name may tell them
)
def test_a_kid_finds_the_keys_that_are_known_and_nothing_else(kid: object) -> None:
    assert refusal(token({**HEADER, "kid": kid})) in {"malformed", "signature"}


@pytest.mark.parametrize(
    "members",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
        {"cty": "JWT"},
        {"extra": 1},
    ],
)
def test_a_header_member_that_asks_for_something_else_is_refused(members: dict[str, Any]) -> None:
    assert refusal(token({**HEADER, **members})) == "malformed"


@pytest.mark.parametrize(
    "typ", ["JWT", "jwt", "AT+JWT", "application/at+jwt", "refresh+jwt", "id+jwt", "at+jwt ", "", None, 1]
)
def test_a_token_of_another_type_is_refused(typ: object) -> None:
    assert refusal(token({**HEADER, "typ": typ})) == "malformed"


@pytest.mark.parametrize("name", HEADER)
def test_every_header_member_is_required(name: str) -> None:
    assert refusal(token(without(HEADER, name))) == "malformed"


@pytest.mark.parametrize(
    ("r", "s"),
    [
        (0, 0),
        (0, 1),
        (1, 0),
        (ORDER, 1),
        (1, ORDER),
        (ORDER, ORDER),
        (0, ORDER),
        (2**256 - 1, 2**256 - 1),
        (ORDER + 1, 1),
    ],
)
def test_numbers_out_of_range_are_no_signature(r: int, s: int) -> None:
    assert refusal(token(sign=lambda _: r.to_bytes(32) + s.to_bytes(32))) == "signature"


@pytest.mark.parametrize(("r", "s"), [(0, 0), (0, 1), (1, 0), (ORDER, 1), (1, ORDER)])
def test_numbers_out_of_range_are_refused_even_by_a_library_that_takes_them(
    monkeypatch: pytest.MonkeyPatch, r: int, s: int
) -> None:
    monkeypatch.setattr(access_tokens.jws, "deserialize_compact", lambda *_args, **_options: None)
    assert VERIFIER.verify(token(sign=lambda _: bytes([1] * 64)), now=NOW).user_id == UUID(int=1)
    assert refusal(token(sign=lambda _: r.to_bytes(32) + s.to_bytes(32))) == "signature"


def test_a_signature_in_der_is_refused() -> None:
    assert refusal(token(sign=lambda message: KEY.sign(message, ec.ECDSA(hashes.SHA256())))) in {
        "malformed",
        "signature",
    }


def test_a_signature_over_another_hash_is_refused() -> None:
    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(KEY.sign(message, ec.ECDSA(hashes.SHA512())))
        return r.to_bytes(32) + s.to_bytes(32)

    assert refusal(token(sign=sign)) == "signature"


def test_any_altered_character_is_noticed() -> None:
    good = token()
    for position in range(0, len(good), 3):
        for letter in "A_z":
            altered = good[:position] + letter + good[position + 1 :]
            if altered != good:
                assert refusal(altered) in {"malformed", "signature"}


def test_the_same_signature_has_one_spelling_only() -> None:
    good = token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(good[-1])
    assert last % 16 == 0
    for filler in range(1, 16):  # the last character carries two bits of the signature and four of nothing
        assert refusal(good[:-1] + alphabet[last + filler]) == "malformed"


def test_parts_of_two_genuine_tokens_do_not_make_a_third() -> None:
    one, other = token().split("."), token(claims={**CLAIMS, "sub": str(UUID(int=9))}).split(".")
    assert refusal(".".join((one[0], other[1], one[2]))) == "signature"


def test_a_token_of_another_issuer_with_a_key_of_the_same_name_is_refused() -> None:
    assert refusal(token({**HEADER, "kid": RING.signing_kid}, {**CLAIMS}, key=STRANGER)) == "signature"


def test_a_key_that_was_taken_out_of_the_ring_opens_nothing() -> None:
    other = KeyRing.from_pem(
        Secret(
            STRANGER.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode()
        )
    )
    with pytest.raises(AccessTokenError) as caught:
        AccessTokenVerifier(other, issuer=ISSUER, audience=AUDIENCE).verify(token(), now=NOW)
    assert caught.value.code == "signature"


def test_the_evidence_is_not_in_the_message() -> None:
    canary = hashlib.sha256(b"canary").hexdigest()
    for forged in (
        token({**HEADER, "kid": canary}),
        token({**HEADER, "typ": canary}),
        token(claims={**CLAIMS, "iss": canary}),
        token(claims={**CLAIMS, "sub": canary}),
        token(claims=f'{{"{canary}": '.encode()),
    ):
        with pytest.raises(AccessTokenError) as caught:
            VERIFIER.verify(forged, now=NOW)
        error: BaseException | None = caught.value
        while error is not None and not error.__suppress_context__:
            assert canary not in str(error)
            error = error.__cause__ or error.__context__
