"""Connection poolers between us and PostgreSQL, such as PgBouncer: which of their modes we can live with."""

import asyncio
from typing import Any

import psycopg
from psycopg.errors import ProtocolViolation

from singr_config import Secret
from singr_db._connection import connection_parameters
from singr_db._errors import PoolerError

_PATIENCE_S = 5.0
_LOOKS = 3
_ADVICE = (
    "DATABASE_URL leads to a connection pooler in transaction mode (or statement mode), where a connection's settings,"
    " prepared statements and locks belong to whoever comes next. Set pool_mode = session for this database (in"
    " PgBouncer, behind the database in [databases] or for all), or connect to PostgreSQL itself."
)


async def refuse_transaction_pooling(url: Secret | str) -> None:
    """Ask whether a pooler in transaction mode lies in between; says nothing while the server is away.

    A pooler shows in that the process a connection is told of at its start is not the one that then answers. It is in
    transaction mode where two connections that are open at once are answered by one process, or one connection by two.

    Raises:
        DatabaseUrlError: the address cannot be used.
        PoolerError: it does; the message says what to do.
    """
    parameters = connection_parameters(url, application_name="singr-pooler-check")
    try:
        async with asyncio.timeout(_PATIENCE_S):
            if await _shares_processes(parameters):
                raise PoolerError(_ADVICE)
    except ProtocolViolation:  # a pooler that takes no transaction at all: statement mode
        raise PoolerError(_ADVICE) from None
    except (psycopg.Error, OSError):
        return


async def _shares_processes(parameters: dict[str, Any]) -> bool:
    async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True, prepare_threshold=None) as one:
        if await _process(one) == one.info.backend_pid:
            return False
        async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True, prepare_threshold=None) as two:
            for _ in range(_LOOKS):
                first = await _process(one)
                async with two.transaction():
                    second = await _process(two)
                    if second == first or await _process(one) != first:
                        return True
        return False


async def _process(connection: psycopg.AsyncConnection[Any]) -> int:
    cursor = await connection.execute("SELECT pg_backend_pid()")
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])
