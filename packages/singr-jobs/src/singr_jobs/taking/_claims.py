"""The beginning of attempts: jobs that wait, or that a ticket hands over, become this process's."""

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import TupleRow

from singr_db import PsycopgPool
from singr_jobs.declare._types import Queue
from singr_jobs.taking import _sql
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._rules import TAKE_GATE


class Claimant(NamedTuple):
    """Who takes jobs, for how many seconds before they count as lost unless renewed, and of which types."""

    worker: str
    lease: float
    types: list[str]


class Shares(NamedTuple):
    """How many jobs of an organization may be taken at once: of these, and of the others; None: any number."""

    each: Mapping[UUID, int] = {}
    others: int | None = None


class Taken(NamedTuple):
    """What one look at a queue brought.

    `ruled` says whether operators have set rules for it, and is None where somebody else takes from it at this moment;
    nothing is taken where it is not as was believed. `chosen` counts what was found, which may be more than the jobs:
    others were quicker, or a job had been cancelled. `organizations` were looked at, up to `last`.
    """

    jobs: list[ClaimedJob]
    ruled: bool | None
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
    ruled: bool = False,
    shares: Shares | None = None,
) -> Taken:
    """Take up to `room` due jobs of so many organizations that come after one, onto a ticket; in their order.

    `places` is how many begin at once. `past` goes around what others have locked, at the price of a write a job.
    `ruled`: operators have set rules for the queue, and the take keeps to them.

    Raises:
        psycopg.errors.LockNotAvailable: somebody has one of them locked, or the table of settings.
    """
    values: dict[str, Any] = {
        "token": token,
        "queue": queue.value,
        "room": room,
        "places": places,
        "after": after,
        "organizations": organizations,
    }
    statement = _sql.TAKE_PAST if past else _sql.TAKE
    if ruled:
        statement = _sql.TAKE_PAST_BY_RULES if past else _sql.TAKE_BY_RULES
    elif shares is not None:
        statement = _sql.TAKE_PAST_BY_SHARES if past else _sql.TAKE_BY_SHARES
    if ruled or shares is not None:
        values |= {"ruled": ruled, **_told(shares)}
    rows = await _rows(pool, statement, claimant, gate=queue if ruled else None, **values)
    if not rows:
        return Taken([], None, 0, 0, None)
    is_ruled, looked_at, last, chosen = rows[0][:4]
    jobs = _claimed((row[4:], token) for row in rows if row[4] is not None)
    return Taken(jobs, is_ruled, chosen, looked_at, last)


async def take_apart(
    pool: PsycopgPool,
    queue: Queue,
    claimant: Claimant,
    *,
    token: int,
    priority: int,
    room: int,
    after: UUID = UUID(int=0),  # noqa: B008 - it does not change
    ruled: bool = False,
    shares: Shares | None = None,
) -> list[ClaimedJob]:
    """Take up to `room` jobs that one of the priorities sets apart, all of which begin at once; by rules one.

    Organizations have turns, which begin with the one that comes `after`, and no more than their shares.
    """
    statement = _sql.TAKE_APART_BY_RULES if ruled else _sql.TAKE_APART
    values = {"token": token, "queue": queue.value, "priority": priority, "room": room, "after": after}
    values |= _told(shares)
    rows = await _rows(pool, statement, claimant, gate=queue if ruled else None, **values)
    return _claimed((row, token) for row in rows)


async def accept(pool: PsycopgPool, queue: Queue, tokens: Sequence[int], claimant: Claimant) -> list[ClaimedJob]:
    """Take the jobs of the queue's tickets that travelled, where nobody was quicker; of whatever type."""
    rows = await _rows(pool, _sql.ACCEPT, claimant, queue=queue.value, tokens=list(tokens))
    return _claimed((row[1:], row[0]) for row in rows)


def _told(shares: Shares | None) -> dict[str, Any]:
    each, others = shares or Shares()
    return {"sharers": list(each), "shares": list(each.values()), "share": others}


async def _rows(
    pool: PsycopgPool, statement: str, claimant: Claimant, *, gate: Queue | None = None, **values: Any
) -> list[TupleRow]:
    """What a statement answers; nothing where it needs a queue's `gate` and somebody else has it.

    What is counted under a gate has to be seen as it is once one has it, and a statement sees what was when it began.
    """
    async with pool.connection() as connection, contextlib.AsyncExitStack() as stack:
        if gate is not None:
            await stack.enter_async_context(connection.transaction())
            cursor = await connection.execute(TAKE_GATE, {"queue": gate.value})
            if not await cursor.fetchall():
                return []
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
