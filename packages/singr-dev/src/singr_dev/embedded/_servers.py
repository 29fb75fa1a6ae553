"""Both servers of one state directory: started by the first process that asks, shared with the others."""

import contextlib
import fcntl
import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from singr_dev._errors import EmbeddedError
from singr_dev.embedded import _sockets
from singr_dev.embedded._postgres import PostgresServer
from singr_dev.embedded._valkey import ValkeyServer

_ATTACH_SECONDS = 90.0


class EmbeddedServers:
    """PostgreSQL and Valkey in a state directory, without installation, ports or daemons.

    The first process to call `ensure` starts them and owns them: they stop with `stop`, or when that process ends, even
    by `kill -9`. Any other process that calls `ensure` on the same directory meanwhile attaches to them.

    Args:
        state_dir: where data, logs and locks lie; made when missing.
        durable: False trades crash safety for speed (tests).
        postgres_options: further PostgreSQL settings, such as `{"max_connections": "300"}`.
        only: run one of the two, where the other is somebody else's.
    """

    def __init__(
        self,
        state_dir: Path | str,
        *,
        durable: bool = True,
        postgres_options: dict[str, str] | None = None,
        only: Literal["postgres", "valkey"] | None = None,
    ) -> None:
        self.state_dir = Path(state_dir).resolve()
        sockets = _sockets.socket_directory(self.state_dir)
        self._sockets = sockets
        self.postgres = PostgresServer(self.state_dir, sockets, durable=durable, options=postgres_options)
        self.valkey = ValkeyServer(self.state_dir, sockets, durable=durable)
        self._runs_postgres, self._runs_valkey = only != "valkey", only != "postgres"
        self._ownership: io.FileIO | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def database_url(self) -> str:
        """The database `singr`; other databases by `postgres.url(name)`."""
        return self.postgres.url("singr")

    @property
    def redis_url(self) -> str:
        """Database 0; others by `valkey.url(number)`."""
        return self.valkey.url()

    @property
    def owner(self) -> bool:
        """Whether this object started the servers (and will stop them)."""
        return self._ownership is not None

    def ensure(self, *, also: Callable[[], None] = lambda: None) -> Self:
        """Start both servers, or attach to those that another process runs here; returns when both answer.

        Args:
            also: called again and again while it waits; what it raises ends the start.

        Raises:
            EmbeddedError: they cannot be started or reached; the text says why and what to do.
        """
        if self.owner:
            return self
        self.state_dir.mkdir(parents=True, exist_ok=True)
        _sockets.prepare(self._sockets)
        deadline = time.monotonic() + _ATTACH_SECONDS
        with self._locked(also):
            while not self._become_owner():
                also()
                if self._ready():
                    return self
                # the owner is about to stop (or start again): then it is our turn
                if time.monotonic() > deadline:
                    raise EmbeddedError(f"another process holds {self.state_dir}, but its servers do not answer")
                time.sleep(0.02)
            try:
                self._start(also)
            except BaseException:
                self.stop()
                raise
        return self

    def stop(self) -> None:
        """Stop what this object started: Valkey, then PostgreSQL. Does nothing for one that attached."""
        if self._ownership is None:
            return
        self.valkey.stop()
        self.postgres.stop()
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None
        if not self._sockets.is_relative_to(self.state_dir):
            shutil.rmtree(self._sockets, ignore_errors=True)
        self._ownership.close()
        self._ownership = None

    def __enter__(self) -> Self:
        return self.ensure()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, also: Callable[[], None]) -> None:
        if self._runs_valkey:
            self.valkey.start(also=also)
        if self._runs_postgres:
            self.postgres.start(also=also)
            self.postgres.create_database("singr")
        if sys.platform != "linux":
            self._watch()

    def _ready(self) -> bool:
        postgres = not self._runs_postgres or self.postgres.ready()
        return postgres and (not self._runs_valkey or self.valkey.ready())

    @contextlib.contextmanager
    def _locked(self, also: Callable[[], None]) -> Iterator[None]:
        with (self.state_dir / "start.lock").open("a") as file:
            while True:
                also()
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(0.02)
            yield

    def _become_owner(self) -> bool:
        # held for as long as we run the servers; the kernel lets go of it however this process ends
        file = (self.state_dir / "owner.lock").open(
            "ab+", buffering=0
        )  # a buffer would complain of a full disk once more
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        self._ownership = file
        return True

    def _watch(self) -> None:
        # no PR_SET_PDEATHSIG here: a small process waits for our end of its pipe to close, then stops the servers
        self._watcher = subprocess.Popen(  # noqa: S603 — this interpreter
            [sys.executable, "-m", "singr_dev.embedded", "watch", str(self.state_dir)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
