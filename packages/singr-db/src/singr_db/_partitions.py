"""Weekly partitions of the tables that grow without end.

A partition holds the ids of one ISO week (Monday 00:00 UTC on) and is named after that Monday, as in `jobs_w20261116`;
ids carry their time, so the bounds are ids. What no week covers lands in the DEFAULT partition, from where it is moved
when its week is made. A week that was dropped is not made again: what was kept of it stays there.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from singr_config.clock import clock
from singr_db._ids import first_id, made_at
from singr_db._roles import TENANT_ROLE

PARTITIONED: Final[Mapping[str, str]] = {
    "jobs": "id",
    "messages": "id",
    "job_attempts": "job_id",
    "job_logs": "job_id",
    "message_events": "message_id",
}
"""The tables, each with the id by which it is partitioned."""
# What goes with its jobs: what lies of it in the DEFAULT partition, since before there were weeks or since its week was
# dropped, stays there until its jobs go, if it is more than this: moving it would keep everybody waiting.
_LEFT_WHERE_IT_IS: Final = {"job_attempts": 10_000, "job_logs": 10_000}
_MOST_MOVED: Final = 20_000
"""Rows of a week that a running process moves: while it does, for some tenths of a second, everybody waits."""
GONE: Final = "gone_"
"""How the name of a week begins that retention has let go of, and will drop in a moment."""
_NAME = re.compile(r"(?P<parent>[a-z_]+)_(?:w(?P<monday>\d{8})|default)")
_WEEK = timedelta(weeks=1)
_LOOK_BACK = timedelta(weeks=26)
_TRIES = 3
# Attaching needs the DEFAULT partition for itself; while it waits, queries queue up behind it. So it waits briefly.
_LOCK_TIMEOUT_MS = 2000


class _LockedError(Exception):
    """The DEFAULT partition was locked for too long."""


class PartitionReport(msgspec.Struct, frozen=True):
    """What `ensure_partitions` did.

    `created` names new partitions; `moved` counts rows taken over from DEFAULT partitions; `postponed` names those
    that could not be made because the table was locked for too long: their rows go to the DEFAULT partition meanwhile.
    `detached`: weeks that somebody has detached, which are left as they are (`attaching` says what to do).
    `left`: weeks that were not made, as too many of their rows lie in the DEFAULT partition to move them now.
    """

    created: tuple[str, ...] = ()
    moved: int = 0
    postponed: tuple[str, ...] = ()
    detached: tuple["Partition", ...] = ()
    left: tuple["Partition", ...] = ()


class Partition(msgspec.Struct, frozen=True):
    """One week of one table: rows with `lower <= id < upper`, created from `start` on (UTC)."""

    parent: str
    start: datetime

    @property
    def name(self) -> str:
        """The table's name, such as `jobs_w20261116`."""
        return f"{self.parent}_w{self.start:%Y%m%d}"

    @property
    def lower(self) -> UUID:
        """The first id of the week."""
        return first_id(self.start)

    @property
    def upper(self) -> UUID:
        """The first id after the week."""
        return first_id(self.end)

    @property
    def attaching(self) -> str:
        """What to do where this week is there, and no partition: in words, with the statement."""
        return (
            f"{self.name} is detached, so that nobody finds its rows, and new ones go to {self.parent}_default:"
            f" ALTER TABLE {self.parent} ATTACH PARTITION {self.name}"
            f" FOR VALUES FROM ('{self.lower}') TO ('{self.upper}'); or, if it is to stay apart, give it another name"
        )

    @property
    def end(self) -> datetime:
        """The first moment after the week: once it is older than the retention, the partition may be dropped."""
        return self.start + _WEEK


def week_of(moment: datetime) -> datetime:
    """Give the Monday, 00:00 UTC, of the week of `moment`, which must be aware of its time zone."""
    day = moment.astimezone(UTC).date()
    return _midnight(day - timedelta(days=day.weekday()))


def is_partition_name(name: str) -> bool:
    """Tell whether a table of this name is a partition made here."""
    name = name.removeprefix(GONE)
    return parse_partition(name) is not None or name in {f"{parent}_default" for parent in PARTITIONED}


def parse_partition(name: str) -> Partition | None:
    """Read a weekly partition's name; None for any other table."""
    match = _NAME.fullmatch(name)
    if match is None or match["parent"] not in PARTITIONED or match["monday"] is None:
        return None
    try:
        return Partition(match["parent"], _midnight(date.fromisoformat(match["monday"])))
    except ValueError:
        return None


async def ensure_partitions(
    connection: AsyncConnection, *, weeks_ahead: int = 4, now: datetime | None = None
) -> PartitionReport:
    """Make the partitions of this week and of `weeks_ahead` weeks more, where they are missing.

    Weeks of the last half year whose rows lie in a DEFAULT partition are made too and their rows moved over, each week
    in a transaction of its own, which this function commits: give it a connection that is in none.
    A week with more than 20,000 such rows is left, since all wait while they are moved (decision 118): `singr-db
    upgrade` makes it. Any number of processes may call it at once.
    """
    return await connection.run_sync(create_partitions, weeks_ahead=weeks_ahead, now=now, most_moved=_MOST_MOVED)


def create_partitions(
    connection: Connection, *, weeks_ahead: int = 4, now: datetime | None = None, most_moved: int | None = None
) -> PartitionReport:
    """Do what `ensure_partitions` does, on a synchronous connection, however many rows are to be moved unless told."""
    moment = now or clock.now()
    created: list[str] = []
    postponed: list[str] = []
    left: list[Partition] = []
    moved = 0
    for parent in partitioned_tables(connection):
        wanted, not_now = _wanted(connection, parent, moment, weeks_ahead, most_moved)
        left += not_now
        for partition in wanted:
            try:
                rows = _create_patiently(connection, partition)
            except _LockedError:
                postponed.append(partition.name)
                continue
            if rows is not None:  # None: another process was faster, or somebody detached it: see below
                created.append(partition.name)
                moved += rows
    detached = tuple(detached_partitions(connection))
    return PartitionReport(tuple(created), moved, tuple(postponed), detached, tuple(left))


def existing_partitions(connection: Connection, parent: str) -> list[Partition]:
    """List the weekly partitions of `parent`, oldest first."""
    names = connection.scalars(
        text("SELECT relid::regclass::text FROM pg_partition_tree(:parent) WHERE level = 1"), {"parent": parent}
    )
    found = (parse_partition(name.rpartition(".")[2].strip('"')) for name in names)
    return sorted((partition for partition in found if partition is not None), key=lambda partition: partition.start)


def detached_partitions(connection: Connection) -> list[Partition]:
    """List the weeks, past and to come, whose table is there but is no partition: somebody has detached it."""
    names = connection.scalars(
        text(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND NOT relispartition"
            " AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('jobs'))"
        )
    )
    found = (parse_partition(name) for name in names)
    return sorted((one for one in found if one is not None), key=lambda one: (one.parent, one.start))


def partitioned_tables(connection: Connection) -> list[str]:
    """List those of `PARTITIONED` that are partitioned at the revision that the database is at."""
    kind = text("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(:name)")
    return [name for name in PARTITIONED if connection.scalar(kind, {"name": name})]


def weeks_astray(connection: Connection, parent: str, now: datetime) -> list[datetime]:
    """List past weeks whose rows lie in the DEFAULT partition and belong into one of their own."""
    if parent in _LEFT_WHERE_IT_IS:
        return []
    dropped = _dropped(connection, parent)
    return [week for week in _weeks_in_default(connection, parent, week_of(now)) if week not in dropped]


def _wanted(
    connection: Connection, parent: str, now: datetime, weeks_ahead: int, most_moved: int | None
) -> tuple[list[Partition], list[Partition]]:
    """The weeks to make, those to come before those that have passed; and those with too many rows to move."""
    this_week = week_of(now)
    weeks = {this_week + _WEEK * ahead for ahead in range(weeks_ahead + 1)}
    weeks.update(weeks_astray(connection, parent, now))
    weeks.difference_update(partition.start for partition in existing_partitions(connection, parent))
    wanted = [Partition(parent, start) for start in sorted(weeks, key=lambda week: (week < this_week, week))]
    left: list[Partition] = []
    if parent in _LEFT_WHERE_IT_IS:
        wanted = [one for one in wanted if not _has_more(connection, one, _LEFT_WHERE_IT_IS[parent])]
    elif most_moved is not None:
        left = [one for one in wanted if _has_more(connection, one, most_moved)]
    connection.commit()
    return [one for one in wanted if one not in left], left


def _is_there(connection: Connection, table: str) -> bool:
    return bool(connection.scalar(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": table}))


def _dropped(connection: Connection, parent: str) -> set[datetime]:
    if not _is_there(connection, "dropped_partitions"):  # at an earlier revision
        return set()
    names = connection.scalars(text("SELECT name FROM dropped_partitions"))
    return {one.start for one in map(parse_partition, names) if one is not None and one.parent == parent}


def _has_more(connection: Connection, partition: Partition, most: int) -> bool:
    key = PARTITIONED[partition.parent]
    return bool(
        connection.scalar(
            text(
                f"SELECT EXISTS (SELECT FROM {partition.parent}_default"  # noqa: S608 - names come from PARTITIONED
                f" WHERE {key} >= :lower AND {key} < :upper OFFSET :most)"
            ),
            {"lower": partition.lower, "upper": partition.upper, "most": most},
        )
    )


def _weeks_in_default(connection: Connection, parent: str, before: datetime) -> Iterator[datetime]:
    lower = first_id(before - _LOOK_BACK)
    key = PARTITIONED[parent]
    while True:
        found = connection.scalar(
            # min(uuid) came with PostgreSQL 18 only
            text(
                f"SELECT {key} FROM {parent}_default WHERE {key} >= :lower AND {key} < :upper ORDER BY {key} LIMIT 1"  # noqa: S608 - names come from PARTITIONED
            ),
            {"lower": lower, "upper": first_id(before)},
        )
        if found is None:
            return
        week = week_of(made_at(found))
        yield week
        lower = first_id(week + _WEEK)


def _create_patiently(connection: Connection, partition: Partition) -> int | None:
    for _ in range(_TRIES):
        try:
            with connection.begin():
                return _create(connection, partition)
        except DBAPIError as error:
            if not isinstance(error.orig, (LockNotAvailable, DeadlockDetected)):
                raise
    raise _LockedError


def _create(connection: Connection, partition: Partition) -> int | None:
    """Make one partition and move its rows in from the DEFAULT partition.

    The table is made apart and then attached, which leaves the parent open to readers and writers;
    `CREATE TABLE … PARTITION OF` would lock it, and would fail on rows in the DEFAULT partition.
    """
    parent, name, default = partition.parent, partition.name, f"{partition.parent}_default"
    key = PARTITIONED[parent]
    bounds = {"lower": partition.lower, "upper": partition.upper}
    connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}"))
    connection.execute(text(f"LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE"))
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is not None:
        return None
    # LIKE leaves the parent's storage out, and a partitioned table has none: the DEFAULT partition keeps it for all.
    storage = connection.scalar(
        text("SELECT 'WITH (' || array_to_string(reloptions, ', ') || ')' FROM pg_class WHERE oid = to_regclass(:one)"),
        {"one": default},
    )
    connection.execute(text(f"CREATE TABLE {name} (LIKE {parent} INCLUDING ALL) {storage or ''}"))
    connection.execute(text(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"))
    connection.execute(text(f"REVOKE ALL ON {name} FROM PUBLIC, {TENANT_ROLE}"))
    moved = connection.execute(
        text(
            f"WITH moved AS (DELETE FROM {default} WHERE {key} >= :lower AND {key} < :upper RETURNING *)"  # noqa: S608 - names come from PARTITIONED
            f" INSERT INTO {name} SELECT * FROM moved"
        ),
        bounds,
    ).rowcount
    connection.execute(
        text(
            f"ALTER TABLE {parent} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{partition.lower}') TO ('{partition.upper}')"
        )
    )
    return moved


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
