"""What was done by the minute: added up in memory, written once, told with its percentiles."""

import math
import random
from typing import Any

import pytest
from jobs_support import put, until
from sqlalchemy import text

from singr_db import Database
from singr_jobs import Queue
from singr_jobs.minutes._buckets import BUCKETS, bucket_of, percentile
from singr_jobs.minutes._keeper import MinuteKeeper
from singr_jobs.minutes._tally import Tally
from singr_jobs.queues import QueueSettingError, QueueUnknownError, _history, read_queue, read_queue_history


@pytest.fixture
def asked(db: Database):
    """`await asked(read_queue, "sms")` in a transaction of its own."""

    async def ask(call: Any, *arguments: Any, **options: Any) -> Any:
        async with db.platform() as session:
            return await call(session, *arguments, **options)

    return ask


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_percentiles_of_what_was_counted_are_near_those_of_the_times(spread: float) -> None:
    draw = random.Random(spread)
    times = sorted(draw.lognormvariate(-4, spread) for _ in range(5000))
    counts = [0] * BUCKETS
    for seconds in times:
        counts[bucket_of(seconds)] += 1
    for part in (0.5, 0.95):
        told = percentile(counts, part)
        assert told == pytest.approx(times[int(part * len(times))], rel=0.25)


def test_a_bucket_holds_what_is_no_time_and_what_is_endless() -> None:
    assert [bucket_of(odd) for odd in (-1.0, 0.0, math.nan, -math.inf)] == [0] * 4
    assert [bucket_of(endless) for endless in (2.0**17, math.inf)] == [BUCKETS - 1] * 2
    edges = [bucket_of(2.0**power * part) for power in range(-14, 17) for part in (1.0, 1.5)]
    assert edges == list(range(1, BUCKETS - 1)), "each bucket begins where the one before ends"
    assert percentile([0] * BUCKETS, 0.5) is None


def _tally(*, times: int = 1) -> Tally:
    tally = Tally()
    for _ in range(times):
        tally.started("sms", "sms.send", 2.0)
        tally.completed("sms", "sms.send", 0.5)
    return tally


async def test_what_several_processes_did_in_a_minute_is_one_row_a_type(db, asked):
    for times in (3, 4):
        await MinuteKeeper(db.psycopg, _tally(times=times)).work()
    other = Tally()
    other.started("sms", "two_factor.send", 0.001)
    other.failed("sms", "two_factor.send", 8.0, status="pending", outcome="failed")
    other.failed("sms", "two_factor.send", None, status="failed", outcome="lost")
    other.failed("sms", "two_factor.send", 8.0, status="pending", outcome="held")
    other.failed("sms", "two_factor.send", 8.0, status="cancelled", outcome="cancelled")
    await MinuteKeeper(db.psycopg, other).work()
    told = await asked(read_queue_history, Queue.SMS, minutes=2)
    first, second = told.types
    assert (first.type, first.taken, first.retried, first.failed) == ("two_factor.send", 1, 1, 1)
    assert (second.type, second.taken, second.completed) == ("sms.send", 7, 7)
    assert (second.wait_p50, second.run_p95) == (pytest.approx(2.5, rel=0.25), pytest.approx(0.6, rel=0.25))
    assert sum(one.taken for one in told.minutes) == 8
    assert len(told.minutes) == 2
    recent = (await asked(read_queue, Queue.SMS)).recent
    assert (recent.taken, recent.completed, recent.failed) == (8, 7, 1)
    assert 7 / 6 <= recent.per_minute <= 7 / 5
    [one] = (await asked(read_queue_history, Queue.SMS, job_type="sms.send")).types
    assert one == second


async def test_minutes_are_whole_where_types_are_looked_at_no_further_back(db, monkeypatch):
    """Six types in each of four minutes, written as any release writes them: made and added to."""
    write = """
        INSERT INTO work_minutes AS known (minute, queue, type, completed, retried, failed, waits, runs)
        SELECT date_trunc('minute', now()) - minute * interval '1 minute', 'sms', 't' || type, type, 1, 0,
               array_fill(minute, ARRAY[64]), array_fill(type, ARRAY[64])
          FROM generate_series(0, 3) AS minute, generate_series(1, 6) AS type
        ON CONFLICT (minute, queue, type) DO UPDATE SET completed = 100, waits = array_fill(5, ARRAY[64])
    """
    monkeypatch.setattr(_history, "MOST_LOOKED_AT", 14)
    async with db.platform() as session:  # one transaction, and so one time
        await session.execute(text(write))
        first = await read_queue_history(session, Queue.SMS, minutes=4)
        await session.execute(text(write))
        told = await read_queue_history(session, Queue.SMS, minutes=4)
        of_one = await read_queue_history(session, Queue.SMS, minutes=4, job_type="t3")
    assert [(one.completed, one.retried, one.taken) for one in first.minutes] == [
        (21, 6, 6 * 64 * minute) for minute in (3, 2, 1, 0)
    ]
    assert [(one.completed, one.retried, one.taken) for one in told.minutes] == [(600, 6, 6 * 64 * 5)] * 4
    assert {(one.completed, one.retried, one.taken) for one in told.types} == {(200, 2, 2 * 64 * 5)}
    assert (len(told.types), told.types_since) == (6, told.minutes[2].minute)
    assert [one.completed for one in of_one.minutes] == [100] * 4
    assert (of_one.types_since, [one.completed for one in of_one.types]) == (of_one.since, [400])


async def test_a_minute_without_work_is_told_and_costs_no_row(db, asked):
    await MinuteKeeper(db.psycopg, Tally()).work()
    async with db.psycopg.connection() as connection:
        assert await (await connection.execute("SELECT count(*) FROM work_minutes")).fetchall() == [(0,)]
    told = await asked(read_queue_history, Queue.SMS, minutes=60)
    assert {(one.taken, one.wait_p50) for one in told.minutes} == {(0, None)}
    assert (len(told.minutes), told.types, told.minutes[0].minute) == (60, (), told.since)


async def test_what_could_not_be_written_is_written_once_to_the_minute_in_which_it_was_done(db, asked):
    async with db.psycopg.connection() as connection:
        await connection.execute("ALTER TABLE work_minutes RENAME TO elsewhere")
        keeper = MinuteKeeper(db.psycopg, _tally(times=5))
        keeper._since -= 240.0  # as if its process had begun four minutes ago
        with pytest.raises(Exception, match="work_minutes"):
            await keeper.work()
        await connection.execute("ALTER TABLE elsewhere RENAME TO work_minutes")
    await keeper.work()
    await keeper.work()
    told = await asked(read_queue_history, Queue.SMS, minutes=6)
    [when] = [one.minute for one in told.minutes if one.taken == 5]
    assert 120 <= (told.until - when).total_seconds() < 180 + 60


async def test_minutes_go_when_their_time_is_over(db):
    await MinuteKeeper(db.psycopg, _tally()).work()
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE work_minutes SET minute = minute - interval '241 minutes'")
        await MinuteKeeper(db.psycopg, _tally()).work()
        cursor = await connection.execute("SELECT minute > now() - interval '2 minutes' FROM work_minutes")
        rows = await cursor.fetchall()
    assert rows == [(True,)]


async def test_a_worker_writes_what_it_did_at_the_latest_when_it_stops(db, asked, working):
    async with working() as worker:
        for name in ("a", "b"):
            await put(db, name)

        async def done() -> bool:
            return sum(work.completed for work in worker._watching.tally._done.values()) == 2

        await until(done)
    told = await asked(read_queue_history, "default", minutes=5)
    [one] = told.types
    assert (one.type, one.taken, one.completed, one.failed) == ("test.steer", 2, 2, 0)
    assert one.wait_p95 is not None


async def test_history_of_no_queue_or_of_no_minutes_is_refused(asked):
    with pytest.raises(QueueUnknownError, match="there is no queue"):
        await asked(read_queue_history, "smms")
    for minutes in (0, 181):
        with pytest.raises(QueueSettingError, match="minutes must be 1 to 180"):
            await asked(read_queue_history, "sms", minutes=minutes)
