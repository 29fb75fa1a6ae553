"""Run what is due: a worker of this process, for as long as there is something."""

import asyncio
import math
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from sqlalchemy import text

from singr_config import Settings
from singr_db import Database
from singr_dev._errors import DevError
from singr_jobs import Jobs, JobWorker, Queue, QueueOptions, WorkerOptions, redis_transport
from singr_observability import build_metrics
from singr_platform import Parts, all_jobs, job_resources, schedule_requests, standing_work

_PATIENCE_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.02
# Turns of chores and jobs after which those that ask for each other without end are given up.
_TURNS: Final = 20
_DUE: Final = text(
    """
    SELECT type, count(*) AS number FROM (
        SELECT type FROM jobs WHERE status = 'pending' AND run_at <= now() AND id NOT IN (SELECT id FROM job_waiting)
        UNION ALL SELECT 'schedule ' || name FROM schedules WHERE due_at <= now()
    ) AS due
    GROUP BY type ORDER BY type
    """
)


async def settle(settings: Settings, jobs: Jobs | None, resources: Mapping[type, Any] | None) -> None:
    """Do what `VirtualClock.settle` says."""
    parts = Parts(settings, name="singr-clock")
    async with parts.running(), AsyncExitStack() as ends:
        needed = _Resources({Database: parts.db})
        if jobs is None:
            needed.update(job_resources(settings, parts, build_metrics(), ends))
        needed.update(resources or {})
        chores, due = standing_work(parts.db), dict[str, int]()
        for _ in range(_TURNS):
            for chore in chores:
                await chore.work()
            if not (due := await _due(parts.db)):
                return
            await _work(settings, parts, all_jobs() if jobs is None else jobs, needed)
            if needed.lacking:
                raise DevError(
                    f"handlers ask for what is not there: {', '.join(sorted(needed.lacking))}; pass resources"
                )
    raise DevError(f"after {_TURNS} turns of chores and jobs there is more: {_in_words(due)}")


class _Resources(dict[type, Any]):
    """What handlers may ask for; keeps in mind what they asked for in vain."""

    def __init__(self, given: Mapping[type, Any]) -> None:
        super().__init__(given)
        self.lacking: set[str] = set()

    def __missing__(self, kind: type) -> Any:
        self.lacking.add(kind.__name__)
        raise KeyError(kind)


async def _work(settings: Settings, parts: Parts, types: Jobs, resources: Mapping[type, Any]) -> None:
    """Be a worker until nothing is due, and what was is done and written down."""
    worker = JobWorker(
        parts.db.psycopg,
        parts.redis,
        redis_transport(settings.redis),
        types,
        resources=resources,
        name="singr-clock",
        requests=schedule_requests(settings, types, parts.sealer),
        options=WorkerOptions(queues=await _queues(parts.db, types), poll=0.05, sweep_every=0.1, lease=5.0, grace=2.0),
    )
    running = asyncio.create_task(worker.run())
    try:
        await _until_nothing_is_due(parts.db, running)
    finally:
        if not running.done():  # one that broke off would never have stopped
            await worker.stop()
        await running


async def _queues(db: Database, types: Jobs) -> dict[Queue, QueueOptions]:
    """The queues of these types, and those that due jobs were put on all the same: no more, since each has threads."""
    async with db.platform() as session:
        used = (await session.execute(text("SELECT DISTINCT queue FROM jobs WHERE status = 'pending'"))).scalars()
        ours = {one.queue for one in types} | (set(map(Queue.stored, used)) & set(Queue.declared()))
        return {queue: QueueOptions() for queue in sorted(ours)}


async def _due(db: Database) -> dict[str, int]:
    async with db.platform() as session:
        return {row.type: row.number for row in await session.execute(_DUE)}


async def _until_nothing_is_due(db: Database, running: "asyncio.Task[None]") -> None:
    due: dict[str, int] = {}
    fewest = math.inf
    try:
        async with asyncio.timeout(None) as patience:
            while not running.done() and (due := await _due(db)):
                if (left := sum(due.values())) < fewest:
                    fewest = left
                    patience.reschedule(asyncio.get_running_loop().time() + _PATIENCE_SECONDS)
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise DevError(f"due still, and no fewer for {_PATIENCE_SECONDS:.0f} s: {_in_words(due)}") from None


def _in_words(due: Mapping[str, int]) -> str:
    return ", ".join(f"{count} of {name}" for name, count in due.items())
