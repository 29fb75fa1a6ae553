"""Is this database fit for this version of Singr?"""

from datetime import timedelta

import msgspec
from sqlalchemy import Connection, text

from singr_config import Secret
from singr_config.clock import clock
from singr_db._partitions import (
    PARTITIONED,
    detached_partitions,
    existing_partitions,
    week_of,
    weeks_astray,
)
from singr_db._roles import TENANT_ROLE, tenant_role_usable
from singr_db.schema._migrate import (
    NEWER,
    connected,
    current_revision,
    differences,
    head_revision,
    is_newer,
    whose_version,
)

_OLDEST_SERVER = 150000


class Finding(msgspec.Struct, frozen=True):
    """The answer to one question about the database, with what to do where it is no."""

    name: str
    ok: bool
    detail: str


def check(url: Secret | str) -> tuple[Finding, ...]:
    """Check server version, writes, search path, schema revision, drift, tenant role and partitions; changes nothing.

    Raises:
        DatabaseUrlError: the address cannot be used.
        sqlalchemy.exc.OperationalError: the server cannot be reached.
    """
    with connected(url) as connection:
        findings = [_server(connection), _writes(connection)]
        if (hidden := hidden_schema(connection)) is not None:
            return (*findings, Finding("search_path", ok=False, detail=hidden))
        findings.append(_revision(connection))
        if findings[-1].ok:
            findings += [_drift(connection), _tenant_role(connection)]
            findings += [_partitions(connection, parent) for parent in PARTITIONED]
        return tuple(findings)


def _server(connection: Connection) -> Finding:
    number = int(connection.scalar(text("SELECT current_setting('server_version_num')")) or 0)
    version = connection.scalar(text("SELECT current_setting('server_version')"))
    return Finding("server", number >= _OLDEST_SERVER, f"PostgreSQL {version}; 15 or newer is needed")


def _writes(connection: Connection) -> Finding:
    if connection.scalar(text("SELECT pg_is_in_recovery()")):
        return Finding("writes", ok=False, detail="this server is a standby: name the primary in DATABASE_URL")
    if connection.scalar(text("SELECT current_setting('default_transaction_read_only')")) == "on":
        detail = f"default_transaction_read_only is on, {_source(connection, 'default_transaction_read_only')}"
        return Finding("writes", ok=False, detail=detail)
    return Finding("writes", ok=True, detail="taken")


def hidden_schema(connection: Connection) -> str | None:
    """Say where our tables are, and what hides them; None where they can be seen, or are not there at all."""
    if connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL")):
        return None
    schema = connection.scalar(_ELSEWHERE)
    if schema is None:
        return None
    path = connection.scalar(text("SELECT current_setting('search_path')"))
    return (
        f"the tables are in the schema {schema}, which the search_path ({path}) does not show: it is"
        f" {_source(connection, 'search_path')}. Take that back; singr-db upgrade would build a second schema"
    )


_ELSEWHERE = text("""
SELECT string_agg(DISTINCT nspname, ', ') FROM pg_namespace n
 WHERE EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid AND relname = 'alembic_version')
   AND EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid AND relname = 'job_unique_keys')
""")
_SOURCES = {
    "client": "set by this connection: PGOPTIONS, the service of PGSERVICE, or options in DATABASE_URL",
    "user": "set for the user: ALTER ROLE … RESET",
    "database": "set for the database: ALTER DATABASE … RESET",
    "database user": "set for the user in this database: ALTER ROLE … IN DATABASE … RESET",
}


def _source(connection: Connection, setting: str) -> str:
    source = connection.scalar(text("SELECT source FROM pg_settings WHERE name = :name"), {"name": setting})
    return _SOURCES.get(str(source), f"set by the server ({source})")


def _revision(connection: Connection) -> Finding:
    current, head = current_revision(connection), head_revision()
    if (theirs := whose_version(connection)) is not None:
        return Finding("revision", ok=False, detail=theirs)
    if current == head:
        return Finding("revision", ok=True, detail=head)
    if is_newer(current, head):
        detail = f"at {current}, {NEWER} ({head}): install the newer release"
        return Finding("revision", ok=False, detail=detail)
    return Finding("revision", ok=False, detail=f"at {current or 'none'}, needs {head}: run singr-db upgrade")


def _drift(connection: Connection) -> Finding:
    found = differences(connection)
    return Finding("drift", not found, "; ".join(found) or "tables match the models")


def _tenant_role(connection: Connection) -> Finding:
    usable = tenant_role_usable(connection)
    return Finding(
        "tenant role", usable, TENANT_ROLE if usable else "not usable: singr-db upgrade makes or explains it"
    )


def _partitions(connection: Connection, parent: str) -> Finding:
    weeks = {partition.start for partition in existing_partitions(connection, parent)}
    now = clock.now()
    next_week = week_of(now) + timedelta(weeks=1)
    # The first weeks of attempts lie in their DEFAULT partition, where there were many when it became one.
    wanted = (next_week,) if parent == "job_attempts" else (week_of(now), next_week)
    detached = [one for one in detached_partitions(connection) if one.parent == parent]
    # What an upgrade would make: not those whose table is there.
    there = weeks.union(one.start for one in detached)
    missing = [f"{week:%Y-%m-%d}" for week in wanted if week not in there]
    problems = [f"no partition for the week of {week}" for week in missing]
    if set(weeks_astray(connection, parent, now)).difference(there):
        problems.append("rows in the DEFAULT partition")
    problems = [f"{'; '.join(problems)}: run singr-db upgrade"] if problems else []
    problems += [one.attaching for one in detached]
    return Finding(f"partitions of {parent}", not problems, "; ".join(problems) or f"{len(weeks)} weeks")
