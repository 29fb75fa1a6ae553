"""E-mails over SMTP to a server of another process: over kept connections, and over a new one for each, by turns."""

from __future__ import annotations

import asyncio
import os
import sys
import time

from bench.cpu import PROVIDER, WORKER, Meter
from bench.figures import TURNS, Row, at_least, median
from bench.harness import Stand, free_port
from bench.sending import SONG

from singr_comms import EmailAddress, EmailEnvelope, SmtpProvider

BENCH = "SMTP"
TARGET = 2.0
AT_ONCE = 5
WAYS = ("kept connections", "a connection each")


def run(place: Stand) -> list[Row]:
    """Send so many each way, five at once, as a worker does."""
    turns, count, port = place.scaled(TURNS, 1), place.scaled(600, 40), free_port()
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    command = [sys.executable, "-m", "bench.mailbox", str(port)]
    with place.program("smtp-server", command, {}, port=port + 1) as server:
        for _ in range(turns):
            for way in WAYS:
                meter = Meter({WORKER: os.getpid(), PROVIDER: server.pid})
                rates[way].append(count / asyncio.run(send(port, count, keep=way is WAYS[0])))
                place.cpu.add(BENCH, way, "mail", meter.lap(), count)
    ratio = median([kept / each for kept, each in zip(*rates.values(), strict=True)])
    measure = (
        f"mails a second over kept connections, {AT_ONCE} at once (a connection each: {median(rates[WAYS[1]]):,.0f})"
    )
    row = Row(BENCH, measure, f"{median(rates[WAYS[0]]):,.0f}", ratio=f"{ratio:.2f}")
    return [Row(**{**vars(row), "target": at_least(ratio, TARGET, "times a connection each")})]


async def send(port: int, count: int, *, keep: bool) -> float:
    """Seconds that so many mails take."""
    sender = EmailAddress("noreply@singers.example")
    provider = SmtpProvider(host="127.0.0.1", port=port, sender=sender)
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            one = provider if keep else SmtpProvider(host="127.0.0.1", port=port, sender=sender)
            token = f"bench-{number}"
            await one.send(
                EmailEnvelope(to=EmailAddress("jane@singers.example"), message=SONG, idempotency_token=token)
            )
            if not keep:
                await one.close()

    await provider.send(EmailEnvelope(to=EmailAddress("jane@singers.example"), message=SONG, idempotency_token="warm"))
    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    seconds = time.perf_counter() - started
    await provider.close()
    return seconds
