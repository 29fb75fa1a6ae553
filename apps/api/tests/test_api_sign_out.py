"""Signing out over HTTP: possible for whoever holds a token of the session, answered alike, and for no other site."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from singr_auth.accounts import Accounts, ClientInfo, SignedIn

COOKIES = ("__Host-singr_access", "__Secure-singr_refresh", "__Host-singr_csrf")
PATH = "/v1/auth/sign-out"
Sessions = Callable[[], Awaitable[SignedIn]]


@pytest.fixture
async def session(someone: Any, accounts: Accounts) -> Sessions:
    """Opens one more session of one person."""
    person = await someone()

    async def open_one() -> SignedIn:
        result = await accounts.completion.complete(
            person.user_id, first_factor="password", client=ClientInfo(address="203.0.113.9", user_agent="test")
        )
        assert isinstance(result, SignedIn)
        return result

    return open_one


@pytest.fixture
def ended(accounts: Accounts) -> Callable[[SignedIn], Awaitable[bool]]:
    """Tells whether a session is none any more."""

    async def look(one: SignedIn) -> bool:
        return one.session_id not in {view.id for view in await accounts.sessions.list(one.user_id)}

    return look


Ended = Callable[[SignedIn], Awaitable[bool]]


def signs_out(answer: httpx.Response) -> bool:
    """Whether an answer says so, and clears the cookies."""
    cleared = {line.partition("=")[0] for line in answer.headers.get_list("set-cookie") if "Max-Age=0" in line}
    return (answer.status_code, answer.content) == (204, b"") and cleared == set(COOKIES)


async def test_sign_out_needs_no_access_token_in_force(
    session: Sessions, ended: Ended, client: Any, api_url: str, someone: Any
) -> None:
    """A computer that others use too: a quarter of an hour later, the refresh token alone is left."""
    expired = {"authorization": f"Bearer {(await someone(at=time.time() - 1000)).token}"}
    for headers, in_body, rotated in (
        ({}, False, False), ({}, True, False), (expired, False, False), (expired, True, False), ({}, False, True),
    ):  # fmt: skip
        one, other = await session(), await session()
        token = one.refresh_token.reveal()
        if rotated:
            answer = await client(api_url).post("/v1/auth/refresh", json={"refresh_token": token})
            assert answer.status_code == 200
        sent = {} if in_body else {"cookie": f"__Secure-singr_refresh={token}"}
        body = {"json": {"refresh_token": token}} if in_body else {}
        for _ in range(2):
            assert signs_out(await client(api_url, headers | sent).post(PATH, **body))
        assert await ended(one)
        assert not await ended(other)


async def test_access_token_in_force_says_which_session_ends(
    session: Sessions, ended: Ended, client: Any, api_url: str
) -> None:
    one, other = await session(), await session()
    browser = client(api_url, {"cookie": f"__Host-singr_access={one.access_token.reveal()}"})
    assert signs_out(await browser.post(PATH, json={"refresh_token": other.refresh_token.reveal()}))
    assert await ended(one)
    assert not await ended(other)


async def test_sign_out_answers_alike_whatever_comes_and_is_no_failed_sign_in(client: Any, api_url: str) -> None:
    anybody = client(api_url)
    for headers, body in (
        ({}, {}),
        ({"authorization": "Bearer nonsense"}, {"refresh_token": "srt_nonsense"}),
        ({"x-api-key": "sk_live_nope"}, {"refresh_token": "ünïcode"}),
        ({"cookie": "__Secure-singr_refresh=a; __Secure-singr_refresh=b; __Host-singr_access=c"}, {}),
    ):
        assert signs_out(await anybody.post(PATH, headers=headers, json=body))
    guess = {"authorization": "Bearer nonsense"}
    answers = await asyncio.gather(*(anybody.post(PATH, headers=guess) for _ in range(70)))
    assert all(map(signs_out, answers))


async def test_sign_out_refuses_a_body_that_it_does_not_know(client: Any, api_url: str, world: Any) -> None:
    document = world.problem(await client(api_url).post(PATH, json={"refresh_tokn": "x"}), 422, "invalid")
    assert set(world.fields(document)) == {"refresh_tokn"}


async def test_another_site_signs_nobody_out(
    session: Sessions, ended: Ended, client: Any, api_url: str, world: Any
) -> None:
    one = await session()
    refresh, access = one.refresh_token.reveal(), one.access_token.reveal()
    browser = client(api_url, {"cookie": f"__Secure-singr_refresh={refresh}; __Host-singr_access={access}"})
    for elsewhere in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = await browser.post(PATH, headers=elsewhere)
        world.problem(answer, 403, "csrf-refused")
        assert "set-cookie" not in answer.headers
    assert not await ended(one)
