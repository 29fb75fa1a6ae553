"""Where a job in memory lies, in the words in which the database tells it."""

from dataclasses import fields
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

from singr_jobs.declare._types import JobStatus
from singr_jobs.explaining._case import Case
from singr_jobs.memory._job import WORKER, MemoryJob
from singr_jobs.memory._places import MemoryPlaces

_NAMED: Final = 3
_COLUMNS: Final = (*(one.name for one in fields(MemoryJob)), "concurrency_key")


class PlacesInMemory:
    """Asks jobs in memory what reasons want to know."""

    def __init__(self, places: MemoryPlaces) -> None:
        self._places = places

    async def parked(self, job: Any, *, most: int) -> Any | None:
        """What holds the job's key; None where it is not parked."""
        job = self._places.jobs[job.id]
        if self._places.state(job) != "parked":
            return None
        keys = self._places.keys
        running = keys.running(job)[:most]
        behind = [one for one in keys.same(job) if self._places.state(one) == "parked" and _turn(one) < _turn(job)]
        return SimpleNamespace(
            held_until=keys.held_until(job),
            counts_until=keys.counts_until(job),
            running=len(running),
            one=running[0] if running else None,
            before=len(behind[:most]),
        )

    async def limits(self, job_type: str) -> Any | None:
        """What the keys of a type are held to."""
        row = self._places.keys.declared(job_type)
        if row is None:
            return None
        return SimpleNamespace(
            concurrency=row.concurrency if row.set_concurrency is None else row.set_concurrency,
            is_set=row.set_concurrency is not None,
            rate_count=row.set_rate_count or row.rate_count,
            rate_seconds=row.set_rate_seconds or row.rate_seconds,
        )

    async def put_off(self, job: Any) -> Any | None:
        """Until when what takes the job's unique key is put off; None where nothing is."""
        return self._places.unique.put_off(self._places.jobs[job.id])

    async def members(self, job_id: UUID) -> Any | None:
        """Whom it waits for in its flow; None where it waits for nobody."""
        flows = self._places.flows
        if not flows.waits(job_id):
            return None
        view, after = flows.of(job_id)
        ended = view.completed + view.failed + view.cancelled
        is_completion = job_id == view.completion_job_id
        waits_for = [one for one in after if self._places.jobs[one].status is not JobStatus.COMPLETED]
        return SimpleNamespace(
            waits_for=len(waits_for) + is_completion,
            state=view.state,
            name=view.name,
            is_completion=is_completion,
            is_closed=view.closed_at is not None,
            created_at=view.created_at,
            others=view.total - ended - 1,
            named=waits_for[:_NAMED],
        )

    async def before(self, job: Any, rank: int, *, most: int) -> int:
        """How many are before a job that is due."""
        places = self._places
        due = (one for one in places.jobs.values() if one.organization_id == job.organization_id)
        before = [
            one
            for one in due
            if one.queue == job.queue and places.state(one) == "waiting" and _turn(one) < (rank, job.run_at, job.id)
        ]
        return len(before[:most])


def look_in_memory(job: MemoryJob, places: MemoryPlaces) -> Case:
    """Find out where a job lies, and how its queue stands."""
    state = places.state(job)
    return Case(
        places=PlacesInMemory(places),
        job=_as_stored(job),
        now=places.now(),
        rank=job.priority if state == "waiting" else None,
        is_later=state == "delayed",
        ticket="working" if state == "active" else None,
        worker=WORKER if state == "active" else None,
        begun_at=job.started_at,
        queue=_queue_of(job, places) if job.is_unfinished else None,
    )


def _as_stored(job: MemoryJob) -> Any:
    """With the columns of its row, which knows of an attempt when that has ended."""
    columns = {name: getattr(job, name) for name in _COLUMNS}
    runs = {"status": "pending", "attempt": job.attempt - 1} if job.status is JobStatus.PROCESSING else {}
    return SimpleNamespace(**columns | runs)


def _queue_of(job: MemoryJob, places: MemoryPlaces) -> Any:
    """What keeps its queue and who serves it, as the function `queue_of_job` has it."""
    whole, own = places.queues.rules(job.queue, job.organization_id)
    pause = whole if whole.paused_at is not None else own
    in_hand = [one for one in places.jobs.values() if one.queue == job.queue and places.state(one) == "active"]
    knows, serves = places.knows(job.type), places.serves(job.queue)
    return SimpleNamespace(
        paused_at=pause.paused_at,
        paused_whole=pause is whole,
        paused_by=pause.paused_by,
        paused_for=pause.paused_for,
        most=whole.concurrency,
        in_hand=len(in_hand),
        most_of_own=whole.concurrency_per_organization if own.concurrency is None else own.concurrency,
        own_in_hand=sum(one.organization_id == job.organization_id for one in in_hand),
        rate_count=whole.rate_count,
        rate_seconds=whole.rate_seconds,
        own_rate_count=own.rate_count,
        own_rate_seconds=own.rate_seconds,
        workers=int(serves),
        workers_that_know_the_type=int(serves and knows),
        known_in=sorted(places.served or ()) if knows else [],
    )


def _turn(job: MemoryJob) -> tuple[int, datetime, UUID]:
    return job.priority, job.run_at, job.id
