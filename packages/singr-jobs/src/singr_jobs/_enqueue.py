from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import new_id
from singr_jobs._declare import MAX_ATTEMPTS, MAX_TIMEOUT, JobType, declared
from singr_jobs._errors import EnqueueError
from singr_jobs._redis import wake_after_commit
from singr_jobs._types import Priority, Queue
from singr_observability import correlation_id, current_traceparent

_INSERT = text(
    """
    INSERT INTO jobs (id, organization_id, type, queue, priority, payload, max_attempts, backoff, timeout,
                      unique_key, run_at, created_at, correlation_id, traceparent)
    VALUES (:id, :organization_id, :type, :queue, :priority, CAST(:payload AS jsonb), :max_attempts, :backoff, :timeout,
            :unique_key, :run_at, :created_at, :correlation_id, :traceparent)
    ON CONFLICT DO NOTHING
    RETURNING id
    """
)
_CLAIM_UNIQUE = text(
    """
    INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id)
    VALUES (:organization_id, :type, :unique_key, :id)
    ON CONFLICT (organization_id, type, unique_key) DO NOTHING
    RETURNING job_id
    """
)
_FIND_UNIQUE = text(
    """
    SELECT job_id FROM job_unique_keys
    WHERE organization_id = :organization_id AND type = :type AND unique_key = :unique_key
    """
)


@runtime_checkable
class JobSink(Protocol):
    """What stands in for a database session in users' own tests (see `singr_jobs.testing`)."""

    async def add_job(self, row: dict[str, Any]) -> UUID:
        """Keep the job's row; returns the id it got, or the id of the job that holds its unique key."""
        ...


async def enqueue(
    session: AsyncSession | JobSink,
    job: msgspec.Struct,
    *,
    organization_id: UUID,
    run_at: datetime | None = None,
    priority: Priority = Priority.NORMAL,
    queue: Queue | None = None,
    attempts: int | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - the job's, not this call's
    unique_key: str | None = None,
    job_id: UUID | None = None,
) -> UUID:
    """Add a job to the caller's transaction: it exists exactly when that commits.

    Args:
        session: a tenant or platform session with its transaction open, or a memory session in tests.
        job: an instance of a declared job struct.
        organization_id: whose job it is; a tenant session refuses any but its own.
        run_at: when it is due (aware); at once unless given.
        priority: which due job goes first.
        queue: where it waits, instead of the type's own queue.
        attempts: how often it is tried in all, instead of the type's own number.
        timeout: seconds one attempt may take, instead of the type's own.
        unique_key: while a job of this organization and type with this key has not ended, no second one is made.
        job_id: the id to give it (UUIDv7); enqueuing the same id again changes nothing.

    Returns:
        The job's id; where ``unique_key`` is held, the id of the job that holds it.

    Raises:
        EnqueueError: the job's type is not declared, or an option is out of range.
    """
    job_type = declared(job)
    row = _row(
        job,
        job_type,
        organization_id=organization_id,
        run_at=run_at,
        priority=priority,
        queue=queue,
        attempts=attempts,
        timeout=timeout,
        unique_key=unique_key,
        job_id=job_id,
    )
    if isinstance(session, AsyncSession):
        return await _insert(session, row)
    return await session.add_job(row)


async def _insert(session: AsyncSession, row: dict[str, Any]) -> UUID:
    if row["unique_key"] is not None:
        won = (await session.execute(_CLAIM_UNIQUE, row)).scalar()
        if won is None:
            # Read committed: the holder's row is visible here, unless it ended between the two statements.
            holder: UUID | None = (await session.execute(_FIND_UNIQUE, row)).scalar()
            if holder is None:
                return await _insert(session, row)
            return holder
    await session.execute(_INSERT, row)
    wake_after_commit(session.sync_session, row["queue"])
    return UUID(str(row["id"]))


def _row(
    job: msgspec.Struct,
    job_type: JobType,
    *,
    organization_id: UUID,
    run_at: datetime | None,
    priority: Priority,
    queue: Queue | None,
    attempts: int | None,
    timeout: float | None,
    unique_key: str | None,
    job_id: UUID | None,
) -> dict[str, Any]:
    now = datetime.now(UTC)
    if run_at is not None and run_at.tzinfo is None:
        raise EnqueueError("run_at needs a time zone: datetime.now(UTC) + timedelta(…), not a naive time")
    if attempts is not None and not 1 <= attempts <= MAX_ATTEMPTS:
        raise EnqueueError(f"attempts must be 1 to {MAX_ATTEMPTS}, not {attempts}")
    if timeout is not None and not 0 < timeout <= MAX_TIMEOUT:
        raise EnqueueError(f"timeout must be above 0 and at most {MAX_TIMEOUT:.0f} seconds, not {timeout}")
    if unique_key is not None and not 1 <= len(unique_key) <= 255:  # noqa: PLR2004 - the column's size
        raise EnqueueError("unique_key must be 1 to 255 characters long")
    return {
        "id": job_id or new_id(),
        "organization_id": organization_id,
        "type": job_type.name,
        "queue": (queue or job_type.queue).value,
        "priority": int(priority),
        "payload": msgspec.json.encode(job).decode(),
        "max_attempts": attempts or job_type.attempts,
        "backoff": job_type.backoff.first,
        "timeout": timeout or job_type.timeout,
        "unique_key": unique_key,
        "run_at": run_at or now,
        "created_at": now,
        "correlation_id": correlation_id.get(None),
        "traceparent": current_traceparent(),
    }
