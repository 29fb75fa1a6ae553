"""Peers that send messages, each from a queue of its own, through the simulator that ours is measured with."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.cpu import NODE, POSTGRES, PROVIDER, WORKER
from bench.environments import environment
from bench.harness import PEER, PEER_REDIS, ROOT, BenchError, Running, Stand, free_port, tail
from bench.rows.jobs import PATIENCE_SECONDS
from bench.sending import EMAIL, Channel, told

CELERY = "Celery + anymail"
BULLMQ = "BullMQ"
FOLDER = ROOT / "bench" / "mail"


@dataclass(frozen=True)
class Program:
    """How a program is started: its command, and what it finds in its environment."""

    command: list[str]
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Peer:
    """One that sends messages by one channel.

    Attributes:
        name: as tables name it.
        part: whose CPU its worker's is.
        channel: what it sends.
        fill: enqueues so many.
        work: sends them, at the provider with this address, which told these settings of itself.
    """

    name: str
    part: str
    channel: Channel
    fill: Callable[[int], Program]
    work: Callable[[str, Mapping[str, str]], Program]

    def drain(self, place: Stand, turn: int, *, answers_ms: int, count: int, unit: str) -> float:
        """Seconds between the first and the last message that its worker has had taken."""
        place.redis(PEER_REDIS)
        label = f"{self.name.partition(' ')[0].lower()}-{self.channel.name}"
        fill, port = self.fill(count), free_port()
        with place.program(f"{label}-fill-{turn}", fill.command, dict(fill.environ)) as filling:
            if filling.process.wait(PATIENCE_SECONDS):
                raise BenchError(f"{self.name} failed:\n{tail(place.logs / f'{label}-fill-{turn}.log')}")
        simulated = [sys.executable, "-m", "bench.provider", self.channel.name, str(port), str(answers_ms)]
        with place.program(f"{label}-provider-{turn}", simulated, {}, port=port) as provider:
            work, log = self.work(provider.url, told(provider)["environ"]), f"{label}-work-{turn}"
            with place.program(log, work.command, dict(work.environ)) as worker:
                self._await(place, worker, provider, 1, log)
                meter, before = place.meter({self.part: worker, PROVIDER: provider}), told(provider)["accepted"]
                self._await(place, worker, provider, count, log)
                used = meter.lap()
            used.pop(POSTGRES, None)  # it takes no part
            place.cpu.add("Messages", f"{self.name}, {unit}", "message", used, max(count - before, 1))
            return max(float(told(provider)["span"]), 0.001)

    def _await(self, place: Stand, worker: Running, provider: Running, count: int, log: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while told(provider)["accepted"] < count:
            if worker.process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{self.name} does not send:\n{tail(place.logs / f'{log}.log')}")
            time.sleep(0.1)


def celery(place: Stand) -> Peer | None:
    """Celery with django-anymail, prefork 5; None, with a note, where it cannot be installed."""
    wanted = FOLDER / "requirements.txt"
    python = environment(place, wanted, ROOT / ".venv-bench-mail", "that send e-mails", python=sys.executable)
    if python is None:
        return None
    broker = f"redis+socket://{place.servers.valkey.socket}?virtual_host={PEER_REDIS}"
    program = [str(python), "-m", "bench.mail.celery_anymail"]

    def work(url: str, account: Mapping[str, str]) -> Program:
        keys = [account["MAILJET_API_KEY"], account["MAILJET_SECRET_KEY"]]
        return Program([*program, "work", broker, url, "5", *keys])

    return Peer(CELERY, WORKER, EMAIL, lambda count: Program([*program, "fill", broker, str(count)]), work)


def bullmq(place: Stand, channel: Channel, at_once: int) -> Peer | None:
    """BullMQ's worker in one process; None where Node is missing, of which the stand has a note."""
    if place.node is None:
        return None
    command = [str(place.node), str(PEER / "messages.js")]
    usual = place.peer_environ(CHANNEL=channel.name, CONCURRENCY=str(at_once))
    return Peer(
        BULLMQ,
        NODE,
        channel,
        lambda count: Program(command, {**usual, "MODE": "fill", "COUNT": str(count)}),
        lambda _url, account: Program(command, {**usual, **account, "MODE": "work"}),
    )
