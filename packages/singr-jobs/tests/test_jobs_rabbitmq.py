"""Where a site has RabbitMQ and no Redis, words and tickets go by it (processes, killed and frozen: tests/faults)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pika
import pytest
from jobs_support import ORGANIZATION, Pulse, Steer, put, take_by_hand, until

from singr_config import RabbitSettings, RedisSettings, Secret
from singr_db import Database
from singr_dev.embedded import RabbitServer
from singr_jobs import Queue, Waker, cancel_job, enqueue, rabbit_carrier, rabbit_transport
from singr_jobs.rabbit import _words
from singr_jobs.taking._consumers import ticket_message
from singr_jobs.taking._tickets import Ticket

full = pytest.mark.full
# One node for all: it starts within ten seconds, and ten of a processor, on a machine that does nothing else.
pytestmark = [pytest.mark.xdist_group("rabbitmq"), pytest.mark.timeout(400)]
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


async def test_a_queue_that_somebody_else_made_is_refused_and_holds_up_no_other(there: RabbitSettings):
    with channel_to(there) as channel:
        channel.queue_declare("singr.sms", durable=True, arguments={"x-message-ttl": 1_000})
        transport = rabbit_transport(there)
        with pytest.raises(OSError, match="that others made: delete those"):
            await asyncio.to_thread(transport.send, [Ticket(Queue.SMS, 7, 1)])
        await asyncio.to_thread(transport.send, [Ticket(Queue.PUSH, 7, 1)])
        assert transport.carrier is not None
        await transport.carrier.publish("")
        await transport.carrier.close()
        assert channel.queue_delete("singr.push").method.message_count == 1
        channel.queue_delete("singr.sms")


def delete_inbox(node: RabbitServer, _channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    [inbox] = [name for name in node.control("list_queues", "name").split() if name.startswith("singr.wake.")]
    node.control("delete_queue", inbox)


def delete_exchange(_node: RabbitServer, channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    channel.exchange_delete("singr.wake")


@full
@pytest.mark.parametrize("delete", [delete_inbox, delete_exchange])
async def test_words_are_heard_again_though_somebody_deleted_what_they_go_by(
    rabbitmq: RabbitServer, there, waker, monkeypatch, delete
):
    monkeypatch.setattr(_words, "_QUIET", 0.0)
    listening = Waker(rabbit_carrier(there))
    async with aclosing(listening.listen(cancelled=lambda _: None)) as heard:
        assert await anext(heard) == frozenset(Queue.declared())
        with channel_to(there) as channel:
            await asyncio.to_thread(delete, rabbitmq, channel)
        assert await anext(heard) == frozenset(Queue.declared())
        waker.wake(["sms"])
        while Queue.SMS not in await anext(heard):
            pass
    await listening.close()


@full
async def test_rabbitmq_without_memory_left_keeps_nobody_waiting_and_is_named(rabbitmq: RabbitServer, waker):
    await waker.probe()
    rabbitmq.control("set_vm_memory_high_watermark", "0.00001")

    async def why() -> str | None:
        try:
            await waker.probe()
        except OSError as error:
            return waker.why(error)
        return None

    async def named() -> bool:
        return "memory or its disk is full" in str(await why())

    async def said() -> bool:
        return await why() is None and await why() is None

    await until(named, within=60, what="it is named")
    rabbitmq.control("set_vm_memory_high_watermark", "0.4")
    await until(said, within=60, what="words are said again")


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
@pytest.mark.parametrize(("url", "named"), LACKING.values(), ids=LACKING)
async def test_what_rabbitmq_refuses_is_named_once_without_the_password_and_jobs_are_done(
    db, rabbitmq: RabbitServer, working, reaches, url, named: str, said: list[str]
):
    settings = RabbitSettings(url=Secret(url(rabbitmq)))
    options = {"lease": 5.0, "poll": 0.5, "redis": RedisSettings()}
    async with working(transport=rabbit_transport(settings), **options) as worker:
        await reaches(await put(db), "completed")
        await until(lambda: len(worker.refusals()) == 1 and named in worker.refusals()[0], what="it is named")
        assert named in str(await worker.carries())
        away = worker._waker._carrier._broker.post._away
        await until(lambda: away._failures > 3, what="it is refused again and again")
    told = [line for line in said if named in line]
    assert len(told) == len(set(told)) == 2  # words, and tickets
    assert rabbitmq.url().rpartition("@")[0].rpartition(":")[2] not in "".join(said)
    assert "pw-canary" not in "".join(said)
    assert "Traceback" not in "".join(said)


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
