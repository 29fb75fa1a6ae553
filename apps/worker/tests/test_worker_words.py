"""What a handler commits is told at once: to workers whose jobs it made, and to screens whose inboxes it filled."""

import asyncio

from singr_comms.people.inbox import InboxNews, note_news
from singr_config import Settings
from singr_db import new_id
from singr_db.redis import redis_client
from singr_jobs import Queue
from singr_observability import build_metrics
from singr_worker._wiring import build_worker


async def test_commits_of_handlers_are_told_to_workers_and_to_screens(settings: Settings) -> None:
    client, who = redis_client(settings.redis), new_id()
    hearing = InboxNews(client).hear()
    await anext(hearing)  # it listens
    building = build_worker(settings, queues=[Queue.DEFAULT], name="words", lease=15.0, metrics=build_metrics())
    async with building as (_, database), asyncio.timeout(20):
        assert "singr_jobs.waker" in database.session_info
        async with database.platform() as session:
            note_news(session, [who])
        while who not in await anext(hearing):
            pass
    await hearing.aclose()
    await client.aclose()
