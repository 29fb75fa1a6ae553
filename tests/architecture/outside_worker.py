"""A team outside the workspace, with the wheel of singr-jobs[worker]: a queue and a job type of its own.

`python outside_worker.py TEAM` reads one JSON object from the first line of its input: the stores of the platform, an
organization, and the job to wait for, or none: then it enqueues one. It serves its own queue alone until its input
ends, and says what happens in lines of JSON. A worker that is to be `killed` dies in the middle of that job.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from typing import Any
from uuid import UUID

import msgspec

from singr_config import DatabaseSettings, RedisSettings, Secret
from singr_db import Database
from singr_db.redis import redis_client
from singr_jobs import (
    Jobs,
    JobTelemetry,
    JobWorker,
    Queue,
    QueueError,
    QueueOptions,
    SyncJobContext,
    Waker,
    WorkerOptions,
    enqueue,
    read_job,
    redis_transport,
)
from singr_observability import build_metrics

TEAM = sys.argv[1]
GIVEN = json.loads(sys.stdin.readline())
OURS = Queue.declare(f"team-{TEAM}")
Work = msgspec.defstruct("Work", [("number", int)], frozen=True, tag=f"{TEAM}.work")

SAID = threading.Event()
"""Its own job's id has been told: nobody would learn it afterwards."""

jobs = Jobs()


@jobs.handler(Work, queue=OURS, attempts=3)
def work(job: Any, context: SyncJobContext) -> object:
    """Do it; a plain function."""
    if GIVEN["killed"]:
        SAID.wait()
        os._exit(9)
    return {"by": TEAM, "number": job.number, "attempt": context.attempt}


def say(**what: object) -> None:
    """Tell whoever started this."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Says(JobTelemetry):
    """Tells of the jobs that this process finds lost."""

    def stalled(self, queue: Queue, job_type: str, job_id: UUID, attempt: int, status: str) -> None:
        super().stalled(queue, job_type, job_id, attempt, status)
        say(lost=job_id.hex, queue=queue, type=job_type)


def refused(name: str) -> str:
    """What is said of a queue that another team has."""
    try:
        return Queue(name)
    except QueueError as error:
        return str(error)


async def main() -> None:
    """Be that team's worker."""
    organization = UUID(GIVEN["organization_id"])
    settings = RedisSettings(url=Secret(GIVEN["redis_url"]))
    redis, metrics = redis_client(settings), build_metrics()
    async with Database(DatabaseSettings(url=Secret(GIVEN["database_url"])), application_name=TEAM) as db:
        Waker(redis).attach(db.session_info)
        options = WorkerOptions(queues={OURS: QueueOptions(concurrency=2)}, lease=3.0, poll=0.5, sweep_every=0.3)
        transport = redis_transport(settings)
        worker = JobWorker(
            db.psycopg, redis, transport, jobs, resources={}, name=TEAM, options=options, observer=Says(metrics)
        )
        running = asyncio.create_task(worker.run())
        if GIVEN["job_id"] is None:
            async with db.tenant(organization) as session:
                job_id = await enqueue(session, Work(7), organization_id=organization)
            say(enqueued=job_id.hex)
            SAID.set()
        else:
            job_id = UUID(GIVEN["job_id"])
        while not running.done():
            async with db.tenant(organization) as session:
                job = await read_job(session, job_id)
            if job.status == "completed":
                break
            await asyncio.sleep(0.05)
        say(queue=job.queue, result=job.result, before=[attempt.outcome for attempt in job.attempts])
        await asyncio.to_thread(sys.stdin.read)
        await worker.stop()
        await running
    await redis.aclose()
    labels = {value["labels"]["queue"] for value in metrics.render_json()["singr_jobs_stalled"]["values"]}
    say(labels=sorted(labels - {*Queue}), refused=refused("team-nobody"))


if __name__ == "__main__":
    asyncio.run(main())
