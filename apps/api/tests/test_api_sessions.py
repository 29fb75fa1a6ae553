"""Sessions and second factors over HTTP: two steps, two tabs, cookies that scripts cannot read, and quick ends."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pyotp
import pytest
from sqlalchemy import text

from singr_auth.accounts import Accounts, ClientInfo, CodeByEmail, CodeBySms, SecondFactorRequired, SignedIn
from singr_config import Secret
from singr_db import Database
from singr_dev.clock import VirtualClock

PASSWORD = Secret("correct horse battery staple 42")
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SECRET_COOKIES = ("__Host-singr_access", "__Secure-singr_refresh")


class Visitor:
    """A person with a client of their own."""

    def __init__(self, person: Any, accounts: Accounts, http: httpx.AsyncClient) -> None:
        self.person = person
        self.accounts = accounts
        self.http = http
        self.secret = ""

    async def begin(self, first_factor: str = "password") -> Any:
        """The first factor was right."""
        client = ClientInfo(address="203.0.113.9", user_agent=BROWSER)
        return await self.accounts.completion.complete(self.person.user_id, first_factor=first_factor, client=client)

    async def signed_in(self) -> SignedIn:
        """One more session."""
        result = await self.begin()
        assert isinstance(result, SignedIn)
        return result

    async def challenge(self) -> str:
        """A sign-in that waits for its second factor."""
        result = await self.begin()
        assert isinstance(result, SecondFactorRequired)
        return result.challenge_token.reveal()

    def code(self, steps: int = 0) -> str:
        """What the authenticator app shows."""
        return pyotp.TOTP(self.secret).at(int(time.time()) + 30 * steps)

    async def add_totp(self) -> list[str]:
        """Add an authenticator app, over HTTP; returns the backup codes."""
        begun = await self.http.post("/v1/me/second-factors/totp")
        assert begun.status_code == 200, begun.text
        self.secret = begun.json()["secret"]
        confirmed = await self.http.post("/v1/me/second-factors/totp/confirm", json={"code": self.code(-1)})
        assert confirmed.status_code == 200, confirmed.text
        codes: list[str] = confirmed.json()["backup_codes"]
        return codes


@pytest.fixture
def visitor(someone: Any, accounts: Accounts, client: Any, api_url: str) -> Callable[..., Awaitable[Visitor]]:
    async def make(**options: Any) -> Visitor:
        person = await someone(password=PASSWORD, **options)
        return Visitor(person, accounts, client(api_url, person))

    return make


Visitors = Callable[..., Awaitable[Visitor]]


def cookies_of(answer: httpx.Response) -> dict[str, str]:
    """The cookies that an answer sets, each with all its attributes."""
    return {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}


async def test_refresh_answers_the_next_pair_and_a_lost_answer_the_same_again(
    visitor: Visitors, client: Any, api_url: str
) -> None:
    session, anonymous = await (await visitor()).signed_in(), client(api_url)
    body = {"refresh_token": session.refresh_token.reveal()}
    first, again = [await anonymous.post("/v1/auth/refresh", json=body) for _ in range(2)]
    assert first.status_code == 200, first.text
    assert first.headers["cache-control"] == "no-store"
    document = first.json()
    assert set(document) == {
        "status", "session_id", "access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in",
    }  # fmt: skip
    assert document["refresh_token"] == again.json()["refresh_token"]
    me = await anonymous.get("/v1/auth/sessions", headers={"authorization": f"Bearer {document['access_token']}"})
    assert me.status_code == 200
    assert [item["current"] for item in me.json()["items"]] == [True, False]


async def test_fifty_refreshes_at_once_over_http_get_one_successor(
    visitor: Visitors, client: Any, api_url: str
) -> None:
    session, anonymous = await (await visitor()).signed_in(), client(api_url)
    body = {"refresh_token": session.refresh_token.reveal()}
    answers = await asyncio.gather(*(anonymous.post("/v1/auth/refresh", json=body) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


async def test_reuse_after_the_grace_ends_the_session_and_it_stays_ended(
    clock: VirtualClock, visitor: Visitors, client: Any, api_url: str, world: Any, db: Database
) -> None:
    session, anonymous = await (await visitor()).signed_in(), client(api_url)
    old = {"refresh_token": session.refresh_token.reveal()}
    new = (await anonymous.post("/v1/auth/refresh", json=old)).json()
    new = (await anonymous.post("/v1/auth/refresh", json={"refresh_token": new["refresh_token"]})).json()
    clock.advance(minutes=1)
    world.problem(await anonymous.post("/v1/auth/refresh", json=old), 401, "refresh-token-reused")
    for token in (old["refresh_token"], new["refresh_token"]):
        answer = await anonymous.post("/v1/auth/refresh", json={"refresh_token": token})
        world.problem(answer, 401, "session-ended")
    bearer = {"authorization": f"Bearer {new['access_token']}"}
    await until_refused(anonymous, bearer, world)


async def test_refresh_whose_answer_was_lost_an_hour_ago_is_answered_again(
    clock: VirtualClock, visitor: Visitors, client: Any, api_url: str, db: Database
) -> None:
    session, anonymous = await (await visitor()).signed_in(), client(api_url)
    old = {"refresh_token": session.refresh_token.reveal()}
    lost = (await anonymous.post("/v1/auth/refresh", json=old)).json()
    clock.advance(hours=1)
    again = await anonymous.post("/v1/auth/refresh", json=old)
    assert (again.status_code, again.json()["refresh_token"]) == (200, lost["refresh_token"])


async def until_refused(http: httpx.AsyncClient, headers: dict[str, str], world: Any) -> None:
    """Ask until the token is refused (how soon: test_auth_access_feed.py)."""
    async with asyncio.timeout(20):
        while (answer := await http.get("/v1/auth/sessions", headers=headers)).status_code == 200:  # noqa: ASYNC110 — nobody tells when
            await asyncio.sleep(0.2)
    world.problem(answer, 401, "token-revoked")


@pytest.mark.parametrize("body", [{}, {"refresh_token": ""}, {"refresh_token": 7}, {"refresh_tokn": "x"}, []])
async def test_refresh_without_a_token_is_invalid(client: Any, api_url: str, world: Any, body: Any) -> None:
    world.problem(await client(api_url).post("/v1/auth/refresh", json=body), 422, "invalid")


async def test_browser_refreshes_by_cookie_and_no_script_ever_sees_a_token(
    visitor: Visitors, client: Any, api_url: str, world: Any
) -> None:
    session = await (await visitor()).signed_in()
    browser = client(api_url, {"cookie": f"__Secure-singr_refresh={session.refresh_token.reveal()}"})
    world.problem(await browser.post("/v1/auth/refresh", json={}), 422, "invalid")
    answer = await browser.post("/v1/auth/refresh", json={"delivery": "cookie"})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"status", "session_id", "expires_in", "refresh_expires_in", "csrf_token"}
    cookies = cookies_of(answer)
    for name in SECRET_COOKIES:
        assert "HttpOnly" in cookies[name]
        assert "Secure" in cookies[name]
        value = cookies[name].partition("=")[2].partition(";")[0]
        assert value not in answer.text
    assert "SameSite=Strict" in cookies["__Secure-singr_refresh"]
    elsewhere = {"origin": "https://evil.example"}
    answer = await browser.post("/v1/auth/refresh", json={"delivery": "cookie"}, headers=elsewhere)
    world.problem(answer, 403, "csrf-refused")


@pytest.mark.parametrize("sent", ["", "__Secure-singr_refresh=srt_1; __Secure-singr_refresh=srt_2; "])
async def test_browser_without_its_refresh_cookie_is_told_that_its_session_has_ended(
    client: Any, api_url: str, world: Any, sent: str
) -> None:
    browser = client(api_url, {"cookie": f"{sent}__Host-singr_csrf=left-behind"})
    answer = await browser.post("/v1/auth/refresh", json={"delivery": "cookie"})
    world.problem(answer, 401, "session-ended")
    assert all("Max-Age=0" in cookies_of(answer)[name] for name in (*SECRET_COOKIES, "__Host-singr_csrf"))


async def test_browser_whose_session_has_ended_forgets_its_cookies(
    visitor: Visitors, client: Any, api_url: str, world: Any
) -> None:
    one = await visitor()
    session = await one.signed_in()
    await one.accounts.sessions.sign_out(session.user_id, session.session_id, ClientInfo(address="local"))
    browser = client(api_url, {"cookie": f"__Secure-singr_refresh={session.refresh_token.reveal()}"})
    answer = await browser.post("/v1/auth/refresh", json={"delivery": "cookie"})
    world.problem(answer, 401, "session-ended")
    assert all("Max-Age=0" in cookies_of(answer)[name] for name in SECRET_COOKIES)


async def test_sign_out_ends_this_session_within_a_second_and_no_other(visitor: Visitors, world: Any) -> None:
    one = await visitor()
    other = await one.signed_in()
    answer = await one.http.post("/v1/auth/sign-out")
    assert (answer.status_code, answer.content) == (204, b"")
    assert all("Max-Age=0" in cookies_of(answer)[name] for name in SECRET_COOKIES)
    await until_refused(one.http, {}, world)
    still = {"authorization": f"Bearer {other.access_token.reveal()}"}
    assert (await one.http.get("/v1/auth/sessions", headers=still)).status_code == 200


async def test_sign_out_everywhere_keeps_the_current_session_where_asked(visitor: Visitors, world: Any) -> None:
    one = await visitor()
    others = [await one.signed_in() for _ in range(2)]
    answer = await one.http.post("/v1/auth/sign-out-everywhere?keep=current")
    assert (answer.status_code, answer.json()) == (200, {"ended": 2})
    assert "set-cookie" not in answer.headers
    for other in others:
        await until_refused(one.http, {"authorization": f"Bearer {other.access_token.reveal()}"}, world)
    answer = await one.http.post("/v1/auth/sign-out-everywhere")
    assert answer.json() == {"ended": 1}
    await until_refused(one.http, {}, world)


async def test_one_ends_one_s_own_sessions_only(visitor: Visitors, world: Any) -> None:
    one, another = await visitor(), await visitor()
    theirs = await another.signed_in()
    mine = await one.signed_in()
    for session_id in (theirs.session_id, uuid4(), "not-an-id"):
        world.problem(await one.http.delete(f"/v1/auth/sessions/{session_id}"), 404, "not-found")
    assert (await one.http.delete(f"/v1/auth/sessions/{mine.session_id}")).status_code == 204
    listed = (await one.http.get("/v1/auth/sessions")).json()["items"]
    assert [item["id"] for item in listed] == [str(one.person.session_id)]


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


async def test_phone_is_added_verified_and_removed(visitor: Visitors, world: Any) -> None:
    one = await visitor()
    world.problem(await one.http.post("/v1/me/second-factors/sms"), 409, "conflict")
    world.problem(await one.http.put("/v1/me/phone", json={"phone": "5555550100"}), 422, "invalid")
    world.problem(await one.http.put("/v1/me/phone", json={"phone": "+0 000 000"}), 422, "invalid")
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


async def test_nothing_is_let_in_while_revocations_cannot_be_read(
    visitor: Visitors, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await visitor()
    assert (await one.http.get("/v1/auth/sessions")).status_code == 200

    async def away(*_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr("singr_auth.accounts.sessions._access_feed.AccessFeed.ensure_fresh", away)
    world.problem(await one.http.get("/v1/auth/sessions"), 503, "unavailable")
