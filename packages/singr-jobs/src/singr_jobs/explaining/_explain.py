"""`explain`: the first reason that applies, and where the job would start."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import cache
from uuid import UUID

import msgspec

from singr_jobs.declare._types import Queue
from singr_jobs.explaining import reasons
from singr_jobs.explaining._case import Because, Case, State, look_at
from singr_jobs.explaining._memory import look_in_memory
from singr_jobs.memory._sessions import ReadsMemory
from singr_jobs.reading._queries import Session, find_job

Why = Callable[[Case], Awaitable[Because | None]]


class WouldStart(msgspec.Struct, frozen=True, kw_only=True):
    """Where an unfinished job would start.

    Attributes:
        paused: whether none of its organization's jobs are taken from this queue.
        workers: how many live processes serve this queue.
        workers_that_know_the_type: how many of them run its type.
    """

    queue: Queue
    paused: bool
    workers: int
    workers_that_know_the_type: int


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job is in its current state.

    Attributes:
        state: more precise than `status`: `scheduled` waits for its time; `dispatched` was taken by a worker and has
            not started.
        reason: a code for programs; later releases may add codes.
        in_words: a sentence for people.
        since: since when, as far as known.
        error_code: the error after which it is retried, or with which it failed for good; null otherwise.
        would_start: where it would start; null once it has ended.
    """

    id: UUID
    state: State
    reason: str
    in_words: str
    since: datetime | None
    error_code: str | None = None
    would_start: WouldStart | None


async def explain(session: Session, job_id: UUID) -> Explanation:
    """Say in words why a job is not running, or how it ended; in an organization's session.

    Args:
        session: of the job's organization; in tests, an `InMemoryJobs`.
        job_id: which.

    Raises:
        JobNotFoundError: there is no such job in this organization.
    """
    if isinstance(session, ReadsMemory):
        reading = session.reading
        case = look_in_memory(reading.found(job_id, session.organization_id), reading.places)
    else:
        case = await look_at(session, await find_job(session, job_id))
    for why in _reasons():
        because = await why(case)
        if because is not None:
            break
    else:
        because = Because(state="pending", reason="unknown", in_words="Waits, and this release does not know for what.")
    return Explanation(
        id=job_id,
        state=because.state,
        reason=because.reason,
        in_words=because.in_words,
        since=because.since,
        error_code=because.error_code,
        would_start=_would_start(case),
    )


def _would_start(case: Case) -> WouldStart | None:
    if case.queue is None:
        return None
    return WouldStart(
        queue=Queue.stored(case.job.queue),
        paused=case.queue.paused_at is not None,
        workers=case.queue.workers,
        workers_that_know_the_type=case.queue.workers_that_know_the_type,
    )


@cache
def _reasons() -> tuple[Why, ...]:
    """What each file of the reasons says, in their order."""
    names = [entry.name for entry in pkgutil.iter_modules(reasons.__path__)]
    modules = [importlib.import_module(f"{reasons.__name__}.{name}") for name in names]
    return tuple(module.why for module in sorted(modules, key=lambda module: (module.ORDER, module.__name__)))
