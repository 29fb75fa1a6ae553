"""Sessions over HTTP: two tabs, cookies that scripts cannot read, and quick ends."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from api_visitor import Visitors, cookies_of, until_refused

from singr_auth.accounts import ClientInfo
from singr_db import Database
from singr_dev.clock import VirtualClock

SECRET_COOKIES = ("__Host-singr_access", "__Secure-singr_refresh")


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


async def test_nothing_is_let_in_while_revocations_cannot_be_read(
    visitor: Visitors, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await visitor()
    assert (await one.http.get("/v1/auth/sessions")).status_code == 200

    async def away(*_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr("singr_auth.accounts.sessions._access_feed.AccessFeed.ensure_fresh", away)
    world.problem(await one.http.get("/v1/auth/sessions"), 503, "unavailable")
