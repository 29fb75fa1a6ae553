"""Weekly partitions: made ahead, made late, made by several at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Connection, text

from singr_config import DatabaseSettings, Secret
from singr_db import Database, _partitions, downgrade, first_id, upgrade
from singr_db._partitions import (
    PARTITIONED,
    Partition,
    create_partitions,
    existing_partitions,
    is_partition_name,
    parse_partition,
    week_of,
    weeks_astray,
)
from singr_db.schema._migrate import connected, differences

WEEK = timedelta(weeks=1)
NOW = datetime.now(UTC)


@pytest.fixture
def migrated(migrated_url: str) -> str:
    """A migrated database whose only weekly partition is this week's."""
    with connected(migrated_url) as connection:
        for parent in PARTITIONED:
            for partition in existing_partitions(connection, parent):
                if partition.start > NOW:
                    connection.execute(text(f"DROP TABLE {partition.name}"))
        connection.commit()
    return migrated_url


@pytest.fixture
def connection(migrated: str) -> Iterator[Connection]:
    with connected(migrated) as connection:
        yield connection


def add_job(connection: Connection, created: datetime) -> UUID:
    """A job whose id was made at `created`."""
    id_ = UUID(int=first_id(created).int | 0x7000_8000_0000_0000_0001)
    connection.execute(
        text(
            "INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout)"
            " VALUES (:id, :id, 't', 'q', '{}', 1, 1, 1)"
        ),
        {"id": id_},
    )
    connection.commit()
    return id_


def home_of(connection: Connection, id_: UUID) -> str:
    return connection.scalar(text("SELECT tableoid::regclass::text FROM jobs WHERE id = :id"), {"id": id_})


def test_weeks_begin_on_monday_midnight_utc_and_bounds_are_ids():
    partition = Partition("jobs", week_of(datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)))
    assert partition.name == "jobs_w20261116"
    assert partition.start == datetime(2026, 11, 16, tzinfo=UTC)
    assert partition.end == datetime(2026, 11, 23, tzinfo=UTC)
    assert partition.lower.int >> 80 == 1_794_787_200_000 - 1_794_787_200_000 % 1000
    assert partition.upper == Partition("jobs", partition.end).lower


def test_names_lead_back_to_their_week():
    partition = Partition("messages", datetime(2026, 11, 16, tzinfo=UTC))
    assert parse_partition(partition.name) == partition
    assert is_partition_name("jobs_default")
    assert parse_partition("job_attempts_w20261116") == Partition("job_attempts", partition.start)
    for name in ("jobs", "job_attempts", "jobs_w2026", "jobs_w20261399", "roles_w20261116", "roles_default"):
        assert not is_partition_name(name)


def test_upgrade_makes_this_week_and_four_ahead(empty_url: str):
    upgrade(empty_url)
    with connected(empty_url) as connection:
        for parent in PARTITIONED:
            weeks = [partition.start for partition in existing_partitions(connection, parent)]
            assert weeks == [week_of(NOW) + WEEK * ahead for ahead in range(5)]
        assert differences(connection) == []


def test_repeating_makes_only_what_is_missing(connection: Connection):
    report = create_partitions(connection, weeks_ahead=1)
    assert set(report.created) == {Partition(parent, week_of(NOW) + WEEK).name for parent in PARTITIONED}
    assert create_partitions(connection, weeks_ahead=1).created == ()


def test_rows_that_came_too_early_move_from_the_default_partition(connection: Connection):
    future = [add_job(connection, week_of(NOW) + WEEK * 2 + timedelta(days=days)) for days in (0, 3)]
    assert {home_of(connection, id_) for id_ in future} == {"jobs_default"}
    report = create_partitions(connection, weeks_ahead=2)
    assert report.moved == 2
    assert {home_of(connection, id_) for id_ in future} == {Partition("jobs", week_of(NOW) + WEEK * 2).name}


def test_weeks_that_were_missed_are_made_up_for(connection: Connection):
    late = [add_job(connection, NOW - WEEK * weeks) for weeks in (1, 5)]
    ancient = add_job(connection, NOW - WEEK * 60)
    report = create_partitions(connection, weeks_ahead=0)
    assert report.moved == 2
    assert [home_of(connection, id_) for id_ in late] == [
        Partition("jobs", week_of(NOW) - WEEK * weeks).name for weeks in (1, 5)
    ]
    assert home_of(connection, ancient) == "jobs_default"


def test_what_was_kept_of_a_week_that_was_dropped_stays_in_the_default_partition(connection: Connection):
    kept = add_job(connection, NOW - WEEK * 5)
    week = Partition("jobs", week_of(NOW - WEEK * 5))
    connection.execute(text("INSERT INTO dropped_partitions (name, survivors) VALUES (:name, 1)"), {"name": week.name})
    connection.commit()
    assert create_partitions(connection, weeks_ahead=0).created == ()
    assert home_of(connection, kept) == "jobs_default"
    assert weeks_astray(connection, "jobs", NOW) == []


def test_many_attempts_that_lie_in_the_default_partition_are_not_moved(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(_partitions._LEFT_WHERE_IT_IS, "job_attempts", 2)
    for weeks, attempts in ((1, 2), (2, 3)):
        job = add_job(connection, NOW + WEEK * weeks)
        connection.execute(
            text(
                "INSERT INTO job_attempts (job_id, attempt, organization_id, outcome)"
                " SELECT :id, n, :id, 'lost' FROM generate_series(1, :attempts) AS n"
            ),
            {"id": job, "attempts": attempts},
        )
    connection.commit()
    created = create_partitions(connection, weeks_ahead=2).created
    assert Partition("job_attempts", week_of(NOW + WEEK)).name in created
    assert Partition("job_attempts", week_of(NOW + WEEK * 2)).name not in created
    assert connection.scalar(text("SELECT count(*) FROM job_attempts")) == 5


async def test_a_week_whose_rows_would_keep_everybody_waiting_is_left_and_keeps_no_other_from_being_made(
    migrated: str, monkeypatch: pytest.MonkeyPatch
):
    """Past thirty seconds the whole turn failed, each time, and no coming week was made any more."""
    monkeypatch.setattr(_partitions, "_MOST_MOVED", 2)
    with connected(migrated) as connection:
        many = [add_job(connection, NOW - WEEK * 3 + timedelta(seconds=number)) for number in range(3)]
        few = add_job(connection, NOW - WEEK * 2)
        settings = DatabaseSettings(url=Secret(migrated), pool_size=2)
        async with Database(settings, application_name="singr-db-tests") as database:
            report = await database.ensure_partitions(weeks_ahead=1)
        week = Partition("jobs", week_of(NOW - WEEK * 3))
        assert (report.left, report.moved) == ((week,), 1)
        assert {home_of(connection, one) for one in many} == {"jobs_default"}
        assert home_of(connection, few) == Partition("jobs", week_of(NOW - WEEK * 2)).name
        made = [name for name in report.created if name.startswith("jobs_w")]
        assert made == [Partition("jobs", week_of(NOW + WEEK * ahead)).name for ahead in (1, -2)], "those to come first"
        connection.commit()
        assert create_partitions(connection, weeks_ahead=1).moved == 3
        assert {home_of(connection, one) for one in many} == {week.name}


def test_locked_table_postpones_and_loses_nothing(
    connection: Connection, migrated: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_partitions, "_LOCK_TIMEOUT_MS", 50)
    early = add_job(connection, week_of(NOW) + WEEK)
    with psycopg.connect(migrated) as reader:
        reader.execute("SELECT * FROM jobs")  # holds its lock until the transaction ends
        report = create_partitions(connection, weeks_ahead=1)
    name = Partition("jobs", week_of(NOW) + WEEK).name
    assert report.postponed == (name,)
    assert home_of(connection, early) == "jobs_default"
    assert create_partitions(connection, weeks_ahead=1).created == (name,)
    assert home_of(connection, early) == name


def test_several_at_once_make_each_partition_once(migrated: str):
    start = threading.Barrier(4)

    def make() -> tuple[str, ...]:
        with connected(migrated) as connection:
            start.wait(timeout=30)
            return create_partitions(connection, weeks_ahead=6).created

    with ThreadPoolExecutor(4) as threads:
        created = [name for made in [threads.submit(make) for _ in range(4)] for name in made.result()]
    assert len(created) == len(set(created)) == 6 * len(PARTITIONED)


def test_new_partition_has_the_parents_indexes_and_is_closed_to_tenants(connection: Connection):
    name, *_ = create_partitions(connection, weeks_ahead=1).created
    indexes = "SELECT count(*) FROM pg_index WHERE indrelid = CAST(:name AS regclass)"
    assert connection.scalar(text(indexes), {"name": name}) == connection.scalar(text(indexes), {"name": "jobs"})
    invalid = text("SELECT count(*) FROM pg_index WHERE indrelid = 'jobs'::regclass AND NOT indisvalid")
    assert connection.scalar(invalid) == 0
    allowed = text("SELECT has_table_privilege('singr_tenant', :name, 'SELECT, INSERT, UPDATE, DELETE')")
    assert connection.scalar(allowed, {"name": name}) is False


def test_a_job_of_any_week_ends_on_the_page_where_it_lies(connection: Connection):
    # Were the page full, its end would be written elsewhere, and every index of the table with it.
    create_partitions(connection, weeks_ahead=1)
    pages = text("SELECT array_agg(DISTINCT (ctid::text::point)[0]) FROM jobs")
    for week in (NOW, NOW + WEEK):
        connection.execute(text("TRUNCATE jobs"))
        jobs = [add_job(connection, week + timedelta(seconds=number)) for number in range(100)]
        assert home_of(connection, jobs[0]) == Partition("jobs", week_of(week)).name
        filled = connection.scalar(pages)
        connection.execute(text("UPDATE jobs SET status = 'completed', attempt = 1, finished_at = now()"))
        assert connection.scalar(pages) == filled
        connection.commit()


def test_partition_dropped_by_name_takes_its_rows_with_it(connection: Connection):
    add_job(connection, NOW)
    (partition,) = existing_partitions(connection, "jobs")
    assert partition.end > NOW
    connection.execute(text(f"DROP TABLE {partition.name}"))
    connection.commit()
    assert connection.scalar(text("SELECT count(*) FROM jobs")) == 0


def test_queries_by_id_touch_one_partition_and_the_default(connection: Connection):
    create_partitions(connection, weeks_ahead=4)
    plan = connection.scalars(text("EXPLAIN SELECT * FROM jobs WHERE id = :id"), {"id": add_job(connection, NOW)})
    text_of_plan = "\n".join(plan)
    assert Partition("jobs", week_of(NOW)).name in text_of_plan
    assert Partition("jobs", week_of(NOW) + WEEK).name not in text_of_plan


async def test_running_process_makes_partitions_through_its_database(migrated: str):
    settings = DatabaseSettings(url=Secret(migrated), pool_size=2)
    async with Database(settings, application_name="singr-db-tests") as database:
        report = await database.ensure_partitions(weeks_ahead=2)
    assert len(report.created) == 2 * len(PARTITIONED)


def test_downgrade_takes_partitions_away(migrated: str):
    downgrade(migrated, "base")
    with psycopg.connect(migrated) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert rows == [("alembic_version",)]
