"""The one way in which credentials are revoked, whoever does it: with what they made, sent and had waiting.

To revoke a credential is to trust it no more: nor those whose place it took. So credentials that any of them made go
with it, a successor that it was rotated to by itself among them; invitations that they sent; and jobs that wait for a
later time. A successor that somebody else made, a person mostly, stays: they have its secret, and whoever stole the old
one has not. It answers for jobs of the old one. Nothing here commits: the caller's transaction does.
"""

import datetime as dt
from collections.abc import Collection, Iterable
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from singr_auth.accounts.credentials._rows import Kind
from singr_db import sql_text
from singr_db.ending import cancel_where

# What a credential makes waits for the row of its organization, and asks again whether the maker is in force.
_LOCK: Final = sql_text(
    """
    SELECT o.id FROM organizations o JOIN service_credentials c ON c.organization_id = o.id
    WHERE c.key_id = :key_id FOR NO KEY UPDATE OF o
    """
)
_REVOKE: Final = """
    WITH RECURSIVE former AS (
        SELECT key_id FROM service_credentials WHERE {which}
        UNION
        SELECT old.key_id FROM former JOIN service_credentials old ON old.replaced_by = former.key_id
        WHERE :predecessors
    ), line AS (
        SELECT key_id FROM former
        UNION
        SELECT made.key_id FROM line JOIN service_credentials made ON made.created_by = line.key_id
    )
    UPDATE service_credentials c SET revoked_at = now() FROM line
    WHERE c.key_id = line.key_id AND c.revoked_at IS NULL RETURNING c.key_id, c.name, c.kind
"""
_INVITATIONS: Final = sql_text(
    """
    UPDATE invitations SET revoked_at = now()
    WHERE invited_with = ANY(:key_ids) AND accepted_at IS NULL AND revoked_at IS NULL
    RETURNING id, email, expires_at > now() AS open
    """
)
_KEPT: Final = sql_text(
    """
    WITH RECURSIVE later AS (
        SELECT replaced_by AS key_id FROM service_credentials WHERE key_id = ANY(:key_ids)
        UNION
        SELECT c.replaced_by FROM later JOIN service_credentials c USING (key_id)
    )
    SELECT c.key_id, c.name, c.kind FROM later JOIN service_credentials c USING (key_id)
    WHERE c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > now()) ORDER BY c.id
    """
)
# Those revoked, and those whose place they took: the end of each one's line answers for its jobs.
_UNANSWERED: Final = sql_text(
    """
    WITH RECURSIVE former AS (
        SELECT key_id FROM service_credentials WHERE key_id = ANY(:key_ids)
        UNION
        SELECT old.key_id FROM former JOIN service_credentials old ON old.replaced_by = former.key_id
    ), later AS (
        SELECT key_id, key_id AS heir FROM former
        UNION
        SELECT later.key_id, c.replaced_by FROM later JOIN service_credentials c ON c.key_id = later.heir
        WHERE c.replaced_by IS NOT NULL
    )
    SELECT key_id FROM former WHERE NOT EXISTS (
        SELECT FROM later JOIN service_credentials c ON c.key_id = later.heir
        WHERE later.key_id = former.key_id AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > now())
    )
    """
)
# Those whose time has not come, or which wait for others of their flow: what is due is being done. One that was tried
# may wait for a day, with its message unsent, so that its attempts say nothing.
_WAITING: Final = (
    "created_by = ANY(:makers)"
    " AND (run_at > now() OR (flow_id IS NOT NULL AND EXISTS (SELECT FROM job_waiting AS w WHERE w.id = jobs.id)))"
)
_HERE: Final = " AND organization_id = :organization_id"
_SINCE: Final = " AND created_at >= :since"
_CANCEL_JOBS: Final = {
    within: sql_text(cancel_where(_WAITING + within, answer="count(*)"), roles=("platform", "tenant"))
    for within in ("", _HERE, _SINCE, _HERE + _SINCE)
}


class LostCredential(msgspec.Struct, frozen=True):
    """A credential that a change concerns."""

    key_id: str
    name: str
    kind: Kind


class LostInvitation(msgspec.Struct, frozen=True):
    """An invitation that was open before the change."""

    id: UUID
    email: str


class Revoked(msgspec.Struct, frozen=True):
    """What a revocation revoked, and what stays.

    Attributes:
        revoked_credentials: including its predecessors, and those that any of these created.
        kept_credentials: successors that stay valid because a person, or a program that remains trusted, created them.
        revoked_invitations: open invitations that they sent.
        cancelled_jobs: how many scheduled jobs were cancelled.
    """

    revoked_credentials: tuple[LostCredential, ...] = ()
    kept_credentials: tuple[LostCredential, ...] = ()
    revoked_invitations: tuple[LostInvitation, ...] = ()
    cancelled_jobs: int = 0

    def __bool__(self) -> bool:
        """Whether there was anything to revoke."""
        return bool(self.revoked_credentials)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The credentials that were revoked."""
        return tuple(each.key_id for each in self.revoked_credentials)


async def revoke(session: AsyncSession, key_id: str) -> Revoked:
    """Revoke a credential that is not revoked yet, those whose place it took, and what stands on any of them."""
    await session.execute(_LOCK, {"key_id": key_id})
    which = "key_id = :key_id AND revoked_at IS NULL"
    return await revoke_where(session, which, {"key_id": key_id}, predecessors=True)


async def revoke_late(session: AsyncSession, makers: Collection[str]) -> Revoked:
    """Revoke what credentials made and sent since they were revoked, while a process still remembered them."""
    which = "created_by = ANY(:makers) AND revoked_at IS NULL"
    return await revoke_where(session, which, {"makers": [*makers]}, revoked_before=makers)


async def revoke_where(
    session: AsyncSession,
    which: str,
    values: dict[str, Any],
    *,
    predecessors: bool = False,
    revoked_before: Collection[str] = (),
) -> Revoked:
    """Revoke all credentials that a condition holds for, and what stands on them.

    Args:
        session: the caller's transaction; jobs of organizations that it may not see stay.
        which: the condition, on columns of `service_credentials`: words of ours.
        values: its parameters.
        predecessors: those that were rotated to them go as well; not where the condition is about people, who may have
            taken over what others made.
        revoked_before: credentials whose open invitations and waiting jobs go as well.
    """
    statement = text(_REVOKE.format(which=which))
    rows = await session.execute(statement, values | {"predecessors": predecessors})
    gone = tuple(LostCredential(row.key_id, row.name, row.kind) for row in rows)
    if not gone and not revoked_before:
        return Revoked()
    key = {"key_ids": [*revoked_before, *(each.key_id for each in gone)]}
    invitations = await session.execute(_INVITATIONS, key)
    kept = await session.execute(_KEPT, key)
    return Revoked(
        revoked_credentials=gone,
        kept_credentials=tuple(LostCredential(row.key_id, row.name, row.kind) for row in kept),
        revoked_invitations=tuple(LostInvitation(row.id, row.email) for row in invitations if row.open),
        cancelled_jobs=await cancel_jobs(session, await session.scalars(_UNANSWERED, key)),
    )


async def cancel_jobs(
    session: AsyncSession,
    makers: Iterable[str],
    *,
    organization_id: UUID | None = None,
    since: dt.datetime | None = None,
) -> int:
    """Cancel jobs that wait for a later time; returns how many did.

    Args:
        session: the caller's transaction.
        makers: who asked for them, as jobs name them.
        organization_id: of this organization only; None: of every one that the session may see.
        since: asked for since this moment only; None: whenever.
    """
    names = sorted(makers)
    if not names:
        return 0
    within = "" if organization_id is None else _HERE
    if since is not None:
        within += _SINCE
    values = {"makers": names, "organization_id": organization_id, "since": since}
    return int(await session.scalar(_CANCEL_JOBS[within], values) or 0)
