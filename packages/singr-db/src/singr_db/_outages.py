"""Which errors of the database pass by themselves, and which blame the values that were sent.

Sorted by SQLSTATE, never by class: psycopg's classes follow the standard's groups, so that `ProgramLimitExceeded`
(54000, a value that is too large) is an `OperationalError` like a lost connection, and a server that has turned
read-only (25006) is an `InternalError` like a fault inside it.
"""

from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_OUTAGE_CLASSES: Final = frozenset(
    {
        "08",  # connection exceptions
        "53",  # insufficient resources: disk, memory, connections
        "57",  # operator intervention: shut down, starting up, cancelled or out of time
        "58",  # the system under the server: input and output
    }
)
_OUTAGE_STATES: Final = frozenset(
    {
        "25006",  # read-only: a failover is under way
        "25P03",  # the transaction idled for too long, or (25P04) took too long: its connection is gone
        "25P04",
        "40001",  # somebody else was there first, or waits for us
        "40P01",
        "55P03",  # a lock was not to be had in time
        "55006",  # the object is in use
    }
)
# Data exceptions, cardinality, constraints, and limits on what a value or statement may be.
_VALUE_CLASSES: Final = frozenset({"21", "22", "23", "54"})
READ_ONLY: Final = "25006"


def is_outage(error: BaseException) -> bool:
    """Tell whether the database is away, busy or read-only: the same statement may succeed a moment later.

    Takes errors of psycopg, of its pool, of SQLAlchemy (which wraps them) and of the operating system.
    """
    error = _cause(error)
    if isinstance(error, psycopg.Error):
        state = error.sqlstate
        if state is None:  # said by the driver or its pool, not by the server
            return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return state[:2] in _OUTAGE_CLASSES or state in _OUTAGE_STATES
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    return isinstance(error, OSError | PoolTimeoutError)


def blames_values(error: BaseException) -> bool:
    """Tell whether the values that were sent are at fault, so that they can be stored at no other time either."""
    error = _cause(error)
    if not isinstance(error, psycopg.Error):
        return isinstance(error, ValueError | TypeError | OverflowError)  # the driver could not put them into bytes
    if error.sqlstate is None:
        return isinstance(error, psycopg.DataError | psycopg.ProgrammingError)
    return error.sqlstate[:2] in _VALUE_CLASSES


def sqlstate_of(error: BaseException) -> str | None:
    """Give the server's five characters for what went wrong; None where the error is not the server's."""
    error = _cause(error)
    return error.sqlstate if isinstance(error, psycopg.Error) else None


def plain_words(error: BaseException) -> str | None:
    """Say what the database refused, without a statement or a value in it; None where the error is no database's."""
    if not isinstance(error, psycopg.Error | StatementError):
        return None
    state = sqlstate_of(error)
    return f"the database refused a statement (SQLSTATE {state})" if state else "the database could not be used"


def _cause(error: BaseException) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and isinstance(error.orig, psycopg.Error) else error
