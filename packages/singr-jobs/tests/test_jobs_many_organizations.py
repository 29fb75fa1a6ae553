"""More organizations than one look at a queue sees have turns all the same, each as many as any other."""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from jobs_support import Steer, until

from singr_db import Database
from singr_jobs import enqueue
from singr_jobs.running import _line
from singr_jobs.taking import _dispatcher

ORGANIZATIONS, JOBS, RAN = 5, 60, 150


async def test_nobody_has_more_turns_for_being_last_in_the_order_of_ids(
    db: Database, working: Any, pulse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_dispatcher, "ORGANIZATIONS_A_ROUND", ORGANIZATIONS - 1)
    monkeypatch.setattr(_line, "AHEAD_SECONDS", 0.0)  # one is taken at a time
    whose: list[UUID] = sorted(uuid4() for _ in range(ORGANIZATIONS))
    for number, organization in enumerate(whose):
        async with db.tenant(organization) as session:
            for _ in range(JOBS):
                await enqueue(session, Steer(str(number), ("ok",)), organization_id=organization)
    async with working(concurrency=1):
        await until(lambda: len(pulse.ran) >= RAN, within=60.0)
    counted = Counter(pulse.ran[:RAN])
    assert len(counted) == ORGANIZATIONS
    assert max(counted.values()) < 52, "30 each in the mean; 75 where the last had a page for itself"


async def test_a_look_that_finds_nothing_for_it_ends_once_it_has_been_around(
    db: Database, working: Any, pulse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many organizations wait with jobs that nobody here knows."""
    monkeypatch.setattr(_dispatcher, "ORGANIZATIONS_A_ROUND", 2)
    looks = 0
    one_look = _dispatcher.Dispatcher._dispatch

    async def counted(self: Any, *args: Any) -> bool:
        nonlocal looks
        looks += 1
        return await one_look(self, *args)

    monkeypatch.setattr(_dispatcher.Dispatcher, "_dispatch", counted)
    for _ in range(5):
        organization = uuid4()
        async with db.tenant(organization) as session:
            await enqueue(session, Steer("a", ("ok",)), organization_id=organization)
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE job_ready SET type = 'nobody.knows'")
    async with working(concurrency=1):
        await until(lambda: looks >= 3)
        last = uuid4()
        async with db.tenant(last) as session:
            await enqueue(session, Steer("known", ("ok",)), organization_id=last)
        await until(lambda: pulse.ran == ["known"])
    assert looks < 60
