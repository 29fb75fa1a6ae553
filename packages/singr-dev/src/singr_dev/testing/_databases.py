"""Databases for tests: clones of a migrated template, and the way back to that state between tests."""

import contextlib
from collections.abc import Sequence

import psycopg
from psycopg import sql
from psycopg.rows import scalar_row

_LOCK_TIMEOUT = "2s"

# ordinary tables and leaf partitions, outside the system's schemas
_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relname <> 'alembic_version'
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
ORDER BY 1
"""

# those whose deleted rows would be read again and again
_LARGE = "SELECT name FROM unnest(%s::text[]) AS name WHERE pg_relation_size(name::regclass) > 65536"

# of columns that number their rows (identity or serial), where a test has drawn from them
_SEQUENCES = """
SELECT format('%%I.%%I', s.schemaname, s.sequencename)
FROM unnest(%s::text[]) AS name
JOIN pg_depend d ON d.refobjid = name::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_sequences s ON s.schemaname = n.nspname AND s.sequencename = c.relname AND s.last_value IS NOT NULL
WHERE d.classid = 'pg_class'::regclass
"""


def clone(admin_url: str, template: str, name: str) -> None:
    """Create database `name` as a copy of `template`, in place of an older one of that name."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        _drop(connection, name)
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY = wal_log").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )


def drop(admin_url: str, name: str) -> None:
    """Drop database `name` with its connections."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        _drop(connection, name)


def _drop(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


class Cleaner:
    """Brings a cloned database back to the content of its template, touching only what a test has changed.

    Args:
        url: the database; its present content is taken as the state to come back to.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        # One looks and one writes: to let the constraints rest, the latter changes a setting that makes PostgreSQL
        # plan anew all that the connection has prepared, and the former's questions are the dearest part.
        self._looking = _Kept(url)
        self._writing = _Kept(url)
        connection = self._looking.connection()
        self._pristine = {table: self._content(connection, table) for table in self._filled(connection)}

    def close(self) -> None:
        """Let go of the connections."""
        self._looking.close()
        self._writing.close()

    def clean(self) -> None:
        """Empty every table that has rows, and put the template's own rows back.

        A transaction that an earlier test left open is ended, not waited for.
        """
        try:
            self._restore()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            self._writing.connection().execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'"
            )
            self._restore()

    def _restore(self) -> None:
        looking = self._looking.connection()
        filled = [table for table in self._filled(looking) if table not in self._pristine]
        changed = self._changed(looking)
        if not filled and not changed:
            return
        connection = self._writing.connection()
        with connection.transaction():
            # constraints hold in the content that is put back; their triggers need not run again
            connection.execute("SET LOCAL session_replication_role = replica")
            if self._empty(connection, filled):
                changed = self._changed(connection)
            for table in changed:
                connection.execute(_statement(f"DELETE FROM {table}"))  # noqa: S608 — see _statement
                with connection.cursor().copy(_statement(f"COPY {table} FROM STDIN")) as copy:
                    copy.write(self._pristine[table])

    def _changed(self, connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
        return [table for table, content in self._pristine.items() if self._content(connection, table) != content]

    @staticmethod
    def _empty(connection: psycopg.Connection[tuple[object, ...]], tables: Sequence[str]) -> bool:
        """Delete the rows of small tables: cheaper than new files for each of their indexes, as TRUNCATE makes.

        Returns:
            If some were truncated, and with them perhaps others that refer to them.
        """
        if not tables:
            return False
        with connection.cursor(row_factory=scalar_row) as cursor:
            cursor.execute(_statement(f"LOCK TABLE {', '.join(tables)}"))  # nobody else may be about to write there
            large = set(cursor.execute(_LARGE, [list(tables)]))
            for table in tables:
                if table not in large:
                    cursor.execute(_statement(f"DELETE FROM {table}"))  # noqa: S608 — see _statement
            for sequence in list(cursor.execute(_SEQUENCES, [list(tables)])):
                cursor.execute("SELECT setval(%s::regclass, 1, false)", [sequence])
            if large:
                cursor.execute(_statement(f"TRUNCATE {', '.join(sorted(large))} RESTART IDENTITY CASCADE"))
            return bool(large)

    @staticmethod
    def _content(connection: psycopg.Connection[tuple[object, ...]], table: str) -> bytes:
        with connection.cursor().copy(_statement(f"COPY {table} TO STDOUT")) as copy:
            return b"".join(bytes(block) for block in copy)

    @staticmethod
    def _filled(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
        with contextlib.closing(connection.cursor(row_factory=scalar_row)) as cursor:
            tables = list(cursor.execute(_TABLES))
            if not tables:
                return []
            probes = " UNION ALL ".join(f"(SELECT '{table}' WHERE EXISTS (SELECT FROM {table}))" for table in tables)  # noqa: S608 — quoted by the server's own format('%I')
            return list(cursor.execute(_statement(probes)))


class _Kept:
    """A connection that is kept from test to test: a new one costs more than all that is done with it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._open: psycopg.Connection[tuple[object, ...]] | None = None

    def connection(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return it, or another in its place where a test has ended it."""
        if self._open is None or self._open.closed or not _answers(self._open):
            self.close()
            self._open = psycopg.connect(self._url, autocommit=True, application_name="singr-cleaner")
            self._open.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
        return self._open

    def close(self) -> None:
        """Let go of it."""
        if self._open is not None:
            self._open.close()
            self._open = None


def _answers(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    try:
        connection.execute("SELECT")
    except psycopg.OperationalError:  # the test ended it, or restarted the server
        return False
    return True


def _statement(text: str) -> sql.SQL:
    # table names come from the catalogue, quoted by format('%I')
    return sql.SQL(text)
