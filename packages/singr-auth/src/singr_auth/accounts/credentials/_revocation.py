"""The one way in which credentials are revoked, whoever does it: with what they made, sent and had waiting.

To revoke a credential is to trust it no more. So credentials that it made go with it, and invitations that it sent, and
jobs that wait for a later time; but not what it handed to a successor, when it was rotated: that one answers for them.
Nothing here commits: the caller's transaction does.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Where the successor is not trusted either, the line goes on through it.
_REVOKE: Final = """
    WITH RECURSIVE line AS (
        SELECT key_id, replaced_by FROM service_credentials WHERE {which}
        UNION
        SELECT made.key_id, made.replaced_by FROM line
        JOIN service_credentials made ON made.created_by = line.key_id
            AND (:successors OR made.key_id IS DISTINCT FROM line.replaced_by)
    )
    UPDATE service_credentials c SET revoked_at = now() FROM line
    WHERE c.key_id = line.key_id AND c.revoked_at IS NULL RETURNING c.key_id
"""
_INVITATIONS: Final = text(
    """
    UPDATE invitations SET revoked_at = now()
    WHERE invited_with = ANY(:key_ids) AND accepted_at IS NULL AND revoked_at IS NULL
    """
)
# Those revoked, and those whose place they took: the end of each one's line answers for its jobs.
_UNANSWERED: Final = text(
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
# Those whose time has not come: what is due is being done. A retry waits too, of work that began while they might.
_CANCEL_JOBS: Final = """
    WITH gone AS (
        UPDATE jobs SET status = 'cancelled', finished_at = now(), cancel_requested = true
        WHERE created_by = ANY(:makers) AND status = 'pending' AND attempt = 0 AND run_at > now() {within}
        RETURNING organization_id, id
    ), keys AS (
        DELETE FROM job_unique_keys k USING gone WHERE k.organization_id = gone.organization_id AND k.job_id = gone.id
    )
    SELECT count(*) FROM gone
"""
_WITHIN: Final = {
    "organization_id": "AND organization_id = :organization_id",
    "since": "AND created_at >= :since",
}


class Revoked(msgspec.Struct, frozen=True):
    """What a revocation took.

    Attributes:
        key_ids: the credentials, those that others made among them.
        cancelled_jobs: how many were, that waited for a later time.
    """

    key_ids: tuple[str, ...] = ()
    cancelled_jobs: int = 0

    def __bool__(self) -> bool:
        """Whether there was anything to revoke."""
        return bool(self.key_ids)


async def revoke(session: AsyncSession, key_id: str) -> Revoked:
    """Revoke a credential that is not revoked yet, and what stands on it."""
    return await revoke_where(session, "key_id = :key_id AND revoked_at IS NULL", {"key_id": key_id})


async def revoke_where(
    session: AsyncSession, which: str, values: dict[str, Any], *, successors: bool = False
) -> Revoked:
    """Revoke all credentials that a condition holds for, and what stands on them.

    Args:
        session: the caller's transaction; jobs of organizations that it may not see stay.
        which: the condition, on columns of `service_credentials`: words of ours.
        values: its parameters.
        successors: what they were rotated to, by themselves, goes as well: whoever made them is trusted no more.
    """
    statement = text(_REVOKE.format(which=which))
    gone = tuple(await session.scalars(statement, values | {"successors": successors}))
    if not gone:
        return Revoked()
    await session.execute(_INVITATIONS, {"key_ids": list(gone)})
    makers = await session.scalars(_UNANSWERED, {"key_ids": list(gone)})
    return Revoked(gone, await cancel_jobs(session, makers))


async def cancel_jobs(session: AsyncSession, makers: Iterable[str], **within: object) -> int:
    """Cancel jobs that wait for a later time; returns how many did.

    Args:
        session: the caller's transaction.
        makers: who asked for them, as jobs name them.
        within: of this `organization_id` only; asked for `since` this moment only.
    """
    names = sorted(makers)
    if not names:
        return 0
    statement = text(_CANCEL_JOBS.format(within=" ".join(_WITHIN[name] for name in within)))
    return int(await session.scalar(statement, {"makers": names, **within}) or 0)
