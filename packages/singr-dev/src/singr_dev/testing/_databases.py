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
        with psycopg.connect(url, autocommit=True) as connection:
            filled = self._filled(connection, self._tables(connection))
            self._pristine = {table: self._content(connection, table) for table in filled}

    def clean(self) -> None:
        """Empty every table that has rows, and put the template's own rows back.

        A transaction that an earlier test left open is ended, not waited for.
        """
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
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
            emptied = [table for table in filled if table not in self._pristine]
            if emptied:
                connection.execute(_statement(f"TRUNCATE {', '.join(emptied)} RESTART IDENTITY CASCADE"))
            for table, content in self._pristine.items():
                if self._content(connection, table) == content:
                    continue
                connection.execute(_statement(f"DELETE FROM {table}"))  # noqa: S608 — see _statement
                with connection.cursor().copy(_statement(f"COPY {table} FROM STDIN")) as copy:
                    copy.write(content)

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


def _statement(text: str) -> sql.SQL:
    # table names come from the catalogue, quoted by format('%I')
    return sql.SQL(text)
