"""A proxy on loopback that behaves as badly as a network can.

with FaultProxy("postgresql://singr@localhost:5432/singr") as proxy:
    connect(proxy.url)
    proxy.cut_at(b"COMMIT")        # the server commits, the client never hears of it
"""

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from singr_dev._errors import DevError

__all__ = ["FaultProxy"]

_Result = TypeVar("_Result")
_DEFAULT_PORTS = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "http": 80}
_CHUNK = 65536


class _Link:
    """One client's connection and its counterpart at the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.doomed = False
        self.seen = b""

    def cut(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


class FaultProxy:
    """Passes bytes between clients and the server of `url`, and breaks that on request.

    Args:
        url: PostgreSQL, Redis or HTTP address, TCP or Unix socket (`postgresql://…?host=/dir`, `unix:///path`).
        seed: for the random choice of what is dropped.

    Attributes:
        url: the same address by way of the proxy (TCP on 127.0.0.1).
        connections: how many connections were accepted so far.
        silenced: how many of them have gone silent, since a reply on them vanished.
    """

    def __init__(self, url: str, *, seed: int = 0) -> None:
        self._target, self._rewrite = _read(url)
        self.url = ""
        self.connections = 0
        self.silenced = 0
        self._random = random.Random(seed)  # noqa: S311 — chance, not secrecy; the same in every run
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._refusing = False
        self._delay = 0.0
        self._drop = 0.0
        self._pattern = b""
        self._patterns_left = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="singr-dev-proxy", daemon=True)
        self._listener: asyncio.Server | None = None

    def cut(self) -> int:
        """Cut every connection (reset, not closed in order); new ones are accepted. Returns how many there were."""
        return self._call(self._cut_all())

    def refuse(self, *, refuse: bool = True) -> None:
        """Cut new connections at once, and those that exist, until `refuse(refuse=False)`."""
        self._refusing = refuse
        if refuse:
            self.cut()

    def delay(self, seconds: float) -> None:
        """Hold every reply of the server back for so long (0: no longer)."""
        self._delay = seconds

    def drop(self, fraction: float) -> None:
        """Let this share (0 to 1) of the server's replies vanish, and the connection with them go silent."""
        self._drop = fraction

    def cut_at(self, pattern: bytes, times: int = 1) -> None:
        """After the client sends `pattern`, pass it on, and cut before the server's answer reaches the client."""
        self._pattern, self._patterns_left = pattern, times

    def restore(self) -> None:
        """Behave well again (connections that were cut stay cut)."""
        self._refusing, self._delay, self._drop, self._pattern, self._patterns_left = False, 0.0, 0.0, b"", 0

    @property
    def patterns_left(self) -> int:
        """How many of the cuts asked for by `cut_at` are still to come."""
        return self._patterns_left

    def __enter__(self) -> Self:
        self._thread.start()
        port = self._call(self._listen())
        self.url = self._rewrite(port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _listen(self) -> int:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._listener.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._cut_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _cut_all(self) -> int:
        links = list(self._links)
        for link in links:
            link.cut()
        return len(links)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 — a coroutine that runs has a task
        self._tasks.add(task)
        self.connections += 1
        try:
            if self._refusing:
                writer.transport.abort()
                return
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._pass_on(reader, writer)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._target, str):
            upstream, server = await asyncio.open_unix_connection(self._target)
        else:
            upstream, server = await asyncio.open_connection(*self._target)
        for end in (writer, server):
            raw = end.get_extra_info("socket")
            if raw is not None and raw.family != socket.AF_UNIX:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = _Link(writer, server)
        self._links.add(link)
        ways = [
            asyncio.ensure_future(self._requests(reader, link)),
            asyncio.ensure_future(self._replies(upstream, link)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._links.discard(link)
            link.cut()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _requests(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while data := await reader.read(_CHUNK):
            if self._pattern and self._patterns_left and not link.doomed:
                link.seen = link.seen[-len(self._pattern) :] + data
                if self._pattern in link.seen:
                    self._patterns_left -= 1
                    link.doomed = True
            link.server.write(data)
            await link.server.drain()

    async def _replies(self, reader: asyncio.StreamReader, link: _Link) -> None:
        silent = False
        while data := await reader.read(_CHUNK):
            if link.doomed:
                return  # the server has answered: the work is done, and nobody will hear of it
            if self._delay:
                await asyncio.sleep(self._delay)
            # half a reply would not be a dropped one: from here on this connection says nothing more
            if not silent and self._random.random() < self._drop:
                silent = True
                self.silenced += 1
            if not silent:
                link.client.write(data)
                await link.client.drain()


def _read(url: str) -> tuple[str | tuple[str, int], Callable[[int], str]]:
    """Where the server of `url` listens, and how the address reads by way of a proxy on a port."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    scheme = parts.scheme.partition("+")[0]
    if parts.scheme == "unix":
        path = f"/{query.pop('db')}" if "db" in query else ""
        return unquote(parts.path), lambda port: f"redis://{user}127.0.0.1:{port}{path}"
    directory = query.get("host", "")
    if directory.startswith("/"):
        target: str | tuple[str, int] = f"{directory}/.s.PGSQL.{query.pop('port', '5432')}"
        query.pop("host")
    elif parts.hostname and scheme in _DEFAULT_PORTS:
        target = (parts.hostname, parts.port or _DEFAULT_PORTS[scheme])
    else:
        raise DevError(f"no proxy for addresses such as {parts.scheme}://: use postgresql, redis, unix or http")
    rest = urlencode(query)
    return target, lambda port: urlunsplit((parts.scheme, f"{user}127.0.0.1:{port}", parts.path, rest, ""))
