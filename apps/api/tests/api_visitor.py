"""What the tests of sessions and second factors share: a person with a client of their own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pyotp
from codes import STEP

from singr_auth.accounts import Accounts, ClientInfo, SecondFactorRequired, SignedIn
from singr_config import Secret
from singr_config.clock import clock

PASSWORD = Secret("correct horse battery staple 42")
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


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
        return pyotp.TOTP(self.secret).at(int(clock.time()) + STEP * steps)

    async def add_totp(self) -> list[str]:
        """Add an authenticator app, over HTTP; returns the backup codes."""
        begun = await self.http.post("/v1/me/second-factors/totp")
        assert begun.status_code == 200, begun.text
        self.secret = begun.json()["secret"]
        confirmed = await self.http.post("/v1/me/second-factors/totp/confirm", json={"code": self.code(-1)})
        assert confirmed.status_code == 200, confirmed.text
        codes: list[str] = confirmed.json()["backup_codes"]
        return codes


Visitors = Callable[..., Awaitable[Visitor]]


def cookies_of(answer: httpx.Response) -> dict[str, str]:
    """The cookies that an answer sets, each with all its attributes."""
    return {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}


async def until_refused(http: httpx.AsyncClient, headers: dict[str, str], world: Any) -> None:
    """Ask until the token is refused (how soon: test_auth_access_feed.py)."""
    async with asyncio.timeout(20):
        while (answer := await http.get("/v1/auth/sessions", headers=headers)).status_code == 200:  # noqa: ASYNC110 — nobody tells when
            await asyncio.sleep(0.2)
    world.problem(answer, 401, "token-revoked")
