"""One Valkey server over one directory."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from singr_dev._errors import EmbeddedError
from singr_dev.embedded import _process
from singr_dev.embedded._binaries import major_version, valkey_program

_STOP = ((signal.SIGTERM, 5.0),)


class ValkeyServer:
    """A Valkey server on a Unix socket.

    Args:
        state: the state directory; data lie in `valkey<major version>` in it.
        sockets: directory for the socket (short enough).
        durable: False keeps nothing on disk.
    """

    def __init__(self, state: Path, sockets: Path, *, durable: bool = True) -> None:
        self._program = valkey_program()
        self.version = major_version(self._program)
        self.data = state / f"valkey{self.version}"
        self.socket = sockets / "valkey.sock"
        self.log = state / "logs" / "valkey.log"
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: int = 0) -> str:
        """A redis-py URL for a database number (0 to 63)."""
        address = f"unix://{quote(str(self.socket), safe='/')}"
        return address if database == 0 else f"{address}?db={database}"

    def pid(self) -> int | None:
        """The server's process, believed only when it is a valkey-server over this directory."""
        try:
            found = int((self.data / "server.pid").read_text())
        except (OSError, ValueError):
            return None
        return found if _process.is_server(found, self._program.name, self.data) else None

    def ready(self) -> bool:
        """Whether it answers a PING right now; while it reads its data it says so instead."""
        # by hand: redis-py takes a quarter of a second to load, at every start
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            client.connect(str(self.socket))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        return False

    def start(self, *, also: Callable[[], None] = lambda: None) -> None:
        """Start and return once it answers; a server that a killed process left behind is stopped first."""
        if (stranger := self.pid()) is not None:
            _process.end_stranger(stranger, lambda: self.pid() == stranger, _STOP)
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "appendonly": "yes" if self._durable else "no",
            "save": "",
            "maxmemory-policy": "noeviction",
            "databases": "64",
            "daemonize": "no",
            "set-proc-title": "no",  # the command line is how the process is recognised
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 — own program
                [str(self._program), *(part for name, value in settings.items() for part in (f"--{name}", value))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"},
                start_new_session=True,
                preexec_fn=_process.dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 — only calls prctl
            )
        (self.data / "server.pid").write_text(str(self._process.pid))
        self.wait_ready(also=also)

    def wait_ready(self, seconds: float = 30, *, also: Callable[[], None] = lambda: None) -> None:
        """Wait until it answers.

        Raises:
            EmbeddedError: the server ended, or the time did.
        """
        deadline = time.monotonic() + seconds
        while not self.ready():
            also()
            if self._process is not None and self._process.poll() is not None:
                raise EmbeddedError(f"Valkey ended while starting ({self.log}):\n{_process.tail(self.log)}")
            if time.monotonic() > deadline:
                raise EmbeddedError(f"Valkey did not answer within {seconds:.0f} s; see {self.log}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Orderly stop; what was written is on disk when durable."""
        if self._process is not None:
            _process.end(self._process, _STOP)
            self._process = None
        if self.pid() is None:
            (self.data / "server.pid").unlink(missing_ok=True)

    def kill(self) -> None:
        """Kill -9, for tests."""
        if self._process is None:
            raise EmbeddedError("this process did not start that server")
        self._process.kill()
        self._process.wait()
        self._process = None

    def exit_code(self) -> int | None:
        """The exit code of a server that we started and that has ended; None while it runs or when it is another's."""
        return None if self._process is None else self._process.poll()
