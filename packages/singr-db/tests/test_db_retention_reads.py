"""How many jobs retention reads to find out which of them are the last of their queue."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from singr_config import RetentionSettings
from singr_db import Database, Partition, ensure_partitions, first_id
from singr_db.retention import Connection, _latest, foresee, retaining

WEEK = timedelta(weeks=1)
MONDAY = datetime(2026, 8, 3, tzinfo=UTC)
OLD, PER_WEEK, LOOKED_AT = 4, 60, 100
NOW = MONDAY + WEEK * (OLD + 4)
NEWER = [Partition("jobs", MONDAY + WEEK * week) for week in range(OLD, OLD + 3)]
SETTINGS = RetentionSettings(jobs_per_queue=50, completed_days=25, failed_days=25, cancelled_days=25)


@pytest.fixture
async def connection(db: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    """Lent for retention where seven weeks have 60 jobs each, half of them of another queue; four of these may go."""
    monkeypatch.setattr(_latest, "_LOOKED_AT", LOOKED_AT)
    spans = [Partition("jobs", MONDAY + WEEK * week) for week in range(OLD + 3)]
    async with retaining(db.psycopg) as connection:
        assert connection is not None
        for span in spans:
            async with db.engine.connect() as making:
                await ensure_partitions(making, weeks_ahead=0, now=span.start)
            await connection.execute(
                "INSERT INTO jobs (id, organization_id, type, queue, status, payload, max_attempts, backoff, timeout,"
                " created_at, finished_at)"
                " SELECT (substr(%(low)s, 1, 24) || lpad(number::text, 12, '0'))::uuid, %(low)s::uuid, 't',"
                " CASE number %% 2 WHEN 0 THEN 'even' ELSE 'odd' END, 'completed', '{}', 1, 1, 1, %(at)s, %(at)s"
                " FROM generate_series(1, %(many)s) AS number",
                {"low": str(first_id(span.start)), "at": span.start, "many": PER_WEEK},
            )
        yield connection
        for span in spans:
            for parent in ("jobs", "job_attempts", "job_logs", "messages", "message_events"):
                await connection.execute(f"DROP TABLE IF EXISTS {Partition(parent, span.start).name}")


async def read_so_far(connection: Connection) -> int:
    """Rows of the newer weeks that this transaction has looked at."""
    cursor = await connection.execute(
        "SELECT sum(seq_tup_read + idx_tup_fetch)::int FROM pg_stat_xact_user_tables WHERE relname = ANY (%s)",
        ([span.name for span in NEWER],),
    )
    [(rows,)] = await cursor.fetchall()
    return int(rows)


async def test_newer_jobs_are_read_once_and_no_more_of_them_than_are_looked_at(connection: Connection) -> None:
    """For each week that may go all newer ones were read anew: a minute with 1.4 million jobs."""
    async with connection.transaction():
        spans = await foresee(connection, SETTINGS, now=NOW)
        read = await read_so_far(connection)
    assert [span.survivors is None for span in spans[: OLD + 3]] == [False] * OLD + [True] * 3
    assert 0 < read <= LOOKED_AT, read


async def test_the_last_of_a_queue_are_counted_over_all_newer_weeks(connection: Connection) -> None:
    """Of each queue 50 are kept, and the latest hundred jobs are 50 of each: they lie in two weeks."""
    spans = await foresee(connection, SETTINGS, now=NOW)
    assert [span.survivors for span in spans[:OLD]] == [0] * OLD
    more = RetentionSettings(jobs_per_queue=55, completed_days=25, failed_days=25, cancelled_days=25)
    spans = await foresee(connection, more, now=NOW)
    assert [span.survivors for span in spans[:OLD]] == [2 * 5] * OLD
