"""Workers hear of what was committed, when it was."""

import asyncio
from collections.abc import Iterable
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import redis.asyncio
from jobs_support import ORGANIZATION, Steer, until

from singr_config import RedisSettings, Secret
from singr_db import Database, new_id
from singr_db.redis import hear_channel
from singr_jobs import Queue, Waker, enqueue, enqueue_many, redis_client


class Heard(Waker):
    """Keeps the words instead of saying them."""

    words: list[str]

    def say(self, words: Iterable[str]) -> None:
        self.words.extend(words)


@pytest.fixture
async def heard(db: Database, settings):
    client = redis_client(settings.redis)
    heard = Heard(client)
    heard.words = []
    heard.attach(db.session_info)
    yield heard
    await client.aclose()


async def test_a_job_of_a_savepoint_wakes_workers_when_it_is_committed_and_not_before(db, heard):
    async with db.tenant(ORGANIZATION) as session:
        async with session.begin_nested():
            await enqueue(session, Steer("a"), organization_id=ORGANIZATION)
        assert heard.words == []
    assert heard.words == ["default"]


async def test_a_savepoint_that_is_rolled_back_silences_no_other_job(db, heard):
    async with db.tenant(ORGANIZATION) as session:
        await enqueue(session, Steer("a"), organization_id=ORGANIZATION)
        savepoint = await session.begin_nested()
        await enqueue(session, Steer("b"), organization_id=ORGANIZATION, queue=Queue.EMAIL)
        await savepoint.rollback()
    assert heard.words == ["default"]


async def test_many_jobs_wake_each_of_their_queues_once_and_a_job_that_was_not_made_none(db, heard):
    async with db.tenant(ORGANIZATION) as session:
        await enqueue_many(session, [Steer("a"), Steer("b")], organization_id=ORGANIZATION)
    async with db.tenant(ORGANIZATION) as session:
        await enqueue(session, Steer("a"), organization_id=ORGANIZATION, unique_key="k")
    async with db.tenant(ORGANIZATION) as session:
        await enqueue_many(session, [Steer("a")], organization_id=ORGANIZATION, unique_key=lambda _: "k")
    assert heard.words == ["default", "default"]


@pytest.fixture
async def lacking(settings):
    """`await lacking("-@list")`: Redis for a user who may do all but that."""
    owner, names = redis_client(settings.redis), []

    async def make(*rights: str) -> RedisSettings:
        names.append(f"lacking-{uuid4().hex}")
        await owner.acl_setuser(names[-1], enabled=True, passwords=["+word"], keys=["*"], categories=["+@all"])
        await owner.execute_command("ACL", "SETUSER", names[-1], "allchannels", *rights)
        url = urlsplit(settings.redis.url.reveal())
        place = f"{names[-1]}:word@{url.netloc.rpartition('@')[2]}"
        return RedisSettings(url=Secret(url._replace(netloc=place).geturl()))

    yield make
    for name in names:
        await owner.acl_deluser(name)
    await owner.aclose()


RIGHTS = {
    "channels": (["resetchannels"], "may not use the channel singr:wake: give it &singr:*"),
    "subscribe": (["-subscribe"], "may not SUBSCRIBE: give it +subscribe"),
    "lists": (["-@list"], "may not LPOP: give it +lpop"),
    "sorted sets": (["-@sortedset"], "may not ZADD: give it +zadd"),
}


@pytest.mark.parametrize(("rights", "named"), RIGHTS.values(), ids=RIGHTS)
async def test_right_that_redis_withholds_is_named_once_and_jobs_are_done(
    db, lacking, working, reaches, rights: list[str], named: str, said: list[str]
):
    async with working(redis=await lacking(*rights)) as worker:
        async with db.tenant(ORGANIZATION) as session:
            job_id = await enqueue(session, Steer("a"), organization_id=ORGANIZATION)
        await reaches(job_id, "completed")
        async with asyncio.timeout(15):
            while not any(named in why for why in worker.refusals()):  # noqa: ASYNC110 - a thread of Dramatiq finds out
                await asyncio.sleep(0.02)
    told = [line for line in said if "may not" in line]
    assert len(told) == len(set(told)) > 0
    assert "Traceback" not in "".join(said)


async def test_listener_that_is_refused_waits_longer_each_time(settings, lacking, monkeypatch):
    waits: list[float] = []
    third = asyncio.Event()
    client = redis_client(await lacking("resetchannels"))

    listener: list[asyncio.Task] = []

    async def wait(seconds: float) -> None:
        if asyncio.current_task() not in listener:  # the client library waits in this module's name, too
            return
        waits.append(seconds)
        if len(waits) == 3:
            third.set()
            await asyncio.Event().wait()

    monkeypatch.setattr("singr_jobs.intake._waker.asyncio.sleep", wait)
    listening = asyncio.create_task(anext(Waker(client).listen(cancelled=lambda _: None)))
    listener.append(listening)
    await asyncio.wait({listening, asyncio.create_task(third.wait())}, return_when=asyncio.FIRST_COMPLETED)
    assert not listening.done()
    assert waits == sorted(set(waits))
    listening.cancel()
    await client.aclose()


async def test_probe_is_heard_as_nothing(settings, waker):
    heard: list[frozenset[Queue]] = []
    misheard: list[None] = []

    async def listen() -> None:
        async for queues in waker.listen(cancelled=lambda _: None, misheard=lambda: misheard.append(None)):
            heard.append(queues)
            if len(heard) == 1:
                await waker.probe()
                waker.wake([Queue.EMAIL])
            if Queue.EMAIL in queues and len(heard) > 1:
                return

    async with asyncio.timeout(10):
        await listen()
    assert heard == [frozenset(Queue.declared()), frozenset(), frozenset({Queue.EMAIL})]
    assert misheard == []


async def test_that_wake_ups_are_back_is_said_after_every_outage(settings, faulty, said):
    """It was said after a refusal only: of an outage the log had the beginning and no end."""
    proxy = faulty(settings.redis.url.reveal())
    client = redis_client(RedisSettings(url=Secret(proxy.url)))
    waker = Waker(client)
    hears = waker.listen(cancelled=lambda _: None)
    async with asyncio.timeout(30):
        await anext(hears)
        for _ in range(2):
            proxy.refuse()
            again = asyncio.ensure_future(anext(hears))
            while not said or "are away" not in said[-1]:  # noqa: ASYNC110 - the log sets no event
                await asyncio.sleep(0.01)
            proxy.restore()
            await again
            assert "wake-ups are back" in said[-1]
    await hears.aclose()
    await client.aclose()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """A quiet server is asked soon; how often it was."""
    asked: list[None] = []
    ping = redis.asyncio.client.PubSub.ping

    def asking(pubsub: redis.asyncio.client.PubSub):
        asked.append(None)
        return ping(pubsub)

    monkeypatch.setattr("singr_db.redis._QUIET", 0.2)
    monkeypatch.setattr(redis.asyncio.client.PubSub, "ping", asking)
    return asked


async def test_a_connection_on_which_nothing_is_answered_any_more_is_made_anew(settings, faulty, said, quick):
    """Half open, it was silent until TCP gave up: workers polled, and their readiness said that all was well."""
    proxy = faulty(settings.redis.url.reveal())
    client = redis_client(RedisSettings(url=Secret(proxy.url)))
    waker = Waker(client)
    hears = waker.listen(cancelled=lambda _: None)
    async with asyncio.timeout(30):
        await anext(hears)
        proxy.drop(1.0)
        again = asyncio.ensure_future(anext(hears))
        await until(lambda: any("are away" in line for line in said), what="it is missed")
        proxy.restore()
        assert await again == frozenset(Queue.declared())
        assert "wake-ups are back" in said[-1]
    await hears.aclose()
    await client.aclose()


async def test_a_quiet_server_that_answers_is_heard_on(settings, quick, monkeypatch):
    monkeypatch.setattr("singr_db.redis._QUIET", 1.0)  # a busy machine answers later than at once
    client, channel = redis_client(settings.redis), f"quiet:{new_id()}"
    words = hear_channel(client, channel)
    async with asyncio.timeout(30):
        assert await anext(words) is None
        heard = asyncio.ensure_future(anext(words))
        await until(lambda: len(quick) >= 2, what="it was asked, and asked again")
        await client.publish(channel, b"here")
        assert await heard == b"here"
    await words.aclose()
    await client.aclose()
