"""A pool of plain psycopg connections for the few statements where a session's cost counts."""

from typing import Any

import msgspec
from psycopg import AsyncConnection, OperationalError
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

from singr_db._connection import json_text

HotPool = AsyncConnectionPool[AsyncConnection[TupleRow]]


def build_hot_pool(parameters: dict[str, Any], *, size: int, name: str) -> HotPool:
    """Build the pool, closed as yet: autocommit connections, at most `size`, 5 s wait for one.

    A checkout asks the operating system whether the server hung up, which costs no round trip; one connection found
    dead renews them all, so that a restarted server costs its callers one error each at most: that of the statement
    it cut off.
    """

    async def check(connection: AsyncConnection[TupleRow]) -> None:
        if hung_up(connection):
            await pool.drain()
            raise OperationalError("the server closed this idle connection")

    pool: HotPool = AsyncConnectionPool(
        "",
        kwargs={**parameters, "autocommit": True},
        min_size=1,
        max_size=size,
        open=False,
        configure=_configure,
        check=check,
        name=name,
        timeout=5.0,
        max_lifetime=3600.0,
        # Short, so that the wait between two attempts stays short: a later checkout begins anew.
        reconnect_timeout=5.0,
        num_workers=2,
    )
    return pool


def hung_up(connection: AsyncConnection[TupleRow]) -> bool:
    """Tell whether the server has closed an idle connection, without asking the server."""
    try:
        # What lies in the socket's buffer may be the server's last words; the end of the stream comes after them.
        connection.pgconn.consume_input()
        connection.pgconn.is_busy()
        connection.pgconn.consume_input()
    except OperationalError:
        return True
    return False


async def _configure(connection: AsyncConnection[TupleRow]) -> None:
    set_json_dumps(json_text, connection)
    set_json_loads(msgspec.json.decode, connection)
