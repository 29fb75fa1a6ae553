"""Second factors over HTTP: the second step of a sign-in, enrolment, and what changes to them want."""

from typing import Any
from uuid import uuid4

import pyotp
import pytest
from api_visitor import PASSWORD, Visitors, cookies_of, until_refused
from sqlalchemy import text

from singr_auth.accounts import ClientInfo, CodeByEmail, CodeBySms, SecondFactorRequired, SignedIn
from singr_config import Secret
from singr_db import Database


async def test_second_step_by_authenticator_app(visitor: Visitors, client: Any, api_url: str, world: Any) -> None:
    one, anonymous = await visitor(), client(api_url)
    backup = await one.add_totp()
    assert len(backup) == 10
    body = {"challenge_token": await one.challenge(), "method": "totp", "code": "000000"}
    world.problem(await anonymous.post("/v1/auth/second-factor/verify", json=body), 400, "code-refused")
    body |= {"code": one.code(), "remember_device": True}
    answer = await anonymous.post("/v1/auth/second-factor/verify", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "signed_in"
    assert answer.json()["device_token"].startswith("sdv_")
    world.problem(await anonymous.post("/v1/auth/second-factor/verify", json=body), 400, "one-time-token-refused")
    bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
    devices = (await anonymous.get("/v1/me/devices", headers=bearer)).json()["items"]
    trusted = [device for device in devices if device["trusted_until"]]
    assert len(trusted) == 1
    assert (await anonymous.delete(f"/v1/me/devices/{trusted[0]['id']}", headers=bearer)).status_code == 204
    body = {"challenge_token": await one.challenge(), "method": "backup_code", "code": backup[0].lower()}
    answer = await anonymous.post("/v1/auth/second-factor/verify", json=body | {"delivery": "cookie"})
    assert answer.json()["backup_codes_left"] == 9
    assert "access_token" not in answer.json()
    assert "HttpOnly" in cookies_of(answer)["__Host-singr_access"]


async def test_second_step_by_code_that_is_sent(visitor: Visitors, client: Any, api_url: str, world: Any) -> None:
    one, anonymous = await visitor(), client(api_url)
    added = await one.http.post("/v1/me/second-factors/email")
    assert (added.status_code, added.json()["method"], len(added.json()["backup_codes"])) == (201, "email", 10)
    token = await one.challenge()
    sent = await anonymous.post("/v1/auth/second-factor/send", json={"challenge_token": token, "method": "email"})
    assert (sent.status_code, sent.json()) == (202, {"expires_in": 300})
    refused = await anonymous.post("/v1/auth/second-factor/send", json={"challenge_token": token, "method": "sms"})
    world.problem(refused, 403, "not-allowed")
    # The API's own message is sealed on its way: the code is read where this process sends one for the same sign-in.
    await one.accounts.second_factor_sign_in.send(Secret(token), "email", ClientInfo(address="local"))
    code = one.accounts.notifier.last(CodeByEmail).code.reveal()  # type: ignore[attr-defined] # a RecordingNotifier
    body = {"challenge_token": token, "method": "email", "code": code}
    assert (await anonymous.post("/v1/auth/second-factor/verify", json=body)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"challenge_token": "sch_", "method": "totp"},
        {"challenge_token": "sch_", "method": "carrier_pigeon", "code": "1"},
        {"challenge_token": "sch_", "method": "passkey", "code": "000000"},
        {"challenge_token": "sch_", "method": "totp", "code": 0},
        {"challenge_token": "sch_", "method": "totp", "code": "0", "remember_device": "yes"},
        {"challenge_token": "sch_", "method": "totp", "code": "0", "delivery": "pigeon"},
    ],
)
async def test_second_step_that_is_malformed_is_invalid(client: Any, api_url: str, world: Any, body: Any) -> None:
    world.problem(await client(api_url).post("/v1/auth/second-factor/verify", json=body), 422, "invalid")


@pytest.mark.parametrize("token", ["sch_", "x", "é", "srt_" + "0" * 49])
async def test_second_step_of_no_sign_in_is_refused(client: Any, api_url: str, world: Any, token: str) -> None:
    body = {"challenge_token": token, "method": "totp", "code": "000000"}
    answer = await client(api_url).post("/v1/auth/second-factor/verify", json=body)
    world.problem(answer, 400, "one-time-token-refused")


async def test_enrolment_shows_secret_uri_and_picture_once(visitor: Visitors) -> None:
    one = await visitor()
    svg = await one.http.post("/v1/me/second-factors/totp")
    assert svg.headers["cache-control"] == "no-store"
    assert svg.json()["qr_svg"].startswith("<svg")
    assert pyotp.parse_uri(svg.json()["provisioning_uri"]).secret == svg.json()["secret"]
    png = await one.http.post("/v1/me/second-factors/totp?qr=png")
    assert png.json()["qr_png"].startswith("data:image/png;base64,")
    assert "qr_svg" not in png.json()
    assert (await one.http.post("/v1/me/second-factors/totp?qr=gif")).status_code == 422
    assert (await one.http.get("/v1/me/second-factors")).json() == {"items": [], "backup_codes_left": 0}


async def test_factors_are_listed_replaced_and_removed(visitor: Visitors, world: Any) -> None:
    one = await visitor()
    world.problem(await one.http.post("/v1/me/backup-codes"), 409, "conflict")
    first = await one.add_totp()
    added = await one.http.post("/v1/me/second-factors/email")
    assert added.json() == {"method": "email", "backup_codes": []}
    world.problem(await one.http.post("/v1/me/second-factors/email"), 409, "conflict")
    world.problem(await one.http.post("/v1/me/second-factors/pigeon"), 404, "not-found")
    listed = (await one.http.get("/v1/me/second-factors")).json()
    assert [item["method"] for item in listed["items"]] == ["totp", "email"]
    replaced = await one.http.post("/v1/me/backup-codes")
    assert replaced.status_code == 201
    assert not set(replaced.json()["backup_codes"]) & set(first)
    for method in ("totp", "email"):
        assert (await one.http.delete(f"/v1/me/second-factors/{method}")).status_code == 204
        world.problem(await one.http.delete(f"/v1/me/second-factors/{method}"), 404, "not-found")
    assert isinstance(await one.begin(), SignedIn)


async def test_changes_want_presence_and_reauthentication_gives_it(visitor: Visitors, world: Any, db: Database) -> None:
    one = await visitor()
    await one.add_totp()

    async def grow_old() -> None:
        async with db.platform() as session:
            await session.execute(text("UPDATE auth_sessions SET authenticated_at = now() - interval '16 minutes'"))

    await grow_old()
    world.problem(await one.http.post("/v1/me/backup-codes"), 403, "reauthentication-required")
    wrong = {"method": "password", "password": "not the password at all"}
    refused = await one.http.post("/v1/auth/reauthenticate", json=wrong)
    assert set(world.fields(world.problem(refused, 400, "password-refused"))) == {"password"}
    assert "www-authenticate" not in refused.headers  # upon a 401, clients would get a new token and try again
    world.problem(
        await one.http.post("/v1/auth/reauthenticate", json={"method": "totp", "code": "000000"}), 400, "code-refused"
    )
    right = {"method": "password", "password": PASSWORD.reveal()}
    answer = await one.http.post("/v1/auth/reauthenticate", json=right)
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == 900
    codes = (await one.http.post("/v1/me/backup-codes")).json()["backup_codes"]
    await grow_old()
    answer = await one.http.post("/v1/auth/reauthenticate", json={"method": "totp", "code": one.code()})
    assert answer.status_code == 200, answer.text
    answer = await one.http.post("/v1/auth/reauthenticate", json={"method": "backup_code", "code": codes[0]})
    assert answer.json()["backup_codes_left"] == 9
    world.problem(await one.http.post("/v1/auth/reauthenticate", json={"method": "sms", "code": "1"}), 422, "invalid")


# Each would be counted as another number, and so sent to beyond the limits of the one that it reaches.
OTHER_SPELLINGS = {
    "+115129990103": "begins with +151,",
    "+4407400777001": "begins with +4474,",
    "+441512888010000": "too many digits for its country",
}


async def test_phone_is_added_verified_and_removed(visitor: Visitors, world: Any) -> None:
    one = await visitor()
    world.problem(await one.http.post("/v1/me/second-factors/sms"), 409, "conflict")
    world.problem(await one.http.put("/v1/me/phone", json={"phone": "5555550100"}), 422, "invalid")
    world.problem(await one.http.put("/v1/me/phone", json={"phone": "+0 000 000"}), 422, "invalid")
    for spelling, words in OTHER_SPELLINGS.items():
        for method, path in (("PUT", "/v1/me/phone"), ("POST", "/v1/auth/magic-link")):
            problem = world.problem(await one.http.request(method, path, json={"phone": spelling}), 422, "invalid")
            assert [(wrong["field"], words in wrong["message"]) for wrong in problem["errors"]] == [("phone", True)]
    sent = await one.http.put("/v1/me/phone", json={"phone": "+15555550100"})
    assert (sent.status_code, sent.json()) == (202, {"expires_in": 300})
    world.problem(await one.http.post("/v1/me/phone/verify", json={"code": "abcdef"}), 400, "code-refused")
    await one.accounts.phones.add(
        one.person.user_id, one.person.session_id, "+15555550100", ClientInfo(address="local")
    )
    code = one.accounts.notifier.last(CodeBySms).code.reveal()  # type: ignore[attr-defined] # a RecordingNotifier
    verified = await one.http.post("/v1/me/phone/verify", json={"code": code})
    assert (verified.status_code, verified.json()) == (200, {"phone": "+1******0100"})
    assert (await one.http.post("/v1/me/second-factors/sms")).status_code == 201
    listed = (await one.http.get("/v1/me/second-factors")).json()["items"]
    assert listed[0]["target"] == "+1******0100"
    world.problem(await one.http.delete("/v1/me/phone"), 409, "conflict")
    assert (await one.http.delete("/v1/me/second-factors/sms")).status_code == 204
    assert (await one.http.delete("/v1/me/phone")).status_code == 204
    world.problem(await one.http.delete("/v1/me/phone"), 404, "not-found")


async def test_code_is_sent_as_a_sealed_message_and_lies_nowhere_in_clear(visitor: Visitors, db: Database) -> None:
    one = await visitor()
    assert (await one.http.put("/v1/me/phone", json={"phone": "+15555550100"})).status_code == 202
    async with db.platform() as session:
        jobs = list(await session.scalars(text("SELECT payload::text FROM jobs")))
        messages = list(await session.scalars(text("SELECT to_jsonb(m)::text FROM messages m")))
    assert len(jobs) == len(messages) == 1
    assert not any("5555550100" in row for row in (*jobs, *messages))


async def test_administrator_resets_the_factors_of_others_once_for_each_key(
    visitor: Visitors, someone: Any, client: Any, api_url: str, world: Any, callers: Any
) -> None:
    one = await visitor()
    await one.add_totp()
    path = f"/v1/users/{one.person.user_id}/reset-second-factors"
    for refused in (await someone(), await someone(member="customer_owner"), await someone(platform="support_admin")):
        assert (await client(api_url, refused).post(path, headers=world.key())).status_code in {403, 422}
    world.problem(await client(api_url, callers.own).post(path, headers=world.key()), 403, "scope-missing")
    assert isinstance(await one.begin(), SecondFactorRequired)
    admin, key = client(api_url, await someone(platform="admin")), world.key()
    answer = await admin.post(path, headers=key)
    assert (answer.status_code, answer.json()) == (200, {"removed": ["totp"]})
    assert isinstance(await one.begin(), SignedIn)
    again = await admin.post(path, headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == ({"removed": ["totp"]}, "true")
    await until_refused(one.http, {}, world)
    missing = f"/v1/users/{uuid4()}/reset-second-factors"
    world.problem(await admin.post(missing, headers=world.key()), 404, "not-found")
