"""The database of one process: sessions for tenants and for the platform, and a pool of plain psycopg connections."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from functools import partial
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from psycopg_pool import PoolTimeout
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from singr_config import DatabaseSettings
from singr_db._partitions import PartitionReport, ensure_partitions
from singr_db._patience import answered_within
from singr_db._roles import TENANT_ROLE
from singr_db._statements import sql_text
from singr_db.sessions._commits import Commits
from singr_db.sessions._connection import connection_parameters, json_text, json_value, prepare, set_up
from singr_db.sessions._error_words import database_refusal
from singr_db.sessions._outages import READ_ONLY, sqlstate_of
from singr_db.sessions._pool import PsycopgPool, build_pool
from singr_db.sessions._signs_of_life import SignsOfLife

_POOL_TIMEOUT_S = 10.0
_SETTINGS = {
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
    # A plan made while a table was small reads it whole, and is kept while it grows (decision 111).
    "enable_seqscan": "off",
    # Before PostgreSQL 18 what is read whole all the same seems so dear that it would be compiled, for a second.
    "jit": "off",
    # Of tables in weeks a plan for the values seems to cost less each time; planning costs most (decision 113).
    "plan_cache_mode": "force_generic_plan",
}
_PING_TIMEOUT_S = 5.0
_SESSION_TIMEOUT_S = 2.0
_NOBODY = UUID(int=0)
_FENCE = sql_text("SELECT set_config('singr.organization_id', :organization_id, true), set_config('role', :role, true)")


class PlatformSession(AsyncSession):
    """A session of the platform itself, which sees every organization's rows: for few, named places."""


class _FencedSession(Session):
    """The synchronous heart of a tenant session."""


class TenantSession(AsyncSession):
    """A session of one organization: row-level security shows it that organization's rows and no others.

    The fence is put up at the start of every transaction. It guards against a forgotten filter, not against SQL that
    sets out to leave it (`RESET ROLE`): never run SQL that a caller wrote.
    """

    sync_session_class = _FencedSession

    @property
    def organization_id(self) -> UUID:
        """The organization that this session is fenced to."""
        organization_id: UUID = self.info["organization_id"]
        return organization_id


@event.listens_for(_FencedSession, "after_begin")
def _fence(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    if not transaction.nested:  # a savepoint lies within a fenced transaction
        connection.execute(_FENCE, {"organization_id": str(session.info["organization_id"]), "role": TENANT_ROLE})


def _leave_a_read_only_server(context: ExceptionContext) -> None:
    """Renew the pool's connections: after a failover the writer is found by new ones only."""
    if sqlstate_of(context.original_exception) == READ_ONLY:
        context.is_disconnect = True


class Database:
    """One process's access to PostgreSQL.

    Opens at most `pool_size` connections for sessions and as many for `psycopg`. Building it connects to nothing.

    Every session's `info` starts as a copy of `session_info`: what layers above attach there, they find again.

    Args:
        settings: where the database is.
        application_name: how this process is named in the server's list of connections.
        lock_timeout: seconds for which a statement waits for somebody else's lock, on a table or on a row; for as long
            as it may take where none are given.
        patience: seconds after which a server that lets somebody wait is asked for a sign of life, and for which that
            is waited for; then whoever waits is told that it is away. For ever where none are given.

    Raises:
        DatabaseUrlError: the address cannot be used.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        application_name: str,
        lock_timeout: float | None = None,
        patience: float | None = None,
    ) -> None:
        parameters = connection_parameters(settings.url, application_name=application_name)
        bounded = {} if lock_timeout is None else {"lock_timeout": f"{lock_timeout * 1000:.0f}ms"}
        first = set_up(parameters, _SETTINGS | bounded)
        self._engine = create_async_engine(
            "postgresql+psycopg://",
            connect_args=parameters,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_use_lifo=True,  # see PsycopgPool
            pool_size=settings.pool_size,
            max_overflow=0,
            pool_timeout=_POOL_TIMEOUT_S,
            pool_recycle=3600,
            json_serializer=json_text,
            json_deserializer=json_value,
            use_native_hstore=False,  # we have none: SQLAlchemy would look for the type before the first session
        )
        self._life = life = None if patience is None else SignsOfLife(parameters, patience=patience)
        if life is not None:  # before anything is asked on a new connection
            event.listen(self._engine.sync_engine, "connect", lambda one, _: life.know(one), insert=True)
        event.listen(self._engine.sync_engine, "connect", partial(prepare, first))
        event.listen(self._engine.sync_engine, "handle_error", _leave_a_read_only_server)
        self._is_closed = False
        event.listen(self._engine.sync_engine, "checkin", self._end_what_comes_back_late)
        self.session_info: dict[Any, Any] = {}
        self._platform = async_sessionmaker(self._engine, class_=PlatformSession, expire_on_commit=False)
        self._tenant = async_sessionmaker(self._engine, class_=TenantSession, expire_on_commit=False)
        self._psycopg = build_pool(parameters, first=first, size=settings.pool_size, name=application_name, life=life)
        self._commits = Commits(self._psycopg)

    @property
    def engine(self) -> AsyncEngine:
        """The SQLAlchemy engine under the sessions; its connections have platform rights."""
        return self._engine

    @property
    def psycopg(self) -> PsycopgPool:
        """Plain psycopg connections in autocommit with platform rights, for statements where a session's cost counts.

        Waits 5 s at most for a connection, then raises `psycopg_pool.PoolTimeout`. Needs `open()`.
        """
        return self._psycopg

    async def open(self) -> None:
        """Open `psycopg`; succeeds also while the server is away, and connects when it is back."""
        await self._psycopg.open()

    async def close(self) -> None:
        """Close all connections; idle ones at once, those in use when they are given back."""
        self._is_closed = True
        await self._commits.close()
        if self._life is not None:
            await self._life.close()
        await self._psycopg.close()
        await self._engine.dispose()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def platform(self) -> AsyncIterator[PlatformSession]:
        """Run one transaction with the platform's rights: commits on a clean exit, else rolls back."""
        with self._waiting():
            async with self._platform(info=dict(self.session_info)) as session, session.begin():
                yield session

    @asynccontextmanager
    async def tenant(self, organization_id: UUID) -> AsyncIterator[TenantSession]:
        """Run one transaction fenced to an organization: commits on a clean exit, else rolls back.

        Raises:
            TypeError: `organization_id` is no UUID.
        """
        if not isinstance(organization_id, UUID):
            raise TypeError(f"a tenant session needs the organization's UUID, not {type(organization_id).__name__}")
        info = {**self.session_info, "organization_id": organization_id}
        with self._waiting():
            async with self._tenant(info=info) as session, session.begin():
                yield session

    def _end_what_comes_back_late(self, _: object, record: ConnectionPoolEntry) -> None:
        """End what a session gives back after all: the pool that it came from keeps it, and is closed by nobody."""
        if self._is_closed:
            record.close()

    def _waiting(self) -> AbstractContextManager[None]:
        return nullcontext() if self._life is None else self._life.waiting()

    async def ping(self) -> None:
        """Ask the server for a sign of life, 5 s at most.

        Raises:
            TimeoutError: no answer in time, or no free connection.
            sqlalchemy.exc.DBAPIError: the server refused, or is away.
        """
        async with answered_within(_PING_TIMEOUT_S, "PostgreSQL"), self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def takes_writes(self) -> bool:
        """Ask the server, 5 s at most, whether it takes writes: a standby, or one made read-only, does not.

        Where none of our commits has ended within the last 3 s, one is tried, for 2 s at most. Where all connections
        are lent, it is asked on one more.

        Raises:
            CommitsHangError: it would take them, and does not end commits.
            psycopg.Error, TimeoutError: no answer in time, or no connection can be made (`is_outage` tells).
        """
        if self._commits.is_trying:  # whatever hangs beside it may have left no connection
            await self._commits.check()
        async with answered_within(_PING_TIMEOUT_S, "PostgreSQL"), self._psycopg.beside() as connection:
            cursor = await connection.execute("SELECT current_setting('transaction_read_only')")
            row = await cursor.fetchone()
            writable = row is not None and row[0] == "off"
            if not writable:  # the writer may be another server by now: ask it the next time
                await connection.close()
        if writable:
            await self._commits.check()
        return writable

    def refusal(self, error: BaseException) -> str | None:
        """Say why the server refuses, and what would be right, where this is why a question ended with `error`.

        None where it does not answer at all. It names no host, database or user.
        """
        why = database_refusal(error)
        if why is None and isinstance(error, TimeoutError | PoolTimeout) and (failure := self._psycopg.failure):
            return database_refusal(failure)
        return why

    @property
    def is_all_lent(self) -> bool:
        """Whether a session, or a statement of `psycopg`, waits now until somebody gives a connection back."""
        return self._psycopg.is_all_lent or self._are_sessions_lent()

    def _are_sessions_lent(self) -> bool:
        pool = self._engine.pool
        return isinstance(pool, AsyncAdaptedQueuePool) and pool.checkedout() >= pool.size()

    async def check_sessions(self) -> None:
        """Open a transaction as handlers and requests do, fenced to a tenant and without writing, 2 s at most.

        That all connections for sessions are lent out is no trouble: then they are there, and used. None is waited for.

        Raises:
            SQLAlchemyError, TimeoutError: no connection can be made, or the tenant role is missing or not ours to take.
        """
        if self._are_sessions_lent():
            return
        try:
            async with answered_within(_SESSION_TIMEOUT_S, "PostgreSQL"), self.tenant(_NOBODY) as session:
                await session.execute(text("SELECT 1"))
        except TimeoutError:
            if not self._are_sessions_lent():
                raise

    async def ensure_partitions(self, *, weeks_ahead: int = 4) -> PartitionReport:
        """Make the partitions of this week and of `weeks_ahead` more; safe in any number of processes."""
        async with self._engine.connect() as connection:
            return await ensure_partitions(connection, weeks_ahead=weeks_ahead)
