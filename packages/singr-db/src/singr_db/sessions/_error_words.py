"""What a command line says where the database is away, or refuses: one sentence, and what to look at."""

from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from singr_db.sessions._outages import sqlstate_of

DATABASE_ERRORS: Final = (psycopg.Error, DBAPIError, PoolTimeoutError)
"""Whatever the drivers raise, by SQLAlchemy or without it: `database_error_words` says it."""

_NO_TABLE: Final = "42P01"
_NO_CONNECTION: Final = "there is no connection to the database: {}. Look at DATABASE_URL, and whether the server runs."


def database_error_words(error: BaseException) -> str:
    """Say one of `DATABASE_ERRORS` in a sentence for whoever typed a command; it never has the password in it.

    Only what the server said of a statement is an answer of the database. What the driver says, also of a sign-in that
    was refused, is that there is no connection.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    words = " ".join(str(cause).split())
    if sqlstate_of(error) is None and isinstance(
        cause, psycopg.OperationalError | psycopg.InterfaceError | PoolTimeoutError
    ):
        return _NO_CONNECTION.format(words.removeprefix("connection failed: ").rstrip("."))
    if sqlstate_of(error) == _NO_TABLE:
        return f"the database answered: {words}. singr-db upgrade makes what is missing."
    return f"the database answered: {words}"
