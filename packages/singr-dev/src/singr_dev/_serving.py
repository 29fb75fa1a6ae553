"""Small HTTP servers on loopback, in a thread of their own, for tests and for development."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import uvicorn

from singr_dev._errors import DevError
from singr_observability.server import BoundedProtocol

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_START_SECONDS = 10.0


class _DroppingProtocol(BoundedProtocol):
    """Lets an application cut its connection, and learn that its caller says no more: ASGI has no words for these."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        answer = self.app
        self._gone = asyncio.Event()

        async def with_drop(scope: Scope, receive: Receive, send: Send) -> None:
            scope["singr.drop"], scope["singr.left"] = self.transport.abort, self._gone.wait
            await answer(scope, receive, send)

        self.app = with_drop

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's closes
        """Note that the caller has closed its side; the other one stays open for the answer."""
        self._gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the caller is gone."""
        self._gone.set()
        super().connection_lost(exc)


async def caller_left(scope: Scope) -> None:
    """Wait until the caller of this request has hung up. A server cannot tell that from one who only says no more."""
    await scope["singr.left"]()


async def drop_connection(scope: Scope, receive: Receive) -> None:
    """Cut the connection of this request without an answer; returns once the server knows that it is cut."""
    scope["singr.drop"]()
    while (await receive())["type"] != "http.disconnect":
        pass


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A listening socket.

    Raises:
        DevError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise DevError(f"port {port} of {host} is taken: {error.strerror}") from None
    return listener


def address_of(listener: socket.socket) -> str:
    """Where a socket of this machine is asked by HTTP, such as http://127.0.0.1:4711."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def serving(application: Application, *, port: int = 0, listener: socket.socket | None = None) -> Iterator[str]:
    """Serve `application` on loopback for the length of the block; yields its address, such as http://127.0.0.1:4711."""
    bound = listener or listen(port=port)
    config = uvicorn.Config(
        application,
        http=_DroppingProtocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=_run, args=(server, bound), daemon=True, name="singr-dev-http")
    thread.start()
    try:
        _wait_started(server, thread)
        yield address_of(bound)
    finally:
        server.should_exit = True
        server.force_exit = True  # a request that hangs on purpose must not hold up the end
        thread.join(_START_SECONDS)
        bound.close()


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    with asyncio.Runner() as runner:
        runner.run(server.serve(sockets=[listener]))


def _wait_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = threading.Event()
    for _ in range(int(_START_SECONDS / 0.005)):
        if server.started:
            return
        if not thread.is_alive():
            break
        deadline.wait(0.005)
    raise DevError("a development server did not start")
