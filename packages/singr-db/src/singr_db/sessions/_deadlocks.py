"""What is done once more: a transaction that PostgreSQL undid, since it and another waited for each other."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError

from singr_db.sessions._outages import sqlstate_of

T = TypeVar("T")

_DEADLOCK: Final = "40P01"


async def past_deadlock(transaction: Callable[[], Awaitable[T]]) -> T:
    """Run a transaction; once more, where PostgreSQL undid it to end a deadlock.

    Whoever it stood crosswise with has gone on since, so the second time it waits for one who ends. A second deadlock
    in a row is raised: that is somebody's order of locks.

    Args:
        transaction: begins it, does it and commits it, and nothing that is not undone with it.
    """
    try:
        return await transaction()
    except (psycopg.Error, DBAPIError) as error:
        if sqlstate_of(error) != _DEADLOCK:
            raise
    return await transaction()
