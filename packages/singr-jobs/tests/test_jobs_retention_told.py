"""What metrics tell of retention is the same in every process, and stands from its start."""

from datetime import UTC, datetime, timedelta
from typing import Any

from singr_config.clock import clock
from singr_db import Database, Partition, ensure_partitions
from singr_db.retention import Turn, note_turn
from singr_jobs.chores._tell_retention import TellRetention
from singr_observability import Metrics, build_metrics

GAUGES = ("retention_held_up", "retention_seconds", "messages_held_up", "jobs_oldest_week", "messages_oldest_week")


def told(metrics: Metrics) -> dict[str, float | None]:
    rendered: Any = metrics.render_json()
    names = {name: name if not name.endswith("week") else f"{name}_seconds" for name in GAUGES}
    return {
        name: next((one["value"] for one in rendered[f"singr_{full}"]["values"]), None) for name, full in names.items()
    }


async def test_gauges_of_retention_stand_from_the_start_of_a_process_that_has_no_turn(db: Database) -> None:
    """They were absent until a turn had ended, so that no alert could tell that none does."""
    metrics = build_metrics()
    chore = TellRetention(db.psycopg, metrics)
    assert told(metrics) == dict.fromkeys(GAUGES, 0.0)
    old = Partition("jobs", datetime(2026, 1, 5, tzinfo=UTC))
    async with db.engine.connect() as connection:
        await ensure_partitions(connection, weeks_ahead=0, now=old.start)
    try:
        await chore.work()
        ages = told(metrics)
        for age in (ages["jobs_oldest_week"], ages["messages_oldest_week"]):
            assert timedelta(seconds=age or 0) > clock.now() - old.start - timedelta(minutes=1)
    finally:
        async with db.psycopg.connection() as connection:
            for parent in ("jobs", "job_attempts", "job_logs", "messages", "message_events"):
                await connection.execute(f"DROP TABLE IF EXISTS {Partition(parent, old.start).name}")


async def test_what_one_process_could_not_drop_is_told_by_all_until_another_has(db: Database) -> None:
    """The one that had failed told of it until it had a turn of its own again, hours after another put it right."""
    one, other = build_metrics(), build_metrics()
    chores = [TellRetention(db.psycopg, metrics) for metrics in (one, other)]
    for held_up in (2, 0):
        async with db.psycopg.connection() as connection:
            await note_turn(connection, "jobs", Turn(1.5, held_up))
            await note_turn(connection, "messages", Turn(2.5, held_up + 1))
        for chore in chores:
            await chore.work()
        for metrics in (one, other):
            found = told(metrics)
            assert (found["retention_held_up"], found["messages_held_up"]) == (held_up, held_up + 1)
            assert found["retention_seconds"] == 1.5
