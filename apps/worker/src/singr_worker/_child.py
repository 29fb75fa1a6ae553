"""One worker process: serves its queues until SIGTERM, or until its supervisor is gone."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from singr_auth.accounts import collect_accounts
from singr_comms.notifications import SettleCursor, collect_quotas, settle_messages
from singr_config import AppEnv, Settings
from singr_db import Database
from singr_db.limits import RateLimiter
from singr_db.redis import redis_client
from singr_jobs import JobWorker, Queue
from singr_observability import build_metrics, configure_logging, configure_sentry, configure_tracing, get_logger
from singr_worker._heartbeat import EVERY, Heartbeat, write_heartbeat
from singr_worker._loading import load_jobs
from singr_worker._wiring import build_worker

_log = get_logger("worker")


def run_child(
    settings: Settings, *, queues: list[Queue], name: str, lease: float, metrics_dir: Path, pipe: int, jobs: str
) -> None:
    """Run until told to stop; ``pipe`` is the writing end of the heartbeat's pipe."""
    logging = configure_logging(level=settings.app.log_level, json=settings.app.env is not AppEnv.DEVELOPMENT)
    sentry = configure_sentry(settings.observability, app_env=settings.app.env, component="worker")
    tracer = configure_tracing(settings.observability, component="worker")
    os.set_blocking(pipe, False)
    try:
        asyncio.run(
            _serve(settings, queues=queues, name=name, lease=lease, metrics_dir=metrics_dir, pipe=pipe, jobs=jobs)
        )
    finally:
        tracer.shutdown()
        sentry.shutdown()
        logging.close()


async def _serve(
    settings: Settings, *, queues: list[Queue], name: str, lease: float, metrics_dir: Path, pipe: int, jobs: str
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = build_metrics(multiprocess_dir=str(metrics_dir))
    async with build_worker(
        settings, queues=queues, name=name, lease=lease, metrics=metrics, jobs=load_jobs(jobs)
    ) as parts:
        worker, database = parts
        tasks = [
            asyncio.create_task(_beat(settings, worker, database, pipe, stop)),
            # The coming weeks' partitions exist before their first row does, however long the worker runs.
            asyncio.create_task(_every(24 * 3600.0, "making partitions", database.ensure_partitions)),
            asyncio.create_task(
                _every(60.0, "settling messages", partial(settle_messages, database, cursor=SettleCursor()))
            ),
            asyncio.create_task(_every(3600.0, "forgetting quotas", partial(collect_quotas, database))),
            asyncio.create_task(_every(3600.0, "forgetting what signing in left", partial(collect_accounts, database))),
        ]
        running = asyncio.create_task(worker.run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            _log.info("stopping: finishing what is in hand")
            await worker.stop()
        for task in [stopping, *tasks]:
            task.cancel()
        await running
    metrics.close()


async def _beat(settings: Settings, worker: JobWorker, database: Database, pipe: int, stop: asyncio.Event) -> None:
    client = redis_client(settings.redis, timeout=1.0)
    limiter = RateLimiter(client)
    try:
        while True:
            beat = Heartbeat(os.getpid(), await _database(database), await _redis(limiter), worker.in_hand())
            try:
                write_heartbeat(pipe, beat)
            except BrokenPipeError:
                _log.warning("the supervisor is gone: stopping")
                stop.set()
                return
            await asyncio.sleep(EVERY)
    finally:
        await client.aclose()


async def _database(database: Database) -> str:
    try:
        async with asyncio.timeout(2.0):
            return "ok" if await database.takes_writes() else "read_only"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is why the database is not ok
        return type(error).__name__


async def _redis(limiter: RateLimiter) -> str:
    try:
        await limiter.probe()
    except Exception as error:  # noqa: BLE001 - as above
        return type(error).__name__
    return "ok"


async def _every(seconds: float, what: str, work: Callable[[], Awaitable[object]]) -> None:
    """Do a chore now and then; one that fails is logged and tried again at its next turn."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - a chore must never end the worker
            _log.error("{} failed: {}", what, type(error).__name__)
        await asyncio.sleep(seconds * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load, guards nothing
