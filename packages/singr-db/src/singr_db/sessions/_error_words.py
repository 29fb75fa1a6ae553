"""What people are told where the database is away, or refuses: one sentence, and what to look at."""

import logging
import re
from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from singr_db.sessions._outages import sqlstate_of
from singr_db.sessions._schema_lacks import schema_lacks

DATABASE_ERRORS: Final = (psycopg.Error, DBAPIError, PoolTimeoutError)
"""Whatever the drivers raise, by SQLAlchemy or without it: `database_error_words` says it."""

_IS_IT_THERE: Final = re.compile(r" Is the server running .*\?$")  # libpq asks what our sentence asks, too
_NO_TENANT: Final = "the role singr_tenant is missing: run singr-db upgrade, which makes it and the tables"
_NO_ROOM: Final = "it has no connection left for this user: raise max_connections or its limit, or run fewer processes"
_OF_A_STATE: Final = {
    "0P000": _NO_TENANT,
    "22023": _NO_TENANT,
    "42704": _NO_TENANT,
    "42501": "its user may not become singr_tenant: run singr-db upgrade, which grants that or says who can",
    "53300": _NO_ROOM,
}
# How PostgreSQL, PgBouncer and libpq say it of a connection, which has no SQLSTATE here. What they quote is left out:
# anybody may read `/ready`.
_OF_A_CONNECTION: Final = (
    (r'database ".*" does not exist|no such database', "DATABASE_URL names a database that it does not have"),
    (
        r'authentication failed|no password supplied|role ".*" does not exist|not permitted to log in|no such user',
        "it refuses the user or the password of DATABASE_URL: put there what it takes",
    ),
    (r"pg_hba\.conf", "no line of its pg_hba.conf lets the user of DATABASE_URL in from here"),
    (r"permission denied for database", "the user of DATABASE_URL may not connect to this database: GRANT CONNECT"),
    (r"too many (clients|connections)|slots are reserved|no more connections allowed", _NO_ROOM),
    (r"starting up|not yet accepting|in recovery mode", "it starts, and takes connections once it has"),
    (r"shutting down", "it is being shut down"),
    (r"FATAL: ", "its log says why"),
)
_NOBODY: Final = logging.NullHandler()
_NO_TABLE: Final = "42P01"
_NO_CONNECTION: Final = "there is no connection to the database: {}. Look at DATABASE_URL, and whether the server runs."


def database_error_words(error: BaseException) -> str:
    """Say one of `DATABASE_ERRORS` in a sentence for whoever typed a command; it never has the password in it.

    Only what the server said of a statement is an answer of the database. What the driver says, also of a sign-in that
    was refused, is that there is no connection.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    words = _IS_IT_THERE.sub("", " ".join(str(cause).split()))
    if sqlstate_of(error) is None and isinstance(
        cause, psycopg.OperationalError | psycopg.InterfaceError | PoolTimeoutError
    ):
        return _NO_CONNECTION.format(words.removeprefix("connection failed: ").rstrip("."))
    if sqlstate_of(error) == _NO_TABLE or schema_lacks(error):
        return f"the database answered: {words}. singr-db upgrade makes what is missing."
    return f"the database answered: {words}"


def database_refusal(error: BaseException) -> str | None:
    """Say why a server that answers takes no connection or session, and what would be right; None where it is away.

    Of errors of connecting, and of `Database.check_sessions`. It names no host, database or user.
    """
    if (known := _OF_A_STATE.get(sqlstate_of(error) or "")) is not None:
        return known
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if not isinstance(cause, psycopg.OperationalError):
        return None
    said = str(cause)
    return next((why for pattern, why in _OF_A_CONNECTION if re.search(pattern, said)), None)


def leave_pools_unheard() -> None:
    """Keep the lines of pools that cannot connect off a command line, which says it in a sentence of its own."""
    logging.getLogger("psycopg.pool").addHandler(_NOBODY)
