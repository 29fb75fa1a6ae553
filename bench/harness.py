"""What every bench stands on: embedded servers, programs started and stopped, the load generator, the numbers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import redis
from bench.load import Outcome, Plan
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from psycopg import sql

from singr_config import Secret
from singr_config.testing import settings_for_tests
from singr_db import DEMO_ORGANIZATION_ID, Database, seed, upgrade
from singr_dev.embedded import EmbeddedServers

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / "bench" / "peer"
ORGANIZATION = str(DEMO_ORGANIZATION_ID)
SIGNING_SECRET = "bench-signing-secret-of-32-characters"
OURS, THEIRS = "Singr", "Fastify + BullMQ"
PEER_REDIS = 9
NONE = "-"


class BenchError(Exception):
    """A measurement that does not count; the text says why."""


@dataclass(frozen=True)
class Row:
    """One line of the result: what was measured, for whom, the target, and whether it was reached."""

    bench: str
    measure: str
    ours: str
    theirs: str = NONE
    ratio: str = NONE
    target: str = NONE
    reached: bool | None = None


@dataclass
class Stand:
    """The place a run happens in: the servers, where logs go, and how much to measure."""

    servers: EmbeddedServers
    quick: bool
    node: str | None
    logs: Path
    keys: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def scaled(self, full: int, quick: int) -> int:
        """How many: `full` in a measurement, `quick` where only the parts are to be seen running."""
        return quick if self.quick else full

    def database(self, name: str) -> str:
        """Make an empty, migrated database with the demo organization; return its address."""
        with psycopg.connect(self.servers.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = self.servers.postgres.url(name)
        upgrade(Secret(url))
        asyncio.run(_seed(url))
        return url

    def redis(self, number: int) -> str:
        """An emptied Redis database of the embedded server; return its address."""
        url = self.servers.valkey.url(number)
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        return url

    def environ(self, database: str, redis_number: int, **more: str) -> dict[str, str]:
        """The environment of our programs: as in production, with limits that are checked and never met."""
        return {
            **self.keys,
            "APP_ENV": "production",
            "DATABASE_URL": database,
            "REDIS_URL": self.redis(redis_number),
            "SIGNING_SECRET": SIGNING_SECRET,
            "API_RATE_LIMIT_MAX": "1000000000",
            **dict.fromkeys(("EMAIL_RATE_LIMIT_MAX", "SMS_RATE_LIMIT_MAX"), "1000000"),
            **dict.fromkeys(("EMAIL_DAILY_LIMIT_MAX", "SMS_DAILY_LIMIT_MAX"), "1000000000"),
            "APP_URL_WEB": "https://web.example",
            "APP_URL_CUSTOMER": "https://customer.example",
            "APP_URL_API": "https://api.example",
            "ENABLE_EMAIL_SENDING": "false",
            "ENABLE_SMS_SENDING": "false",
            **more,
        }

    def peer_environ(self, **more: str) -> dict[str, str]:
        """The environment of the peer's programs: the same Valkey, another of its databases."""
        self.redis(PEER_REDIS)
        return {
            "REDIS_SOCKET": str(self.servers.valkey.socket),
            "REDIS_DB": str(PEER_REDIS),
            "SIGNING_SECRET": SIGNING_SECRET,
            "RATE_LIMIT": "1000000000",
            "NODE_ENV": "production",
            "LOG_FILE": str(self.logs / "peer-worker.jsonl"),
            **more,
        }

    @contextlib.contextmanager
    def program(
        self, name: str, command: Sequence[str | Path], environ: dict[str, str], *, port: int | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program beside us, its output in a log file; with `port`, wait until its /health answers."""
        log = self.logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=self.logs,  # no .env file lies here
                env={**inherited(), **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                if port is not None:
                    _await_health(process, port, log)
                yield process
            finally:
                stop(process)

    @contextlib.contextmanager
    def api(self, name: str, environ: dict[str, str]) -> Iterator[str]:
        """Our API, as `singr-api serve` runs it, in one process; yields its address."""
        port = free_port()
        command = [str(program_path("singr-api")), "serve"]
        with self.program(name, command, {**environ, "PORT": str(port), "HOST": "127.0.0.1"}, port=port):
            yield f"http://127.0.0.1:{port}"

    @contextlib.contextmanager
    def cut_api(self, name: str, environ: dict[str, str], parts: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        """Our API with parts of its observability cut out; yields its address and process id."""
        port = free_port()
        command = [sys.executable, "-m", "bench.observed", *parts]
        with self.program(name, command, {**environ, "PORT": str(port)}, port=port) as process:
            yield f"http://127.0.0.1:{port}", process.pid

    @contextlib.contextmanager
    def worker(self, name: str, environ: dict[str, str], *, concurrency: int) -> Iterator[subprocess.Popen[bytes]]:
        """Our worker, as `singr-worker run` runs it, in one process, but with the benches' own jobs."""
        port = free_port()
        command = [str(program_path("singr-worker")), "run", "--queues", "email", "--jobs", "bench.noop:jobs"]
        more = {"WORKER_PORT": str(port), "EMAIL_WORKER_CONCURRENCY": str(concurrency)}
        with self.program(name, command, {**environ, **more}, port=port) as process:
            yield process

    @contextlib.contextmanager
    def peer(self, name: str) -> Iterator[str]:
        """The peer's server, in one process; yields its address."""
        port = free_port()
        environ = self.peer_environ(PORT=str(port))
        with self.program(name, [str(self.node), PEER / "server.js"], environ, port=port):
            yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def stand(*, quick: bool) -> Iterator[Stand]:
    """Start the servers in a directory of their own, and stop them in the end."""
    folder = ROOT / ".singr" / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    logs = folder / "logs"
    logs.mkdir(parents=True)
    with EmbeddedServers(folder) as servers:
        place = Stand(servers, quick, shutil.which("node"), logs, make_keys())
        prepare_peer(place)
        yield place


def make_keys() -> dict[str, str]:
    """Keys for one run, as production asks for them."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "JWT_PRIVATE_KEY": private.decode(),
        "JWT_PUBLIC_KEY": public.decode(),
        "AUTH_SECRET": secrets.token_hex(32),
    }


def prepare_peer(place: Stand) -> None:
    """Install the peer's packages once; without Node, or without a way to them, measure without the peer."""
    npm = shutil.which("npm")
    if place.node is None or npm is None:
        place.node = None
        place.notes.append("Node is not installed here: the comparison with Fastify and BullMQ is left out.")
        return
    if (PEER / "node_modules" / ".package-lock.json").exists():
        return
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    if subprocess.run(command, cwd=PEER, stdin=subprocess.DEVNULL, check=False).returncode:
        place.node = None
        place.notes.append("The peer's packages could not be installed: the comparison is left out.")


async def _seed(url: str) -> None:
    async with Database(settings_for_tests(DATABASE_URL=url).database, application_name="singr-bench") as database:
        await seed(database, demo=True)


def inherited() -> dict[str, str]:
    """What programs keep of this environment: how to find programs, and the benches themselves, never a setting."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONPATH": str(ROOT)}


def program_path(name: str) -> Path:
    """A program of this Python environment."""
    return Path(sys.executable).with_name(name)


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_health(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
            return
        time.sleep(0.05)
    raise BenchError(f"{log.stem} did not start:\n{tail(log)}")


def tail(log: Path) -> str:
    """The end of a program's log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program that we started, politely first."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def load(plan: Plan) -> Outcome:
    """Run the load generator in a process of its own; anything but 2xx answers spoils the measurement."""
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "load.py"],
        input=msgspec.json.encode(plan),
        capture_output=True,
        check=True,
        timeout=600,
    )
    outcome = msgspec.json.decode(done.stdout, type=Outcome)
    bad = {status: count for status, count in outcome.statuses.items() if not status.startswith("2")}
    if bad or len(outcome.latencies) != plan.count:
        raise BenchError(f"answers other than 2xx: {bad}; one of them:\n{outcome.sample}")
    return outcome


def sms_job(text: str = "Your song is next") -> dict[str, Any]:
    """The job that ingestion is measured with: an SMS, as a caller sends it."""
    return {
        "type": "sms.send",
        "organization_id": ORGANIZATION,
        "payload": {"to": "+15555550100", "message": {"kind": "plain", "text": text}},
    }


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of all lie at or below (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(percent / 100 * len(ordered) + 0.5) - 1))]


def latency_rows(
    bench: str, mine: list[list[float]], other: list[list[float]], *, percents: Sequence[int], p95_below: float
) -> list[Row]:
    """Latencies in milliseconds, one list a turn: the median over the turns of each percentile; p95 has a target."""
    found = []
    for percent in percents:
        ours = median([percentile(turn, percent) for turn in mine])
        theirs = median([percentile(turn, percent) for turn in other]) if other else None
        judged = percent == 95
        found.append(
            Row(
                bench,
                f"p{percent}, ms",
                f"{ours:.1f}",
                NONE if theirs is None else f"{theirs:.1f}",
                f"{ours / theirs:.2f}" if theirs else NONE,
                f"< {p95_below:g} ms" if judged else NONE,
                ours < p95_below if judged else None,
            )
        )
    return found


def rate_row(bench: str, measure: str, mine: list[float], other: list[float], *, at_least: float) -> Row:
    """Rates a second, one a turn: medians, and the median of the ratios of neighbouring turns."""
    ratio = median([one / two for one, two in zip(mine, other, strict=True)]) if other else None
    return Row(
        bench,
        measure,
        f"{median(mine):,.0f}",
        f"{median(other):,.0f}" if other else NONE,
        NONE if ratio is None else f"{ratio:.2f}",
        f">= {at_least:g} x peer",
        None if ratio is None else ratio >= at_least,
    )


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def decode_report(log: Path) -> dict[str, Any]:
    """The last JSON object that a program wrote."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    if not lines:
        raise BenchError(f"{log.stem} reported nothing")
    report: dict[str, Any] = json.loads(lines[-1])
    return report
