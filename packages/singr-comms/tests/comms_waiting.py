"""Waiting until others wait: PostgreSQL tells."""

import asyncio
from typing import Any

from sqlalchemy import text

from singr_db import Database

_WAIT = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


async def waits(db: Database, task: asyncio.Task[Any]) -> None:
    """Return once it waits for what somebody else holds."""
    await all_stand(db, [task])
    assert not task.done()


async def all_stand(db: Database, tasks: list[asyncio.Task[Any]]) -> None:
    """Return once each of them is done, or waits for what somebody else holds."""
    waiting = -1
    while waiting < sum(not task.done() for task in tasks):
        await asyncio.sleep(0.01)
        async with db.platform() as session:
            waiting = (await session.execute(_WAIT)).scalar_one()
