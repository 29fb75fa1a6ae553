"""Jobs that are made of rows, and cancelled many at a time: for libraries whose own statements make thousands at once.

Python touches none of the rows. They are made by the platform alone: nobody else may give jobs their places.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_db import PlatformSession, TenantSession, sql_text
from singr_db.ending import CANCEL_MANY
from singr_jobs._ambient import correlation
from singr_jobs.declare._errors import EnqueueError
from singr_jobs.declare._job_types import declared
from singr_jobs.intake._ingest_sql import insert_many_jobs
from singr_jobs.intake._wake import cancel_after_commit, wake_after_commit

_STORED: Final = {
    "type": "CAST(:job_type AS text)",
    "queue": "CAST(:job_queue AS text)",
    "max_attempts": "CAST(:job_attempts AS smallint)",
    "backoff": "CAST(:job_backoff AS float8)",
    "timeout": "CAST(:job_timeout AS float8)",
    "run_at": "coalesce(run_at, now())",
    "created_at": "now()",
    "traceparent": "CAST(:job_traceparent AS text)",
    **dict.fromkeys(("unique_key", "concurrency_key", "reference", "labels"), "NULL"),
}
_LOCK: Final = sql_text(
    "SELECT id FROM jobs WHERE id = ANY (CAST(:ids AS uuid[])) AND organization_id = :organization_id"
    " AND status = 'pending' ORDER BY id FOR UPDATE",
    roles=("platform", "tenant"),
)
_CANCEL: Final = sql_text(CANCEL_MANY, roles=("platform", "tenant"))


def insert_jobs_from(source: str, *, created_by: str = "NULL") -> str:
    """The INSERT of a job for each row of a relation, and of their places: the parts of a WITH.

    The statement takes the parameters of `job_values` too. It is run by a platform session, and followed by `wake`.

    Args:
        source: a relation with the columns `id` (UUIDv7), `organization_id`, `payload` (the job's struct as `jsonb`),
            `priority`, `correlation_id` and `run_at` (when it is due; null is at once).
        created_by: the expression, of its columns and parameters, for who asked for the job, as ingestion has it: what
            waits of theirs is cancelled with their credential.
    """
    return insert_many_jobs(source, "created_by", stored={**_STORED, "created_by": created_by})


def job_values(job: msgspec.Struct) -> dict[str, Any]:
    """The parameters that say what jobs like this one are; it must be of a declared type that shares no limits by key.

    Their trace goes on from the caller's.

    Raises:
        EnqueueError: it is not, and its jobs need a key each: `enqueue_many` makes them.
    """
    job_type = declared(job)
    if job_type.key(job) is not None:
        raise EnqueueError(f"jobs of {job_type.name} have keys: make them with enqueue_many")
    return {
        "job_type": job_type.name,
        "job_queue": job_type.queue.value,
        "job_attempts": job_type.attempts,
        "job_backoff": job_type.backoff.first,
        "job_timeout": job_type.timeout,
        "job_traceparent": correlation()[1],
    }


def wake(session: PlatformSession, job: msgspec.Struct) -> None:
    """Once the session commits, tell workers that jobs like this one are due."""
    wake_after_commit(session.sync_session, declared(job).queue.value)


async def cancel_jobs(session: PlatformSession | TenantSession, ids: Sequence[UUID], *, organization_id: UUID) -> None:
    """Cancel an organization's jobs in the caller's transaction: those that wait at once, those in hand by asking.

    What has ended stays as it is. Their rows are locked until the transaction ends, in the order of their ids.
    """
    locked = list(await session.scalars(_LOCK, {"ids": list(ids), "organization_id": organization_id}))
    for row in (await session.execute(_CANCEL, {"ids": locked})).all() if locked else ():
        if row.status == "pending":
            cancel_after_commit(session.sync_session, row.id)
