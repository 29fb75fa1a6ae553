"""Databases for tests: clones of a migrated template, and the way back to that state between tests."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

_LOCK_TIMEOUT = "2s"
_LARGE_BYTES = 65536  # more than that, and the deleted rows would be read again and again

# ordinary tables and leaf partitions, outside the system's schemas
_TABLES = """
SELECT array_agg(format('%I.%I', n.nspname, c.relname) ORDER BY n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relname <> 'alembic_version'
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""

# of columns that number their rows (identity or serial)
_SEQUENCES = """
SELECT name, format('%%I.%%I', n.nspname, c.relname)
FROM unnest(%s::text[]) AS name
JOIN pg_depend d ON d.refobjid = name::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.classid = 'pg_class'::regclass
"""
_HELD_UP = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
_Connection = psycopg.Connection[tuple[Any, ...]]


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

    It asks one question and gives one answer: thousands of tests pay for each turn that is taken with the server.

    Args:
        url: the database; its present content is taken as the state to come back to.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        # One looks and one writes: to let the constraints rest, the latter changes a setting that makes PostgreSQL
        # plan anew all that the connection has prepared, and the former's question is the dearest part.
        self._looking = _Kept(url)
        self._writing = _Kept(url)
        self._tables: list[str] = []
        self._sequences: defaultdict[str, list[str]] = defaultdict(list)
        self._copies: dict[str, bytes] = {}
        self._question = _question((), ())
        filled = self._look()
        connection = self._looking.connection()
        self._copies = {table: _copied(connection, table) for table in filled}
        self._know(connection, self._tables)
        self._pristine = self._look()

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
        except _HELD_UP:
            self._writing.connection().execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'"
            )
            self._restore()

    def _restore(self) -> None:
        found = self._look()
        filled = {table: told == "large" for table, told in found.items() if table not in self._copies}
        changed = self._changed(found)
        if not filled and not changed:
            return
        connection, emptied = self._writing.connection(), self._emptying(filled, changed)
        if not changed and not any(filled.values()):
            connection.execute(emptied, prepare=False)
            return
        with connection.transaction():
            connection.execute(emptied, prepare=False)
            if any(filled.values()):  # and with what was truncated perhaps others, which refer to it
                changed = self._changed(self._asked(connection))
            for table in changed:
                with connection.cursor().copy(_statement(f"COPY {table} FROM STDIN")) as copy:
                    copy.write(self._copies[table])

    def _changed(self, found: Mapping[str, str | None]) -> list[str]:
        return [table for table, digest in self._pristine.items() if found.get(table) != digest]

    def _emptying(self, filled: Mapping[str, bool], changed: Sequence[str]) -> sql.SQL:
        """Statements that are run at once, in one transaction.

        The rows of small tables are deleted: cheaper than new files for each of their indexes, as TRUNCATE makes.
        """
        large = [table for table, is_large in filled.items() if is_large]
        small = [table for table in filled if table not in large]
        numbers = [sequence for table in small for sequence in self._sequences.get(table, ())]
        statements = [
            # constraints hold in the content that is put back; their triggers need not run again
            "SET LOCAL session_replication_role = replica",
            *([f"LOCK TABLE {', '.join(filled)}"] if filled else []),  # nobody else may be about to write there
            *(f"DELETE FROM {table}" for table in (*small, *changed)),  # noqa: S608 — see _statement
            *(f"SELECT setval('{sequence}', 1, false)" for sequence in numbers),
            *([f"TRUNCATE {', '.join(large)} RESTART IDENTITY CASCADE"] if large else []),
        ]
        return _statement("; ".join(statements))

    def _look(self) -> dict[str, str | None]:
        try:
            return self._asked(self._looking.connection(sure=False))
        except _HELD_UP:
            raise
        except psycopg.OperationalError:  # the test ended it, or restarted the server
            self._looking.close()
            return self._asked(self._looking.connection())

    def _asked(self, connection: _Connection) -> dict[str, str | None]:
        """Of each table that has rows whether it is large; of those that had some from the first, what is in them."""
        while True:
            try:
                rows = connection.execute(self._question, prepare=True).fetchall()
            except psycopg.errors.UndefinedTable:  # a test has dropped one
                ((tables,),) = connection.execute(_TABLES).fetchall()
            else:
                (*_, tables), *found = rows
                if (tables or []) == self._tables:
                    return {table: told for table, told, _ in found}
            self._know(connection, tables or [])

    def _know(self, connection: _Connection, tables: list[str]) -> None:
        self._tables, self._question = tables, _question(tables, self._copies)
        self._sequences.clear()
        for table, sequence in connection.execute(_SEQUENCES, [tables]).fetchall():
            self._sequences[table].append(sequence)


def _question(tables: Iterable[str], known: Container[str]) -> sql.SQL:
    """Which tables there are; of each that has rows whether it is large, or of those that are known a digest of all."""
    asked = [f"SELECT NULL, NULL, ({_TABLES})"]
    for table in tables:
        if table in known:
            digest = f"SELECT md5(string_agg((kept.*)::text, E'\\n')) FROM {table} AS kept"  # noqa: S608 — see _statement
            asked.append(f"SELECT '{table}', ({digest}), NULL")
        else:
            size = f"CASE WHEN pg_relation_size('{table}') > {_LARGE_BYTES} THEN 'large' ELSE 'small' END"
            asked.append(f"SELECT '{table}', {size}, NULL WHERE EXISTS (SELECT FROM {table})")  # noqa: S608 — see _statement
    return _statement(" UNION ALL ".join(asked))


def _copied(connection: _Connection, table: str) -> bytes:
    with connection.cursor().copy(_statement(f"COPY {table} TO STDOUT")) as copy:
        return b"".join(bytes(block) for block in copy)


class _Kept:
    """A connection that is kept from test to test: a new one costs more than all that is done with it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._open: _Connection | None = None

    def connection(self, *, sure: bool = True) -> _Connection:
        """Return it, or another in its place where a test has ended it; one that is not sure may have died unseen."""
        if self._open is None or self._open.closed or (sure and not _answers(self._open)):
            self.close()
            self._open = psycopg.connect(self._url, autocommit=True, application_name="singr-cleaner")
            self._open.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
        return self._open

    def close(self) -> None:
        """Let go of it."""
        if self._open is not None:
            self._open.close()
            self._open = None


def _answers(connection: _Connection) -> bool:
    try:
        connection.execute("SELECT")
    except psycopg.OperationalError:  # the test ended it, or restarted the server
        return False
    return True


def _statement(text: str) -> sql.SQL:
    # table names come from the catalogue, quoted by format('%I')
    return sql.SQL(text)
