"""S9: forged, altered, borrowed and stale tokens are refused, with a code, and never by a crash.

Each forgery is made by hand, since no library would make it, and differs from a token that verifies in one thing only.
"""

import base64
import datetime as dt
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from singr_auth import AccessTokenError, AccessTokenVerifier, KeyRing, TokenKind, new_api_key, new_token
from singr_auth._tokens import _access_tokens as access_tokens
from singr_config import Secret

NOW = 1_795_357_200
ISSUER, AUDIENCE = "system.singrkaraoke.com", "api"
KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER = ec.generate_private_key(ec.SECP256R1())
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
RING = KeyRing.from_pem(Secret(PRIVATE))
VERIFIER = AccessTokenVerifier(RING, issuer=ISSUER, audience=AUDIENCE)
HEADER: dict[str, Any] = {"alg": "ES256", "kid": RING.signing_kid, "typ": "at+jwt"}
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": str(UUID(int=1)),
    "client_id": "singr",
    "jti": str(UUID(int=3)),
    "iat": NOW - 10,
    "exp": NOW + 890,
    "sid": str(UUID(int=2)),
    "auth_time": NOW - 20,
    "amr": ["pwd"],
}
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_signature(message: bytes, key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def token(
    header: dict[str, Any] | bytes | None = None,
    claims: dict[str, Any] | bytes | None = None,
    *,
    key: ec.EllipticCurvePrivateKey = KEY,
    sign: Callable[[bytes], bytes] | None = None,
) -> str:
    """A token with these members, genuinely signed unless told otherwise."""
    first = header if isinstance(header, bytes) else json.dumps(HEADER if header is None else header).encode()
    second = claims if isinstance(claims, bytes) else json.dumps(CLAIMS if claims is None else claims).encode()
    message = f"{b64(first)}.{b64(second)}".encode()
    return f"{message.decode()}.{b64(sign(message) if sign else raw_signature(message, key))}"


def refusal(text: str, *, now: float = NOW) -> str:
    with pytest.raises(AccessTokenError) as caught:
        VERIFIER.verify(text, now=now)
    assert caught.value.message == str(caught.value)
    assert len(text) < 20 or text not in caught.value.message
    return caught.value.code


def without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}


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


@pytest.mark.parametrize(
    "claims",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"{}",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"a": NaN}',
        b'{"exp": Infinity}',
        b"[" * 2500,
        json.dumps(CLAIMS).encode("utf-16"),
        json.dumps(CLAIMS).encode() + b" {}",
        json.dumps(CLAIMS).encode() + b"\0",
    ],
)
def test_a_genuine_signature_over_nonsense_is_refused(claims: bytes) -> None:
    assert refusal(token(claims=claims)) in {"claims", "malformed"}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\xff",
        b"\xef\xbb\xbf" + json.dumps(HEADER).encode(),
        json.dumps(HEADER).encode("utf-16"),
        b"[" * 2500,
        b'{"alg": NaN}',
        b'{"a":' * 600 + b"1" + b"}" * 600,
    ],
    ids=itertools.count(),
)
def test_a_header_of_nonsense_is_refused(header: bytes) -> None:
    assert refusal(token(header)) == "malformed"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "a.b.c.d",
        "a.b.c.d.e",
        "Bearer " + token(),
        " " + token(),
        token() + " ",
        token() + "\n",
        "\ufeff" + token(),
        token() + ".",
        "." + token(),
        token().replace(".", "..", 1),
        token() + "=",
        token().replace(".", "=.", 1),
        token().replace("e", "\uff45", 1),
        "\u0435" + token()[1:],
        "\ud800" * 200,
        "é" * 200,
        "\0" * 200,
        token(claims={**CLAIMS, "x": "x" * 3000}),
        "a" * 10_000_000,
        "." * 1_000_000,
        "eyJ" * 100_000,
    ],
    ids=lambda text: repr(text[:12]) + f"…{len(text)}",
)
def test_what_has_not_the_form_of_a_token_is_refused(text: str) -> None:
    assert refusal(text) == "malformed"


def test_a_token_in_json_serialisation_is_refused() -> None:
    first, second, third = token().split(".")
    flattened = json.dumps({"protected": first, "payload": second, "signature": third})
    general = json.dumps({"payload": second, "signatures": [{"protected": first, "signature": third}]})
    assert refusal(flattened) == refusal(general) == "malformed"
    assert refusal(b64(flattened.encode())) == "malformed"


def test_an_encrypted_token_is_refused() -> None:
    header = b64(json.dumps({"alg": "dir", "enc": "A128GCM", "kid": RING.signing_kid, "typ": "at+jwt"}).encode())
    assert refusal(f"{header}..{b64(bytes(12))}.{b64(bytes(50))}.{b64(bytes(16))}") == "malformed"


def test_a_token_within_a_token_is_refused() -> None:
    assert refusal(token({**HEADER, "cty": "JWT"}, token().encode())) == "malformed"
    assert refusal(token(claims=token().encode())) == "claims"


@pytest.mark.parametrize("kind", TokenKind)
def test_no_opaque_token_and_no_api_key_passes_for_an_access_token(kind: TokenKind) -> None:
    assert refusal(new_token(kind).secret.reveal()) == "malformed"
    assert refusal(new_api_key().secret.reveal()) == "malformed"


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


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=300),
        st.from_regex(r"[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{86}", fullmatch=True),
    )
)
def test_whatever_comes_is_refused_with_a_code(text: str) -> None:
    assert refusal(text) in {"malformed", "signature"}


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*HEADER, "crit", "x"]), inner, max_size=4)
        ),
        max_leaves=10,
    )
)
def test_whatever_a_header_says_besides_the_one_form_is_refused(header: object) -> None:
    text = token(json.dumps(header).encode())
    if header != HEADER:
        assert refusal(text) == "malformed"


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


def test_now_is_the_clock_unless_told() -> None:
    far = dt.datetime(2020, 1, 1, tzinfo=dt.UTC).timestamp()
    old = {**CLAIMS, "iat": int(far), "exp": int(far) + 900, "auth_time": int(far)}
    with pytest.raises(AccessTokenError) as caught:
        VERIFIER.verify(token(claims=old))
    assert caught.value.code == "expired"
