"""What a signed request promises: any change to what was signed is refused, and nothing else is."""

import hashlib
import hmac
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from singr_auth import SignatureError, SignedRequestAuth, SigningKey, new_signing_secret, sign_request, verify_request
from singr_config import Secret

NOW = 1_795_357_200
NONCE = "nonce-nonce-nonce"
KEY = SigningKey("svc", Secret("hunter2-hunter2-hunter2-hunter2-hunter2"))


def verify(headers: dict[str, str], **changed: object) -> None:
    request = {"method": "POST", "path": "/v1/jobs?a=1", "body": b'{"x":1}', "now": NOW, "secret": KEY.secret} | changed
    request.setdefault("timestamp", headers.get("x-singr-timestamp", ""))
    request.setdefault("nonce", headers.get("x-singr-nonce", ""))
    request.setdefault("signature", headers.get("x-singr-signature", ""))
    verify_request(**request)  # type: ignore[arg-type] # a test's mixed bag


def signed(**changed: object) -> dict[str, str]:
    request = {"method": "POST", "path": "/v1/jobs?a=1", "body": b'{"x":1}', "timestamp": NOW, "nonce": NONCE} | changed
    return sign_request(KEY, **request)  # type: ignore[arg-type] # a test's mixed bag


def test_signature_is_the_documented_string_under_hmac_sha256() -> None:
    lines = ["POST", "/v1/jobs?a=1", str(NOW), NONCE, hashlib.sha256(b'{"x":1}').hexdigest()]
    expected = hmac.new(KEY.secret.reveal().encode(), "\n".join(lines).encode(), "sha256").hexdigest()
    assert signed() == {
        "x-singr-key": "svc",
        "x-singr-timestamp": str(NOW),
        "x-singr-nonce": NONCE,
        "x-singr-signature": f"v1={expected}",
    }


def test_what_was_signed_verifies() -> None:
    verify(signed())


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "PUT"},
        {"method": "post"},
        {"path": "/v1/jobs?a=2"},
        {"path": "/v1/jobs"},
        {"path": "/v1/jobs?a=1&"},
        {"path": "/v1/jobs?a=\udcff"},
        {"body": b'{"x":2}'},
        {"body": b""},
        {"timestamp": str(NOW + 1)},
        {"nonce": NONCE + "x"},
        {"secret": Secret("another")},
        {"signature": "v1=" + "0" * 64},
    ],
)
def test_any_altered_part_is_a_mismatch(changed: dict[str, object]) -> None:
    with pytest.raises(SignatureError) as caught:
        verify(signed(), **changed)
    assert (caught.value.code, caught.value.header) == ("mismatch", "x-singr-signature")


@pytest.mark.parametrize("offset", [-301, 301, -86_400, 86_400])
def test_clock_more_than_five_minutes_off_is_stale(offset: int) -> None:
    with pytest.raises(SignatureError) as caught:
        verify(signed(timestamp=NOW + offset))
    assert (caught.value.code, caught.value.header) == ("stale", "x-singr-timestamp")


@pytest.mark.parametrize("offset", [-300, 0, 300])
def test_clock_within_five_minutes_is_accepted(offset: int) -> None:
    verify(signed(timestamp=NOW + offset))


@pytest.mark.parametrize("header", ["timestamp", "nonce", "signature"])
def test_missing_header_is_named(header: str) -> None:
    with pytest.raises(SignatureError) as caught:
        verify(signed(), **{header: ""})
    assert (caught.value.code, caught.value.header) == ("missing", f"x-singr-{header}")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("timestamp", "now"),
        ("timestamp", "1795357200.5"),
        ("timestamp", "-1"),
        ("timestamp", "1_795"),
        ("timestamp", " 1795357200"),
        ("timestamp", "1795357200\n"),
        ("timestamp", "１７９５３５７２００"),  # noqa: RUF001 — full-width digits are the point
        ("timestamp", "9" * 400),
        ("nonce", "short"),
        ("nonce", "x" * 65),
        ("nonce", "nonce nonce nonce"),
        ("nonce", "é" * 20),
        ("signature", "v1="),
        ("signature", "f" * 64),
        ("signature", "v1=" + "F" * 64),
        ("signature", "v1=" + "f" * 63),
        ("signature", "v1=" + "é" * 64),
        ("signature", "v2=abc"),
        ("signature", ",".join(["v1=" + "f" * 64] * 5)),
        ("signature", "v1=" + "f" * 64 + ",v1=oops"),
    ],
)
def test_malformed_header_is_named(header: str, value: str) -> None:
    with pytest.raises(SignatureError) as caught:
        verify(signed(), **{header: value})
    assert (caught.value.code, caught.value.header) == ("malformed", f"x-singr-{header}")


def test_one_of_several_signatures_suffices_so_that_secrets_can_be_rotated() -> None:
    rotated = SigningKey("svc", Secret("the new one, as long as the hash has bytes"), previous=(KEY.secret,))
    headers = sign_request(rotated, method="POST", path="/v1/jobs?a=1", body=b'{"x":1}', timestamp=NOW, nonce=NONCE)
    verify(headers)
    verify(headers, secret=rotated.secret)
    verify(headers | {"x-singr-signature": headers["x-singr-signature"] + ", v2=later"})


@given(header=st.sampled_from(["timestamp", "nonce", "signature"]), value=st.text(max_size=200))
def test_no_header_value_makes_it_fail_otherwise_than_by_refusing(header: str, value: str) -> None:
    with pytest.raises(SignatureError):
        verify(signed(), **{header: value})


def test_error_never_shows_the_expected_signature_or_the_secret() -> None:
    with pytest.raises(SignatureError) as caught:
        verify(signed(), body=b"other")
    shown = repr(caught.value) + caught.value.message
    assert "hunter2" not in shown
    assert signed(body=b"other")["x-singr-signature"].removeprefix("v1=") not in shown


@pytest.mark.parametrize("key_id", ["", "a b", "a\n", "x" * 65, "é"])
def test_key_id_that_no_header_could_carry_is_refused_where_it_is_made(key_id: str) -> None:
    with pytest.raises(ValueError, match="key id"):
        SigningKey(key_id, KEY.secret)


@pytest.mark.parametrize("secret", ["", "short", "x" * 31])
def test_signing_secret_shorter_than_the_hash_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="32 characters") as caught:
        SigningKey("svc", Secret(secret))
    assert not secret or secret not in str(caught.value)
    with pytest.raises(ValueError, match="32 characters"):
        SigningKey("svc", KEY.secret, previous=(Secret(secret),))


def test_plain_text_given_as_secret_shows_nowhere() -> None:
    plain: Any = "hunter2" * 5
    key = SigningKey("svc", plain, previous=(plain,))
    assert "hunter2" not in f"{key!r} {key}"
    assert sign_request(key, method="GET", path="/", body=b"")["x-singr-key"] == "svc"


def test_new_secrets_differ_and_are_long() -> None:
    secrets = {new_signing_secret().reveal() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {len("ss_live_") + 43 + 6}


async def test_httpx_signs_what_really_goes_over_the_wire() -> None:
    seen: list[str] = []

    def server(request: httpx.Request) -> httpx.Response:
        headers = dict(request.headers)
        path = request.url.raw_path.decode()
        verify(headers, method=request.method, path=path, body=request.content, now=time.time())
        seen.append(headers["x-singr-nonce"])
        return httpx.Response(200)

    auth = SignedRequestAuth(KEY)
    async with httpx.AsyncClient(base_url="http://api", auth=auth, transport=httpx.MockTransport(server)) as client:
        await client.post("/v1/jobs", json={"a": "ü"})
        await client.get("/v1/jobs", params={"q": "a b/ü", "cursor": "x=="})
        await client.delete("/")
    assert len(set(seen)) == 3


@pytest.mark.full
def test_verification_is_fast_enough_for_the_ingestion_path() -> None:
    headers, body = signed(body=b"x" * 300), b"x" * 300
    best = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(200):
            verify_request(
                secret=KEY.secret,
                method="POST",
                path="/v1/jobs?a=1",
                body=body,
                timestamp=headers["x-singr-timestamp"],
                nonce=NONCE,
                signature=headers["x-singr-signature"],
                now=NOW,
            )
        best = min(best, (time.perf_counter() - start) / 200)
    assert best < 30e-6  # 10 µs on a free core; the margin is for a busy machine
