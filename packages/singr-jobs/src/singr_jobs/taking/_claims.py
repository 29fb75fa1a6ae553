"""The beginning of attempts: jobs that wait, or that a ticket hands over, become this process's."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import TupleRow

from singr_db import PsycopgPool
from singr_jobs.declare._types import Queue
from singr_jobs.taking import _sql
from singr_jobs.taking._claimed import ClaimedJob


class Claimant(NamedTuple):
    """Who takes jobs, for how many seconds before they count as lost unless renewed, and of which types."""

    worker: str
    lease: float
    types: list[str]


class Taken(NamedTuple):
    """What one look at a queue brought.

    `free` is false where somebody else takes from it at this moment. `chosen` counts what was found, which may be more
    than the jobs: others were quicker, or a job had been cancelled. `organizations` were looked at, up to `last`.
    """

    jobs: list[ClaimedJob]
    free: bool
    chosen: int
    organizations: int
    last: UUID | None


async def take(
    pool: PsycopgPool,
    queue: Queue,
    claimant: Claimant,
    *,
    token: int,
    room: int,
    places: int,
    after: UUID,
    organizations: int,
    past: bool = False,
) -> Taken:
    """Take up to `room` due jobs of so many organizations that come after one, onto a ticket; in their order.

    `places` is how many begin at once. `past` goes around what others have locked, at the price of a write a job.

    Raises:
        psycopg.errors.LockNotAvailable: somebody has one of them locked.
    """
    rows = await _rows(
        pool,
        _sql.TAKE_PAST if past else _sql.TAKE,
        claimant,
        token=token,
        queue=queue.value,
        room=room,
        places=places,
        after=after,
        organizations=organizations,
    )
    free, looked_at, last, chosen = rows[0][:4]
    jobs = _claimed((row[4:], token) for row in rows if row[4] is not None)
    return Taken(jobs, free, chosen, looked_at, last)


async def take_apart(
    pool: PsycopgPool, queue: Queue, claimant: Claimant, *, token: int, priority: int, room: int
) -> list[ClaimedJob]:
    """Take up to `room` jobs that one of the priorities sets apart, all of which begin at once."""
    rows = await _rows(pool, _sql.TAKE_APART, claimant, token=token, queue=queue.value, priority=priority, room=room)
    return _claimed((row, token) for row in rows)


async def accept(pool: PsycopgPool, queue: Queue, tokens: Sequence[int], claimant: Claimant) -> list[ClaimedJob]:
    """Take the jobs of the queue's tickets that travelled, where nobody was quicker; of whatever type."""
    rows = await _rows(pool, _sql.ACCEPT, claimant, queue=queue.value, tokens=list(tokens))
    return _claimed((row[1:], row[0]) for row in rows)


async def _rows(pool: PsycopgPool, statement: str, claimant: Claimant, **values: Any) -> list[TupleRow]:
    async with pool.connection() as connection:
        cursor = await connection.execute(statement, {**claimant._asdict(), **values}, binary=True)
        return await cursor.fetchall()


def _claimed(rows: Iterable[tuple[TupleRow, int]]) -> list[ClaimedJob]:
    now = time.monotonic()
    jobs = []
    for row, token in rows:
        job = ClaimedJob(*row)
        job.token, job.taken_at = token, now
        jobs.append(job)
    return jobs
