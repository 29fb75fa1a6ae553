"""Where a site has RabbitMQ and no Redis, words and tickets go by it (processes, killed and frozen: tests/faults)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pika
import pytest
from jobs_support import ORGANIZATION, Pulse, Steer, put, take_by_hand, until
from loguru import logger

from singr_config import RabbitSettings, RedisSettings, Secret
from singr_db import Database
from singr_dev.embedded import RabbitServer
from singr_jobs import Queue, Waker, cancel_job, enqueue, rabbit_carrier, rabbit_transport
from singr_jobs.taking._gates import ticket_message
from singr_jobs.taking._tickets import Ticket

full = pytest.mark.full
pytestmark = pytest.mark.timeout(400)  # a node starts within ten seconds, on a machine that does nothing else
NEVER = 100.0
WITHOUT_REDIS = {"lease": 3 * NEVER, "poll": NEVER, "redis": RedisSettings()}


@pytest.fixture
def there(rabbitmq: RabbitServer) -> RabbitSettings:
    return RabbitSettings(url=Secret(rabbitmq.url()))


@pytest.fixture
async def waker(db: Database, there: RabbitSettings) -> AsyncIterator[Waker]:
    waker = Waker(rabbit_carrier(there))
    waker.attach(db.session_info)
    yield waker
    await waker.close()


@contextlib.contextmanager
def channel_to(settings: RabbitSettings) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    """A channel of somebody's who may do what ours may."""
    connection = pika.BlockingConnection(pika.URLParameters(settings.url.reveal()))
    yield connection.channel()
    connection.close()


@contextlib.contextmanager
def logged() -> Iterator[list[str]]:
    """Every line that is logged meanwhile."""
    lines: list[str] = []
    kept = logger.add(lambda message: lines.append(str(message)), format="{message}\n{exception}")
    yield lines
    logger.remove(kept)


async def test_without_redis_workers_are_woken_and_hand_over_by_way_of_rabbitmq(
    db: Database, waker: Waker, there: RabbitSettings, working, pulse: Pulse
):
    """Nobody polls here: what runs was heard of, and what waits behind a slow job came as a ticket."""
    async with working(transport=rabbit_transport(there), concurrency=1, **WITHOUT_REDIS) as worker:
        for number in range(3):
            await put(db, f"quick-{number}")
        await until(lambda: len(pulse.ran) == 3, what="it learns that jobs are quick")
        async with db.tenant(ORGANIZATION) as session:
            await enqueue(session, Steer("slow", ("wait",)), organization_id=ORGANIZATION)
            await enqueue(session, Steer("behind"), organization_id=ORGANIZATION)
        await until(lambda: worker.in_hand() == {"default": 2}, what="both are here")
        async with working(transport=rabbit_transport(there), concurrency=1, **WITHOUT_REDIS):
            await until(lambda: "behind" in pulse.ran, what="it ran elsewhere")
    async with db.psycopg.connection() as connection:
        query = "SELECT DISTINCT status, attempt FROM jobs"
        assert await (await connection.execute(query)).fetchall() == [("completed", 1)]


@full
async def test_cancellation_is_heard_by_way_of_rabbitmq(db, waker, there, working, pulse, reaches):
    """Nobody looks at the row here until its lease is renewed."""
    job_id = await put(db, "a", "hang")
    async with working(transport=rabbit_transport(there), **WITHOUT_REDIS):
        await until(lambda: pulse.running == 1, what="it runs")
        async with db.tenant(ORGANIZATION) as session:
            await cancel_job(session, job_id)
        await reaches(job_id, "cancelled")


@full
async def test_a_torrent_of_jobs_is_few_words(there, waker):
    with channel_to(there) as channel:
        channel.exchange_declare("singr.wake", "fanout", durable=True)
        channel.queue_declare("singr.wake.test", exclusive=True)
        channel.queue_bind("singr.wake.test", "singr.wake")
        for _ in range(1_000):
            waker.wake(["email", "sms"])
            await asyncio.sleep(0)
        await waker.probe()
        said = channel.queue_declare("singr.wake.test", passive=True).method.message_count
    assert 1 < said < 100


@full
async def test_words_are_heard_again_and_tickets_travel_once_rabbitmq_is_back(
    db, waker, rabbitmq: RabbitServer, there, working, pulse, reaches
):
    async with working(transport=rabbit_transport(there), **{**WITHOUT_REDIS, "poll": 1.0}) as worker:
        await reaches(await put(db, "before"), "completed")
        rabbitmq.kill()
        await reaches(await put(db, "meanwhile"), "completed")
        await until(worker.carries, what="it says so")
        rabbitmq.start()

        async def carried() -> bool:
            return await worker.carries() is None

        await until(carried, within=30, what="it is back")
        await reaches(await put(db, "after"), "completed")
    assert pulse.ran == ["before", "meanwhile", "after"]


LACKING = {
    "rights": (lambda node: node.url("stranger"), r"lacks a right: give it ^singr\. to configure"),
    "password": (lambda node: node.url().replace("singr:", "singr:pw-canary-"), "one of them is wrong"),
    "virtual host": (lambda node: node.url() + "nowhere", "the virtual host of RABBITMQ_URL is not there"),
}


@full
@pytest.mark.parametrize(("url", "said"), LACKING.values(), ids=LACKING)
async def test_what_rabbitmq_refuses_is_named_once_without_the_password_and_jobs_are_done(
    db, rabbitmq: RabbitServer, working, reaches, url, said: str
):
    settings = RabbitSettings(url=Secret(url(rabbitmq)))
    with logged() as lines:
        options = {"lease": 5.0, "poll": 0.5, "redis": RedisSettings()}
        async with working(transport=rabbit_transport(settings), **options) as worker:
            await reaches(await put(db), "completed")
            await until(lambda: len(worker.refusals()) == 1 and said in worker.refusals()[0], what="it is named")
            assert said in str(await worker.carries())
            await until(lambda: worker._waker._carrier._broker.post._failures > 3, what="it is refused again and again")
    told = [line for line in lines if said in line]
    assert len(told) == len(set(told)) == 2  # words, and tickets
    assert rabbitmq.url().rpartition("@")[0].rpartition(":")[2] not in "".join(lines)
    assert "pw-canary" not in "".join(lines)
    assert "Traceback" not in "".join(lines)


def forged(queue: str = "default", options: str = "{}") -> bytes:
    """A ticket as Dramatiq writes it, but for the queue or its options."""
    return (
        f'{{"queue_name": "singr.{queue}", "actor_name": "ticket.default", "args": [], "options": {options},'
        ' "kwargs": {"token": 1, "jobs": 1}, "message_id": "m", "message_timestamp": 1}'
    ).encode()


STRANGE = {
    "no json": b"\xff\xfe",
    "no words": b'{"args": [7]}',
    "huge": b"[" * 1_000_000,
    "of a queue that is none": forged("nosuch"),
    "due in 30,000 years": forged(options='{"eta": 1000000000000000}'),
}


@full
@pytest.mark.parametrize("message", STRANGE.values(), ids=STRANGE)
async def test_messages_that_nobody_of_ours_wrote_stop_neither_words_nor_tickets(
    db, waker, there, working, reaches, message: bytes
):
    behind = await put(db)
    await take_by_hand(db, behind, token=7, state="travelling")
    async with working(transport=rabbit_transport(there), **WITHOUT_REDIS) as worker:
        await reaches(await put(db), "completed")
        with channel_to(there) as channel:
            for _ in range(20):
                channel.basic_publish("singr.wake", "", message)
                channel.basic_publish("", "singr.default", message)
            await reaches(await put(db), "completed")

            def read() -> bool:
                return channel.queue_declare("singr.default", passive=True).method.message_count == 0

            await until(read, what="its queue is empty")
            channel.basic_publish("", "singr.default", ticket_message("default", 7, 1).encode())
            await reaches(behind, "completed")
        assert worker.in_hand() == {"default": 0}


@full
async def test_a_ticket_that_comes_twice_by_rabbitmq_begins_its_jobs_once(db, waker, there, working, pulse, reaches):
    transport = rabbit_transport(there)
    async with working(transport=rabbit_transport(there), **WITHOUT_REDIS):
        await reaches(await put(db), "completed")
        await asyncio.to_thread(transport.send, [Ticket(Queue.DEFAULT, 7, 1)] * 2)
        waker.tickets(Queue.DEFAULT)
        await reaches(await put(db, "after"), "completed")
    assert pulse.ran == ["a", "after"]
    assert transport.carrier is not None
    await transport.carrier.close()
