"""People with second factors, and a service that sends codes."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal
from uuid import UUID

import pyotp
from codes import STEP
from sqlalchemy import text

from singr_auth.accounts import (
    Accounts,
    ClientInfo,
    CodeBySms,
    SecondFactorRequired,
    SecurityNotice,
    SignedIn,
    SignInResult,
)
from singr_auth.accounts.people._users import User
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_config.clock import clock
from singr_db import Database

Clients = Callable[..., ClientInfo]
Make = Callable[..., Accounts]
Person = Callable[..., Awaitable[User]]
SignIn = Callable[..., Awaitable[SignedIn]]
PHONE = "+15555550100"
GRACE = 30


async def run(db: Database, statement: str, **parameters: Any) -> Any:
    async with db.platform() as session:
        result = await session.execute(text(statement), parameters)
        return result.all() if result.returns_rows else None  # type: ignore[attr-defined] # a CursorResult


class Verifier:
    """A verification service that knows one code."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.code = "424242"
        self.away = False

    async def start(self, phone: str, *, channel: Literal["sms", "call"] = "sms") -> None:
        if self.away:
            raise ConnectionError
        self.started.append(phone)

    async def check(self, phone: str, code: str) -> bool:
        if self.away:
            raise ConnectionError
        return phone in self.started and code == self.code


class Someone:
    """A person with a session, and the second factors that they add."""

    def __init__(self, accounts: Accounts, db: Database, notifier: RecordingNotifier, clients: Clients) -> None:
        self.accounts = accounts
        self.db = db
        self.notifier = notifier
        self.client = clients()
        self.clients = clients
        self.user_id = UUID(int=0)
        self.session_id = UUID(int=0)
        self.secret = ""
        self.backup_codes: tuple[Secret, ...] = ()

    async def arrive(self, user: User) -> None:
        """Sign in, before there is any second factor."""
        self.user_id = user.id
        await self.arrive_again()

    async def arrive_again(self) -> None:
        """Sign in once more, after all sessions were ended."""
        result = await self.begin()
        assert isinstance(result, SignedIn)
        self.session_id = result.session_id

    async def begin(self, first_factor: str = "password", **changed: Any) -> SignInResult:
        """The first factor was right."""
        client = self.clients(**changed)
        return await self.accounts.completion.complete(self.user_id, first_factor=first_factor, client=client)

    async def challenge(self, first_factor: str = "password") -> Secret:
        """The token of a sign-in that waits for its second factor."""
        result = await self.begin(first_factor)
        assert isinstance(result, SecondFactorRequired)
        return result.challenge_token

    async def add_totp(self) -> None:
        """Add an authenticator app."""
        factors = self.accounts.second_factors
        enrolment = await factors.begin_totp(self.user_id, self.session_id)
        self.secret = enrolment.secret.reveal()
        codes = await factors.confirm_totp(self.user_id, self.session_id, self.code(-1), self.client)
        self.backup_codes = codes or self.backup_codes

    async def add_phone(self, phone: str = PHONE) -> None:
        """Add a verified phone number."""
        await self.accounts.phones.add(self.user_id, self.session_id, phone, self.client)
        await self.accounts.phones.verify(self.user_id, self.notifier.last(CodeBySms).code.reveal(), self.client)

    async def add(self, method: Literal["sms", "email", "verify"]) -> None:
        """Add codes that are sent."""
        codes = await self.accounts.second_factors.add(self.user_id, self.session_id, method, self.client)
        self.backup_codes = codes or self.backup_codes

    def code(self, steps: int = 0, secret: str = "") -> str:
        """What the authenticator app shows, `steps` away from now."""
        return pyotp.TOTP(secret or self.secret).at(int(clock.time()) + steps * STEP)

    async def verify(self, challenge: Secret, method: Any, code: str, **options: Any) -> SignedIn:
        """Type a code."""
        return await self.accounts.second_factor_sign_in.verify(challenge, method, code, self.client, **options)

    async def forget_limits(self) -> None:
        """As if an hour had passed."""
        await self.accounts.limiter._script.registered_client.flushdb()  # type: ignore[attr-defined] # redis-py's own

    async def grow_old(self) -> None:
        """As if the session's proof of presence were 16 minutes old."""
        await run(
            self.db,
            "UPDATE auth_sessions SET authenticated_at = authenticated_at - interval '16 minutes' WHERE id = :id",
            id=self.session_id,
        )

    async def reset(self, user_id: UUID | None = None) -> tuple[str, ...]:
        """An administrator takes the factors away."""
        async with self.db.platform() as session:
            return await self.accounts.second_factors.reset(
                session, user_id or self.user_id, actor="user:the-admin", client=None
            )

    async def events(self, like: str) -> list[str]:
        """The kinds of security events of this person."""
        rows = await run(
            self.db,
            "SELECT kind FROM security_events WHERE user_id = :id AND kind LIKE :like ORDER BY id",
            id=self.user_id,
            like=like,
        )
        return [kind for (kind,) in rows]

    def told(self) -> list[str]:
        """The security notices that were sent."""
        return [notice.event for notice in self.notifier.of(SecurityNotice)]
