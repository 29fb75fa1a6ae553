"""Backlogs: many jobs stored at once by the statement that `enqueue` runs, with rows as it makes them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from uuid import UUID

import msgspec
import psycopg
from bench.harness import ORGANIZATION, BenchError

from singr_db import new_id
from singr_jobs import Priority
from singr_jobs.declare._job_types import declared
from singr_jobs.intake._enqueue import INSERT
from singr_jobs.intake._row import JobRow

_AT_ONCE = 5_000
_COUNT = "SELECT count(*) FROM jobs"


def fill(
    database: str, jobs: Iterable[msgspec.Struct], *, organization: str = ORGANIZATION, priority: Priority | None = None
) -> int:
    """Store these jobs, due at once, and bring the statistics up to date; how many they were."""
    return store(database, (row(job, UUID(organization), priority or Priority.NORMAL) for job in jobs))


def store(database: str, rows: Iterable[JobRow]) -> int:
    """Store jobs by their rows, as `fill` does."""
    rows = iter(rows)
    with psycopg.connect(database, autocommit=True) as connection:
        before = _count(connection)
        stored = 0
        while some := list(islice(rows, _AT_ONCE)):
            connection.execute(INSERT, {"rows": msgspec.json.encode(some).decode()})
            stored += len(some)
        if _count(connection) - before != stored:
            raise BenchError(f"{_count(connection) - before} jobs were stored, not {stored}")
        connection.execute("VACUUM (ANALYZE)")
    return stored


def row(job: msgspec.Struct, organization: UUID, priority: Priority) -> JobRow:
    """The job as `enqueue` stores it."""
    kind = declared(job)
    return JobRow(
        id=new_id(),
        organization_id=organization,
        type=kind.name,
        queue=kind.queue.value,
        priority=int(priority),
        payload=msgspec.Raw(msgspec.json.encode(job)),
        max_attempts=kind.attempts,
        backoff=kind.backoff.first,
        timeout=kind.timeout,
        correlation_id="bench",
        concurrency_key=kind.key(job),
    )


def _count(connection: psycopg.Connection[tuple[int]]) -> int:
    found = connection.execute(_COUNT).fetchone()
    return found[0] if found else 0
