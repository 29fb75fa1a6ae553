"""One worker process: serves its queues until SIGTERM, or until its supervisor is gone."""

import asyncio
import gc
import os
import signal
import time
from pathlib import Path

from singr_config import AppEnv, Settings
from singr_db import CommitsHangError, Database
from singr_db.chores import Switches
from singr_db.limits import RateLimiter
from singr_db.redis import redis_client, refusal_of
from singr_jobs import JobWorker
from singr_observability import (
    build_metrics,
    configure_logging,
    configure_sentry,
    configure_tracing,
    get_logger,
    watch_signals,
)
from singr_platform import standing_work
from singr_worker._heartbeat import EVERY, NOT_SET, Heartbeat, write_heartbeat
from singr_worker._loading import chosen_queues, load_jobs
from singr_worker._schema import Schema
from singr_worker._wiring import build_worker

_log = get_logger("worker")
# Longer than the 2 s for which a commit is waited for, and all in all within a supervisor's patience.
_PATIENCE_S = 3.0
# Stores that are well are asked again after so many seconds, and at each heartbeat where one is not.
_WELL_FOR_S = 3.0
_WELL = frozenset({"ok", NOT_SET})


def run_child(
    settings: Settings, *, queues: list[str], name: str, lease: float, metrics_dir: Path, pipe: int, jobs: str
) -> None:
    """Run until told to stop; `pipe` is the writing end of the heartbeat's pipe."""
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
    settings: Settings, *, queues: list[str], name: str, lease: float, metrics_dir: Path, pipe: int, jobs: str
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watch_signals(stop.set)
    metrics = build_metrics(multiprocess_dir=str(metrics_dir))
    served = load_jobs(jobs)
    async with build_worker(
        settings, queues=chosen_queues(queues), name=name, lease=lease, metrics=metrics, jobs=served
    ) as parts:
        worker, database = parts
        _spare_the_collector()
        chores = standing_work(database, metrics, settings.retention)
        switches = Switches(database, [*chores, *worker.standing_work()], process=name, metrics=metrics)
        schema = Schema(database)
        tasks = [asyncio.create_task(_beat(settings, worker, database, schema, pipe=pipe, stop=stop))]
        await schema.wait(stop)
        if stop.is_set():
            tasks[0].cancel()
        else:
            tasks += [asyncio.create_task(chore.run()) for chore in [switches, *chores]]
            await _work(worker, stop, beside=tasks)
    metrics.close()


async def _work(worker: JobWorker, stop: asyncio.Event, *, beside: list[asyncio.Task[None]]) -> None:
    running = asyncio.create_task(worker.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        _log.info("stopping: finishing what is in hand")
        await worker.stop()
    for task in [stopping, *beside]:
        task.cancel()
    await running


def _spare_the_collector() -> None:
    """Let the collector look seldom, and never at what is loaded: it took a third of the time that quick jobs take."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


async def _beat(
    settings: Settings, worker: JobWorker, database: Database, schema: Schema, *, pipe: int, stop: asyncio.Event
) -> None:
    client = redis_client(settings.redis, timeout=1.0)
    limiter = RateLimiter(client)
    stores, look_again_at = ("unknown", "unknown", "unknown"), 0.0
    try:
        while True:
            if time.monotonic() >= look_again_at or not _WELL.issuperset(stores):
                stores = await _database(database, schema), *(await _carried(settings, limiter, worker))
                look_again_at = time.monotonic() + _WELL_FOR_S
            beat = Heartbeat(os.getpid(), *stores, worker.in_hand(), worker.unknown(), worker.overrun())
            try:
                write_heartbeat(pipe, beat)
            except BrokenPipeError:
                _log.warning("the supervisor is gone: stopping")
                stop.set()
                return
            await asyncio.sleep(EVERY)
    finally:
        await client.aclose()


async def _database(database: Database, schema: Schema) -> str:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            writable = await database.takes_writes()
        if not writable:
            return "read_only"
        await database.check_sessions()  # what handlers use: other connections, and the tenant role
    except CommitsHangError:
        return "commits do not end"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is why the database is not ok
        return database.refusal(error) or type(getattr(error, "orig", None) or error).__name__
    return await schema.behind() or "ok"


async def _carried(settings: Settings, limiter: RateLimiter, worker: JobWorker) -> tuple[str, str]:
    """How Redis is, and how RabbitMQ; the one of them that carries words says what it refuses, too."""
    if not settings.rabbitmq.configured:
        return await _redis(limiter, worker), NOT_SET
    redis = await _redis(limiter) if settings.redis.configured else NOT_SET
    refused = list(dict.fromkeys(why for why in (await worker.carries(), *worker.refusals()) if why))
    return redis, "; ".join(refused) or "ok"


async def _redis(limiter: RateLimiter, worker: JobWorker | None = None) -> str:
    try:
        await limiter.probe()
    except Exception as error:  # noqa: BLE001 - as above
        return refusal_of(error) or type(error).__name__
    return "; ".join(worker.refusals() if worker else ()) or "ok"
