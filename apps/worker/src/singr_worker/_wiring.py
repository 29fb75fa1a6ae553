"""What a worker process is made of. No business rule here: libraries declare, this file hands them their parts."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from singr_config import Settings
from singr_db import Database
from singr_jobs import (
    Jobs,
    JobTelemetry,
    JobWorker,
    Queue,
    QueueOptions,
    Rate,
    WorkerOptions,
)
from singr_observability import Metrics
from singr_platform import Parts, all_jobs, job_resources, schedule_requests


def queue_options(settings: Settings, queues: Iterable[Queue]) -> dict[Queue, QueueOptions]:
    """How this deployment serves each of the queues; raises ValueError for a setting of a queue that is none."""
    worker = settings.worker
    channels = {
        Queue.EMAIL: worker.email,
        Queue.DIGEST: worker.email,
        Queue.SMS: worker.sms,
        Queue.TWO_FACTOR: worker.sms,
        Queue.PUSH: worker.push,
    }
    rates = {_queue(name, "WORKER_RATES"): Rate(count, seconds) for name, count, seconds in worker.rates}
    places = {queue: (channel.concurrency, channel.timeout) for queue, channel in channels.items()}
    for name, concurrency, timeout in worker.places:
        places[_queue(name, "WORKER_PLACES")] = (concurrency, timeout)
    options: dict[Queue, QueueOptions] = {}
    for queue in queues:
        rate = rates.get(queue)
        if queue in places:
            concurrency, timeout = places[queue]
            options[queue] = QueueOptions(concurrency=concurrency, timeout=timeout, rate=rate)
        else:
            options[queue] = QueueOptions(rate=rate)
    return options


def _queue(name: str, variable: str) -> Queue:
    if name not in Queue.declared():
        raise ValueError(f"{variable}: there is no queue {name}; there are {', '.join(Queue.declared())}")
    return Queue(name)


@asynccontextmanager
async def build_worker(
    settings: Settings, *, queues: Iterable[Queue], name: str, lease: float, metrics: Metrics, jobs: Jobs | None = None
) -> AsyncIterator[tuple[JobWorker, Database]]:
    """A worker with all its parts, open until the block ends; `jobs` instead of Singr's own."""
    parts = Parts(settings, name=name)
    async with parts.running(), AsyncExitStack() as ends:
        types = jobs if jobs is not None else all_jobs()
        yield (
            JobWorker(
                parts.db.psycopg,
                parts.redis,
                parts.transport(),
                types,
                resources=job_resources(settings, parts, metrics, ends),
                name=name,
                options=WorkerOptions(queues=queue_options(settings, queues), lease=lease),
                observer=JobTelemetry(metrics),
                requests=schedule_requests(settings, types, parts.sealer),
            ),
            parts.db,
        )
