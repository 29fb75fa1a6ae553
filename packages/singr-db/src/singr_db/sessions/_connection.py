"""From a database address to connection parameters, the same for SQLAlchemy, psycopg and Alembic."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from singr_config import Secret
from singr_db._errors import DatabaseUrlError
from singr_db.sessions._times import read_every_time

_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+psycopg)?://", re.IGNORECASE)
# One setting in libpq's `options`: -c name=value or --name=value.
_OPTION = re.compile(r"(?:-c\s*|--)([A-Za-z_][\w.-]*)\s*=")
_DEFAULTS: dict[str, str] = {
    "connect_timeout": "5",
    # A peer that vanished without a word is noticed within half a minute, also in the middle of a query.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}


def connection_parameters(url: Secret | str, *, application_name: str) -> dict[str, Any]:
    """Read an address and add what every connection of ours has: its name and time-outs. What the address says wins.

    Raises:
        DatabaseUrlError: no address, another database's address, or one that libpq cannot read.
    """
    address = url.reveal() if isinstance(url, Secret) else url
    if not address:
        raise DatabaseUrlError("no database address is given: set DATABASE_URL, as in postgresql://user@host/database")
    rest, matches = _SCHEME.subn("postgresql://", address)
    if not matches:
        raise DatabaseUrlError(
            "the database address must begin with postgresql://, postgres:// or postgresql+psycopg://"
        )
    try:
        given = conninfo_to_dict(rest)
    except ProgrammingError:
        # libpq's message may quote the address, and with it the password.
        raise DatabaseUrlError("the database address cannot be read: percent-encode special characters in it") from None
    return {**_DEFAULTS, "application_name": application_name, **given}


def set_up(parameters: Mapping[str, Any], settings: Mapping[str, str] | None = None) -> str:
    """Give the statement that a new connection begins with: UTC, ISO dates, and PostgreSQL's run-time `settings`.

    A statement, and not the start-up parameter `options`, which poolers such as PgBouncer refuse. What the address
    itself sets in its `options` is left alone, but for the first two: what is read here is answered in UTC, and the
    driver reads no other dates.
    """
    theirs = {name.lower().replace("-", "_") for name in _OPTION.findall(str(parameters.get("options") or ""))}
    ours = {
        "timezone": "UTC",
        "datestyle": "ISO",
        **{name: value for name, value in (settings or {}).items() if name not in theirs},
    }
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in ours.items())


def prepare(first: str, connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Begin a new connection of SQLAlchemy's: with the statement `first`, if it is one, and able to read every time."""
    read_every_time(raw_connection(connection))
    if first:
        cursor = connection.cursor()
        cursor.execute(first)
        cursor.close()
        connection.commit()


def raw_connection(connection: Any) -> Any:
    """The driver's own connection: SQLAlchemy wraps those that are asynchronous."""
    return getattr(connection, "driver_connection", connection)


DEEPEST_JSON: Final = 200
"""Levels of a stored JSON value that is read: callers send 64 at most."""


def json_value(data: bytes | str) -> Any:
    """Decode a stored JSON value. No read fails for what is stored: a value that cannot be shown says so."""
    try:
        value = msgspec.json.decode(data)
    except (RecursionError, ValueError):  # too deep, or a number that no float holds
        return {"unreadable": "this value nests too deep or holds a number too large to be read"}
    brackets = data.count("[") + data.count("{") if isinstance(data, str) else data.count(b"[") + data.count(b"{")
    if brackets > DEEPEST_JSON and _is_deep(value):
        return {"unreadable": f"this value nests deeper than {DEEPEST_JSON} levels"}
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST_JSON):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def json_text(value: object) -> str:
    """Encode a value for a jsonb parameter."""
    return msgspec.json.encode(value).decode()
