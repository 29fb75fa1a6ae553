"""A connection's way out: what one turn of the event loop writes leaves as one system call."""

import asyncio
from typing import Any, Final

_SLOWEST_READER: Final = 64 * 1024


class Cork:
    """A transport that gathers writes; uvicorn makes two of every answer.

    While it is held, nobody turns reading on again: what arrived is more than is to be parsed now.
    """

    __slots__ = ("_held", "_loop", "_pending", "_stall", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []
        self._held = False
        self._stall: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        """Write at the end of this turn of the loop."""
        if not self._pending:
            self._loop.call_soon(self.flush)
        self._pending.append(data)

    def write_now(self, data: bytes) -> None:
        """Write, after what waits: the end of an answer."""
        if self._pending:
            self._pending.append(data)
            self.flush()
        elif not self._transport.is_closing():
            self._transport.write(data)

    def flush(self) -> None:
        """Write now."""
        pending, self._pending = self._pending, []
        if pending and not self._transport.is_closing():
            self._transport.write(pending[0] if len(pending) == 1 else b"".join(pending))

    def close(self) -> None:
        """Close once everything is written."""
        self.flush()
        self._transport.close()

    def end(self) -> None:
        """Say that nothing more is written; what comes in is still read."""
        self.flush()
        if not self._transport.is_closing():
            self._transport.write_eof()

    def hold(self) -> None:
        """Read nothing until `release`."""
        self._held = True
        self._transport.pause_reading()

    def release(self) -> None:
        """Read again."""
        self._held = False
        self._transport.resume_reading()

    def resume_reading(self) -> None:
        """Read again, unless held."""
        if not self._held:
            self._transport.resume_reading()

    def watch(self, seconds: float) -> None:
        """Hang up on a reader who takes less than 64 KiB, or than all there is, in any so many seconds."""
        if self._stall is None:
            self._stall = self._loop.call_later(seconds, self._look, seconds, self.unread)

    def unwatch(self) -> None:
        """Wait for the reader as long as it takes."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _look(self, seconds: float, before: int) -> None:
        self._stall = None
        unread = self.unread
        if not unread:
            return
        if before - unread < min(_SLOWEST_READER, before):
            self._transport.abort()
        else:
            self.watch(seconds)

    @property
    def unread(self) -> int:
        """How many bytes the other side has not taken yet."""
        return self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
