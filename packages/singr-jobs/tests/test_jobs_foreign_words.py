"""What reaches workers through Redis and is of nobody of ours: it stops nothing, and is counted."""

import asyncio
from uuid import uuid4

import msgspec
import pytest
from jobs_support import put, until

from singr_jobs import (
    JobTelemetry,
    Waker,
    redis_client,
)
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


STRANGE = [
    b"\xff\xfe no json",
    msgspec.json.encode(
        {
            "queue_name": "singr.default",
            "actor_name": "ticket.default",
            "args": [],
            "kwargs": {"token": "x", "ids": ["nonsense"]},
            "options": {},
            "message_id": "m",
            "message_timestamp": 1,
        }
    ),
    b"[" * 1_000_000,
]


@pytest.mark.parametrize("message", STRANGE)
async def test_a_ticket_that_nobody_of_ours_wrote_stops_no_queue(db, waker, working, settings, reaches, message):
    client = redis_client(settings.redis)
    await client.hset("singr:tickets:singr.default.msgs", "m", message)
    await client.rpush("singr:tickets:singr.default", "m")
    job_id = await put(db, "a")
    async with working():
        await reaches(job_id, "completed")
    await client.aclose()
