"""Connections to PostgreSQL that are kept from test to test: a new one costs the server more than most tests do.

For each it starts a process and reads the catalogue anew, 5 to 10 ms of processor time, and a test opens two or three.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from psycopg import AsyncConnection, Connection, Error
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ExecStatus, PGconn, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn as Underneath

_MOST = 16
# What a database gives each connection that begins: with others than today's, one that was kept is no new one.
_DEFAULTS = (
    b"SELECT setconfig, datallowconn FROM pg_database LEFT JOIN pg_db_role_setting ON setdatabase = oid AND setrole = 0"
    b" WHERE datname = current_database()"
)


class KeptConnections:
    """Takes the place of ending and making connections of this process, for test databases on one server.

    A connection that is closed while it does nothing is emptied (`DISCARD ALL`) and kept; the next to the same address
    and with the same parameters gets it, in an object of its own, unless it has died meanwhile or the database gives
    new connections other settings by now. Whatever is unusual about a connection, it is ended as ever. Of too many the
    one goes that has waited longest: a process comes to tests with other databases, and not back.

    Args:
        sockets: the server's directory.
        prefix: how the databases are named whose connections are kept.
    """

    def __init__(self, sockets: Path, prefix: str) -> None:
        self._host = str(sockets)
        self._prefix = prefix
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[tuple[str, Underneath, Any]] = []  # the one that has waited longest first
        self._known: WeakKeyDictionary[Underneath, tuple[str, Any]] = WeakKeyDictionary()
        # What is left to a connection object whose own was taken from it.
        self._ended = PGconn.connect_start(b"host=/nonexistent")
        self._ended.finish()

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Keep connections until the block ends."""
        with pytest.MonkeyPatch.context() as patch:
            for kind in (Connection, AsyncConnection):
                connect: Any = kind._connect_gen  # noqa: SLF001 — there is no public way in
                patch.setattr(kind, "_connect_gen", classmethod(partial(self._connect, connect.__func__)))
                patch.setattr(kind, "close", self._closing(kind.close))
            try:
                yield
            finally:
                for _, one, _ in self._idle:
                    one.finish()
                self._idle.clear()

    def _connect(self, connect: Callable[..., Any], kind: Any, conninfo: str = "") -> Generator[Any, Any, Any]:
        if not self._is_ours(conninfo):
            return (yield from connect(kind, conninfo))
        while (kept := self._taken(conninfo)) is not None:
            one, defaults = kept
            if _asked(one, _DEFAULTS) == defaults:
                self._known[one] = (conninfo, defaults)
                return kind(one)
            one.finish()
        made = yield from connect(kind, conninfo)
        if (defaults := _asked(made.pgconn, _DEFAULTS)) is not None:
            self._known[made.pgconn] = (conninfo, defaults)
        return made

    def _is_ours(self, conninfo: str) -> bool:
        if self._prefix not in conninfo or os.getpid() != self._process:
            return False
        parameters = conninfo_to_dict(conninfo)
        return parameters.get("host") == self._host and str(parameters.get("dbname")).startswith(self._prefix)

    def _taken(self, conninfo: str) -> tuple[Underneath, Any] | None:
        with self._lock:
            for index in reversed(range(len(self._idle))):
                if self._idle[index][0] == conninfo:
                    return self._idle.pop(index)[1:]
        return None

    def _closing(self, close: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def closing(connection: Any) -> Any:
            back_to_pool = getattr(getattr(connection, "_pool", None), "close_returns", False)
            if not connection.closed and not back_to_pool:
                self._keep(connection)
            return close(connection)

        return closing

    def _keep(self, connection: Any) -> None:
        """Keep what is under a connection that is about to be closed, and leave it an end."""
        one: Underneath = connection.pgconn
        conninfo, defaults = self._known.pop(one, (None, None))
        if conninfo is None or os.getpid() != self._process or not _emptied(one):
            return
        connection.pgconn = self._ended
        connection._closed = True  # noqa: SLF001 — as its own `close` says of what was not broken
        with self._lock:
            self._idle.append((conninfo, one, defaults))
            longest = self._idle.pop(0)[1] if len(self._idle) > _MOST else None
        if longest is not None:
            longest.finish()


def _asked(one: Underneath, query: bytes) -> list[bytes | None] | None:
    """Return what a connection that does nothing answers, None where it has died."""
    try:
        result = one.exec_(query)
    except Error:
        return None
    if result.status != ExecStatus.TUPLES_OK:
        return None
    return [result.get_value(row, column) for row in range(result.ntuples) for column in range(result.nfields)]


def _emptied(one: Underneath) -> bool:
    """End a connection's transaction and forget all that belonged to it; return if that was possible."""
    if one.pipeline_status != PipelineStatus.OFF:
        return False
    try:
        if one.transaction_status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
            one.exec_(b"ROLLBACK")
        if one.transaction_status != TransactionStatus.IDLE:
            return False
        done = one.exec_(b"DISCARD ALL").status == ExecStatus.COMMAND_OK
    except Error:
        return False
    one.notice_handler = one.notify_handler = None
    while one.notifies() is not None:  # of channels that it listened to
        pass
    return done
