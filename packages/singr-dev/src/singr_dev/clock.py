"""A clock that tests turn: for this process, the processes that it starts, PostgreSQL and the limits in Redis.

All of them read the same shift: processes from a small file, which they map into memory, and PostgreSQL from a row.
Use it as the fixture `clock` of `singr_dev.pytest_plugin`.
"""

import mmap
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from singr_config.clock import clock as process_clock
from singr_dev._errors import DevError

if TYPE_CHECKING:
    from singr_config import Settings
    from singr_jobs import Jobs

_SHIFT: Final = struct.Struct("=q")
_FOLLOW: Final = "from singr_dev.clock import follow\n\nfollow({path!r})\n"

# Found before pg_catalog's by every name that says no schema. `CURRENT_TIMESTAMP` and `uuidv7()` are no such names.
_SCHEMA: Final = """
CREATE SCHEMA virtual_clock;
CREATE TABLE virtual_clock.shift (ahead interval NOT NULL);
INSERT INTO virtual_clock.shift VALUES ('0');
CREATE FUNCTION virtual_clock.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
    AS 'SELECT pg_catalog.now() + (SELECT ahead FROM virtual_clock.shift)';
CREATE FUNCTION virtual_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
    AS 'SELECT pg_catalog.clock_timestamp() + (SELECT ahead FROM virtual_clock.shift)';
GRANT USAGE ON SCHEMA virtual_clock TO PUBLIC;
GRANT SELECT ON virtual_clock.shift TO PUBLIC;
SET search_path = "$user", public, virtual_clock, pg_catalog;
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = %s', current_database(), current_setting('search_path'));
END $$
"""
# A default is bound to its function when it is made: those made before are made again.
_DEFAULTS: Final = """
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s',
              d.adrelid::regclass, a.attname, pg_get_expr(d.adbin, d.adrelid))
FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
JOIN pg_class c ON c.oid = d.adrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'virtual_clock')
  AND pg_get_expr(d.adbin, d.adrelid) ~ '\\m(now|clock_timestamp)\\(\\)'
"""
# A function that brings a search path of its own finds the moved time by that one: put before pg_temp.
_FUNCTIONS: Final = """
SELECT format('ALTER FUNCTION %s SET search_path = %s', p.oid::regprocedure,
              regexp_replace(substr(kept.setting, length('search_path=') + 1), '(,\\s*pg_temp)?$',
                             ', virtual_clock, pg_catalog\\1'))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, unnest(p.proconfig) AS kept (setting)
WHERE kept.setting LIKE 'search\\_path=%' AND kept.setting NOT LIKE '%pg\\_catalog%'
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""


def install_virtual_clock(url: str) -> None:
    """Let `now()` and `clock_timestamp()` of one database be moved; for test databases alone.

    Column defaults and functions with a search path of their own are included; views, policies and indexes made
    before it go on by the server's time. Connections that are open already do not notice.

    Args:
        url: the database, as its owner.
    """
    with psycopg.connect(url) as connection:
        connection.execute("SET search_path = public")
        defaults = [str(row[0]) for row in connection.execute(_DEFAULTS).fetchall()]
        functions = [str(row[0]) for row in connection.execute(_FUNCTIONS).fetchall()]
        connection.execute(_SCHEMA)
        for statement in (*(one.replace("pg_catalog.", "") for one in defaults), *functions):
            connection.execute(statement)


def follow(path: str | Path) -> None:
    """Let this process's clock be the one of the fixture whose file this is, for good."""
    process_clock.move(_reader(Path(path)))


def _reader(path: Path) -> Callable[[], int]:
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), _SHIFT.size, access=mmap.ACCESS_READ)

    def ahead() -> int:
        nanoseconds: int = _SHIFT.unpack_from(mapped)[0]
        return nanoseconds

    return ahead


class VirtualClock:
    """The clock of a test. It goes on by itself, and is moved ahead by `advance` and `move_to`.

    Args:
        folder: where it keeps its file; empty.
        settings: the stores of the test; the database has `install_virtual_clock` behind it.
    """

    def __init__(self, folder: Path, settings: "Settings") -> None:
        self._settings = settings
        self._url = settings.database.url.reveal()
        self._file = folder / "ahead"
        self._file.write_bytes(_SHIFT.pack(0))
        self._started = folder / "started"
        self._started.mkdir()
        (self._started / "sitecustomize.py").write_text(_FOLLOW.format(path=str(self._file)))

    @property
    def environ(self) -> Mapping[str, str]:
        """What a Python process that goes by this clock is started with, beside its own environment."""
        return {"PYTHONPATH": str(self._started)}

    @contextmanager
    def running(self) -> Iterator["VirtualClock"]:
        """Let this process go by it until the block ends."""
        self._ahead = _reader(self._file)
        with process_clock.moved(self._ahead):
            yield self

    def now(self) -> datetime:
        """Return what time it is, in UTC."""
        return process_clock.now()

    def advance(self, **duration: float) -> datetime:
        """Move on by a duration, given as for `datetime.timedelta`: `advance(days=7)`; returns the new time.

        Raises:
            DevError: the duration is negative. Time does not go back: ids and leases stand on that.
        """
        by = timedelta(**duration)
        if by < timedelta():
            raise DevError(f"a clock goes forward: {by} is negative")
        ahead = self._ahead() // 1000 + by // timedelta(microseconds=1)
        with psycopg.connect(self._url) as connection:
            connection.execute("UPDATE virtual_clock.shift SET ahead = %s", [timedelta(microseconds=ahead)])
        with self._file.open("r+b") as file:
            file.write(_SHIFT.pack(ahead * 1000))
        return self.now()

    def move_to(self, moment: datetime) -> datetime:
        """Move on to a moment, which must have a time zone and lie ahead; returns the new time.

        Raises:
            DevError: the moment has no time zone, or is past.
        """
        if moment.tzinfo is None:
            raise DevError("a moment needs a time zone: datetime(2030, 1, 1, tzinfo=UTC)")
        by = moment.astimezone(UTC) - self.now()
        if by < timedelta():
            raise DevError(f"a clock goes forward: {moment.isoformat()} is past")
        return self.advance(seconds=by.total_seconds())

    async def settle(self, jobs: "Jobs | None" = None, *, resources: Mapping[type, Any] | None = None) -> None:
        """Run all that is due now, chores and jobs in turn, until nothing more is; beside workers that run already.

        A job that fails and is tried again later is not waited for: advance, and settle again.

        Args:
            jobs: the job types to run; those of Singr if not given.
            resources: what their handlers need; for Singr's own, made of the test's settings as `singr-worker` does,
                these coming first.

        Raises:
            DevError: something is due still, and for half a minute it became no less, or chores and jobs ask for each
                other without end; or a handler asked for a resource that is not there.
        """
        from singr_dev._settling import settle  # noqa: PLC0415 — brings the job system

        await settle(self._settings, jobs, resources)
