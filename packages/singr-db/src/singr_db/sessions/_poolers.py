"""Connection poolers between us and PostgreSQL, such as PgBouncer: which of their modes we can live with."""

import asyncio
import re
from typing import Any

import psycopg
from psycopg.errors import ProtocolViolation

from singr_config import Secret
from singr_db._errors import PoolerError
from singr_db.sessions._connection import connection_parameters

_PATIENCE_S = 5.0
_LOOKS = 3
_NO_TRANSACTIONS = re.compile(r"transactions? (blocks )?not allowed", re.IGNORECASE)
_ADVICE = (
    "DATABASE_URL leads to a connection pooler in transaction mode (or statement mode), where a connection's settings,"
    " prepared statements and locks belong to whoever comes next. Set pool_mode = session for this database (in"
    " PgBouncer, behind the database in [databases] or for all), or connect to PostgreSQL itself."
)


async def refuse_transaction_pooling(url: Secret | str) -> None:
    """Ask whether a pooler in transaction mode lies in between; says nothing while the server is away.

    Only what proves the mode counts: whatever else goes wrong is an outage, of the server or the pooler, and passes.

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
    except (psycopg.Error, OSError) as error:
        if _refuses_transactions(error):
            raise PoolerError(_ADVICE) from None


def _refuses_transactions(error: Exception) -> bool:
    """Tell whether a pooler in statement mode said this: by its words, as it gives outages of its server this code too.

    PgBouncer: "transaction blocks not allowed in statement pooling mode", before 1.17 "Long transactions not allowed".
    """
    return isinstance(error, ProtocolViolation) and _NO_TRANSACTIONS.search(str(error)) is not None


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
