"""A site of real processes: PostgreSQL, Valkey, API and worker, each of which a test may stop, kill or restart."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import psycopg

from singr_config import DatabaseSettings, Secret
from singr_db import Database, new_id, upgrade
from singr_dev.embedded import EmbeddedServers
from singr_jobs import enqueue

HERE = Path(__file__).parent
ORGANIZATION = UUID("01920000-0000-7000-8000-000000000001")
API_KEY = "fault-tests-platform-key-0123456789"


class Site:
    """One installation of Singr on servers of its own."""

    def __init__(self, servers: EmbeddedServers, logs: Path) -> None:
        self.servers = servers
        self._logs = logs
        upgrade(servers.database_url)
        self.sql(
            "CREATE TABLE marks (job_id uuid, attempt int, what text, at timestamptz DEFAULT clock_timestamp());"
            f"INSERT INTO organizations (id, name, slug) VALUES ('{ORGANIZATION}', 'Fault Karaoke', 'fault')"
        )

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the site is started with."""
        return {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
            "APP_ENV": "test",
            "DATABASE_URL": self.servers.database_url,
            "REDIS_URL": self.servers.redis_url,
            "X_API_KEY": API_KEY,
            "API_RATE_LIMIT_MAX": "1000000000",
            "LOG_LEVEL": "info",
            "PYTHONPATH": str(HERE),
        }

    def sql(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own."""
        with psycopg.connect(self.servers.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)  # type: ignore[arg-type]  # a test's own text
            return cursor.fetchall() if cursor.description else []

    def count(self, what: str, values: Sequence[Any] = ()) -> int:
        """Count rows: ``count("jobs WHERE status = 'completed'")``."""
        return int(self.sql(f"SELECT count(*) FROM {what}", values)[0][0])

    async def put(self, *jobs: msgspec.Struct, **options: Any) -> list[UUID]:
        """Enqueue jobs in one transaction."""
        settings = DatabaseSettings(url=Secret(self.servers.database_url))
        async with Database(settings, application_name="faults") as database, database.platform() as session:
            return [await enqueue(session, job, organization_id=ORGANIZATION, **options) for job in jobs]

    def put_many(self, number: int, *, seconds: float = 0.0, delay: float = 0.0) -> None:
        """Enqueue many jobs in one statement."""
        self.sql(
            "INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout, run_at)"
            " SELECT id, %s, 'fault.work', 'default', jsonb_build_object('type', 'fault.work', 'seconds', %s::float8),"
            " 10, 0.1, 120, now() + %s * interval '1 second' FROM unnest(%s::uuid[]) AS t (id)",
            (ORGANIZATION, seconds, delay, [new_id() for _ in range(number)]),
        )

    @contextlib.contextmanager
    def worker(self, *, processes: int = 1, lease: float = 4.0) -> Iterator["Process"]:
        """A supervised worker that serves the jobs of `fault_jobs`."""
        arguments = ("--processes", str(processes), "--lease", str(lease), "--jobs", "fault_jobs:jobs")
        with self._run("worker", "singr_worker", "run", *arguments, port_variable="WORKER_PORT") as process:
            process.wait_until_healthy()
            yield process

    @contextlib.contextmanager
    def api(self, *, processes: int = 1) -> Iterator["Process"]:
        """The API."""
        with self._run("api", "singr_api", "serve", "--processes", str(processes), port_variable="PORT") as process:
            process.wait_until_healthy()
            yield process

    @contextlib.contextmanager
    def _run(self, name: str, module: str, *arguments: str, port_variable: str) -> Iterator["Process"]:
        port = free_port()
        with (self._logs / f"{name}-{port}.log").open("wb") as log:
            process = Process(
                subprocess.Popen(
                    [sys.executable, "-m", module, *arguments],
                    env={**self.environment, port_variable: str(port)},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                ),
                f"http://127.0.0.1:{port}",
                Path(log.name),
            )
            try:
                yield process
            finally:
                process.end()


class Process:
    """A process of the site, as its callers and its supervisor see it."""

    def __init__(self, popen: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
        self.popen = popen
        self.address = address
        self.log = log

    def wait_until_healthy(self, *, within: float = 30.0) -> None:
        """Wait until ``/health`` answers 200."""
        until(self.healthy, within=within, what=lambda: f"{self.address} is healthy; {self.log.read_text()[-3000:]}")

    def healthy(self) -> bool:
        """Whether ``/health`` answers 200 now."""
        if self.popen.poll() is not None:
            raise AssertionError(f"it ended with {self.popen.returncode}: {self.log.read_text()[-3000:]}")
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.address}/health", timeout=5.0).status_code == httpx.codes.OK
        return False

    def children(self) -> list[int]:
        """The worker processes that live now."""
        answer = httpx.get(f"{self.address}/health", timeout=5.0).json()
        return [process["pid"] for process in answer["processes"] if process["pid"]]

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


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def until(condition: Callable[[], bool], *, within: float, what: str | Callable[[], str]) -> None:
    """Wait until the condition holds; an AssertionError when it does not within that many seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within {within} s: {what if isinstance(what, str) else what()}")
