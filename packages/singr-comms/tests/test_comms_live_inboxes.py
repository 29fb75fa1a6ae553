"""Inboxes that are on screens: what hears for them ends when it is asked to."""

import asyncio
import itertools
from collections.abc import Callable

import pytest
from loguru import logger

from singr_comms.people.inbox import InboxNews, LiveInboxes
from singr_config.testing import settings_for_tests
from singr_db import Database, new_id
from singr_db.redis import redis_client
from singr_dev.fault_proxy import FaultProxy


async def test_what_hears_ends_in_the_middle_of_connecting_too(db: Database, redis_url: str) -> None:
    settings = settings_for_tests(DATABASE_URL="postgresql://nowhere/singr", REDIS_URL=redis_url)
    for steps in range(40):
        client = redis_client(settings.redis)
        async with asyncio.timeout(10), LiveInboxes(db, InboxNews(client)).running():
            for _ in range(steps):
                await asyncio.sleep(0)
        await client.aclose()


async def test_of_the_screens_that_stand_at_one_position_one_reads_for_all_until_it_changes_again(
    db: Database, redis_url: str
) -> None:
    settings = settings_for_tests(DATABASE_URL="postgresql://nowhere/singr", REDIS_URL=redis_url)
    client = redis_client(settings.redis)
    inboxes, recipient_id = LiveInboxes(db, InboxNews(client)), new_id()
    screens, reads = [inboxes.watch(recipient_id, new_id()) for _ in range(3)], itertools.count(1)

    async def read() -> int:
        await asyncio.sleep(0)
        return next(reads)

    async def all_read(after: int) -> list[int]:
        return await asyncio.gather(*(inboxes.read_once(screen, after, read) for screen in screens))

    assert await all_read(0) == [1, 1, 1]
    assert await inboxes.read_once(screens[0], 0, read) == 1
    assert await all_read(1) == [2, 2, 2], "they stand elsewhere"
    reading = asyncio.create_task(inboxes.read_once(screens[0], 2, read))
    await asyncio.sleep(0)
    inboxes._stir(recipient_id)
    assert await inboxes.read_once(screens[1], 2, read) != await reading, "it changed since the first one began"
    screens.append(inboxes.watch(recipient_id, new_id()))
    before = next(reads)
    assert await inboxes.read_once(screens[-1], 2, read) > before, "who has just come looks"
    for screen in screens:
        inboxes.leave(screen)
    assert not inboxes._read
    assert not inboxes._stirs
    assert not inboxes._watching
    await client.aclose()


async def test_a_read_that_fails_is_made_anew_and_one_that_nobody_waits_for_goes_on(
    db: Database, redis_url: str
) -> None:
    settings = settings_for_tests(DATABASE_URL="postgresql://nowhere/singr", REDIS_URL=redis_url)
    client = redis_client(settings.redis)
    inboxes = LiveInboxes(db, InboxNews(client))
    screens = [inboxes.watch(recipient_id, new_id()) for recipient_id in [new_id()] * 2]
    goes_on = asyncio.Event()

    async def fails() -> int:
        raise LookupError

    async def waits() -> int:
        await goes_on.wait()
        return 7

    with pytest.raises(LookupError):
        await inboxes.read_once(screens[0], 0, fails)
    first, second = (asyncio.create_task(inboxes.read_once(screen, 0, waits)) for screen in screens)
    await asyncio.sleep(0)
    first.cancel()
    goes_on.set()
    assert await second == 7
    await client.aclose()


async def test_news_that_were_away_are_said_to_be_back(redis_url: str, faulty: Callable[[str], FaultProxy]) -> None:
    proxy, said = faulty(redis_url), []
    proxy.refuse()
    settings = settings_for_tests(DATABASE_URL="postgresql://nowhere/singr", REDIS_URL=proxy.url)
    client = redis_client(settings.redis)
    sink = logger.add(lambda line: said.append(line.record["message"]), level="INFO")

    async def listen() -> None:
        async for _ in InboxNews(client).hear():
            pass

    listening = asyncio.create_task(listen())
    try:
        async with asyncio.timeout(30):
            while not said:  # noqa: ASYNC110 - the log sets no event
                await asyncio.sleep(0.02)
            proxy.restore()
            while len(said) < 2:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.02)
    finally:
        logger.remove(sink)
        listening.cancel()
        await asyncio.wait([listening])
        await client.aclose()
    assert [line.partition(",")[0] for line in said] == ["news of inboxes are away", "news of inboxes are back"]
