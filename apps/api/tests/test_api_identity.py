"""Registration, sign-in, passwords and accounts over HTTP: what they take and answer, and what they never say."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from api_identity import PASSWORD, post
from sqlalchemy import text

from singr_config import Secret, Settings
from singr_db import Database, Sealer

NEW_PASSWORD = "quite another road to the microphone"
NEW = {"account_type": "singer", "email": "ada@example.org", "name": "Ada Lovelace", "password": PASSWORD}
UNREACHABLE = ("a", "localhost", "1.2.3.4", "evil.invalid")


class Mail:
    """What was written to people, out of the outbox, where it lies sealed."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)

    async def all(self) -> list[dict[str, Any]]:
        async with self._db.platform() as session:
            rows = await session.execute(text("SELECT kind, content_sealed FROM messages ORDER BY id"))
            return [
                {"kind": kind, **json.loads(self._sealer.open(bytes(sealed), context="messages.content"))}
                for kind, sealed in rows
            ]

    async def last(self, kind: str) -> dict[str, Any]:
        return [mail for mail in await self.all() if mail["kind"] == kind][-1]

    async def token(self, kind: str, link: str) -> str:
        return str((await self.last(kind))[link]).partition("token=")[2]


@pytest.fixture
def mail(db: Database, settings: Settings) -> Mail:
    return Mail(db, settings)


async def test_person_registers_verifies_signs_in_and_sees_themselves(api: httpx.AsyncClient, mail: Mail) -> None:
    answer = await post(api, "/v1/auth/register", **NEW)
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    refused = await post(api, "/v1/auth/sign-in", email=NEW["email"], password=PASSWORD)
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (403, "email-unverified")
    letter = await mail.last("verification")
    assert letter["user_name"] == "Ada Lovelace"
    verified = await post(api, "/v1/auth/email/verify", email="ADA@example.org", code=letter["verification_code"])
    assert (verified.status_code, verified.json()) == (200, {"status": "verified"})
    signed_in = await post(api, "/v1/auth/sign-in", email=NEW["email"], password=PASSWORD)
    assert signed_in.status_code == 200, signed_in.text
    tokens = signed_in.json()
    assert tokens["status"] == "signed_in"
    me = await api.get("/v1/me", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert me.status_code == 200
    assert {name: me.json()[name] for name in ("email", "email_verified", "account_type", "has_password")} == {
        "email": "ada@example.org",
        "email_verified": True,
        "account_type": "singer",
        "has_password": True,
    }
    assert "password_hash" not in me.text


async def test_answers_are_alike_for_new_pending_and_existing_addresses(
    api: httpx.AsyncClient, someone: Any, mail: Mail, world: Any
) -> None:
    known = await someone(password=Secret(PASSWORD))
    for path, more in (("register", NEW), ("magic-link", {}), ("password/forgot", {}), ("email/resend", {})):
        answers = [
            await post(api, f"/v1/auth/{path}", **{**more, "email": email})
            for email in (known.email, "nobody@example.org")
        ]
        assert len({(answer.status_code, answer.text) for answer in answers}) == 1, path
        assert answers[0].status_code == 202
    by_sms = await post(api, "/v1/auth/password/forgot", phone="+15555550199")
    assert (by_sms.status_code, by_sms.text) == (202, answers[0].text)
    both = await post(api, "/v1/auth/password/forgot", phone="+15555550199", email=known.email)
    assert world.problem(both, 422, "invalid")["errors"][0]["code"] == "conflicting_fields"
    told = [letter["event"] for letter in await mail.all() if letter["kind"] == "security_notice"]
    assert told.count("registration_attempted") == 1


async def test_sign_in_refusals_are_one_problem(api: httpx.AsyncClient, someone: Any, db: Database, world: Any) -> None:
    known, disabled, bare = (
        await someone(password=Secret(PASSWORD)),
        await someone(password=Secret(PASSWORD)),
        await someone(),
    )
    async with db.platform() as session:
        await session.execute(
            text("UPDATE users SET status = 'disabled', disabled_at = now() WHERE id = :id"), {"id": disabled.user_id}
        )
    seen = set()
    for email, password in (
        (known.email, "wrong"),
        (disabled.email, PASSWORD),
        (bare.email, PASSWORD),
        ("nobody@example.org", PASSWORD),
    ):
        answer = await post(api, "/v1/auth/sign-in", email=email, password=password)
        document = world.problem(answer, 401, "invalid-credentials")
        seen.add((document["detail"], document["instance"], str(sorted(answer.headers.keys()))))
    assert len(seen) == 1


async def test_weak_passwords_name_their_field(api: httpx.AsyncClient, someone: Any, world: Any) -> None:
    answer = await post(api, "/v1/auth/register", **{**NEW, "password": "short"})
    assert set(world.fields(world.problem(answer, 422, "invalid"))) == {"password"}
    ada = await someone(password=Secret(PASSWORD))
    answer = await post(
        api, "/v1/auth/password/change", ada.bearer, current_password=PASSWORD, new_password="passwordpassword"
    )
    assert set(world.fields(world.problem(answer, 422, "invalid"))) == {"new_password"}


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("register", {**NEW, "email": "nobody"}, {"email"}),
        *(("register", {**NEW, "email": f"joe@{domain}"}, {"email"}) for domain in UNREACHABLE),
        *((path, {"email": "joe@localhost"}, {"email"}) for path in ("magic-link", "password/forgot")),
        ("register", {**NEW, "name": "a\nb"}, {"name"}),
        ("register", {**NEW, "account_type": "admin"}, {"account_type"}),
        ("register", {**NEW, "role_id": "admin"}, {"role_id"}),
        ("sign-in", {"email": "a@example.org"}, {"password"}),
        ("sign-in", {"email": "a@example.org", "password": "x", "delivery": "pigeon"}, {"delivery"}),
        ("magic-link", {"email": "a@example.org", "phone": "+15555550100"}, {""}),
        ("magic-link", {}, {""}),
        ("magic-link", {"phone": "555"}, {"phone"}),
        ("email/verify", {"token": "x", "email": "a@example.org"}, {""}),
        ("email/verify", {"email": "a@example.org"}, {""}),
        ("email/verify", {}, {""}),
    ],
)
async def test_bodies_that_do_not_fit_name_what_is_wrong(
    api: httpx.AsyncClient, world: Any, path: str, body: dict[str, Any], fields: set[str]
) -> None:
    answer = await api.post(f"/v1/auth/{path}", json=body)
    assert set(world.fields(world.problem(answer, 422, "invalid"))) == fields


async def test_unknown_used_and_foreign_tokens_are_one_problem(
    api: httpx.AsyncClient, someone: Any, mail: Mail, world: Any
) -> None:
    ada = await someone(password=Secret(PASSWORD))
    await post(api, "/v1/auth/magic-link", email=ada.email)
    link = await mail.token("magic_link", "magic_link")
    assert (await post(api, "/v1/auth/magic-link/redeem", token=link)).json()["status"] == "signed_in"
    for path, more in (
        ("magic-link/redeem", {}),
        ("email/verify", {}),
        ("password/reset", {"password": NEW_PASSWORD}),
    ):
        for token in (link, link[:-1], "x", "sml_", "ünïcode"):
            answer = await post(api, f"/v1/auth/{path}", token=token, **more)
            world.problem(answer, 400, "one-time-token-refused")


async def test_get_uses_up_no_link(api: httpx.AsyncClient, someone: Any, mail: Mail) -> None:
    ada = await someone(password=Secret(PASSWORD))
    await post(api, "/v1/auth/magic-link", email=ada.email)
    link = await mail.token("magic_link", "magic_link")
    for path in ("/auth/magic", "/v1/auth/magic-link/redeem", "/v1/auth/magic-link"):
        await api.get(path, params={"token": link})
    assert (await post(api, "/v1/auth/magic-link/redeem", token=link)).status_code == 200


async def test_reset_ends_sessions_and_signs_nobody_in(
    api: httpx.AsyncClient, someone: Any, mail: Mail, world: Any
) -> None:
    ada = await someone(password=Secret(PASSWORD))
    await post(api, "/v1/auth/password/forgot", email=ada.email)
    token = await mail.token("password_reset", "reset_link")
    weak = await post(api, "/v1/auth/password/reset", token=token, password="short")
    assert set(world.fields(world.problem(weak, 422, "invalid"))) == {"password"}
    done = await post(api, "/v1/auth/password/reset", token=token, password=NEW_PASSWORD)
    assert (done.status_code, done.json()) == (200, {"status": "password_changed"})
    assert "set-cookie" not in done.headers
    await asyncio.sleep(0.6)  # the access feed is read at most half a second late
    world.problem(await api.get("/v1/me", headers=ada.bearer), 401, "token-revoked")
    assert (await post(api, "/v1/auth/sign-in", email=ada.email, password=PASSWORD)).status_code == 401
    assert (await post(api, "/v1/auth/sign-in", email=ada.email, password=NEW_PASSWORD)).status_code == 200


async def test_password_change_keeps_this_session_alone(api: httpx.AsyncClient, someone: Any, world: Any) -> None:
    ada = await someone(password=Secret(PASSWORD))
    other = (await post(api, "/v1/auth/sign-in", email=ada.email, password=PASSWORD)).json()
    wrong = await post(api, "/v1/auth/password/change", ada.bearer, current_password="wrong", new_password=NEW_PASSWORD)
    assert set(world.fields(world.problem(wrong, 400, "password-refused"))) == {"current_password"}
    assert "www-authenticate" not in wrong.headers  # upon a 401, clients would get a new token and try again
    done = await post(api, "/v1/auth/password/change", ada.bearer, current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert done.status_code == 200, done.text
    await asyncio.sleep(0.6)  # the access feed is read at most half a second late
    assert (await api.get("/v1/me", headers=ada.bearer)).status_code == 200
    world.problem(
        await api.get("/v1/me", headers={"authorization": f"Bearer {other['access_token']}"}), 401, "token-revoked"
    )


async def test_sixth_try_in_a_minute_says_when_to_come_back_but_not_on_a_known_device(
    api: httpx.AsyncClient, someone: Any, world: Any
) -> None:
    ada = await someone(password=Secret(PASSWORD))
    first = (await post(api, "/v1/auth/sign-in", email=ada.email, password=PASSWORD)).json()
    for _ in range(4):
        await post(api, "/v1/auth/sign-in", email=ada.email, password="wrong")
    limited = await post(api, "/v1/auth/sign-in", email=ada.email, password=PASSWORD)
    world.problem(limited, 429, "rate-limited")
    assert 1 <= int(limited.headers["retry-after"]) <= 60
    at_home = await post(
        api, "/v1/auth/sign-in", email=ada.email, password=PASSWORD, device_token=first["device_token"]
    )
    assert at_home.status_code == 200


async def test_browser_gets_cookies_and_no_token_in_the_answer(api: httpx.AsyncClient, someone: Any) -> None:
    ada = await someone(password=Secret(PASSWORD))
    answer = await post(api, "/v1/auth/sign-in", email=ada.email, password=PASSWORD, delivery="cookie")
    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "session_id", "expires_in", "refresh_expires_in", "csrf_token"}
    names = {cookie.partition("=")[0] for cookie in answer.headers.get_list("set-cookie")}
    assert {"__Host-singr_access", "__Secure-singr_refresh", "__Secure-singr_device"} <= names


async def test_browser_keeps_a_known_device_for_as_long_as_the_account_does(
    api: httpx.AsyncClient, someone: Any
) -> None:
    ada = await someone(password=Secret(PASSWORD))

    async def device_cookies(headers: Any = None, **body: Any) -> list[str]:
        answer = await post(api, "/v1/auth/sign-in", headers, email=ada.email, password=PASSWORD, **body)
        assert answer.status_code == 200, answer.text
        api.cookies.clear()
        return [one for one in answer.headers.get_list("set-cookie") if one.startswith("__Secure-singr_device=")]

    [first] = await device_cookies(delivery="cookie")
    presented = {"cookie": first.partition(";")[0]}
    assert await device_cookies(presented, delivery="cookie") == [first]
    assert await device_cookies(presented) == []
    [another] = await device_cookies({"cookie": "__Secure-singr_device=sdv_nobodys"}, delivery="cookie")
    assert another.partition(";")[0] != first.partition(";")[0]


async def test_address_moves_by_the_code_and_only_then(
    api: httpx.AsyncClient, someone: Any, mail: Mail, world: Any
) -> None:
    ada = await someone(password=Secret(PASSWORD))
    asked = await post(api, "/v1/auth/email/change", ada.bearer, email="ada.king@example.org")
    assert (asked.status_code, asked.json()) == (202, {"status": "accepted"})
    assert (await api.get("/v1/me", headers=ada.bearer)).json()["email"] == ada.email
    wrong = await post(api, "/v1/auth/email/change/confirm", ada.bearer, code="000000")
    world.problem(wrong, 400, "code-refused")
    letter = await mail.last("email_change")
    assert letter["account"] == "s***@example.org"
    link = letter["confirm_link"].partition("token=")[2]
    for body in ({}, {"code": letter["code"], "token": link}):
        answer = await post(api, "/v1/auth/email/change/confirm", ada.bearer, **body)
        world.problem(answer, 422, "invalid")
    elsewhere = await post(api, "/v1/auth/email/change/confirm", (await someone()).bearer, token=link)
    assert "in the session that asked" in world.problem(elsewhere, 403, "not-allowed")["detail"]
    done = await post(api, "/v1/auth/email/change/confirm", ada.bearer, code=letter["code"])
    assert done.status_code == 200, done.text
    assert (await api.get("/v1/me", headers=ada.bearer)).json()["email"] == "ada.king@example.org"
    undo = (await mail.last("email_changed"))["undo_link"].partition("token=")[2]
    undone = await post(api, "/v1/auth/email/change/undo", token=undo)
    assert (undone.status_code, undone.json()) == (200, {"status": "email_restored"})
    world.problem(await post(api, "/v1/auth/email/change/undo", token=undo), 400, "one-time-token-refused")


async def test_space_around_an_address_does_not_matter_wherever_one_is_given(
    api: httpx.AsyncClient, someone: Any, mail: Mail, world: Any
) -> None:
    ada, admin = await someone(password=Secret(PASSWORD), member="customer_owner"), await someone(platform="admin")
    around = f" \t{ada.email}\u00a0\r\n"
    assert (await post(api, "/v1/auth/sign-in", email=around, password=PASSWORD)).status_code == 200
    for path in ("magic-link", "password/forgot", "email/resend"):
        assert (await post(api, f"/v1/auth/{path}", email=around)).status_code == 202
    registered = await post(api, "/v1/auth/register", **{**NEW, "email": " new@example.org "})
    assert registered.status_code == 202
    code = (await mail.last("verification"))["verification_code"]
    verified = await post(api, "/v1/auth/email/verify", email="\tnew@example.org\n", code=code)
    assert verified.status_code == 200, verified.text
    assert (await post(api, "/v1/auth/email/change", ada.bearer, email=" ada.king@example.org ")).status_code == 202
    assert (await mail.last("email_change"))["new_email"] == "ada.king@example.org"
    found = await api.get("/v1/users", params={"email": f" {ada.email} "}, headers=admin.bearer)
    assert [user["id"] for user in found.json()["items"]] == [str(ada.user_id)]
    path = f"/v1/organizations/{ada.organization}/invitations"
    invited = await api.post(
        path, json={"email": " guest@example.org ", "role": "customer_staff"}, headers={**ada.bearer, **world.key()}
    )
    assert (invited.status_code, invited.json()["email"]) == (201, "guest@example.org"), invited.text
    inside = await post(api, "/v1/auth/magic-link", email="ada @example.org")
    assert "email" in world.fields(world.problem(inside, 422, "invalid"))


async def test_person_renames_reads_their_trail_in_pages_and_ends_their_account(
    api: httpx.AsyncClient, someone: Any, world: Any
) -> None:
    ada = await someone(password=Secret(PASSWORD))
    for name in ("Ada King", "Countess Lovelace"):
        assert (await api.patch("/v1/me", json={"name": name}, headers=ada.bearer)).json()["name"] == name
    first = await api.get("/v1/me/security-events?limit=2", headers=ada.bearer)
    assert [event["kind"] for event in first.json()["items"]] == ["account.renamed"] * 2
    assert {event["actor"] for event in first.json()["items"]} == {"you"}
    second = await api.get(first.links["next"]["url"], headers=ada.bearer)
    assert "sign_in.succeeded" in [event["kind"] for event in second.json()["items"]]
    other = await someone()
    assert [event["kind"] for event in (await api.get("/v1/me/security-events", headers=other.bearer)).json()["items"]]
    assert "account.renamed" not in (await api.get("/v1/me/security-events", headers=other.bearer)).text
    assert (await api.delete("/v1/me", headers=ada.bearer)).status_code == 204
    await asyncio.sleep(0.6)  # the access feed is read at most half a second late
    world.problem(await api.get("/v1/me", headers=ada.bearer), 401, "token-revoked")
    assert (await post(api, "/v1/auth/sign-in", email=ada.email, password=PASSWORD)).status_code == 401


async def test_old_proof_of_presence_ends_no_account_and_moves_no_address(
    api: httpx.AsyncClient, someone: Any, db: Database, world: Any
) -> None:
    ada = await someone(password=Secret(PASSWORD))
    async with db.platform() as session:
        await session.execute(text("UPDATE auth_sessions SET authenticated_at = now() - interval '16 minutes'"))
    world.problem(await api.delete("/v1/me", headers=ada.bearer), 403, "reauthentication-required")
    answer = await post(api, "/v1/auth/email/change", ada.bearer, email="new@example.org")
    world.problem(answer, 403, "reauthentication-required")
