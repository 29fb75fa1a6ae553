"""Run what is due: a worker of this process, for as long as there is something."""

import asyncio
import math
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from sqlalchemy import text

from singr_comms.notifications import MessageSender, message_sender
from singr_comms.people import PreferencesLook
from singr_config import Settings
from singr_db import Database
from singr_dev._errors import DevError
from singr_jobs import Jobs, JobWorker, Queue, QueueOptions, WorkerOptions, redis_transport
from singr_observability import build_metrics
from singr_platform import Parts, all_jobs, schedule_requests, standing_work

_PATIENCE_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.02
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
        for chore in standing_work(parts.db):
            await chore.work()
        if not await _due(parts.db):
            return
        needed: dict[type, Any] = {Database: parts.db, **(resources or {})}
        if jobs is None:
            sender = message_sender(
                settings,
                db=parts.db,
                sealer=parts.sealer,
                http=parts.http,
                metrics=build_metrics(),
                last_look=PreferencesLook(),
            )
            ends.push_async_callback(sender.close)
            needed[MessageSender] = sender
        types = all_jobs() if jobs is None else jobs
        worker = JobWorker(
            parts.db.psycopg,
            parts.redis,
            redis_transport(settings.redis),
            types,
            resources=needed,
            name="singr-clock",
            requests=schedule_requests(settings, types, parts.sealer),
            options=WorkerOptions(
                queues=await _queues(parts.db, types), poll=0.05, sweep_every=0.1, lease=5.0, grace=2.0
            ),
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
        told = ", ".join(f"{count} of {name}" for name, count in due.items())
        raise DevError(f"due still, and no fewer for {_PATIENCE_SECONDS:.0f} s: {told}") from None
