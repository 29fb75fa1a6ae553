"""One line a second from each child to its supervisor, through a pipe: that it lives, and what it has in hand."""

import asyncio
import contextlib
import os
import time

import msgspec


class Heartbeat(msgspec.Struct, frozen=True):
    """What a child says of itself; `database`, `redis` and `rabbitmq` are "ok" or why not, or "not set".

    `unknown` is what no worker can run, `overrun` what this one takes no more of.
    """

    pid: int
    database: str
    redis: str
    rabbitmq: str
    in_hand: dict[str, int]
    unknown: dict[str, str]
    overrun: dict[str, str]


EVERY = 1.0
NOT_SET = "not set"
# A child that says nothing for this long is stuck (a handler blocks its event loop) or stopped.
SILENT = 10.0


def write_heartbeat(pipe: int, beat: Heartbeat) -> None:
    """Write one line; raises BrokenPipeError when the supervisor is gone. Drops the line when the pipe is full."""
    try:
        os.write(pipe, msgspec.json.encode(beat) + b"\n")
    except BlockingIOError:
        return


def say_checked(pipe: int) -> None:
    """Say that nothing would stop a process at its start; the work begins later, with a heartbeat."""
    with contextlib.suppress(BrokenPipeError):  # the first heartbeat meets it again
        os.write(pipe, b"\n")


class Pulse:
    """What a supervisor hears of a child; sets `checked` at its first word, and `begun` at each heartbeat."""

    def __init__(self, begun: asyncio.Event, checked: asyncio.Event) -> None:
        self._begun = begun
        self._checked = checked
        self.last: Heartbeat | None = None
        self.heard_at = time.monotonic()

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Hear until the child's end of the pipe closes."""
        while line := await reader.readline():
            self._checked.set()
            if line == b"\n":
                continue
            self.last = msgspec.json.decode(line, type=Heartbeat)
            self.heard_at = time.monotonic()
            self._begun.set()

    @property
    def silent_for(self) -> float:
        """Seconds since the last word."""
        return time.monotonic() - self.heard_at
