"""A person who holds an authenticator."""

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

import msgspec
from authenticator import BACKED_UP, ELIGIBLE, PRESENT, VERIFIED, SoftAuthenticator
from sqlalchemy import text

from singr_auth.accounts import (
    Accounts,
    ClientInfo,
    NewPasskey,
    Passkey,
    PasskeyAssertion,
    SecondFactorRequired,
    SignedIn,
)
from singr_auth.accounts.people._users import User
from singr_db import Database

SYNCED = PRESENT | VERIFIED | ELIGIBLE | BACKED_UP


class Holder:
    """A person, their session, and what they hold."""

    def __init__(self, accounts: Accounts, db: Database, user: User, session_id: UUID, client: ClientInfo) -> None:
        self.accounts, self.db, self.user, self.session_id, self.client = accounts, db, user, session_id, client
        self.device = SoftAuthenticator()

    async def add(self, *, name: str | None = None, **forged: Any) -> Passkey:
        options = await self.accounts.passkeys.options(self.user.id, self.session_id)
        return await self.register(self.device.create(options, **forged), name=name)

    async def register(self, made: dict[str, Any], *, name: str | None = None) -> Passkey:
        credential = msgspec.convert(made, NewPasskey)
        return await self.accounts.passkeys.add(self.user.id, self.session_id, credential, self.client, name=name)

    async def proof(self, **forged: Any) -> PasskeyAssertion:
        return msgspec.convert(
            self.device.get(await self.accounts.passkey_sign_in.options(), **forged), PasskeyAssertion
        )

    async def sign_in(self, **forged: Any) -> SignedIn | SecondFactorRequired:
        return await self.accounts.passkey_sign_in.sign_in(await self.proof(**forged), self.client)

    async def signed_in(self, **forged: Any) -> SignedIn:
        result = await self.sign_in(**forged)
        assert isinstance(result, SignedIn)
        assert result.user_id == self.user.id
        return result

    async def events(self, kind: str) -> list[dict[str, Any]]:
        async with self.db.platform() as session:
            rows = await session.execute(
                text("SELECT detail FROM security_events WHERE kind = :kind ORDER BY id"), {"kind": kind}
            )
            return [row.detail for row in rows]

    async def methods(self, session_id: UUID) -> set[str]:
        async with self.db.platform() as session:
            found = await session.scalar(text("SELECT methods FROM auth_sessions WHERE id = :id"), {"id": session_id})
            return set(cast("list[str]", found))

    async def run(self, statement: str, **values: Any) -> None:
        async with self.db.platform() as session:
            await session.execute(text(statement), values)

    async def protect(self) -> None:
        """Put a confirmed second factor behind the account."""
        await self.run(
            "INSERT INTO second_factors (user_id, method, confirmed_at) VALUES (:id, 'email', now())", id=self.user.id
        )

    async def challenge(self) -> SecondFactorRequired:
        """Begin a sign-in by password that waits for its second factor."""
        result = await self.accounts.completion.complete(self.user.id, first_factor="password", client=self.client)
        assert isinstance(result, SecondFactorRequired)
        assert "passkey" in result.methods
        return result


Holders = Callable[..., Any]
