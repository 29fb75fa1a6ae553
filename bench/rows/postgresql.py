"""Job systems on the same PostgreSQL: enqueuing, draining and doing nothing, ours and theirs by turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.cpu import POSTGRES, WORKER
from bench.environments import environment
from bench.figures import TURNS, Row, at_least, median, rate_row
from bench.harness import OURS, ROOT, BenchError, Stand, decode_report, tail
from bench.noop import CONCURRENCY
from bench.rows import jobs

BENCH = "PostgreSQL peers"
FOLDER = ROOT / "bench" / "postgres"
PYTHONS = ("3.12", "3.13", "3.14")  # Oban asks for 3.12; the others run on it too
CALLERS = 64
TIMES = 2.0
PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Peer:
    """A program of `bench/postgres`, the Python that runs it, and what it calls itself."""

    module: str
    python: Path
    name: str

    @property
    def program(self) -> list[str]:
        """How it is started."""
        return [str(self.python), "-m", f"bench.postgres.{self.module}"]


@dataclass
class Turns:
    """What was measured of one of them, a figure a turn: jobs a second, and milliseconds of CPU a second of idling."""

    single: list[float]
    bulk: list[float]
    drained: list[float]
    idle: list[float]

    @classmethod
    def none(cls) -> Turns:
        """Nothing yet."""
        return cls([], [], [], [])


def run(place: Stand) -> list[Row]:
    """Measure ours and each peer that could be installed, by turns."""
    peers = found(place)
    own = Peer("_singr", Path(sys.executable), OURS)
    measured = {peer.name: Turns.none() for peer in (own, *peers)}
    for turn in range(place.scaled(TURNS, 1)):
        for peer in (own, *peers):
            enqueued(place, peer, turn, measured[peer.name])
            drained = drain_ours if peer is own else partial(drain, peer=peer)
            measured[peer.name].drained.append(drained(place, turn=turn))
            measured[peer.name].idle.append(idle(place, peer if peer is not own else None, turn))
            place.forget()
    mine = measured.pop(OURS)
    return [row for name, theirs in measured.items() for row in rows(name, mine, theirs)]


def rows(name: str, mine: Turns, theirs: Turns) -> list[Row]:
    """Ours against one peer."""
    single = f"beside {name}: jobs enqueued a second by {CALLERS} callers at once, each committed"
    bulk = f"beside {name}: jobs enqueued a second, 1,000 in a transaction"
    drained = f"beside {name}: no-op jobs a second, concurrency {CONCURRENCY}"
    busy = median([them / max(us, 0.001) for us, them in zip(mine.idle, theirs.idle, strict=True)])
    return [
        rate_row(BENCH, single, mine.single, theirs.single, times_peer=TIMES),
        rate_row(BENCH, bulk, mine.bulk, theirs.bulk, times_peer=None),
        rate_row(BENCH, drained, mine.drained, theirs.drained, times_peer=TIMES),
        Row(
            BENCH,
            f"beside {name}: CPU of an idle worker and its server, ms a second",
            f"{median(mine.idle):.1f}",
            f"{median(theirs.idle):.1f}",
            f"{busy:.2f}",
            at_least(busy, TIMES, "x less than peer"),
        ),
    ]


def enqueued(place: Stand, peer: Peer, turn: int, into: Turns) -> None:
    """Rates of enqueuing one by one and in bulk, in a database of its own."""
    single, bulk = place.scaled(10_000, 200), place.scaled(10_000, 200)
    url, environ = prepared(place, peer, f"enqueue_{peer.module}_{turn}")
    into.single.append(single / step(place, peer, url, environ, "enqueue", single, CALLERS)["seconds"])
    into.bulk.append(bulk / step(place, peer, url, environ, "fill", bulk)["seconds"])


def drain(place: Stand, *, peer: Peer, turn: int) -> float:
    """Jobs a second of a peer's worker."""
    count = place.scaled(10_000, 200)
    url, environ = prepared(place, peer, f"drain_{peer.module}_{turn}")
    step(place, peer, url, environ, "fill", count)
    meter = place.meter()
    report = step(place, peer, url, environ, "drain", count, CONCURRENCY)
    used = {part: seconds for part, seconds in meter.lap().items() if part == POSTGRES}
    place.cpu.add(BENCH, peer.name, "job", {WORKER: report["cpu"], **used} if used else {}, count)
    return count / report["seconds"]


def drain_ours(place: Stand, *, turn: int) -> float:
    """Jobs a second of our worker."""
    count = place.scaled(10_000, 200)
    return count / jobs.ours(place, BENCH, f"beside-{turn}", count)


def idle(place: Stand, peer: Peer | None, turn: int) -> float:
    """Milliseconds of CPU a second that a worker without work costs, its servers with it."""
    seconds = place.scaled(10, 2)
    if peer is None:
        running = place.worker(
            f"idle-{turn}", place.environ(place.database(f"idle_{turn}"), 2), concurrency=CONCURRENCY
        )
    else:
        url, environ = prepared(place, peer, f"idle_{peer.module}_{turn}")
        command = [*peer.program, url, "idle", str(CONCURRENCY)]
        running = place.program(f"idle-{peer.module}-{turn}", command, environ)
    with running as program:
        time.sleep(place.scaled(5, 2))  # it has started
        meter = place.meter({WORKER: program})
        time.sleep(seconds)
        used = meter.lap()
        if program.process.poll() is not None:
            raise BenchError(f"{peer.name if peer else OURS} did not stay to idle")
    return sum(used.values()) * 1000 / seconds


def prepared(place: Stand, peer: Peer, name: str) -> tuple[str, dict[str, str]]:
    """A database with the peer's tables, and the environment of its programs."""
    name = name.replace("-", "_").lower()
    if peer.module == "_singr":
        url = place.database(name)
        return url, {"REDIS_URL": place.redis(2)}
    url = place.empty_database(name)
    step(place, peer, url, {}, "install")
    return url, {}


def step(place: Stand, peer: Peer, url: str, environ: dict[str, str], name: str, *numbers: int) -> dict[str, float]:
    """Let the peer do one step; its report."""
    log = f"{peer.module}-{name}"
    with place.program(log, [*peer.program, url, name, *map(str, numbers)], environ) as program:
        try:
            code = program.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{peer.name}: {name} took longer than {PATIENCE_SECONDS} s") from None
    if code:
        raise BenchError(f"{peer.name}: {name} failed:\n{tail(place.logs / f'{log}.log')}")
    report: dict[str, float] = decode_report(place.logs / f"{log}.log") if numbers else {}
    return report


def found(place: Stand) -> list[Peer]:
    """The peers that could be installed here; of the others a note says why they are left out."""
    modules = sorted(file.stem for file in FOLDER.glob("[a-z]*.py"))
    wanted = FOLDER / "requirements.txt"
    python = environment(place, wanted, ROOT / ".venv-bench-peers", "on PostgreSQL", python=interpreter())
    peers = []
    for module in modules if python else ():
        command = [str(python), "-m", f"bench.postgres.{module}", "-", "describe"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            why = done.stderr.strip().splitlines()[-1:] or ["it says nothing"]
            place.notes.append(f"The peer {module} is left out: {why[0]}.")
            continue
        told = json.loads(done.stdout)
        place.notes.append(f"Peer on PostgreSQL: {told['name']} {told['version']}.")
        peers.append(Peer(module, Path(str(python)), told["name"]))
    return peers


def interpreter() -> str:
    """A Python that all of them run on, else our own; one that a version manager only pretends to have is passed by."""
    homes = sorted(Path.home().glob(".pyenv/versions/*/bin"))
    named = [home / f"python{version}" for version in PYTHONS for home in homes]
    for candidate in [sys.executable, *(f"python{version}" for version in PYTHONS), *map(str, named)]:
        asked = [candidate, "-c", "import sys; sys.exit(sys.version_info < (3, 12))"]
        try:
            if not subprocess.run(asked, capture_output=True, check=False).returncode:
                return candidate
        except OSError:
            continue
    return os.path.realpath(sys.executable)
