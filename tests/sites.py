"""A site of real processes, API and worker, each of which a test may stop, kill or restart."""

import atexit
import contextlib
import functools
import os
import re
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psycopg
from forking import COPIED, Forked, Template

# What each says at its start; with port 0 in the environment, the only way to know where it listens.
_LISTENS = re.compile(r"(?:serving|health and metrics) on ([0-9.]+|::):([0-9]+)")


class Site:
    """One installation of Singr.

    Args:
        database_url: a migrated database.
        redis_url: its Redis.
        logs: a directory for what the processes say, a file for each.
        environ: environment variables for every process, besides those of the stores.
    """

    # Whether API and worker begin as copies of a process that has loaded them, where many do.
    copied = True

    def __init__(self, database_url: str, redis_url: str, logs: Path, environ: Mapping[str, str] | None = None) -> None:
        self.database_url = database_url
        self.redis_url = redis_url
        self.logs = logs
        self.environ = dict(environ or {})
        self._asking = threading.Lock()
        self._open: psycopg.Connection[tuple[Any, ...]] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the site is started with."""
        return {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
            "APP_ENV": "test",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "LOG_LEVEL": "info",
            "PORT": "0",
            "WORKER_PORT": "0",
            # Limits of messages are counted and never met: tests send many to few.
            **dict.fromkeys(("EMAIL_RATE_LIMIT_MAX", "SMS_RATE_LIMIT_MAX", "PUSH_RATE_LIMIT_MAX"), "1000000"),
            **dict.fromkeys(("EMAIL_DAILY_LIMIT_MAX", "SMS_DAILY_LIMIT_MAX"), "1000000000"),
            **self.environ,
            # What this process was told goes on to its children: a test of a changed copy runs that copy everywhere.
            "PYTHONPATH": os.pathsep.join(filter(None, map(_python_path, (self.environ, os.environ)))),
        }

    def sql(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement, in a transaction of its own."""
        with self._asking:
            cursor = self._connection().execute(statement, values or None)  # type: ignore[arg-type]  # a test's own text
            return cursor.fetchall() if cursor.description else []

    def _connection(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """One that is kept, for waiting tests look ten times a second; another once the test has ended it."""
        if self._open is not None:
            with contextlib.suppress(psycopg.OperationalError):
                self._open.execute("SELECT")
                return self._open
        self._open = psycopg.connect(self.database_url, autocommit=True, prepare_threshold=None)
        weakref.finalize(self, self._open.close)
        return self._open

    def count(self, what: str, values: Sequence[Any] = ()) -> int:
        """Count rows: `count("jobs WHERE status = 'completed'")`."""
        return int(self.sql(f"SELECT count(*) FROM {what}", values)[0][0])

    @contextlib.contextmanager
    def run(self, module: str, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator["Process"]:
        """`python -m module arguments`, until the block ends; it may not be healthy yet when the block begins."""
        log = self.logs / f"{module}-{time.monotonic_ns()}.log"
        env = {**self.environment, **(environ or {})}
        popen: subprocess.Popen[bytes] | Forked
        with log.open("wb") as output:
            if self.copied and module in COPIED and (forking := template()) is not None:
                popen = forking.run(module, arguments, env=env, output=output.fileno())
            else:
                popen = subprocess.Popen(
                    [sys.executable, "-m", module, *arguments],
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
        process = Process(popen, log)
        try:
            yield process
        finally:
            process.end()

    @contextlib.contextmanager
    def run_worker(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator["Process"]:
        """`singr-worker run arguments`, healthy."""
        with self.run("singr_worker", "run", *arguments, environ=environ) as process:
            process.wait_until_healthy()
            yield process

    @contextlib.contextmanager
    def run_api(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator["Process"]:
        """`singr-api serve arguments`, healthy."""
        with self.run("singr_api", "serve", *arguments, environ=environ) as process:
            process.wait_until_healthy()
            yield process


class Process:
    """A process of the site, as its callers and its supervisor see it."""

    def __init__(self, popen: "subprocess.Popen[bytes] | Forked", log: Path) -> None:
        self.popen = popen
        self.log = log
        self._address = ""

    @property
    def address(self) -> str:
        """Where it listens; known once it has said so."""
        if not self._address:
            until(self._listens, within=90.0, what=lambda: f"it listens; {self.last_words}")
        return self._address

    @property
    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-3000:]

    def wait_until_healthy(self, *, within: float = 90.0) -> None:
        """Wait until `/health` answers 200."""
        until(self.healthy, within=within, what=lambda: f"{self.address} is healthy; {self.last_words}")

    def healthy(self) -> bool:
        """Whether `/health` answers 200 now."""
        return self._listens() and self.status("/health") == httpx.codes.OK

    def status(self, path: str) -> int | None:
        """The status that a GET is answered with; None without an answer."""
        with contextlib.suppress(httpx.HTTPError):
            return self.get(path).status_code
        return None

    def get(self, path: str) -> httpx.Response:
        """GET from it."""
        return httpx.get(f"{self.address}{path}", timeout=5.0, trust_env=False)

    def children(self) -> list[int]:
        """The worker processes that live now."""
        return [process["pid"] for process in self.get("/health").json()["processes"] if process["pid"]]

    def terminate(self) -> float:
        """SIGTERM; answers how many seconds it took to end."""
        began = time.monotonic()
        self.popen.send_signal(signal.SIGTERM)
        self.popen.wait(60)
        return time.monotonic() - began

    def end(self) -> None:
        """SIGTERM, and after half a minute SIGKILL."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(32)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()

    def _listens(self) -> bool:
        if self.popen.poll() is not None:
            raise AssertionError(f"it ended with {self.popen.returncode}: {self.last_words}")
        if not self._address and (found := _LISTENS.search(self.log.read_text())):
            self._address = f"http://{found[1].replace('::', '127.0.0.1')}:{found[2]}"
        return bool(self._address)


@functools.cache
def template() -> Template | None:
    """In a parallel run the one of all its processes. Outside of one, where tests are few, starts are real."""
    if sys.platform != "linux" or (run := os.environ.get("PYTEST_XDIST_TESTRUNUID")) is None:
        return None
    made = Template(f"singr-{run}")
    atexit.register(made.end)
    return made


def _python_path(environ: Mapping[str, str]) -> str:
    return environ.get("PYTHONPATH", "")


def until(condition: Callable[[], object], *, within: float, what: str | Callable[[], str]) -> None:
    """Wait until the condition holds; an AssertionError when it does not within that many seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"not within {within} s: {what if isinstance(what, str) else what()}")
