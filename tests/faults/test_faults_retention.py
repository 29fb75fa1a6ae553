"""Weeks of jobs go whole once their time is over, and nothing that is wanted goes with them (R30)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
from faults.dying import Dying, KilledError

from singr_config import RetentionSettings
from singr_config.clock import clock
from singr_db import Database, ensure_partitions
from singr_db._partitions import first_id
from singr_db.retention import Report, foresee, retain, retaining
from singr_jobs import JobNotFoundError, Retention, list_jobs, read_job
from singr_jobs.chores._tell_retention import TellRetention
from singr_observability import Metrics, build_metrics

ORGANIZATION = UUID("01920000-0000-7000-8000-0000000000aa")
DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
LATER = MONDAY + 5 * WEEK
FEW = RetentionSettings(jobs_per_queue=2)
ONE = RetentionSettings(jobs_per_queue=1)


class Shelf:
    """Jobs as they came to lie, at any time."""

    def __init__(self, db: Database, connection: Any) -> None:
        self.db = db
        self.connection = connection
        self._count = 0

    async def run(self, statement: str, *values: Any) -> list[Any]:
        cursor = await self.connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description else []

    async def weeks(self, now: datetime) -> None:
        async with self.db.engine.connect() as connection:
            await ensure_partitions(connection, weeks_ahead=1, now=now)

    async def job(
        self, made: datetime, status: str = "completed", *, ended: datetime | None = None, queue: str = "q"
    ) -> UUID:
        """A job made then; it ended at once unless told, in its second attempt: the first one failed."""
        self._count += 1
        job_id = UUID(int=first_id(made).int | (7 << 76) | (2 << 62) | self._count)
        finished = None if status == "pending" else ended or made
        await self.run(
            "INSERT INTO jobs (id, organization_id, type, queue, status, payload, attempt, max_attempts, backoff,"
            " timeout, run_at, created_at, finished_at)"
            " VALUES (%s, %s, 'test.steer', %s, %s, '{}', 2, 3, 1, 1, %s, %s, %s)",
            job_id, ORGANIZATION, queue, status, made, made, finished,
        )  # fmt: skip
        await self.run(
            "INSERT INTO job_attempts (job_id, attempt, organization_id, outcome, finished_at)"
            " VALUES (%s, 1, %s, 'failed', %s)", job_id, ORGANIZATION, made + DAY * 0.01,
        )  # fmt: skip
        await self.run(
            "INSERT INTO job_logs (job_id, id, organization_id, attempt, at, message)"
            " VALUES (%s, gen_random_uuid(), %s, 1, %s, 'read')", job_id, ORGANIZATION, made + DAY * 0.01,
        )  # fmt: skip
        return job_id

    async def there(self) -> set[UUID]:
        """Which jobs there are; each with its attempt and log, and none of these without its job."""
        jobs = {job_id for (job_id,) in await self.run("SELECT id FROM jobs")}
        attempts = {job_id for (job_id,) in await self.run("SELECT job_id FROM job_attempts")}
        logs = {job_id for (job_id,) in await self.run("SELECT job_id FROM job_logs")}
        assert jobs == attempts == logs
        return jobs

    async def turn(self, now: datetime = LATER, settings: RetentionSettings = ONE) -> Report:
        return await retain(self.connection, settings, now=now)


@pytest.fixture
async def shelf(db: Database) -> AsyncIterator[Shelf]:
    async with retaining(db.psycopg) as connection:
        made = Shelf(db, connection)
        tables = "^(jobs|job_attempts|job_logs|messages)_w[0-9]+$"
        names = f"SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '{tables}'"
        before = {name for (name,) in await made.run(names)}
        yield made
        for name in {name for (name,) in await made.run(names)} - before:
            await made.run(f"DROP TABLE {name}")


async def test_week_whose_time_is_over_goes_with_its_attempts_and_keeps_the_last_of_each_queue(shelf: Shelf) -> None:
    await shelf.weeks(MONDAY)
    old = [await shelf.job(MONDAY + DAY * day, queue=queue) for queue in "ab" for day in range(4)]
    report = await shelf.turn(settings=FEW)
    assert report.dropped[0] == "jobs_w20261102"
    assert await shelf.there() == {*old[2:4], *old[6:8]}
    assert report.moved == 4


async def test_last_jobs_of_a_queue_lie_in_later_weeks_where_there_are_enough(shelf: Shelf) -> None:
    for week in (0, 4):
        await shelf.weeks(MONDAY + WEEK * week)
    await shelf.job(MONDAY)
    late = [await shelf.job(MONDAY + 4 * WEEK + DAY * 0.1 * count) for count in range(2)]
    report = await shelf.turn(MONDAY + 4 * WEEK + DAY, FEW)
    assert report.moved == 0
    assert await shelf.there() == set(late)


@pytest.mark.parametrize(
    ("status", "ended"),
    [("pending", None), ("completed", 0.9), ("failed", 6.9), ("cancelled", 6.9)],
)
async def test_what_waits_or_whose_time_is_not_over_outlives_its_week(
    shelf: Shelf, status: str, ended: float | None
) -> None:
    await shelf.weeks(MONDAY)
    wanted = await shelf.job(MONDAY, status, ended=ended and LATER - DAY * ended)
    others = [await shelf.job(MONDAY + DAY), await shelf.job(MONDAY + DAY * 2)]
    await shelf.turn()
    assert await shelf.there() == {wanted, others[1]}


async def test_job_in_hand_outlives_its_week_and_is_given_no_second_place(shelf: Shelf) -> None:
    await shelf.weeks(MONDAY)
    in_hand = await shelf.job(MONDAY, "pending")
    await shelf.run("DELETE FROM job_ready")
    await shelf.run(
        "INSERT INTO job_tickets (token, queue, ids, state, leased_until, worker, started_at)"
        " VALUES (1, 'q', ARRAY[%s]::uuid[], 'working', now() + interval '1 hour', 'w', now())", in_hand,
    )  # fmt: skip
    report = await shelf.turn()
    assert (report.dropped[0], await shelf.there()) == ("jobs_w20261102", {in_hand})
    assert await shelf.run("SELECT id FROM job_ready") == [], "it would run twice"


async def test_week_stays_until_the_longest_time_is_over_since_its_end(shelf: Shelf) -> None:
    await shelf.weeks(MONDAY)
    job = await shelf.job(MONDAY)
    end = MONDAY + WEEK
    assert (await shelf.turn(end + DAY * 6.9)).dropped == ()
    assert await shelf.there() == {job}
    assert (await shelf.turn(end + DAY * 7)).dropped == ("jobs_w20261102",)


async def test_no_job_goes_within_the_two_days_in_which_its_request_is_replayed(shelf: Shelf) -> None:
    await shelf.weeks(MONDAY)
    settings = RetentionSettings(completed_days=1, failed_days=1, cancelled_days=1, jobs_per_queue=1)
    await shelf.job(MONDAY + DAY * 6.9)
    assert (await shelf.turn(MONDAY + WEEK + DAY * 1.9, settings)).dropped == ()
    stray = [await shelf.job(LATER - DAY * 1.9), await shelf.job(LATER - DAY * 1.8)]  # no week of theirs was made
    await shelf.turn(LATER, settings)
    assert await shelf.there() == set(stray)


async def test_job_that_an_unsent_message_waits_for_outlives_its_week(shelf: Shelf) -> None:
    await shelf.weeks(MONDAY)
    wanted = await shelf.job(MONDAY)
    last = await shelf.job(MONDAY + DAY)
    await shelf.run(
        "INSERT INTO messages (id, organization_id, job_id, channel, kind, recipient_sealed, recipient_hash,"
        " recipient_masked, content_sealed) VALUES (gen_random_uuid(), %s, %s, 'email', 'k', '', '', '', '')",
        ORGANIZATION, wanted,
    )  # fmt: skip
    await shelf.turn()
    assert await shelf.there() == {wanted, last}


async def test_what_outlived_its_week_goes_once_it_is_no_longer_wanted(shelf: Shelf) -> None:
    await shelf.weeks(MONDAY)
    failed, last = await shelf.job(MONDAY, "failed", ended=LATER - DAY), await shelf.job(MONDAY + DAY)
    await shelf.turn()
    assert await shelf.there() == {failed, last}
    assert (await shelf.turn(LATER + WEEK)).deleted == 1
    assert await shelf.there() == {last}


async def test_attempts_from_before_they_had_weeks_go_with_the_week_of_their_jobs(shelf: Shelf) -> None:
    await shelf.weeks(MONDAY)
    await shelf.run("DROP TABLE job_attempts_w20261102")
    jobs = [await shelf.job(MONDAY + DAY * day) for day in range(3)]
    await shelf.turn()
    assert await shelf.there() == {jobs[-1]}


async def test_week_that_went_is_not_made_again_for_what_was_kept_of_it(shelf: Shelf) -> None:
    await shelf.weeks(MONDAY)
    job = await shelf.job(MONDAY)
    await shelf.turn()
    await shelf.weeks(LATER)
    assert await shelf.run("SELECT tableoid::regclass::text FROM jobs WHERE id = %s", job) == [("jobs_default",)]


async def test_a_survivor_is_read_and_listed_and_what_went_is_not_found(shelf: Shelf) -> None:
    await shelf.weeks(MONDAY)
    gone, kept = [await shelf.job(MONDAY + DAY * day) for day in range(2)]
    await shelf.turn()
    async with shelf.db.tenant(ORGANIZATION) as session:
        assert len((await read_job(session, kept)).attempts) == 1
        assert [job.id for job in (await list_jobs(session, limit=10)).items] == [kept]
        with pytest.raises(JobNotFoundError):
            await read_job(session, gone)


async def test_long_transaction_holds_the_drop_up_and_nobody_else(shelf: Shelf, database_url: str) -> None:
    await shelf.weeks(MONDAY)
    jobs = {await shelf.job(MONDAY + DAY * day) for day in range(2)}
    with psycopg.connect(database_url, application_name="a report") as reader:
        reader.execute("SELECT * FROM jobs")
        report = await shelf.turn()
        assert report.dropped == ()
        why, *_ = report.held_up
        assert why.startswith("jobs_w20261102: ")
        with psycopg.connect(database_url, autocommit=True, options="-c lock_timeout=1") as other:
            other.execute("UPDATE jobs SET progress = 1")
    assert await shelf.there() == jobs
    assert (await shelf.turn()).dropped[0] == "jobs_w20261102"


async def test_one_process_at_a_time_until_it_is_done_or_has_died(shelf: Shelf, db: Database) -> None:
    """And nobody else: a role that may only enqueue has no right to the row."""
    async with retaining(db.psycopg) as connection:
        assert connection is None
    await shelf.run("UPDATE job_gates SET held_until = now() - interval '1 second' WHERE name = '*retention'")
    async with retaining(db.psycopg) as connection:
        assert connection is not None
    async with retaining(db.psycopg) as connection:
        assert connection is not None


async def test_dry_run_says_what_would_go_and_changes_nothing(shelf: Shelf) -> None:
    await shelf.weeks(MONDAY)
    jobs = {await shelf.job(MONDAY + DAY * day) for day in range(3)}
    spans = {span.name: span for span in await foresee(shelf.connection, ONE, now=LATER)}
    assert (spans["jobs_w20261102"].goes_at, spans["jobs_w20261102"].survivors) == (MONDAY + 2 * WEEK, 1)
    assert spans["jobs_w20261109"].survivors == 0
    assert await shelf.there() == jobs


async def test_killed_before_any_of_its_statements_it_loses_nothing_and_goes_on(shelf: Shelf) -> None:
    await shelf.weeks(MONDAY)
    wanted = {await shelf.job(MONDAY, "pending"), await shelf.job(MONDAY + DAY * 3)}
    jobs = wanted | {failed := await shelf.job(MONDAY + DAY, "failed"), await shelf.job(MONDAY + DAY * 2)}
    await shelf.run(
        "INSERT INTO dead_letters (id, organization_id, job_id, type, queue, error, error_code, fingerprint, attempts)"
        " VALUES (gen_random_uuid(), %s, %s, 'test.steer', 'q', '{}', '', '', '[]')", ORGANIZATION, failed,
    )  # fmt: skip
    for lives in range(100):
        try:
            await retain(cast("Any", Dying(shelf.connection, lives)), ONE, now=LATER)
        except KilledError:
            found = {job_id for (job_id,) in await shelf.run("SELECT id FROM jobs")}
            assert found in (jobs, wanted), f"killed before statement {lives}"
            continue
        break
    assert lives > 20
    assert await shelf.there() == wanted
    assert await shelf.run("SELECT relname FROM pg_class WHERE relname LIKE 'gone_%%'") == []
    assert await shelf.run("SELECT log #>> '{lines,0,message}' FROM dead_letters") == [("read",)]


@pytest.mark.parametrize(
    ("first", "weeks"),
    [
        pytest.param(datetime(2026, 12, 7, tzinfo=UTC), 8, id="8"),
        pytest.param(datetime(2028, 1, 31, tzinfo=UTC), 8, id="leap"),
        pytest.param(MONDAY, 72, id="72", marks=pytest.mark.full),
    ],
)
async def test_over_week_53_the_turn_of_the_year_and_leap_day_nothing_wanted_goes_and_nothing_comes_back(
    shelf: Shelf, first: datetime, weeks: int
) -> None:
    """Over week 53 of 2026, over the February of 2028, in full over all between. Delayed jobs fail five weeks on."""
    settings = RetentionSettings(jobs_per_queue=3)
    ends: dict[UUID, tuple[str, datetime]] = {}
    gone: set[UUID] = set()
    for count in range(weeks):
        now = first + WEEK * count + DAY * 6.5
        await shelf.weeks(now)
        for day, status in enumerate(("completed", "completed", "failed", "cancelled")):
            ends[await shelf.job(now - DAY * day, status)] = status, now - DAY * day
        ends[await shelf.job(now - DAY, "pending")] = "failed", now + WEEK * 5 - DAY / 2
        await shelf.run(
            "UPDATE jobs SET status = 'failed', finished_at = %s WHERE id = ANY (%s) AND status = 'pending'",
            now - DAY / 2, [job for job, (_, end) in ends.items() if end == now - DAY / 2],
        )  # fmt: skip
        await shelf.turn(now, settings)
        there = await shelf.there()
        kept_for = {"completed": 1, "failed": 7, "cancelled": 7}
        wanted = {job for job, (status, end) in ends.items() if end > now - DAY * kept_for[status]}
        assert wanted <= there, f"{now:%Y-%m-%d}"
        ended = sorted((job for job, (_, end) in ends.items() if end <= now), key=lambda job: job.int >> 80)
        assert set(ended[-3:]) <= there
        assert not gone & there
        gone = ends.keys() - there
    assert await shelf.run("SELECT count(*) <= 6 FROM pg_partition_tree('jobs') WHERE level = 1") == [(True,)]
    assert len(gone) > weeks


async def test_what_a_turn_did_is_told_in_metrics(shelf: Shelf, db: Database) -> None:
    now = clock.now()
    await shelf.weeks(now - WEEK * 10)
    gone, kept = [await shelf.job(now - WEEK * 10 + DAY * 0.001 * count) for count in range(2)]
    await shelf.run("UPDATE job_gates SET held_until = NULL")  # the fixture's own turn is over
    metrics = build_metrics()
    report = await Retention(db, ONE, metrics).work()
    assert report is not None
    assert await shelf.there() == {kept} != {gone}
    await TellRetention(db.psycopg, metrics).work()
    told = {sample["name"]: sample for sample in samples(metrics)}
    assert told["singr_retention_dropped"]["value"] == len(report.dropped) >= 1
    assert told["singr_retention_moved"]["value"] == 1
    assert told["singr_retention_held_up"]["value"] == 0


def samples(metrics: Metrics) -> list[dict[str, Any]]:
    rendered = cast("dict[str, dict[str, Any]]", metrics.render_json())
    return [{"name": name, **value} for name, family in rendered.items() for value in family["values"]]
