"""One PostgreSQL server over one data directory."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg

from singr_dev._errors import EmbeddedError
from singr_dev.embedded import _process
from singr_dev.embedded._binaries import major_version, postgres_programs
from singr_dev.embedded._privileges import RunAs, run_as

_INITDB = (
    "-U",
    "singr",
    "-A",
    "trust",
    "-E",
    "UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
)
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
}
# Nobody is to find anything again, so nothing is kept in order behind the tests: no vacuum, few checkpoints,
# no reader and writer processes, and no more in the log than the server itself needs.
_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "checkpoint_timeout": "1d",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
    "bgwriter_delay": "10s",
    "wal_writer_delay": "10s",
}
# SIGINT is PostgreSQL's fast stop; SIGTERM would wait for every client to leave
_STOP = ((signal.SIGINT, 8.0), (signal.SIGQUIT, 3.0))


class PostgresServer:
    """A PostgreSQL server on a Unix socket, started, recognised and stopped by its data directory.

    Args:
        state: the state directory; data lie in `pg<major version>` in it.
        sockets: directory for the socket (short enough).
        durable: False for tests that survive no crash (no fsync).
        options: further server settings, such as `{"max_connections": "300"}`.
    """

    def __init__(
        self, state: Path, sockets: Path, *, durable: bool = True, options: dict[str, str] | None = None
    ) -> None:
        self._program = postgres_programs() / "postgres"
        self.version = major_version(self._program)
        self.data = state / f"pg{self.version}"
        self.sockets = sockets / "postgres"
        self.log = state / "logs" / "postgres.log"
        self._durable = durable
        self._options = {"max_connections": "200", **(options or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "singr") -> str:
        """A libpq URL for `database`."""
        return f"postgresql://singr@/{quote(database)}?host={quote(str(self.sockets), safe='/')}"

    def pid(self) -> int | None:
        """The server's process, believed only when that process is a postgres over this directory."""
        try:
            first = (self.data / "postmaster.pid").read_text().split("\n", 1)[0]
            found = int(first)
        except (OSError, ValueError):
            return None
        return found if _process.is_server(found, "postgres", self.data) else None

    def ready(self) -> bool:
        """Whether a connection can be opened right now."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self, *, also: Callable[[], None] = lambda: None) -> None:
        """Start over our directory (made on the first start) and return once connections are accepted.

        The caller holds the lock of the state directory. A server that a killed process left behind is stopped first.
        """
        self._end_stranger()
        self.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        how = run_as(self._program, data=self.data, sockets=self.sockets)
        if not self.data.exists():
            self._create_data(how)
        self._check_version()
        how.own(self.data)
        how.own(self.sockets)
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # stale: nobody serves this directory (checked above)
        settings = _OPTIONS | self._options | ({} if self._durable else _NOT_DURABLE)
        settings["unix_socket_directories"] = f'"{self.sockets}"'
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 — own program
                [*how.prefix, str(self._program), "-D", str(self.data), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_clean_environment(),
                start_new_session=True,
                preexec_fn=_process.dies_with_parent(signal.SIGINT),  # noqa: PLW1509 — only calls prctl
                **how.popen,
            )
        self.wait_ready(also=also)

    def wait_ready(self, seconds: float = 60, *, also: Callable[[], None] = lambda: None) -> None:
        """Wait until a connection opens.

        Raises:
            EmbeddedError: the server ended, or the time did.
        """
        deadline = time.monotonic() + seconds
        while not self.ready():
            also()
            if self._process is not None and self._process.poll() is not None:
                raise EmbeddedError(f"PostgreSQL ended while starting ({self.log}):\n{_process.tail(self.log)}")
            if time.monotonic() > deadline:
                raise EmbeddedError(f"PostgreSQL gave no connection within {seconds:.0f} s; see {self.log}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Fast stop: open transactions are rolled back, everything committed is on disk."""
        if self._process is not None:
            _process.end(self._process, _STOP)
            self._process = None

    def kill(self, signum: signal.Signals = signal.SIGQUIT) -> None:
        """Crash it, for tests: SIGQUIT is PostgreSQL's immediate stop, SIGKILL a power cut of the main process."""
        if self._process is None:
            raise EmbeddedError("this process did not start that server")
        self._process.send_signal(signum)
        self._process.wait(20)
        self._process = None

    def exit_code(self) -> int | None:
        """The exit code of a server that we started and that has ended; None while it runs or when it is another's."""
        return None if self._process is None else self._process.poll()

    def create_database(self, name: str) -> None:
        """Create an empty database unless it is there."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                    connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))

    def _end_stranger(self) -> None:
        if (pid := self.pid()) is not None:
            _process.end_stranger(pid, lambda: self.pid() == pid, _STOP)

    def _create_data(self, how: RunAs) -> None:
        # in a scratch directory, then renamed: an interrupted initdb must not look like a database
        scratch = self.data.with_name(f"{self.data.name}.init")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        how.own(scratch)
        done = subprocess.run(  # noqa: S603 — own program
            [
                *how.prefix,
                str(self._program.with_name("initdb")),
                "-D",
                str(scratch),
                *_INITDB,
                *(() if self._durable else ("--no-sync",)),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=_clean_environment(),
            **how.popen,
        )
        if done.returncode:
            shutil.rmtree(scratch, ignore_errors=True)
            raise EmbeddedError(f"initdb failed: {done.stderr.strip()[-800:]}")
        scratch.rename(self.data)

    def _check_version(self) -> None:
        try:
            found = (self.data / "PG_VERSION").read_text().strip()
        except OSError:
            found = "unknown"
        if found != self.version:
            raise EmbeddedError(
                f"{self.data} holds a database of PostgreSQL {found}, the server here is PostgreSQL {self.version}: "
                "move the data with pg_dump and pg_restore (or pg_upgrade), or begin anew: .venv/bin/singr-dev reset"
            )


def _clean_environment() -> dict[str, str]:
    # a developer's own PGDATA, PGHOST or library path must not reach our server
    return {k: v for k, v in os.environ.items() if not k.startswith("PG") and k != "LD_LIBRARY_PATH"}
