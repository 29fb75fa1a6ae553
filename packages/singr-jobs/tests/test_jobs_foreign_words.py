"""What reaches workers through Redis and is of nobody of ours: it stops nothing, and is counted."""

import asyncio
import time
from uuid import uuid4

import pytest
from jobs_support import put, until

from singr_jobs import JobTelemetry, Queue, QueueOptions, Rate, Waker, redis_client
from singr_observability import build_metrics

# Channels are the whole server's: what one test says on them, another in a process beside it would count.
pytestmark = pytest.mark.xdist_group("jobs-running")


@pytest.mark.parametrize(
    "word", [b"nonsense", b"cancel:nonsense", b"\xff\xfe", b" ", b"cancel:" + b"f" * 33, b"default\n"]
)
async def test_a_word_that_nobody_of_ours_says_is_ignored_and_counted(db, waker, working, reaches, settings, word):
    metrics = build_metrics()
    client = redis_client(settings.redis)
    async with working(observer=JobTelemetry(metrics)):
        await until(lambda: waker_heard(client))
        await client.publish("singr:wake", word)
        await until(lambda: metrics.wake_words_ignored.labels().value == 1)
        await reaches(await put(db, "a"), "completed")
    await client.aclose()


async def test_a_message_longer_than_any_of_ours_counts_once_and_is_not_looked_into(
    db, waker, working, reaches, settings
):
    metrics = build_metrics()
    client = redis_client(settings.redis)
    async with working(observer=JobTelemetry(metrics)):
        await until(lambda: waker_heard(client))
        await client.publish("singr:wake", b"," * 1_000_000)
        await client.publish("singr:wake", b"nonsense")
        await until(lambda: metrics.wake_words_ignored.labels().value >= 2)
        await reaches(await put(db, "a"), "completed")
    assert metrics.wake_words_ignored.labels().value == 2
    await client.aclose()


async def test_any_number_of_cancellations_at_once_is_heard(settings):
    client = redis_client(settings.redis)
    waker, heard, wanted = Waker(client), set(), {uuid4() for _ in range(1000)}
    wake_ups = waker.listen(cancelled=heard.add)
    await anext(wake_ups)
    for job_id in wanted:
        waker.cancel(job_id)
    while heard < wanted:
        await asyncio.wait_for(anext(wake_ups), 20)
    assert heard == wanted
    await wake_ups.aclose()
    await waker.close()
    await client.aclose()


async def waker_heard(client) -> bool:
    """Whether a worker of this test listens: channels are the whole server's, and other tests' workers listen too."""
    ours = str(client.connection_pool.connection_kwargs.get("db", 0))
    return any(one["db"] == ours and int(one["sub"]) > 0 for one in await client.client_list())


def ticket(given: str) -> bytes:
    """A message as Dramatiq writes it, with these arguments, as Python's own JSON reads them."""
    return (
        '{"queue_name": "singr.default", "actor_name": "ticket.default", "args": [], "options": {},'
        f' "message_id": "m", "message_timestamp": 1, "kwargs": {given}}}'
    ).encode()


STRANGE = {
    "no json": b"\xff\xfe no json",
    "of before": ticket('{"token": "x", "ids": ["nonsense"]}'),
    "NaN jobs": ticket('{"token": 9, "jobs": NaN}'),
    "jobs without end": ticket('{"token": 9, "jobs": 1000000000000}'),
    "no bigint": ticket('{"token": 18446744073709551616, "jobs": 1}'),
    "huge": b"[" * 1_000_000,
}


@pytest.mark.parametrize("message", STRANGE.values(), ids=STRANGE)
async def test_a_ticket_that_nobody_of_ours_wrote_stops_no_queue(db, waker, working, settings, reaches, message):
    client = redis_client(settings.redis)
    await client.hset("singr:tickets:singr.default.msgs", "m", message)
    await client.rpush("singr:tickets:singr.default", "m")
    async with working() as worker:

        async def is_read() -> bool:
            return not await client.exists("singr:tickets:singr.default")

        await until(is_read, what="it is read")
        await reaches(await put(db, "a"), "completed")
        assert worker.in_hand() == {"default": 0}
    await client.aclose()


async def test_a_cancellation_that_nobody_asked_for_cancels_nothing(db, waker, working, settings, reaches, pulse):
    """Whoever reaches Redis may say so; what counts is the job's row."""
    client = redis_client(settings.redis)
    job_id = await put(db, "a", "wait")
    asked: list[str] = []
    async with working() as worker:
        await until(lambda: waker_heard(client))
        await until(lambda: pulse.running == 1)
        named = worker._runner._cancelling.named
        worker._runner._cancelling.named = lambda one: (named(one), asked.append(one.hex))
        await client.publish("singr:wake", f"cancel:{job_id.hex}")
        await until(lambda: asked == [job_id.hex], what="it is heard")
        await reaches(await put(db, "b"), "completed")
        pulse.gate.set()
        await reaches(job_id, "completed")
    await client.aclose()


async def test_a_stored_queue_name_is_said_as_no_other_word(settings, waker):
    said: list[str] = []
    waker.say = said.extend
    waker.wake(["email", "x,cancel:" + "f" * 32])
    assert said == ["email"]


async def test_a_forged_count_of_a_rate_holds_its_queue_for_no_longer_than_it_is_there(
    db, waker, working, reaches, settings
):
    """What it says comes free in 31 years; who clears Redis has the queue back within a window."""
    client = redis_client(settings.redis)
    now = time.time_ns() // 1000
    forged = {"used": 5, "first": 1, "last": 1, "newest": now - 1, "oldest": now + 10**15, "count": 5}
    await client.hset("singr:limit:queue:default", mapping=forged)
    job_id = await put(db, "a")
    async with working(queues={Queue.DEFAULT: QueueOptions(rate=Rate(5, seconds=0.2))}) as worker:
        await until(lambda: bool(worker._dispatcher._rates._not_before), what="it was told to wait")
        await client.delete("singr:limit:queue:default")
        await reaches(job_id, "completed")
    await client.aclose()
