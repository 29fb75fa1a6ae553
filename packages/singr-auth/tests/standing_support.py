"""An organization with an owner and a second one, who makes a key and loses their standing."""

from typing import Any
from uuid import UUID

from credentials_support import NOTHING_BUILT_IN, SEALER
from organizations_support import House, acting
from sqlalchemy import text

from singr_auth.accounts import (
    Administration,
    CredentialError,
    InvitePerson,
    NewCredential,
    ServiceCredentials,
    TokenRefusedError,
)
from singr_auth.accounts.organizations import ORGANIZATION_PERMISSIONS, Actor, OrganizationCredentials, Revoked
from singr_auth.accounts.proofs._one_time import OneTimeTokens
from singr_auth.accounts.sessions._sessions import Sessions
from singr_db import Database, new_id

SCOPES = ("api_keys:read", "api_keys:write", "billing:write", "jobs:read", "organization:read", "organization:write")


class Place:
    """An organization with an owner and a second one, Mallory, who makes a key and loses their standing."""

    def __init__(self, db: Database) -> None:
        self.house = House(db)
        self.db = db
        self.credentials = ServiceCredentials(db, SEALER, NOTHING_BUILT_IN)
        self.manager = OrganizationCredentials(self.credentials, self.house.notifier)
        self.administration = Administration(
            notifier=self.house.notifier, sessions=Sessions(db), one_time=OneTimeTokens(SEALER)
        )

    async def prepare(self) -> None:
        self.owner, self.mallory = await self.house.person(), await self.house.person()
        self.organization = await self.house.organization(self.owner)
        await self.house.join(self.organization, self.mallory, "customer_owner")

    async def key(self, actor: UUID | Actor | None = None, **options: Any) -> NewCredential:
        given = {"name": "key", "scopes": SCOPES, **options}
        who = actor if isinstance(actor, Actor) else acting(actor or self.mallory)
        async with self.db.tenant(self.organization) as session:
            return await self.manager.create(session, self.organization, "api_key", actor=who, **given)

    async def may(self, key: NewCredential) -> set[str] | None:
        """What a key may do as a process sees it that never saw it before; None: it is refused."""
        try:
            fresh = ServiceCredentials(self.db, SEALER, NOTHING_BUILT_IN)
            return set((await fresh.api_key(key.secret.reveal())).scopes)
        except CredentialError:
            return None

    def program(self, key: NewCredential) -> Actor:
        """The key as the edge remembers it: nothing of that may count."""
        return Actor(key.key_id, ORGANIZATION_PERMISSIONS)

    async def sql(self, statement: str, **values: Any) -> None:
        async with self.db.platform() as session:
            await session.execute(text(statement), values)

    async def rotate(self, key: NewCredential, actor: Actor, *, overlap: int = 86_400) -> NewCredential:
        async with self.db.tenant(self.organization) as session:
            return await self.manager.rotate(
                session, self.organization, "api_key", key.key_id, actor=actor, overlap_seconds=overlap
            )

    async def revoke(self, key: NewCredential) -> Revoked:
        async with self.db.tenant(self.organization) as session:
            return await self.manager.revoke(
                session, self.organization, "api_key", key.key_id, actor=acting(self.owner)
            )

    async def expire(self, key: NewCredential) -> None:
        await self.sql("UPDATE service_credentials SET expires_at = now() WHERE key_id = :key", key=key.key_id)

    async def invite_with(self, key: NewCredential, email: str = "friend@example.org") -> str:
        """The token of an invitation that a key sent."""
        await self.house.custom_role(self.organization, self.owner, "Friend", "jobs:read")
        async with self.db.tenant(self.organization) as session:
            await self.house.invitations.create(
                session, self.organization, email=email, role="Friend", actor=self.program(key)
            )
        return self.house.notifier.last(InvitePerson).token.reveal()

    async def opens(self, token: str) -> bool:
        """Whether an invitation's link is still worth something."""
        async with self.db.platform() as session:
            try:
                await self.house.invitations.preview(session, token)
            except TokenRefusedError:
                return False
        return True

    async def waiting_job(self, maker: str, *, asked: str = "now()", later: bool = True, tried: int = 0) -> None:
        """A job that waits until tomorrow, or is due, after so many attempts."""
        await self.sql(
            "INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout, run_at,"
            f" attempt, created_at, created_by) VALUES (:id, :organization, 't', 'default', '{{}}', 3, 1, 1,"
            f" now() + CASE WHEN :later THEN interval '1 day' ELSE interval '0' END, :tried, {asked}, :maker)",
            id=new_id(),
            tried=tried,
            organization=self.organization,
            maker=maker,
            later=later,
        )

    async def jobs(self) -> dict[tuple[str, bool], str]:
        """What became of jobs, by who asked for them and whether they wait."""
        async with self.db.platform() as session:
            rows = await session.execute(text("SELECT created_by, run_at > now(), status FROM jobs"))
            return {(maker, waits): status for maker, waits, status in rows}
