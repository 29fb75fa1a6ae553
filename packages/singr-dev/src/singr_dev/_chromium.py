"""A Chromium as a process: started, spoken to through a pipe by one event loop after the other, ended."""

import asyncio
import contextlib
import fcntl
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from typing import Final

from singr_dev._errors import DevError

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL: Final = "no Chromium is installed here (Debian: apt-get install chromium)"
_FREE_DESCRIPTORS: Final = 10  # above those that the browser expects its pipe at
# What it would do beside the pages: start a renderer ahead for each tab, send words to its maker.
_LEFT_OUT: Final = "SpareRendererForSitePerProcess,Translate,MediaRouter,OptimizationHints,AutofillServerCommunication"
_ARGUMENTS: Final = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-domain-reliability",
    "--disable-extensions",
    f"--disable-features={_LEFT_OUT}",
    "--disable-gpu",
    "--disable-software-rasterizer",
    "--disable-sync",
    "--in-process-gpu",
    "--metrics-recording-only",
    "--mute-audio",
    "--no-proxy-server",
    "--password-store=basic",
    "--use-mock-keychain",
)


class BrowserError(DevError):
    """The browser did not start, ended, or refused a command."""


def find_browser() -> str | None:
    """Return the path of an installed Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Chromium:
    """A browser process with a profile of its own, which leads a process group.

    Attributes:
        pid: of the process.
        numbers: for commands; none comes twice, so that an answer that is late is not taken for another.
        ended: if it cannot be spoken to any more.
    """

    def __init__(self, program: str | None = None) -> None:
        """Start it.

        Raises:
            BrowserError: none is installed.
        """
        program = program or find_browser()
        if program is None:
            raise BrowserError(INSTALL)
        # what a process of its own still writes while it dies may stay behind
        self._profile = tempfile.TemporaryDirectory(prefix="singr-browser-", ignore_cleanup_errors=True)
        (to_read, self._to_write), (self._from_read, from_write) = _pipe(), _pipe()
        try:
            self.pid = _spawn(program, self._profile.name, to_read, from_write)
        finally:
            os.close(to_read)
            os.close(from_write)
        self.numbers = itertools.count(1)
        self.ended = False
        self._unread = bytearray()

    async def connect(self, take: Callable[[bytes], None], gone: Callable[[], None]) -> "Connection":
        """Let this event loop speak to it: `take` gets each message, `gone` is called when no more can come."""
        loop = asyncio.get_running_loop()
        messages = Messages(self._unread, take, gone)
        to_it = os.fdopen(os.dup(self._to_write), "wb", buffering=0)
        writer, closing = await loop.connect_write_pipe(_Closing, to_it)
        from_it = os.fdopen(os.dup(self._from_read), "rb", buffering=0)
        reader, _ = await loop.connect_read_pipe(lambda: messages, from_it)
        return Connection(writer, closing, reader, messages)

    def end(self) -> None:
        """End it, whatever it is doing."""
        if self.ended:
            return
        self.ended = True
        os.close(self._to_write)  # Chromium ends when its pipe does; the signal is for one that hangs
        os.close(self._from_read)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._profile.cleanup()


class _Closing(asyncio.BaseProtocol):
    """Says when a transport is closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is closed; what broke it makes no difference."""
        del exc
        self.closed.set()


class Messages(_Closing, asyncio.Protocol):
    """Cuts what comes into messages; the beginning of one stays in `unread`, also for the next connection."""

    def __init__(self, unread: bytearray, take: Callable[[bytes], None], gone: Callable[[], None]) -> None:
        super().__init__()
        self._unread = unread
        self._take = take
        self._gone = gone

    def data_received(self, data: bytes) -> None:
        """Hand over the messages that end here."""
        *ends, rest = data.split(b"\0")
        for end in ends:
            message = bytes(self._unread) + end
            self._unread.clear()
            self._take(message)
        self._unread += rest

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that nothing more will come."""
        super().connection_lost(exc)
        self._gone()


class Connection:
    """Two ends of pipes, open in one event loop."""

    def __init__(
        self, writer: asyncio.WriteTransport, closing: _Closing, reader: asyncio.ReadTransport, messages: Messages
    ) -> None:
        self._transports = (writer, reader)
        self._protocols = (closing, messages)
        self.write = writer.write

    async def close(self) -> None:
        """Close both; the process goes on."""
        for transport in self._transports:
            transport.close()
        for protocol in self._protocols:
            await protocol.closed.wait()


def _spawn(program: str, profile: str, to_read: int, from_write: int) -> int:
    arguments = [program, *_ARGUMENTS, f"--user-data-dir={profile}"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # its sandbox refuses root
    return os.posix_spawn(
        program,
        [*arguments, "about:blank"],
        {"HOME": profile, "PATH": os.defpath, "LANG": "C.UTF-8"},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, to_read, 3),
            (os.POSIX_SPAWN_DUP2, from_write, 4),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
        setsid=True,
    )


def _pipe() -> tuple[int, int]:
    """A pipe whose ends lie above the descriptors that the child's are moved to."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FREE_DESCRIPTORS) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
