"""One worker as it comes, with the default concurrency of each channel, at a provider that answers after 50 ms.

A rate is that of the provider's own clock, from the first message that it took to the last, ours and the peer's.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from bench.cpu import POSTGRES, PROVIDER, WORKER
from bench.environments import environment
from bench.figures import TURNS, Row, at_least, median, rate_row
from bench.harness import OURS, PEER_REDIS, ROOT, BenchError, Stand, free_port, tail
from bench.rows.jobs import PATIENCE_SECONDS
from bench.sending import EMAIL, PUSH, SMS, Channel, drain, told

BENCH = "Messages"
ANSWERS_MS = 50
CELERY = "Celery + anymail"
FOLDER = ROOT / "bench" / "mail"
TIMES_PEER = 1.0
SAID = {"email": "e-mails", "sms": "text messages", "push": "pushes"}
# A minute: with 5, 3 and 5 in hand, 6,000, 3,600 and 6,000 would be what the provider's 50 ms alone allow.
CHANNELS: tuple[tuple[Channel, int], ...] = ((EMAIL, 3_000), (SMS, 1_800), (PUSH, 5_000))


def run(place: Stand) -> list[Row]:
    """Each channel by turns. Fifty e-mails a call is for campaigns, which are not here yet."""
    turns, count = place.scaled(TURNS, 1), place.scaled(600, 40)
    wanted = FOLDER / "requirements.txt"
    peer = environment(place, wanted, ROOT / ".venv-bench-mail", "that send e-mails", python=sys.executable)
    rates: dict[str, list[float]] = {name: [] for name in (*SAID, CELERY)}
    for turn in range(turns):
        for channel, _ in CHANNELS:
            sent = drain(place, f"messages-{channel.name}-{turn}", channel, answers_ms=ANSWERS_MS, count=count)
            place.cpu.add(BENCH, f"{OURS}, {SAID[channel.name]}", "message", sent.used, sent.counted)
            rates[channel.name].append(60 * count / sent.span)
            place.forget()
        if peer is not None:
            rates[CELERY].append(60 * count / celery(place, peer, turn, count))
    return [*rows(rates), beside(rates)]


def rows(rates: dict[str, list[float]]) -> list[Row]:
    """What each channel reached."""
    return [
        Row(
            BENCH,
            f"{SAID[channel.name]} a minute, default concurrency, provider answers after {ANSWERS_MS} ms",
            f"{median(rates[channel.name]):,.0f}",
            target=at_least(median(rates[channel.name]), target, "a minute"),
        )
        for channel, target in CHANNELS
    ]


def beside(rates: dict[str, list[float]]) -> Row:
    """E-mails, beside the peer where it is there."""
    measure = f"e-mails a minute, beside {CELERY}, prefork 5, which writes nothing down and counts no limits"
    return rate_row(BENCH, measure, rates["email"], rates[CELERY], times_peer=TIMES_PEER)


def celery(place: Stand, python: Path, turn: int, count: int) -> float:
    """Seconds between the first and the last mail that the peer's worker has had taken."""
    place.redis(PEER_REDIS)
    broker = f"redis+socket://{place.servers.valkey.socket}?virtual_host={PEER_REDIS}"
    program, port = [str(python), "-m", "bench.mail.celery_anymail"], free_port()
    with place.program(f"celery-fill-{turn}", [*program, "fill", broker, str(count)], {}) as filling:
        if filling.process.wait(PATIENCE_SECONDS):
            raise BenchError(f"{CELERY} failed:\n{tail(place.logs / f'celery-fill-{turn}.log')}")
    simulated = [sys.executable, "-m", "bench.provider", "email", str(port), str(ANSWERS_MS)]
    with place.program(f"celery-provider-{turn}", simulated, {}, port=port) as provider:
        account = told(provider)["environ"]
        keys = [account["MAILJET_API_KEY"], account["MAILJET_SECRET_KEY"]]
        with place.program(f"celery-work-{turn}", [*program, "work", broker, provider.url, "5", *keys], {}) as worker:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not told(provider)["accepted"]:
                awaited(worker.process.poll() is None and time.monotonic() < deadline, place, turn)
            meter, before = place.meter({WORKER: worker, PROVIDER: provider}), told(provider)["accepted"]
            while told(provider)["accepted"] < count:
                awaited(worker.process.poll() is None and time.monotonic() < deadline, place, turn)
            used = meter.lap()
        used.pop(POSTGRES, None)  # it takes no part
        place.cpu.add(BENCH, f"{CELERY}, e-mails", "message", used, max(count - before, 1))
        return max(float(told(provider)["span"]), 0.001)


def awaited(goes_on: bool, place: Stand, turn: int) -> None:  # noqa: FBT001 - the one thing that is said
    """Wait a moment longer, or say that it is of no use."""
    if not goes_on:
        raise BenchError(f"{CELERY} does not send:\n{tail(place.logs / f'celery-work-{turn}.log')}")
    time.sleep(0.1)
