"""Which errors of the database pass by themselves, and which blame the values that were sent.

Sorted by SQLSTATE, never by class: psycopg's classes follow the standard's groups, so that `ProgramLimitExceeded`
(54000, a value that is too large) is an `OperationalError` like a lost connection, and a server that has turned
read-only (25006) is an `InternalError` like a fault inside it.

A few states mean either, and where the server said it tells: 22023 is a value that a function cannot use, or a role or
setting that is not there; 54000 a value that is too large, or a server that has no transaction ids left; 42501 a right
that somebody took away, or a row of another tenant; 0A000 a feature that is missing, or a plan from before a migration;
42P01, 42703 and 42883 a schema that is older than this program, or a typing error.
"""

import re
import sys
from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from singr_db._errors import ObjectStoreAwayError
from singr_db._s3_outages import is_outage_of_s3, kinds_of
from singr_db.sessions._schema_lacks import schema_lacks

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_OUTAGE_CLASSES: Final = frozenset(
    {
        "08",  # connection exceptions
        "28",  # sign-in refused: a password or a rule that was changed here or there
        "40",  # rolled back: somebody else was there first, or waits for us
        "53",  # insufficient resources: disk, memory, connections
        "57",  # operator intervention: shut down, starting up, cancelled or out of time
        "58",  # the system under the server: input and output
        "F0",  # the server's configuration file
    }
)
_OUTAGE_STATES: Final = frozenset(
    {
        "0P000",  # the role that we are to be is none
        "25006",  # read-only: a failover is under way
        "25P03",  # the transaction idled for too long, or (25P04) took too long: its connection is gone
        "25P04",
        "3D000",  # the database is not there
        "42501",  # rights are missing, or not granted yet
        "55P03",  # a lock was not to be had in time
        "55006",  # the object is in use
        "72000",  # the snapshot is too old
        "HV001",  # a foreign server has no memory, or (HV00N) is away
        "HV00N",
    }
)
_NO_OUTAGE: Final = frozenset({"40002"})  # a constraint, told at the end of the transaction
# Where the server says it: its settings, among them the role; its transaction ids; its plans of prepared statements.
_OUTAGE_SOURCES: Final = {
    "0A000": frozenset({"plancache.c"}),
    "22023": frozenset({"guc.c", "variable.c"}),
    "54000": frozenset({"varsup.c", "multixact.c"}),
}
_OUTAGE_WORDS: Final = {
    "22023": re.compile(r'^role ".*" does not exist'),
    "42704": re.compile(r'^role ".*" does not exist'),
    "54000": re.compile(r"^database is not accepting commands"),
}
_FENCE: Final = "execMain.c"  # says 42501 of a row that row-level security does not let us write
# Cardinality, data exceptions, constraints, views' own checks, and limits on what a value or statement may be.
_VALUE_CLASSES: Final = frozenset({"21", "22", "23", "44", "54"})
READ_ONLY: Final = "25006"
_OVER_TIME: Final = {
    "57014": "a statement took longer than statement_timeout allows",
    "25P03": "the session lay idle in a transaction for longer than idle_in_transaction_session_timeout allows",
    "25P04": "a transaction took longer than transaction_timeout allows",
}
# Of the system's errors, those that speak of one file and not of a network or a disk.
_OF_ONE_FILE: Final = (
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
    ChildProcessError,
    ProcessLookupError,
)
# What Redis answers while it cannot serve: https://redis.io/docs/latest/develop/reference/protocol-spec
_REDIS_WORDS: Final = re.compile(
    r"(LOADING|READONLY|OOM|MISCONF|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOAUTH|WRONGPASS|NOPERM)\b"
)
_REDIS_KINDS: Final = (
    *("ConnectionError", "TimeoutError", "ReadOnlyError", "OutOfMemoryError", "NoPermissionError", "TryAgainError"),
    *("ClusterDownError", "MasterDownError", "AuthenticationError", "AuthenticationWrongNumberOfArgsError"),
)
# How the server says which lock it waited for: of a row in its context, of a table by a place in the statement.
_LOCKED_ROW: Final = re.compile(r'in relation "([^"]+)"')
_SHOWN: Final = re.compile(r"^(LINE \d+: .*)\n( *)\^", re.MULTILINE)
_NAME: Final = re.compile(r"\w+")


def is_outage(error: BaseException) -> bool:
    """Tell whether what is needed is away, busy, full, read-only or misconfigured: the same may succeed later.

    Takes errors of psycopg, of its pool, of SQLAlchemy (which wraps them), of redis-py, of botocore and the object
    store, and of the operating system. A group of errors is an outage where each of them is.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(is_outage(one) for one in error.exceptions)
    told, error = error, _cause(error)
    if isinstance(error, psycopg.Error):
        return _is_outage_of_server(error) or schema_lacks(told) is not None  # which looks at the statement, too
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    if isinstance(error, OSError):
        return not isinstance(error, _OF_ONE_FILE)
    if isinstance(error, PoolTimeoutError | ObjectStoreAwayError):
        return True
    return _is_outage_of_redis(error) or is_outage_of_s3(error)


def blames_values(error: BaseException) -> bool:
    """Tell whether the values that were sent are at fault, so that they can be stored at no other time either."""
    error = _cause(error)
    if not isinstance(error, psycopg.Error):
        return isinstance(error, ValueError | TypeError | OverflowError)  # the driver could not put them into bytes
    if error.sqlstate is None:
        return isinstance(error, psycopg.DataError | psycopg.ProgrammingError)
    return error.sqlstate[:2] in _VALUE_CLASSES and not _is_outage_of_server(error)


def _is_outage_of_server(error: psycopg.Error) -> bool:
    state = error.sqlstate
    if state is None:  # said by the driver or its pool, not by the server
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    if state in _NO_OUTAGE or (state == "42501" and error.diag.source_file == _FENCE):
        return False
    if state[:2] in _OUTAGE_CLASSES or state in _OUTAGE_STATES:
        return True
    words = _OUTAGE_WORDS.get(state)
    return error.diag.source_file in _OUTAGE_SOURCES.get(state, ()) or bool(
        words and words.search(error.diag.message_primary or "")
    )


def _is_outage_of_redis(error: BaseException) -> bool:
    library = sys.modules.get("redis.exceptions")  # whoever has such an error has imported it; others need not
    if library is None or not isinstance(error, library.RedisError):
        return False
    return isinstance(error, kinds_of(library, _REDIS_KINDS)) or bool(_REDIS_WORDS.match(str(error)))


def sqlstate_of(error: BaseException) -> str | None:
    """Give the server's five characters for what went wrong; None where the error is not the server's."""
    error = _cause(error)
    return error.sqlstate if isinstance(error, psycopg.Error) else None


def lock_held(error: BaseException) -> str | None:
    """Say that somebody else's lock was waited for in vain, and on which table, where the server told; else None."""
    error = _cause(error)
    if not isinstance(error, psycopg.errors.LockNotAvailable):
        return None
    row = _LOCKED_ROW.search(error.diag.context or "")
    if row is not None:
        return f"somebody holds a lock on a row of {row[1]}"
    shown = _SHOWN.search(str(error))  # the line of the statement, and under it a mark where the table is named
    table = shown and _NAME.match(shown[1], len(shown[2]))
    return f"somebody holds a lock on {table[0] if table else 'a table or a row'}"


def over_time(error: BaseException) -> str | None:
    """Say which time limit of the server's was run over by whoever holds the session; None where it was none.

    Neither a statement that somebody cancelled nor one that waited for a row of somebody else's ran over it by itself.
    Of a group of errors, the first that did.
    """
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(over_time, error.exceptions)), None)
    error = _cause(error)
    words = _OVER_TIME.get(error.sqlstate or "") if isinstance(error, psycopg.Error) else None
    if words is None or not isinstance(error, psycopg.errors.QueryCanceled):
        return words
    by_somebody = "user request" in (error.diag.message_primary or "")
    return None if by_somebody or _LOCKED_ROW.search(error.diag.context or "") else words


def plain_words(error: BaseException) -> str | None:
    """Say what the database refused, without a statement or a value in it; None where the error is no database's."""
    if not isinstance(error, psycopg.Error | StatementError):
        return None
    state = sqlstate_of(error)
    if (limit := over_time(error)) is not None:
        return f"{limit} (SQLSTATE {state})"
    return f"the database refused a statement (SQLSTATE {state})" if state else "the database could not be used"


def _cause(error: BaseException) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and isinstance(error.orig, psycopg.Error) else error
