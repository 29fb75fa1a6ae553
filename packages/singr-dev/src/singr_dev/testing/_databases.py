"""Databases for tests: clones of a migrated template, and the way back to that state between tests."""

import contextlib
from collections.abc import Iterator, Sequence

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
        self._kept: psycopg.Connection[tuple[object, ...]] | None = None
        with self._connection() as connection:
            filled = self._filled(connection, self._tables(connection))
            self._pristine = {table: self._content(connection, table) for table in filled}

    def close(self) -> None:
        """Let go of the connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    @contextlib.contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """The connection that is kept from test to test: a new one costs more than all that is done with it."""
        if self._kept is None or self._kept.closed or not _answers(self._kept):
            self.close()
            self._kept = psycopg.connect(self.url, autocommit=True, application_name="singr-cleaner")
            self._kept.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
        yield self._kept

    def clean(self) -> None:
        """Empty every table that has rows, and put the template's own rows back.

        A transaction that an earlier test left open is ended, not waited for.
        """
        with self._connection() as connection:
            try:
                self._restore(connection)
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " AND backend_type = 'client backend'"
                )
                self._restore(connection)

    def _restore(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        filled = self._filled(connection, self._tables(connection))
        with connection.transaction():
            # constraints hold in the content that is put back; their triggers need not run again
            connection.execute("SET LOCAL session_replication_role = replica")
            self._empty(connection, [table for table in filled if table not in self._pristine])
            for table, content in self._pristine.items():
                if self._content(connection, table) == content:
                    continue
                connection.execute(_statement(f"DELETE FROM {table}"))  # noqa: S608 — see _statement
                with connection.cursor().copy(_statement(f"COPY {table} FROM STDIN")) as copy:
                    copy.write(content)

    @staticmethod
    def _empty(connection: psycopg.Connection[tuple[object, ...]], tables: Sequence[str]) -> None:
        """Delete the rows of small tables: cheaper than new files for each of their indexes, as TRUNCATE makes."""
        if not tables:
            return
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

    @staticmethod
    def _tables(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
        with connection.cursor(row_factory=scalar_row) as cursor:
            return list(cursor.execute(_TABLES))

    @staticmethod
    def _content(connection: psycopg.Connection[tuple[object, ...]], table: str) -> bytes:
        with connection.cursor().copy(_statement(f"COPY {table} TO STDOUT")) as copy:
            return b"".join(bytes(block) for block in copy)

    @staticmethod
    def _filled(connection: psycopg.Connection[tuple[object, ...]], tables: Sequence[str]) -> list[str]:
        if not tables:
            return []
        probes = " UNION ALL ".join(f"(SELECT '{table}' WHERE EXISTS (SELECT FROM {table}))" for table in tables)  # noqa: S608 — quoted by the server's own format('%I')
        with contextlib.closing(connection.cursor(row_factory=scalar_row)) as cursor:
            return list(cursor.execute(_statement(probes)))


def _answers(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    try:
        connection.execute("SELECT")
    except psycopg.OperationalError:  # the test ended it, or restarted the server
        return False
    return True


def _statement(text: str) -> sql.SQL:
    # table names come from the catalogue, quoted by format('%I')
    return sql.SQL(text)
