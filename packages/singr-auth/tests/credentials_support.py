"""An organization whose credentials are made, rotated and revoked."""

import asyncio
from collections.abc import Iterable
from typing import Any

from sqlalchemy import text

from singr_auth.accounts import (
    CredentialError,
    CredentialSummary,
    NewCredential,
    ServiceCredentials,
)
from singr_auth.accounts.organizations import Actor, OrganizationCredentials, Organizations
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import IngestionSettings, Secret
from singr_db import Database, Sealer, new_id

SEALER = Sealer(Secret("a secret for tests that is long enough"), ())
NOTHING_BUILT_IN = IngestionSettings(api_key=Secret(""), signing_secret=Secret(""))
HOLDER = frozenset({"api_keys:read", "api_keys:write", "api_keys:revoke", "jobs:read"})


class Keys:
    """An organization with an owner, and what manages its credentials."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.notifier = RecordingNotifier()
        self.credentials = ServiceCredentials(db, SEALER, NOTHING_BUILT_IN)
        self.elsewhere = ServiceCredentials(db, SEALER, NOTHING_BUILT_IN)  # as another process has it
        self.manager = OrganizationCredentials(self.credentials, self.notifier)
        self.owner = new_id()
        self.organization = new_id()

    async def prepare(self) -> None:
        async with self.db.platform() as session:
            await session.execute(
                text(
                    "INSERT INTO users (id, account_type, status, name, email, email_key, email_verified_at)"
                    " VALUES (:id, 'customer', 'active', 'Olga', 'olga@example.org', 'olga@example.org', now())"
                ),
                {"id": self.owner},
            )
            made = await Organizations().create(session, user_id=self.owner, name="Blue Note")
        self.organization = made.organization.id

    @property
    def boss(self) -> Actor:
        return Actor(f"user:{self.owner}", user_id=self.owner, whole=True)

    async def program(self, scopes: Iterable[str] = HOLDER) -> Actor:
        """A program of the organization itself, by a key with these scopes."""
        made = await self.create(name="program", scopes=sorted(scopes), holder="organization")
        return Actor(made.key_id, frozenset(scopes))

    async def create(self, kind: Any = "api_key", *, actor: Actor | None = None, **options: Any) -> NewCredential:
        async with self.db.tenant(self.organization) as session:
            given: dict[str, Any] = {"name": "billing", "scopes": ["jobs:read"], "actor": actor or self.boss}
            return await self.manager.create(session, self.organization, kind, **(given | options))

    async def rotate(self, key_id: str, kind: Any = "api_key", *, actor: Actor | None = None, **options: Any) -> Any:
        async with self.db.tenant(self.organization) as session:
            return await self.manager.rotate(
                session, self.organization, kind, key_id, actor=actor or self.boss, **options
            )

    async def revoke(self, key_id: str, kind: Any = "api_key", *, actor: Actor | None = None) -> None:
        async with self.db.tenant(self.organization) as session:
            await self.manager.revoke(session, self.organization, kind, key_id, actor=actor or self.boss)

    async def all(self, kind: Any = "api_key") -> dict[str, CredentialSummary]:
        async with self.db.tenant(self.organization) as session:
            page = await self.manager.page(session, self.organization, kind, limit=100)
        return {one.key_id: one for one in page.items}

    async def opens(self, secret: Secret) -> bool:
        try:
            await self.elsewhere.api_key(secret.reveal())
        except CredentialError:
            return False
        return True

    async def refused_within_a_second(self, secret: Secret) -> None:
        """Ask as long as an answer may be remembered: `_REMEMBERED` is under a second, from when it was asked."""
        async with asyncio.timeout(20):
            while await self.opens(secret):  # noqa: ASYNC110 — nobody tells when
                await asyncio.sleep(0.05)
