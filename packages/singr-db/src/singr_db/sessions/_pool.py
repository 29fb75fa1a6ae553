"""A pool of plain psycopg connections for the few statements where a session's cost counts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection, Connection, OperationalError
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

from singr_db.sessions._connection import json_text, json_value
from singr_db.sessions._signs_of_life import SignsOfLife
from singr_db.sessions._times import read_every_time
from singr_observability import get_logger

_log = get_logger("db.pool")

# Seconds for which a connection to a server that takes no writes is kept, for what only reads.
_READ_ONLY_FOR = 1.0
_JUST_NOW = 10.0


class PsycopgPool(AsyncConnectionPool[AsyncConnection[TupleRow]]):
    """The pool; it keeps no connection to a server that has turned read-only.

    After a failover the writer may be another server under the same address: only new connections lead there.

    What was given back last is lent first: its server process has the plans of statements and the tables' descriptions
    at hand. What a rush needed beside it stays idle, and is closed in the end.
    """

    parameters: Mapping[str, Any] = MappingProxyType({})
    first: str = ""
    made_at: Mapping[AsyncConnection[TupleRow], float] = MappingProxyType({})
    waiting: Callable[[], AbstractContextManager[None]] = staticmethod(nullcontext)
    _failed: tuple[float, Exception] | None = None
    _beside: asyncio.Lock | None = None

    @property
    def is_all_lent(self) -> bool:
        """Whether whoever wants a connection now waits until somebody gives one back."""
        state = self.get_stats()
        return not state["pool_available"] and state["pool_size"] >= self.max_size

    @property
    def failure(self) -> Exception | None:
        """Why no connection could be made just now (10 s); None where the last try was longer ago, or made one."""
        if self._failed is None or time.monotonic() - self._failed[0] > _JUST_NOW:
            return None
        return self._failed[1]

    def connect(self) -> Connection[TupleRow]:
        """Open a connection for a thread of the caller's: blocking, beside the pool, and otherwise like one of its own.

        Raises:
            psycopg.OperationalError: the server is away.
        """
        connection = Connection.connect(**self.parameters, autocommit=True)
        if self.first:
            connection.execute(self.first)
        return connection

    async def _connect(self, timeout: float | None = None) -> AsyncConnection[TupleRow]:  # noqa: ASYNC109 - as below
        try:
            connection = await super()._connect(timeout)
        except Exception as error:
            self._failed = time.monotonic(), error  # whoever waits for a connection is told of the time alone
            raise
        self._failed = None
        return connection

    async def _get_ready_connection(self, timeout: float | None) -> AsyncConnection[TupleRow] | None:  # noqa: ASYNC109 - as below
        self._pool.rotate(1)  # the parent lends what has rested longest
        return await super()._get_ready_connection(timeout)

    @asynccontextmanager
    async def connection(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - the parent's own signature
    ) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """Lend a connection, as the parent does.

        One that would lead to a server without writes is renewed before it is lent, with all others: were it refused
        by `check`, the parent would wait for a second and more before it looks at the next.
        """
        if self._pool and self._is_of_no_writer(self._pool[-1]):
            await self.drain()
        with self.waiting():
            async with super().connection(timeout) as connection:
                try:
                    yield connection
                except ReadOnlySqlTransaction:
                    await connection.close()
                    raise

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """Lend a connection for a question about the server, which does not stand behind the work that asks of it.

        Where all are lent it is a new one, beside the pool: one at a time, and closed at the end.
        """
        if not self.is_all_lent:
            async with self.connection() as connection:
                yield connection
            return
        self._beside = self._beside or asyncio.Lock()
        async with self._beside:
            with self.waiting():
                connection = await self._connect()
                try:
                    yield connection
                finally:
                    await connection.close()

    def _is_of_no_writer(self, connection: AsyncConnection[TupleRow]) -> bool:
        made_at = self.made_at.get(connection, 0.0)
        return _reports_read_only(connection) and time.monotonic() - made_at > _READ_ONLY_FOR


class _Reach:
    """Says when a pool that could not connect for a while does again: why it could not, psycopg's own log says."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_lost = False

    def lost(self, _: object) -> None:
        self._is_lost = True

    def found(self) -> None:
        if self._is_lost:
            self._is_lost = False
            _log.info("pool {!r} reaches the database again", self._name)


def build_pool(
    parameters: dict[str, Any], *, first: str, size: int, name: str, life: SignsOfLife | None = None
) -> PsycopgPool:
    """Build the pool, closed as yet: autocommit connections, at most `size`, 5 s wait for one.

    A new connection begins with the statement `first`; `life` hangs up on a server that answers nobody.

    A checkout asks the operating system whether the server hung up, which costs no round trip; one connection found
    dead renews them all, so that a restarted server costs its callers one error each at most: that of the statement
    it cut off.
    """
    made_at: WeakKeyDictionary[AsyncConnection[TupleRow], float] = WeakKeyDictionary()
    reach = _Reach(name)

    async def configure(connection: AsyncConnection[TupleRow]) -> None:
        made_at[connection] = time.monotonic()
        if life is not None:
            life.know(connection)
        reach.found()
        read_every_time(connection)
        set_json_dumps(json_text, connection)
        set_json_loads(json_value, connection)
        await _say_first(connection, first)

    async def check(connection: AsyncConnection[TupleRow]) -> None:
        if hung_up(connection):
            await pool.drain()
            raise OperationalError("the server closed this idle connection")

    pool = PsycopgPool(
        "",
        kwargs={**parameters, "autocommit": True},
        min_size=1,
        max_size=size,
        open=False,
        configure=configure,
        check=check,
        name=name,
        timeout=5.0,
        max_lifetime=3600.0,
        # Short, so that the wait between two attempts stays short: a later checkout begins anew.
        reconnect_timeout=5.0,
        num_workers=2,
        reconnect_failed=reach.lost,
    )
    pool.parameters, pool.first, pool.made_at = parameters, first, made_at
    if life is not None:
        pool.waiting = life.waiting
    return pool


async def _say_first(connection: AsyncConnection[TupleRow], first: str) -> None:
    if not first:
        return
    try:
        await connection.execute(first)
    except BaseException:  # whoever asked may have given up: the parent knows of no connection then
        await connection.close()
        raise


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


def _reports_read_only(connection: AsyncConnection[TupleRow]) -> bool:
    """Tell whether the server has said of itself that it takes no writes (PostgreSQL 14 and newer do)."""
    status = connection.pgconn.parameter_status
    return b"on" in (status(b"in_hot_standby"), status(b"default_transaction_read_only"))
