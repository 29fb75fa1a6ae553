"""The chore that clears dead rows away where a long transaction keeps vacuum from it (decision 56).

Rows of what waits live for moments, and taking from a queue begins at the front of an index, where the rows lie that
were taken before. Vacuum clears those away, unless some transaction might still see them: as long as one is open, in
whatever table it works, each take steps over all that were taken since it began.
"""

import contextlib
import time
from typing import ClassVar, Final, NamedTuple

from psycopg.errors import DeadlockDetected, LockNotAvailable

from singr_db import PsycopgPool, sql
from singr_db.chores import Chore
from singr_jobs.running._observer import GuardedObserver
from singr_observability import get_logger

TABLES: Final = ("job_ready", "job_later", "job_tickets", "job_keyed", "job_parked", "job_slots", "job_starts")
# At which vacuum would come as well; a take steps over so many in 5 ms.
DEAD_ROWS: Final = 20_000
# Copying so many takes a third of a second, in which nothing else is done with the table.
MOST_LIVING: Final = 100_000
_LOCK_TIMEOUT_MS: Final = 50
# Seconds between two looks, where dead rows stay and where they go by themselves; and before another try at a table
# that was in use, doubled each time.
_WHILE_HELD: Final = 1.0
_ELSE: Final = 10.0
_MOST_PATIENT: Final = 600.0
# Seconds after which the log names who it is.
_LONG: Final = 600.0

_log = get_logger("jobs.clearer")

# The oldest of what vacuum spares dead rows for, by a clock that no test turns. When others began is not told to all.
_HOLDER = sql("""
SELECT who, xid::text, age(xid), coalesce(extract(epoch FROM pg_catalog.now() - since), 0)::float8
  FROM (SELECT format('a transaction of %%s (pid %%s)', coalesce(nullif(application_name, ''), 'a client'), pid) AS who,
               held.xid, xact_start AS since
          FROM pg_stat_activity CROSS JOIN LATERAL (VALUES (backend_xid), (backend_xmin)) AS held (xid)
         WHERE pid <> pg_backend_pid() AND coalesce(datname = current_database(), true)
           AND usesysid IS NOT NULL  -- autovacuum has none, and vacuum spares nothing for it
         UNION ALL
        SELECT 'the prepared transaction ' || gid, transaction, prepared
          FROM pg_prepared_xacts WHERE database = current_database()
         UNION ALL
        SELECT 'the replication slot ' || slot_name, xmin, NULL FROM pg_replication_slots) AS holders
 WHERE xid IS NOT NULL ORDER BY age(xid) DESC, since LIMIT 1
""")
_DEAD = sql("""
SELECT relname, pg_relation_filenode(relid)::bigint FROM pg_stat_user_tables
 WHERE relid = ANY (ARRAY(SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)::oid[])
   AND n_dead_tup >= greatest(%(dead)s, n_live_tup) AND n_live_tup <= %(living)s
""")
# What was cleared counts as dead until the statistics hear of it.
_FILE = sql("SELECT pg_relation_filenode(%(table)s), pg_stat_force_next_flush()::text")


class _Holder(NamedTuple):
    """Who has been the oldest that vacuum spares dead rows for, and since when as far as this process has seen."""

    xid: str
    since: float


class Clearer(Chore):
    """Gives the tables of what waits a fresh file where dead rows pile up that vacuum must leave; any process may.

    Truncating and filling again what lives is one statement; whoever wants the table meanwhile waits for it. Where
    somebody uses the table in a transaction of theirs, it is left alone, and tried again later.
    """

    name: ClassVar = "clearing dead rows"
    module: ClassVar = "jobs.clearer"
    every = _ELSE

    def __init__(
        self,
        pool: PsycopgPool,
        *,
        observer: GuardedObserver,
        dead_rows: int = DEAD_ROWS,
        most_living: int = MOST_LIVING,
    ) -> None:
        self._pool = pool
        self._observer = observer
        self._dead_rows = dead_rows
        self._most_living = most_living
        self._holder: _Holder | None = None
        self._named: str | None = None
        self._pauses: dict[str, float] = {}
        self._not_before: dict[str, float] = {}

    async def work(self) -> list[str]:
        """One look; answers the tables that have a fresh file."""
        held = await self._is_held()
        self.every = _WHILE_HELD if held else _ELSE
        if not held:
            return []
        async with self._pool.connection() as connection:
            wanted = {"tables": list(TABLES), "dead": self._dead_rows, "living": self._most_living}
            found = await (await connection.execute(_DEAD, wanted)).fetchall()
        now = time.monotonic()
        due = [(table, file) for table, file in found if now >= self._not_before.get(table, 0.0)]
        return [table for table, file in due if await self._renew(table, file)]

    async def _is_held(self) -> bool:
        """Whether the same has kept vacuum from dead rows for two turns; tells of it, and names who if it is long."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_HOLDER, {})).fetchone()
        now = time.monotonic()
        who, xid, age, known = row if row is not None else ("", "", 0, 0.0)
        before = self._holder
        self._holder = before if before is not None and before.xid == xid else _Holder(xid, now)
        # Where no transaction has written since, nothing has died that it might see.
        seconds = max(known, now - self._holder.since) if age else 0.0
        self._observer.call(self._observer.observer.held, seconds)
        if seconds >= _LONG and self._named != who:
            self._named = who
            _log.warning(
                "vacuum has had to spare what {} might see for {:.0f} s: end it, or takes get slow", who, seconds
            )
        return bool(age) and self._holder is before

    async def _renew(self, table: str, file: int) -> bool:
        renewed = False
        with contextlib.suppress(LockNotAvailable, DeadlockDetected):
            async with self._pool.connection() as connection:
                await connection.execute(_renewal(table, file, self._most_living))
                row = await (await connection.execute(_FILE, {"table": table})).fetchone()
            renewed = row is not None and row[0] != file
        self._pauses[table] = 0.0 if renewed else min(max(_WHILE_HELD, 2 * self._pauses.get(table, 0.0)), _MOST_PATIENT)
        self._not_before[table] = time.monotonic() + self._pauses[table]
        return renewed


def _renewal(table: str, file: int, most_living: int) -> str:
    """One statement, so that a process that stops meanwhile keeps nobody waiting; nothing if others were quicker."""
    return f"""
DO $do$
DECLARE living {table}[];
BEGIN
    PERFORM set_config('lock_timeout', '{_LOCK_TIMEOUT_MS}ms', true);
    LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;
    IF pg_relation_filenode('{table}') = {file} THEN
        living := ARRAY(SELECT t FROM {table} AS t LIMIT {most_living + 1});
        IF cardinality(living) <= {most_living} THEN
            TRUNCATE {table};
            INSERT INTO {table} SELECT * FROM unnest(living);
        END IF;
    END IF;
END $do$
"""  # noqa: S608 - names and numbers of ours
