"""What every bench stands on: embedded servers, programs started and stopped, the load generator, the numbers."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
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
from bench.broom import sweeping
from bench.cpu import POSTGRES, VALKEY, CpuTable, Meter
from bench.load import Outcome, Plan
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from psycopg import sql

from singr_config import Secret
from singr_config.testing import settings_for_tests
from singr_db import DEMO_ORGANIZATION_ID, Database, seed, upgrade
from singr_dev.embedded import EmbeddedServers
from singr_dev.embedded._process import dies_with_parent

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / "bench" / "peer"
ORGANIZATION = str(DEMO_ORGANIZATION_ID)
SIGNING_SECRET = "bench-signing-secret-of-32-characters"
OURS, THEIRS = "Singr", "Fastify + BullMQ"
PEER_REDIS = 9


class BenchError(Exception):
    """A measurement that does not count; the text says why."""


@dataclass(frozen=True)
class Running:
    """A program that runs beside us, and where it answers."""

    process: subprocess.Popen[bytes]
    url: str

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid


@dataclass
class Stand:
    """The place a run happens in: the servers, where logs go, and how much to measure."""

    servers: EmbeddedServers
    quick: bool
    node: str | None
    logs: Path
    keys: dict[str, str]
    notes: list[str] = field(default_factory=list)
    cpu: CpuTable = field(default_factory=CpuTable)
    _made: set[str] = field(default_factory=set)

    def scaled(self, full: int, quick: int) -> int:
        """How many: `full` in a measurement, `quick` where only the parts are to be seen running."""
        return quick if self.quick else full

    def meter(self, programs: dict[str, Running] | None = None) -> Meter:
        """Reads the processor time of the two servers and of these programs, by column of the table."""
        pids = {POSTGRES: self.servers.postgres.pid(), VALKEY: self.servers.valkey.pid()}
        pids |= {part: program.pid for part, program in (programs or {}).items()}
        return Meter({part: pid for part, pid in pids.items() if pid is not None})

    def empty_database(self, name: str) -> str:
        """Make an empty database; return its address."""
        with psycopg.connect(self.servers.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        self._made.add(name)
        return self.servers.postgres.url(name)

    def forget(self) -> None:
        """Drop all databases that were made here: what is vacuumed in one costs the next its time."""
        with psycopg.connect(self.servers.postgres.url("postgres"), autocommit=True) as connection:
            for name in self._made:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        self._made.clear()

    def database(self, name: str) -> str:
        """Make an empty, migrated database with the demo organization; return its address."""
        url = self.empty_database(name)
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
    ) -> Iterator[Running]:
        """Run a program beside us, its output in a log file; with `port`, wait until its /health answers.

        It ends with us, however we end; what it keeps in files goes with the databases.
        """
        log, files = self.logs / f"{name}.log", self.servers.state_dir / "tmp"
        files.mkdir(exist_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=self.logs,  # no .env file lies here
                env={**inherited(), "TMPDIR": str(files), **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=dies_with_parent(signal.SIGKILL),  # noqa: PLW1509 - only calls prctl
            )
            try:
                if port is not None:
                    _await_health(process, port, log)
                yield Running(process, f"http://127.0.0.1:{port}")
            finally:
                stop(process)

    @contextlib.contextmanager
    def api(self, name: str, environ: dict[str, str]) -> Iterator[Running]:
        """Our API, as `singr-api serve` runs it, in one process."""
        port = free_port()
        command = [str(program_path("singr-api")), "serve"]
        with self.program(name, command, {**environ, "PORT": str(port), "HOST": "127.0.0.1"}, port=port) as running:
            yield running

    @contextlib.contextmanager
    def cut_api(self, name: str, environ: dict[str, str], parts: tuple[str, ...]) -> Iterator[Running]:
        """Our API with parts of its observability cut out."""
        port = free_port()
        command = [sys.executable, "-m", "bench.observed", *parts]
        with self.program(name, command, {**environ, "PORT": str(port)}, port=port) as running:
            yield running

    @contextlib.contextmanager
    def worker(
        self,
        name: str,
        environ: dict[str, str],
        *,
        concurrency: int | None,
        jobs: str | None = "bench.noop:jobs",
        queue: str = "email",
    ) -> Iterator[Running]:
        """Our worker for one queue, as `singr-worker run` runs it, in one process, with the benches' own jobs.

        With `jobs=None` it runs the jobs of the product; with `concurrency=None` as many at once as it comes with.
        """
        port = free_port()
        own = [] if jobs is None else ["--jobs", jobs]
        command = [str(program_path("singr-worker")), "run", "--queues", queue, *own]
        more = {"WORKER_PORT": str(port)}
        if concurrency is not None:
            more[f"{queue.upper()}_WORKER_CONCURRENCY"] = str(concurrency)
        with self.program(name, command, {**environ, **more}, port=port) as running:
            yield running

    @contextlib.contextmanager
    def peer(self, name: str) -> Iterator[Running]:
        """The peer's server, in one process."""
        port = free_port()
        environ = self.peer_environ(PORT=str(port))
        with self.program(name, [str(self.node), str(PEER / "server.js")], environ, port=port) as running:
            yield running


@contextlib.contextmanager
def stand(*, quick: bool) -> Iterator[Stand]:
    """Start the servers in a directory of their own, stop them in the end, and leave the logs only."""
    folder = ROOT / ".singr" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    logs, state = folder / "logs", folder / "state"
    with alone(folder / "lock"), sweeping(state), EmbeddedServers(state) as servers:
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir()
        place = Stand(servers, quick, shutil.which("node"), logs, make_keys())
        prepare_peer(place)
        yield place


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Refuse to run beside another bench of this folder: both would measure each other."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BenchError("another bench runs in this folder; wait for its end") from None
        yield


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
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        input=msgspec.json.encode(plan),
        capture_output=True,
        check=False,
        timeout=600,
        preexec_fn=dies_with_parent(signal.SIGKILL),
    )
    if done.returncode:
        raise BenchError(f"the load generator failed:\n{done.stderr.decode(errors='replace')}")
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


def sms_plan(url: str, **how: Any) -> Plan:
    """One caller who posts that job, signed: each row says how often, and over how many connections."""
    return Plan(url=f"{url}/v1/jobs", key_id="env", secret=SIGNING_SECRET, body=sms_job(), **how)


def decode_report(log: Path, key: str = "") -> dict[str, Any]:
    """The last JSON object that a program wrote, of those that have the key."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{") and key in line]
    if not lines:
        raise BenchError(f"{log.stem} reported nothing:\n{tail(log)}")
    report: dict[str, Any] = json.loads(lines[-1])
    return report
