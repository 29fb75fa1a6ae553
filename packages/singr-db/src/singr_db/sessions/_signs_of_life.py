"""Whether a server that lets us wait still lives: one that is frozen answers nobody, and hangs up on nobody either."""

import asyncio
import os
import socket
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from weakref import WeakSet

import psycopg

from singr_db.sessions._connection import raw_connection
from singr_observability import get_logger

T = TypeVar("T")
_ASK: Final = "SELECT 1"
_log = get_logger("singr_db")


class SignsOfLife:
    """Hangs up on a server that answers nobody any more, so that whoever waits for it is told.

    A statement may take its time, and so may a lock or a commit. Once one has been waited for long, the server is asked
    on a new connection; while that is answered, the others wait on. Where it is not, all connections are shut down, as
    if the server had closed them: whoever waits gets an `OperationalError`, and each pool makes new ones.

    Belongs to the event loop that runs when somebody waits.

    Args:
        parameters: how a connection is made.
        patience: seconds after which the server is asked, and for which its answer is waited for.

    Attributes:
        answers_within: seconds for which the answer is waited for.
    """

    def __init__(self, parameters: Mapping[str, Any], *, patience: float) -> None:
        self._parameters = parameters
        self._patience = patience
        self.answers_within = patience
        self._connections: WeakSet[psycopg.AsyncConnection[Any]] = WeakSet()
        self._waiting: dict[object, float] = {}  # who waits, and since when: the first has waited longest
        self._next_look: asyncio.TimerHandle | None = None
        self._is_asking = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._asked: dict[asyncio.Task[Any] | None, psycopg.AsyncConnection[Any]] = {}
        self._is_closed = False

    def know(self, connection: object) -> None:
        """Shut down this connection, too, when the server is given up: one of psycopg's, or what SQLAlchemy wraps."""
        self._connections.add(raw_connection(connection))

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """What is awaited in this block may need the server."""
        who = object()
        self._waiting[who] = time.monotonic()
        if self._next_look is None and not self._is_asking and not self._is_closed:
            self._look_in(self._patience)
        try:
            yield
        finally:
            del self._waiting[who]

    async def close(self) -> None:
        """Look no more, and leave no connection on which the server was asked."""
        self._is_closed = True
        if self._next_look is not None:
            self._next_look.cancel()
        tasks = tuple(self._tasks)
        for task in tasks:
            end(task, self._asked.get(task))
        if tasks:
            await asyncio.wait(tasks)

    def _look_in(self, seconds: float) -> None:
        self._next_look = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._next_look = None
        since = next(iter(self._waiting.values()), None)
        if since is None:
            return
        rest = self._patience - (time.monotonic() - since)
        if rest > 0:
            self._look_in(rest)
        else:
            self._begin(self._ask())

    def _begin(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask(self) -> None:
        self._is_asking = True
        try:
            asking = self._begin(self._lives())
            # Not cancelled where it takes too long: to cancel a statement takes a server that answers.
            await asyncio.wait([asking], timeout=self.answers_within)
            if not (asking.done() and asking.result()):
                self._hang_up()
        finally:
            self._is_asking = False
        if self._waiting:
            self._look_in(self._patience)

    async def _lives(self) -> bool:
        """Whether the server says anything at all: that it takes no more connections is a sign, too."""
        try:
            async with await psycopg.AsyncConnection.connect(**self._parameters, autocommit=True) as connection:
                self.know(connection)
                self._asked[asyncio.current_task()] = connection
                try:
                    await connection.execute(_ASK)
                finally:
                    del self._asked[asyncio.current_task()]
        except psycopg.errors.ConnectionTimeout:
            return False
        except (psycopg.Error, OSError):
            return True
        return True

    def _hang_up(self) -> None:
        shut = sum(map(_shut_down, tuple(self._connections)))
        if shut:  # else all that wait are told by their own time-outs that no connection can be made
            said = "PostgreSQL has said nothing for {:g} s, on a new connection neither: {} connections are given up"
            _log.error(said, self._patience + self.answers_within, shut)


def end(task: "asyncio.Task[Any]", connection: "psycopg.AsyncConnection[Any] | None") -> None:
    """End a task at once, which awaits a statement on this connection, or nothing of a server's.

    To cancel a statement takes a server that answers, or many seconds.
    """
    if connection is None:
        task.cancel()
    else:
        _shut_down(connection)


def _shut_down(connection: "psycopg.AsyncConnection[Any]") -> bool:
    """End a connection below the driver, which sees it as closed by the server; whether it was open."""
    try:
        with socket.socket(fileno=os.dup(connection.pgconn.socket)) as end:
            end.shutdown(socket.SHUT_RDWR)
    except (psycopg.Error, OSError):  # closed by now
        return False
    return True
