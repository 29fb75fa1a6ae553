"""What waits is counted, and what no live worker knows is told."""

from collections.abc import Iterator
from functools import partial

import pytest
import redis.asyncio
from jobs_support import ORGANIZATION, put, put_later
from jobs_support import jobs as old
from jobs_support import newer as new
from loguru import logger
from test_jobs_dead_letters import dead

from singr_config import RedisSettings, Secret, Settings
from singr_db import Database
from singr_jobs import BulkFilter, BulkRequest, Jobs, JobTelemetry, Queue, act_in_bulk, discard, redis_client
from singr_jobs.maintenance._counter import Counter
from singr_jobs.maintenance._served import KEY, Served
from singr_jobs.queues import pause_queue
from singr_jobs.running._observer import GuardedObserver
from singr_observability import Metrics, build_metrics


class Counting:
    """A worker's count, turned by hand."""

    def __init__(self, db: Database, client: redis.asyncio.Redis, jobs: Jobs, *, queues: tuple[str, ...]) -> None:
        self.metrics: Metrics = build_metrics()
        served = Served(client, queues=queues, types=jobs.runnable)
        observer = GuardedObserver(JobTelemetry(self.metrics))
        self.chore = Counter(db.psycopg, served, queues=queues, observer=observer)

    async def twice(self) -> dict[str, int]:
        """What the gauge says after two counts."""
        await self.chore.work()
        await self.chore.work()
        values = self.metrics.render_json()["singr_jobs_unknown"]["values"]
        return {one["labels"]["queue"]: one["value"] for one in values}


@pytest.fixture
async def counting(db: Database, settings: Settings, clean_redis_url: str):
    client = redis_client(settings.redis)
    yield partial(Counting, db, client)
    await client.aclose()


@pytest.fixture
def words() -> Iterator[list[str]]:
    """What the counter writes into the log."""
    said: list[str] = []
    kept = logger.add(
        lambda line: said.append(str(line).strip()),
        format="{message}",
        filter=lambda record: "counter" in str(record["name"]),
    )
    yield said
    logger.remove(kept)


async def test_due_jobs_that_no_live_worker_knows_are_counted_and_named(db, counting, words):
    await put_later(db, "a", "b")
    await put(db, "known")
    worker = counting(old, queues=("default", "sms"))
    assert await worker.twice() == {"default": 2, "sms": 0}
    sentence = "2 due jobs wait for a worker that knows their type: 'test.later'"
    assert worker.chore.unknown == {"default": sentence}
    await worker.twice()
    assert words == [f"queue default: {sentence}"], "once a minute"


async def test_jobs_that_another_worker_knows_are_not_unknown(db, counting):
    await put_later(db, "a")
    await counting(new, queues=("default",)).twice()
    worker = counting(old, queues=("default",))
    assert await worker.twice() == {"default": 0}
    assert worker.chore.unknown == {}


async def test_a_worker_that_knows_the_type_and_serves_another_queue_is_no_help(db, counting):
    await put_later(db, "a")
    await counting(new, queues=("sms",)).twice()
    assert await counting(old, queues=("default",)).twice() == {"default": 1}


async def test_jobs_of_queues_that_are_served_elsewhere_are_not_told(db, counting):
    await put_later(db, "a")
    assert await counting(old, queues=("sms",)).twice() == {"sms": 0}


async def test_what_was_unknown_is_told_no_more_once_somebody_knows_it(db, counting):
    await put_later(db, "a")
    worker = counting(old, queues=("default",))
    assert await worker.twice() == {"default": 1}
    await counting(new, queues=("default",)).twice()
    assert await worker.twice() == {"default": 0}


async def test_the_word_of_a_worker_that_is_gone_lasts_a_minute(db, counting, settings):
    await put_later(db, "a")
    await counting(new, queues=("default",)).twice()
    async with redis_client(settings.redis) as client:
        await client.zadd(KEY, {"default test.later": 1})  # long ago
    assert await counting(old, queues=("default",)).twice() == {"default": 1}


async def test_without_redis_what_was_heard_last_is_taken_to_be_so(db, counting, settings, faulty):
    await put_later(db, "a")
    await counting(new, queues=("default",)).twice()
    proxy = faulty(settings.redis.url.reveal())
    async with redis_client(RedisSettings(url=Secret(proxy.url))) as client:
        worker = Counting(db, client, old, queues=("default",))
        assert await worker.twice() == {"default": 0}
        proxy.refuse()
        assert await worker.twice() == {"default": 0}


async def test_a_type_named_to_deceive_is_told_in_bounds(db, counting):
    [job_id] = await put_later(db, "a")
    name = "x\n2026 ERROR " + "y" * 5000
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE jobs SET type = %s WHERE id = %s", (name, job_id))
    worker = counting(old, queues=("default",))
    await worker.twice()
    assert "\n" not in worker.chore.unknown["default"]
    assert len(worker.chore.unknown["default"]) < 150


def gauged(metrics: Metrics, name: str) -> dict[str, float]:
    """What a gauge of one label says where it is not 0."""
    values = metrics.render_json()[name]["values"]
    return {value: one["value"] for one in values for value in one["labels"].values() if one["value"]}


async def test_what_waits_for_an_operator_is_told_until_it_does_not(db: Database, counting) -> None:
    worker = counting(old, queues=("default",))
    _, settled = await dead(db)
    await dead(db, "b")
    async with db.platform() as session:
        await discard(session, settled)
        await pause_queue(session, Queue.EMAIL, reason="the provider is down", by="ada")
        which = BulkFilter(type="test.steer")
        await act_in_bulk(session, BulkRequest(action="requeue", which=which, organization_id=ORGANIZATION))
    await worker.chore.work()
    names = ("singr_dead_letters_open", "singr_queue_paused", "singr_bulk_actions_running")
    assert [gauged(worker.metrics, name) for name in names] == [{"default": 1}, {"email": 1}, {"requeue": 1}]
    async with db.psycopg.connection() as connection:
        for table in ("dead_letters", "queue_settings", "bulk_actions"):
            await connection.execute(f"DELETE FROM {table}")
    await worker.chore.work()
    assert [gauged(worker.metrics, name) for name in names] == [{}, {}, {}]
