"""Serves the API on real ports of this machine: for one test, or standing for all of a file."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any, Self

import uvicorn

from singr_api.app import create_app
from singr_config import Settings
from singr_observability.server import bounded, listen_on

# After that nobody waits any more; on a machine that has much else to do, fifty requests at once have taken twenty.
DEADLINE = 90.0


class _Server(uvicorn.Server):
    """Ends as soon as it is told to: uvicorn's own looks ten times a second, and waits 0.1 s for connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the run of the tests."""
        yield

    async def main_loop(self) -> None:
        """Serve until told otherwise."""
        await self.on_tick(0)
        await self.told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nobody in any more, let what runs come to its end, then close the app."""
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        state = self.server_state
        while state.connections or state.tasks:  # noqa: ASYNC110 — uvicorn tells nobody when these have ended
            await asyncio.sleep(0.002)
        await self.lifespan.shutdown()


@contextlib.asynccontextmanager
async def serving(app: Any, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve an app on a free port of this machine, with its lifespan."""
    listener = listen_on(host, 0, settings="a test")
    config = uvicorn.Config(
        app,
        http=bounded(),
        lifespan="on",
        log_config=None,
        access_log=False,
        ws="none",
        timeout_keep_alive=65,  # as in production; clients of httpx leave a connection after 5 s, and so go first
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(DEADLINE):
            while not server.started:
                if task.done():
                    task.result()
                await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.told.set()
        await asyncio.wait_for(task, DEADLINE)
        listener.close()


class Standing:
    """APIs that are served by threads of their own, each loop of a test's aside, until the block ends."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._served: list[tuple[Settings, bool, str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def url(self, settings: Settings, *, lane: bool = True) -> str:
        """The address of the one with these settings, which is started when it is first asked for."""
        for known, through, url in self._served:
            if (known, through) == (settings, lane):
                return url
        url = self._stack.enter_context(_in_a_thread(create_app(settings, lane=lane)))
        self._served.append((settings, lane, url))
        return url


@contextlib.contextmanager
def _in_a_thread(app: Any) -> Iterator[str]:
    started: Future[tuple[str, Callable[[], object]]] = Future()

    async def serve() -> None:
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        async with serving(app) as url:
            started.set_result((url, lambda: loop.call_soon_threadsafe(ended.set)))
            await ended.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run, name="standing-api", daemon=True)
    thread.start()
    url, end = started.result(DEADLINE)
    try:
        yield url
    finally:
        end()
        thread.join(DEADLINE)
