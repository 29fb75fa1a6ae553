"""A site on servers of its own, with jobs that leave marks (`fault_jobs`)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from sites import Process, until
from sites import Site as BareSite

from singr_config import DatabaseSettings, Secret
from singr_db import Database, new_id, upgrade
from singr_dev.embedded import EmbeddedServers
from singr_jobs import enqueue
from singr_jobs.taking import _sql

__all__ = ["API_KEY", "ORGANIZATION", "Process", "Site", "until"]

HERE = Path(__file__).parent
# The worker's audit spares jobs of the last minute, which somebody may be placing by hand.
_AUDIT = (_sql.UNPLACE_TWICE_PLACED, _sql.PLACE_ASTRAY.replace("interval '1 minute'", "interval '0'"))
ORGANIZATION = UUID("01920000-0000-7000-8000-000000000001")
API_KEY = "fault-tests-platform-key-0123456789"


class Site(BareSite):
    """One installation of Singr on servers of its own."""

    def __init__(self, servers: EmbeddedServers, logs: Path) -> None:
        environ = {"X_API_KEY": API_KEY, "API_RATE_LIMIT_MAX": "1000000000", "PYTHONPATH": str(HERE)}
        super().__init__(servers.database_url, servers.redis_url, logs, environ)
        self.servers = servers
        upgrade(self.database_url)
        self.sql(
            "CREATE TABLE marks (job_id uuid, attempt int, what text, at timestamptz DEFAULT clock_timestamp());"
            f"INSERT INTO organizations (id, name, slug) VALUES ('{ORGANIZATION}', 'Fault Karaoke', 'fault')"
        )

    async def put(self, *jobs: msgspec.Struct, **options: Any) -> list[UUID]:
        """Enqueue jobs in one transaction."""
        settings = DatabaseSettings(url=Secret(self.database_url))
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

    def put_quick(self, number: int = 300) -> None:
        """Enqueue jobs that do nothing: what comes next is taken ahead as if it did too, on a busy machine as well."""
        self.sql(
            "INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout)"
            " SELECT id, %s, 'fault.nothing', 'default', '{\"type\": \"fault.nothing\"}', 10, 0.1, 120"
            " FROM unnest(%s::uuid[]) AS t (id)",
            (ORGANIZATION, [new_id() for _ in range(number)]),
        )

    def jobs(self) -> str:
        """Where the jobs stand, for the words of a test that waited in vain."""
        rows = self.sql("SELECT status, attempt, count(*) FROM jobs GROUP BY 1, 2 ORDER BY 1, 2")
        return ", ".join(f"{count} {status} (attempt {attempt})" for status, attempt, count in rows)

    def in_hand(self) -> int:
        """How many jobs workers have in hand."""
        return self.count("(SELECT FROM job_tickets JOIN jobs ON jobs.id = ANY (ids) WHERE status = 'pending') AS held")

    def astray(self) -> list[tuple[Any, ...]]:
        """Of each queue how many jobs lie nowhere or in two places, as the worker's own audit finds them."""
        with psycopg.connect(self.database_url) as connection:
            return [row for one in _AUDIT for row in connection.execute(one, {"limit": 1000})]

    @contextlib.contextmanager
    def worker(self, *, processes: int = 1, lease: float = 4.0, jobs: str = "jobs") -> Iterator[Process]:
        """A supervised worker that serves a set of jobs of `fault_jobs`."""
        arguments = ("--processes", str(processes), "--lease", str(lease), "--jobs", f"fault_jobs:{jobs}")
        with self.run_worker(*arguments) as process:
            yield process

    @contextlib.contextmanager
    def api(self, *, processes: int = 1) -> Iterator[Process]:
        """The API."""
        with self.run_api("--processes", str(processes)) as process:
            yield process
