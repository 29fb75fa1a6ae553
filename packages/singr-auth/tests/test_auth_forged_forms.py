"""S9: what has not the one form of a token is refused, with a code, and never by a crash."""

import itertools
import json

import pytest
from forged_support import CLAIMS, HEADER, RING, b64, refusal, token
from hypothesis import given, settings
from hypothesis import strategies as st

from singr_auth import TokenKind, new_api_key, new_token


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
