"""One start of the servers for a whole test run, however many processes the run has.

A small holder process, started by the first pytest process, runs them: it starts nothing until a test asks, and
stops and removes everything when the pytest process that started it ends, by whatever way (its pipe closes).
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from singr_dev._errors import EmbeddedError
from singr_dev.embedded import PostgresServer, ValkeyServer
from singr_dev.embedded.__main__ import FAILED, WANTED
from singr_dev.embedded._sockets import socket_directory

_START_SECONDS = 60.0
_MEMORY = Path("/dev/shm")  # noqa: S108 — the directory in it is ours alone
_ROOM = 4 << 30  # many times what a run keeps there
TEMPLATE = "singr_template"


class SharedServersError(EmbeddedError):
    """The servers of the test run could not be had."""


def _kept_in_memory() -> Path | None:
    """Where files come to no disk, if there is ample room: a database is 300, and making one there costs a tenth."""
    try:
        found = os.statvfs(_MEMORY)
        memory = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:  # not on Linux
        return None
    free = min(found.f_bavail * found.f_frsize, int(memory[1]) << 10 if memory else 0)
    return _MEMORY if free >= _ROOM and os.access(_MEMORY, os.W_OK | os.X_OK) else None


class SharedServers:
    """The servers of one test run, seen from any of its processes (see `begin` and `attach`)."""

    def __init__(self, state: Path, holder: subprocess.Popen[bytes] | None = None) -> None:
        self.state = state
        self._holder = holder
        sockets = socket_directory(state)
        self.postgres = PostgresServer(state, sockets, durable=False)
        self.valkey = ValkeyServer(state, sockets, durable=False)
        self._known_ready = False

    @classmethod
    def begin(cls) -> "SharedServers":
        """Called once a run, by the process that outlives the others."""
        state = Path(tempfile.mkdtemp(prefix="singr-test-", dir=_kept_in_memory())).resolve()
        if os.geteuid() == 0:
            state.chmod(0o711)  # PostgreSQL runs as another user then, and must be able to enter
        os.mkfifo(state / WANTED)
        holder = subprocess.Popen(  # noqa: S603 — this interpreter
            [sys.executable, "-m", "singr_dev.embedded", "hold", str(state)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
        )
        return cls(state, holder)

    @classmethod
    def attach(cls, state: str) -> "SharedServers":
        """Called by the other processes of the run."""
        return cls(Path(state))

    def end(self) -> None:
        """Stop the servers and remove the directory; only the process that began does."""
        if self._holder is None:
            return
        try:
            self._holder.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self._holder.kill()
            self._holder.communicate()
            shutil.rmtree(self.state, ignore_errors=True)
        self._holder = None

    def ready(self) -> "SharedServers":
        """Ask for the servers and wait until they answer.

        Raises:
            SharedServersError: they did not start, with the reason.
        """
        if self._known_ready:
            return self
        with (self.state / WANTED).open("w") as fifo:
            fifo.write("x")
        deadline = time.monotonic() + _START_SECONDS
        while not (self.valkey.ready() and self.postgres.ready()):
            if (failed := self.state / FAILED).exists():
                raise SharedServersError(failed.read_text())
            if time.monotonic() > deadline:
                raise SharedServersError(f"the servers of the test run did not start within {_START_SECONDS:.0f} s")
            time.sleep(0.02)
        self._known_ready = True
        return self

    def cluster(self, migrate: Callable[[str], object]) -> Path:
        """A data directory whose database `singr` is migrated, to be copied; made by the first process that asks."""
        folder = self.state / "cluster"
        folder.mkdir(mode=0o711, exist_ok=True)  # PostgreSQL may run as another user, who must be able to enter
        with (self.state / "cluster.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            server = PostgresServer(folder, socket_directory(folder), durable=False)
            if not (folder / "done").exists():
                server.start()
                try:
                    server.create_database("singr")
                    migrate(server.url())
                finally:
                    server.stop()
                (folder / "done").touch()
        return server.data

    def template(self, migrate: Callable[[str], object]) -> str:
        """The name of the migrated template database, made by the first process that asks."""
        with (self.state / "template.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
                names = [row[0] for row in connection.execute("SELECT datname FROM pg_database")]
                if TEMPLATE in names:
                    return TEMPLATE
                building = f"{TEMPLATE}_building"
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(building)))
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(building)))
                migrate(self.postgres.url(building))
                connection.execute(
                    sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(building), sql.Identifier(TEMPLATE))
                )
        return TEMPLATE
