"""Inboxes that are on screens: what hears for them ends when it is asked to."""

import asyncio

from singr_comms.people.inbox import InboxNews, LiveInboxes
from singr_config.testing import settings_for_tests
from singr_db import Database
from singr_db.redis import redis_client


async def test_what_hears_ends_in_the_middle_of_connecting_too(db: Database, redis_url: str) -> None:
    settings = settings_for_tests(DATABASE_URL="postgresql://nowhere/singr", REDIS_URL=redis_url)
    for steps in range(40):
        client = redis_client(settings.redis)
        async with asyncio.timeout(10), LiveInboxes(db, InboxNews(client)).running():
            for _ in range(steps):
                await asyncio.sleep(0)
        await client.aclose()
