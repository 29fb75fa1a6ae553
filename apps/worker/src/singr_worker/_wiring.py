"""What a worker process is made of. No business rule here: libraries declare, this file hands them their parts."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from singr_comms.notifications import MessageSender, message_sender
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
    redis_transport,
)
from singr_observability import Metrics
from singr_platform import Parts, all_jobs


def queue_options(settings: Settings, queues: Iterable[Queue]) -> dict[Queue, QueueOptions]:
    """How this deployment serves each of the queues; raises ValueError for a rate of a queue that is none."""
    worker = settings.worker
    channels = {
        Queue.EMAIL: worker.email,
        Queue.DIGEST: worker.email,
        Queue.SMS: worker.sms,
        Queue.TWO_FACTOR: worker.sms,
        Queue.PUSH: worker.push,
    }
    rates = {_queue(name): Rate(count, seconds) for name, count, seconds in worker.rates}
    options: dict[Queue, QueueOptions] = {}
    for queue in queues:
        limits = rates.get(queue)
        channel = channels.get(queue)
        options[queue] = (
            QueueOptions(rate=limits)
            if channel is None
            else QueueOptions(concurrency=channel.concurrency, timeout=channel.timeout, rate=limits)
        )
    return options


def _queue(name: str) -> Queue:
    if name not in set(Queue):
        raise ValueError(f"WORKER_RATES: there is no queue {name}; there are {', '.join(Queue)}")
    return Queue(name)


@asynccontextmanager
async def build_worker(
    settings: Settings, *, queues: Iterable[Queue], name: str, lease: float, metrics: Metrics, jobs: Jobs | None = None
) -> AsyncIterator[tuple[JobWorker, Database]]:
    """A worker with all its parts, open until the block ends; `jobs` instead of Singr's own."""
    parts = Parts(settings, name=name)
    async with parts.running():
        sender = message_sender(settings, db=parts.db, sealer=parts.sealer, http=parts.http, metrics=metrics)
        yield (
            JobWorker(
                parts.db.psycopg,
                parts.redis,
                redis_transport(settings.redis),
                jobs if jobs is not None else all_jobs(),
                resources={Database: parts.db, MessageSender: sender},
                name=name,
                options=WorkerOptions(queues=queue_options(settings, queues), lease=lease),
                observer=JobTelemetry(metrics),
            ),
            parts.db,
        )
