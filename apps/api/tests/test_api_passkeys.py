"""Passkeys over HTTP: added by their owner, signed in with by nobody else. Real browsers have a file of their own."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from authenticator import PRESENT, VERIFIED, SoftAuthenticator, encode
from sqlalchemy import text

from singr_config import Secret
from singr_config.testing import settings_for_tests
from singr_db import Database

Http = httpx.AsyncClient
PASSWORD = Secret("a horse that staples batteries")


async def options_of(caller: Http, path: str, **body: Any) -> dict[str, Any]:
    answer = await caller.post(path, json=body) if body else await caller.post(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["expires_in"] == 300
    found: dict[str, Any] = answer.json()["public_key"]
    return found


async def add(caller: Http, device: SoftAuthenticator, **body: Any) -> dict[str, Any]:
    made = device.create(await options_of(caller, "/v1/me/passkeys/options"))
    answer = await caller.post("/v1/me/passkeys", json={"credential": made, **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def sign_in(caller: Http, device: SoftAuthenticator, delivery: str = "body", **forged: Any) -> httpx.Response:
    proof = device.get(await options_of(caller, "/v1/auth/passkeys/options"), **forged)
    return await caller.post("/v1/auth/passkeys/sign-in", json={"credential": proof, "delivery": delivery})


async def protect(db: Database, user_id: Any) -> None:
    """Put a confirmed second factor behind an account."""
    async with db.platform() as session:
        statement = "INSERT INTO second_factors (user_id, method, confirmed_at) VALUES (:id, 'email', now())"
        await session.execute(text(statement), {"id": user_id})


async def test_passkey_is_added_listed_renamed_and_removed_by_its_owner(
    api_url: str, client: Any, someone: Any, world: Any
) -> None:
    jane, mallory = client(api_url, await someone()), client(api_url, await someone())
    passkey = await add(jane, SoftAuthenticator(), name="Work laptop")
    assert passkey | {"id": "", "created_at": ""} == {
        "id": "",
        "name": "Work laptop",
        "synced": False,
        "aaguid": None,
        "created_at": "",
        "last_used_at": None,
    }
    assert (await jane.get("/v1/me/passkeys")).json() == {"items": [passkey]}
    assert (await mallory.get("/v1/me/passkeys")).json() == {"items": []}
    path = f"/v1/me/passkeys/{passkey['id']}"
    world.problem(await mallory.patch(path, json={"name": "mine"}), 404, "not-found")
    world.problem(await mallory.delete(path), 404, "not-found")
    renamed = await jane.patch(path, json={"name": "Old laptop"})
    assert (renamed.status_code, renamed.json()) == (200, passkey | {"name": "Old laptop"})
    removed = await jane.delete(path)
    assert (removed.status_code, removed.content) == (204, b"")
    world.problem(await jane.delete(path), 404, "not-found")
    world.problem(await jane.delete("/v1/me/passkeys/none"), 404, "not-found")


async def test_passkey_signs_in_with_tokens_in_the_body_or_in_cookies(api_url: str, client: Any, someone: Any) -> None:
    jane = await someone()
    device = SoftAuthenticator()
    await add(client(api_url, jane), device)
    answer = await sign_in(client(api_url), device)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert tokens["status"] == "signed_in"
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    listed = await client(api_url, bearer).get("/v1/me/passkeys")
    assert listed.json()["items"][0]["last_used_at"] is not None
    in_cookies = await sign_in(client(api_url), device, "cookie")
    assert in_cookies.status_code == 200, in_cookies.text
    assert "access_token" not in in_cookies.json()
    assert "__Host-singr_access" in str(in_cookies.headers.get_list("set-cookie"))


async def test_new_passkey_is_told_by_mail(api_url: str, client: Any, someone: Any, db: Database) -> None:
    await add(client(api_url, await someone()), SoftAuthenticator())
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM messages WHERE kind = 'security_notice'")) == 1


@pytest.mark.parametrize(
    "forged",
    [
        {"origin": "https://evil.example"},
        {"origin": "\ud800\x00"},
        {"rp_id": "evil.example"},
        {"type": "webauthn.create"},
        {"flags": 0},
        {"signature": b"\x00"},
        {"user_handle": None},
        {"user_handle": b"\x00"},
        {"credential_id": b"nobody's"},
        {"count": 0},
        {"crossOrigin": True},
        {"raw": b"\xff"},
        {"raw": b"[" * 5000},
    ],
)
async def test_forged_proof_is_refused_with_one_answer_for_all(
    api_url: str, client: Any, someone: Any, world: Any, forged: dict[str, Any]
) -> None:
    device = SoftAuthenticator()
    await add(client(api_url, await someone()), device)
    assert (await sign_in(client(api_url), device)).status_code == 200
    document = world.problem(await sign_in(client(api_url), device, **forged), 401, "invalid-credentials")
    assert document["detail"] == "This passkey is not accepted here. Try another one, or another way to sign in."
    assert (await sign_in(client(api_url), device)).status_code == 200


async def test_challenge_is_good_once_even_fifty_times_at_once(
    api_url: str, client: Any, someone: Any, world: Any
) -> None:
    device = SoftAuthenticator(counts=False)
    await add(client(api_url, await someone()), device)
    caller = client(api_url)
    proof = {"credential": device.get(await options_of(caller, "/v1/auth/passkeys/options"))}
    answers = await asyncio.gather(*(caller.post("/v1/auth/passkeys/sign-in", json=proof) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    world.problem(await caller.post("/v1/auth/passkeys/sign-in", json=proof), 400, "one-time-token-refused")


async def test_disabled_and_unknown_accounts_are_refused_alike(
    api_url: str, client: Any, someone: Any, world: Any, db: Database
) -> None:
    jane = await someone()
    device = SoftAuthenticator()
    await add(client(api_url, jane), device)
    async with db.platform() as session:
        await session.execute(text("UPDATE users SET status = 'disabled' WHERE id = :id"), {"id": jane.user_id})
    refused = [await sign_in(client(api_url), device), await sign_in(client(api_url), device, credential_id=b"x" * 16)]
    documents = [world.problem(answer, 401, "invalid-credentials") for answer in refused]
    for document in documents:
        document.pop("request_id")
    assert documents[0] == documents[1]


async def test_passkey_without_verification_leads_to_the_second_factor(
    api_url: str, client: Any, someone: Any, db: Database
) -> None:
    jane = await someone()
    device = SoftAuthenticator(flags=PRESENT)
    await add(client(api_url, jane), device)
    await protect(db, jane.user_id)
    answer = await sign_in(client(api_url), device)
    assert (answer.status_code, answer.json()["status"]) == (200, "second_factor_required"), answer.text
    assert "passkey" not in answer.json()["methods"]
    verified = await sign_in(client(api_url), device, flags=PRESENT | VERIFIED)
    assert verified.json()["status"] == "signed_in"


async def test_passkey_is_the_second_factor_behind_a_password(
    api_url: str, client: Any, someone: Any, world: Any, db: Database
) -> None:
    jane = await someone(password=PASSWORD)
    device = SoftAuthenticator()
    await add(client(api_url, jane), device)
    await protect(db, jane.user_id)
    caller = client(api_url)
    first = await caller.post("/v1/auth/sign-in", json={"email": jane.email, "password": PASSWORD.reveal()})
    assert first.json()["status"] == "second_factor_required", first.text
    assert "passkey" in first.json()["methods"]
    token = first.json()["challenge_token"]
    options = await options_of(caller, "/v1/auth/second-factor/passkey", challenge_token=token)
    assert [each["id"] for each in options["allowCredentials"]] == [encode(device.credentials[0].id)]
    body = {"challenge_token": token, "method": "passkey"}
    forged = await caller.post(
        "/v1/auth/second-factor/verify", json=body | {"credential": device.get(options, origin="https://evil.example")}
    )
    world.problem(forged, 400, "passkey-refused")
    right = body | {"credential": device.get(options)}
    answers = await asyncio.gather(*(caller.post("/v1/auth/second-factor/verify", json=right) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]
    world.problem(
        await caller.post("/v1/auth/second-factor/passkey", json={"challenge_token": token}),
        400,
        "one-time-token-refused",
    )


async def test_presence_is_proved_by_passkey(api_url: str, client: Any, someone: Any, world: Any, db: Database) -> None:
    jane = await someone()
    caller, device = client(api_url, jane), SoftAuthenticator()
    await add(caller, device)
    async with db.platform() as session:
        await session.execute(text("UPDATE auth_sessions SET authenticated_at = now() - interval '16 minutes'"))
    world.problem(await caller.post("/v1/me/passkeys/options"), 403, "reauthentication-required")
    options = await options_of(caller, "/v1/auth/reauthenticate/passkey")
    assert options["userVerification"] == "required"
    unverified = {"method": "passkey", "credential": device.get(options, flags=PRESENT)}
    world.problem(await caller.post("/v1/auth/reauthenticate", json=unverified), 400, "passkey-refused")
    proof = device.get(await options_of(caller, "/v1/auth/reauthenticate/passkey"))
    proved = await caller.post("/v1/auth/reauthenticate", json={"method": "passkey", "credential": proof})
    assert proved.status_code in {200, 204}, proved.text
    await options_of(caller, "/v1/me/passkeys/options")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"credential"}),
        ({"credential": {}}, {"credential.id", "credential.rawId", "credential.type", "credential.response"}),
        ({"credential": 1, "extra": 2}, {"credential", "extra"}),
        (
            {"credential": {"id": "a+b", "rawId": "", "type": "password", "response": {"clientDataJSON": "é"}}},
            {"credential.id", "credential.rawId", "credential.type"},
        ),
    ],
)
async def test_every_invalid_field_is_named(
    api_url: str, client: Any, someone: Any, world: Any, body: Any, fields: set[str]
) -> None:
    for caller, path in (
        (client(api_url), "/v1/auth/passkeys/sign-in"),
        (client(api_url, await someone()), "/v1/me/passkeys"),
    ):
        document = world.problem(await caller.post(path, json=body), 422, "invalid")
        assert fields <= set(world.fields(document)), document


async def test_wrong_credential_and_name_are_invalid_not_faults(
    api_url: str, client: Any, someone: Any, world: Any
) -> None:
    caller, device = client(api_url, await someone()), SoftAuthenticator()
    made = device.create(await options_of(caller, "/v1/me/passkeys/options"), rp_id="evil.example")
    refused = await caller.post("/v1/me/passkeys", json={"credential": made})
    assert set(world.fields(world.problem(refused, 422, "invalid"))) == {"credential"}
    again = await caller.post("/v1/me/passkeys", json={"credential": made})
    world.problem(again, 400, "one-time-token-refused")
    passkey = await add(caller, device)
    for name in ("", " ", "x" * 101, "two\nlines"):
        answer = await caller.patch(f"/v1/me/passkeys/{passkey['id']}", json={"name": name})
        assert set(world.fields(world.problem(answer, 422, "invalid"))) == {"name"}


@pytest.mark.parametrize("client_data", ["{", json.dumps({"challenge": "AAAA", "crossOrigin": True})])
async def test_a_credential_that_cannot_be_read_is_refused_in_words_for_people(
    api_url: str, client: Any, someone: Any, world: Any, client_data: str
) -> None:
    caller, device = client(api_url, await someone()), SoftAuthenticator()
    made = device.create(await options_of(caller, "/v1/me/passkeys/options"))
    made["response"]["clientDataJSON"] = encode(client_data.encode())
    answer = await caller.post("/v1/me/passkeys", json={"credential": made})
    (error,) = world.problem(answer, 422, "invalid")["errors"]
    words = "must be created by navigator.credentials.create() with the options from this API"
    assert (error["field"], error["code"], error["message"]) == ("credential", "malformed", words)


def test_development_allows_the_passkeys_of_this_machine() -> None:
    auth = settings_for_tests().auth
    assert (auth.webauthn_rp_id, auth.webauthn_origins[0]) == ("localhost", "http://localhost:3000")
