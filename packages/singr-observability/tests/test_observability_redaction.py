"""Nothing secret or personal is shown, and what is harmless stays as it is."""

import time
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from singr_config import Secret
from singr_observability import (
    REDACTED,
    hide_behind,
    mask_address,
    mask_email,
    mask_phone,
    redact,
    redact_path,
    redact_text,
)

CANARY = "c4n4ryV4lue"


@pytest.mark.parametrize(
    "key",
    [
        "password", "Password", "new_password", "currentPassword", "passwordHash", "password_hash", "hash", "secret",
        "client_secret", "signingSecret", "SIGNING_SECRET", "token", "access_token", "refreshToken", "id-token",
        "api_key",
        "apiKey", "X-Api-Key", "x_api_key", "privateKey", "JWT_PRIVATE_KEY", "Authorization", "proxy-authorization",
        "cookie", "Set-Cookie", "x-singr-signature", "otp", "totp_secret",
        "verification_code", "twoFactorCode", "backup_codes",
        "magic_link", "DATABASE_URL", "dsn", "credentials", "query_string",
    ],
)  # fmt: skip
def test_value_under_a_secret_name_is_hidden(key: str):
    for value in (CANARY, CANARY.encode(), 123456, [CANARY], {"inner": CANARY}):
        assert CANARY not in repr(redact({key: value}))
        assert redact({"outer": [{key: value}]}) == {"outer": [{key: REDACTED}]}


@pytest.mark.parametrize(
    "key",
    ["key_id", "idempotency_key", "unique_key", "code", "status_code", "error_code", "author", "monkey", "message"],
)
def test_harmless_names_stay_readable(key: str):
    assert redact({key: "E42"}) == {key: "E42"}


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {CANARY}", f"authorization: Digest username=x {CANARY}", f"sent bearer {CANARY}",
        f"Basic {CANARY}", f"eyJhbGciOiJFUzI1NiJ9.{CANARY}.{CANARY}", f"key sk_live_{CANARY} used",
        f"sk_test_{CANARY}",
        f"whsec_{CANARY}", f"whsec_M+X/{CANARY}=", f"https://host/x?a=1&token={CANARY}&b=2", f"https://u:{CANARY}@host/x",
        f"redis://:{CANARY}@h:1/0",
        f"postgresql://user:p@{CANARY}/x@host/db", f"password={CANARY}", f"password: '{CANARY} and {CANARY}'",
        f'{{"password": "{CANARY}", "x": 1}}', f'{{\\"client_secret\\": \\"{CANARY}\\"}}', f"api_key={CANARY}",
        f"X-Api-Key: {CANARY}", f"Cookie: session={CANARY}", f"$argon2id$v=19$m=1,t=1,p=1${CANARY}${CANARY}",
        f"-----BEGIN EC PRIVATE KEY-----\n{CANARY}\n-----END EC PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}",
        f"verification_code={CANARY}", f"refresh_token => {CANARY}", f"{CANARY}@example.org wrote", f"canary={CANARY}",
    ],
)  # fmt: skip
def test_secret_in_text_is_hidden(text: str):
    assert CANARY not in redact_text(text)
    assert CANARY not in repr(redact({"note": [text]}))
    assert CANARY not in redact_text("x" * 100 + " " + text)


@pytest.mark.parametrize(
    "text",
    [
        "", "job completed", "POST /v1/jobs 202", "2026-11-22T10:00:00+00:00", "took 12.5 ms: fine",
        "01920000-0000-7000-8000-000000000001", "https://api.example.org:8443/v1/jobs/12", "a+b=c", "50 % @ noon",
    ],
)  # fmt: skip
def test_harmless_text_is_untouched(text: str):
    assert redact_text(text) == text


def test_addresses_and_numbers_in_text_are_masked():
    assert (
        redact_text("to jane@x.org, +1 555-555-0100 and +15555550100") == "to j***@x.org, +1******0100 and +1******0100"
    )


def test_masks():
    assert mask_email("jane@x.org") == "j***@x.org"
    assert mask_email("no address") == "***"
    assert mask_phone("+15555550100") == "+1******0100"
    assert mask_phone("110") == "***"
    assert mask_address("203.0.113.77") == "203.0.113.0"
    assert mask_address("2001:db8:1:2:3::4") == "2001:db8:1::"
    assert mask_address("::ffff:203.0.113.77") == "203.0.113.0"
    assert mask_address("unix") == "***"


def test_personal_data_under_its_name_is_masked_even_without_a_pattern():
    redacted = redact(
        {"email": "jane@x.org", "phone_number": "0171 2345678", "to_email": "odd", "mobile": 491712345678}
    )
    assert redacted == {"email": "j***@x.org", "phone_number": "0******5678", "to_email": "***", "mobile": REDACTED}


def test_structs_secrets_bytes_and_headers_are_redacted():
    class Login(msgspec.Struct):
        name: str
        password: str

    value = [Login("jane", CANARY), Secret(CANARY), CANARY.encode(), {("authorization"): CANARY}]
    headers = [(b"authorization", CANARY.encode()), ("Cookie", CANARY), ["x-api-key", CANARY]]
    assert CANARY not in repr(redact([value, headers]))


def test_redact_survives_cycles_depth_size_and_broken_objects():
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    cycle: dict[str, object] = {"broken": Broken(), "big": 2**80, "many": list(range(10_000))}
    cycle["self"] = cycle
    msgspec.json.encode(redact({"id": uuid4(), "x": cycle, "set": {1}, 3: "three"}), enc_hook=str)


def test_path_hides_what_looks_like_a_token_and_has_no_query():
    token = "a1" * 20
    assert redact_path(f"/invitations/{token}/accept") == f"/invitations/{REDACTED}/accept"
    assert redact_path(f"/v1/jobs?token={token}") == "/v1/jobs"
    path = "/v1/jobs/01920000-0000-7000-8000-000000000001/attempts"
    assert redact_path(path) == path == redact_path(path)


def test_path_hides_whatever_follows_the_beginning_of_an_address_with_a_secret():
    plain = "/v1/hooks/shop/abcdefghijklmnop"
    assert redact_path(plain) == plain
    hide_behind("/hooks/shop/")
    for path in (plain, "/v1/hooks/shop/sixteen.letters~/x?y", "/hooks//Shop//a\nb"):
        shown = redact_path(path)
        assert shown.lower().replace("//", "/").endswith(f"/hooks/shop/{REDACTED}".lower()), shown
    assert redact_path("/v1/hooks/shop") == "/v1/hooks/shop"


def test_path_hides_a_secret_whose_address_was_written_a_little_wrong():
    hide_behind("/calls/", known=("shop", "status"))
    secret = "sixteen.letters~"
    for path in ("/v1/call/shop/", "/CALLS/./shop//", "/calls/shops/", "/calls/", "/v1/calls/shop/status/"):
        shown = redact_path(path + secret)
        assert secret not in shown, path
        assert shown.endswith(REDACTED)
    assert redact_path(f"/v1/calls/{secret}/again/Status") == f"/v1/calls/{REDACTED}/Status"
    one = "01920000-0000-7000-8000-000000000001"
    for plain in (f"/v1/calls/{one}/status", "/v1/calls/Shop/status", "/v1/calls/", "/v1/recalls/x"):
        assert redact_path(plain) == plain
    token = "aB3_" * 27
    for path in (f"/x/{token}>", f"/x/(see:{token})", f"/x/{token}, and", f"/{'a/' * 250}{token}"):
        assert "aB3_aB3_" not in redact_path(path), path


@given(
    st.recursive(
        st.none() | st.text() | st.integers() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_redact_never_raises(value: object):
    redact(value)


@pytest.mark.parametrize(
    "part", ["a", "a@", "://", "://a:", "+1 ", "eyJ.", "token=", "-----BEGIN ", "$argon2", "x_", "'\\", "a-"]
)
def test_redaction_takes_linear_time(part: str):
    text = (part * 40_000)[:32_000]
    hide_behind("/a/a/")
    began = time.process_time()
    redact_path(f"/{text}/a" * 4)
    redact_text(f"{text} password: {text} @ :// + = _")
    assert time.process_time() - began < 1.0
