"""The other side of a provider, which answers as it is told, and in ways that no service should."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import msgspec

Misbehaviour = Literal["hang", "drip", "drop", "endless"]
_DRIP: Final = 0.02
_ENDLESS: Final = 50_000_000


class Request(msgspec.Struct, frozen=True):
    """What a provider asked.

    Args:
        method: such as `POST`.
        path: with its query.
        headers: names in lower case.
        body: as it came.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Reply(msgspec.Struct, frozen=True):
    """What it is answered.

    Args:
        status: HTTP status.
        body: bytes as they are, or anything that becomes JSON.
        headers: beside the length.
    """

    status: int
    body: Any = b""
    headers: Mapping[str, str] = {}


class Peer:
    """Answers each request with `reply`, or misbehaves."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Request] = []
        self.written = 0
        self.reply: Callable[[Request], Reply] = lambda _: Reply(500)
        self.misbehaves: Misbehaviour | None = None
        self.aside: Callable[[Request], Reply | None] = lambda _: None

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Peer"]:
        """Listen on loopback for the length of the block."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read(reader)
            aside = self.aside(request)
            if aside is not None:
                await self._write(writer, aside)
                return
            self.received.append(request)
            if self.misbehaves is None:
                await self._write(writer, self.reply(request))
            else:
                await self._misbehave(self.misbehaves, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the caller hung up
        finally:
            writer.close()

    async def _misbehave(self, how: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if how == "hang":
            await reader.read()
        if how in {"drip", "endless"}:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50000000\r\n\r\n")
            while not writer.is_closing() and self.written < _ENDLESS:
                piece = b" " if how == "drip" else b" " * 65_536
                writer.write(piece)
                await writer.drain()
                self.written += len(piece)
                await asyncio.sleep(_DRIP if how == "drip" else 0)

    @staticmethod
    async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        fields = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in (fields | dict(reply.headers)).items())
        writer.write(f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode() + body)
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    method, path, _ = first.split(" ", 2)
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))
