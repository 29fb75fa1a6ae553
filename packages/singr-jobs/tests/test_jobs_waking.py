"""Workers hear of what was committed, when it was."""

from collections.abc import Iterable

import pytest
from jobs_support import ORGANIZATION, Steer

from singr_db import Database
from singr_jobs import Queue, Waker, enqueue, redis_client


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
