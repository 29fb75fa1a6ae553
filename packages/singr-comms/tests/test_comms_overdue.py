"""A notification that does not end is seen, whatever keeps it; one that is meant to wait is not."""

from datetime import timedelta
from typing import Any

import pytest
from comms_crowds import Crowd
from loguru import logger
from sqlalchemy import text

from singr_comms.notifying import OverdueNotifications
from singr_comms.notifying.chores._tell_overdue import OVERDUE
from singr_config.clock import clock
from singr_db import first_id, new_id
from singr_observability import build_metrics

_ADD = """
INSERT INTO notifications (id, organization_id, type, audience, channels, state, created_at, updated_at)
VALUES (:id, :organization, 'plain', '{"kind": "all"}', '{sms}', 'sending', :at, :at)
"""
_ENDED = text("""
INSERT INTO notifications (id, organization_id, type, audience, channels, state, ended_at)
SELECT gen_random_uuid(), :organization, 'plain', '{"kind": "all"}', '{sms}', 'done', now()
  FROM generate_series(1, 1000)
""")
MEANT_TO_WAIT = {
    "it has ended": "state = 'done', ended_at = now()",
    "it is for later": "send_at = now() - interval '23 hours', state = 'scheduled'",
    "somebody paused it": "paused_at = now()",
    "its rate takes days, and it goes on": "per_minute = 1, updated_at = now() - interval '50 minutes'",
}


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    return await Crowd.of(bench)


async def add(crowd: Crowd, **ago: float) -> None:
    """One that was asked for so long ago, and whose messages wait."""
    at = clock.now() - timedelta(**ago)
    async with crowd.db.platform() as session:
        await session.execute(text(_ADD), {"id": first_id(at), "organization": crowd.organization, "at": at})


async def test_notification_that_does_not_end_within_a_day_is_told(crowd: Crowd) -> None:
    metrics = build_metrics()
    overdue = OverdueNotifications(crowd.db, metrics)
    assert overdue.seen_as is None, "nobody can pause who tells of pauses"

    def told() -> Any:
        found: Any = metrics.render_json()["singr_notifications_overdue"]
        return [one["value"] for one in found["values"]]

    assert told() == [0.0]
    said: list[str] = []
    sink = logger.add(said.append, level="WARNING", format="{message}")
    await add(crowd, hours=23)
    assert await overdue.work() == 0
    await add(crowd, hours=25)
    assert [await overdue.work() for _ in range(2)] == [1, 1]
    logger.remove(sink)
    assert told() == [1.0]
    assert len([line for line in said if "have not ended" in line]) == 1
    await crowd.run("UPDATE notifications SET state = 'done', ended_at = now()")
    assert await overdue.work() == 0
    assert told() == [0.0]


@pytest.mark.parametrize("how", MEANT_TO_WAIT.values(), ids=MEANT_TO_WAIT)
async def test_what_is_meant_to_wait_is_not_told(crowd: Crowd, how: str) -> None:
    overdue = OverdueNotifications(crowd.db, build_metrics())
    await add(crowd, days=3)
    assert await overdue.work() == 1
    await crowd.run(f"UPDATE notifications SET {how}")
    assert await overdue.work() == 0


async def test_rate_that_stands_still_is_told(crowd: Crowd) -> None:
    overdue = OverdueNotifications(crowd.db, build_metrics())
    await add(crowd, days=3)
    await crowd.run("UPDATE notifications SET per_minute = 1, updated_at = now() - interval '2 hours'")
    assert await overdue.work() == 1


async def test_those_that_do_not_end_are_read_by_index(crowd: Crowd) -> None:
    async with crowd.db.platform() as session:
        await session.execute(_ENDED, {"organization": crowd.organization})
    async with crowd.db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE notifications"))
    values = {"before": new_id(), "too_long": timedelta(days=1), "limit": 1}
    async with crowd.db.platform() as session:
        plan = "\n".join((await session.scalars(text(f"EXPLAIN {OVERDUE.text}"), values)).all())
    assert "notifications_due" in plan
    assert "notifications_sending" in plan
    assert plan.count("Index Cond") == 2
