"""A provider's breaker: how long after it opened in one process another one knows, which has messages to send."""

from __future__ import annotations

import asyncio
import time

from bench.figures import Row, at_most, percentile
from bench.harness import BenchError, Stand
from loguru import logger

from singr_comms import TransientError
from singr_comms.notifications.sending._health import ProviderHealth
from singr_config.testing import settings_for_tests
from singr_db import Database
from singr_observability import build_metrics

BENCH = "Breakers"
TARGET_S = 1.0
PROVIDER = ("email", "postbox")
LOOKS_S = 0.01
IN_A_ROW = 10
PATIENCE_S = 30


def run(place: Stand) -> list[Row]:
    """Open it again and again. The two share nothing but the database, as two processes do."""
    samples = asyncio.run(opened(place.database("breakers"), place.scaled(30, 2)))
    p95 = percentile(samples, 95)
    measure = "from the tenth failure in one process until another one lets its provider be, p95, s"
    return [Row(BENCH, measure, f"{p95:.2f}", target=at_most(p95, TARGET_S, "s"))]


async def opened(url: str, count: int) -> list[float]:
    """Seconds, one for each time."""
    settings = settings_for_tests(DATABASE_URL=url).database
    here, there = (Database(settings, application_name=name) for name in ("here", "there"))
    logger.disable("singr_comms")  # it would tell of each time
    async with here, there:
        failing, other = (ProviderHealth(db, build_metrics(), (PROVIDER,), lambda *_: 18.0) for db in (here, there))
        for health in (failing, other):
            await health.wait(*PROVIDER)  # a sender's first look makes the row
        return [await once(failing, other, number) for number in range(count)]


async def once(failing: ProviderHealth, other: ProviderHealth, number: int) -> float:
    """Let it fail in one, and ask in the other until it knows; then let it work again in both."""
    await asyncio.sleep(number % 10 / 10)  # at any moment between two looks
    error = TransientError("connection", "nobody listens")
    for _ in range(IN_A_ROW):
        await failing.failed(*PROVIDER, error)
    started = time.monotonic()
    await known(other, closed=False)
    seconds = time.monotonic() - started
    await failing.wait(*PROVIDER)  # it looks
    await failing.passed(*PROVIDER)
    await known(other, closed=True)
    return seconds


async def known(other: ProviderHealth, *, closed: bool) -> None:
    """Ask, as messages do, until it knows of the breaker."""
    deadline = time.monotonic() + PATIENCE_S
    while closed is bool(await other.wait(*PROVIDER)):
        if time.monotonic() > deadline:
            raise BenchError("the other process never learns of it")
        await asyncio.sleep(LOOKS_S)
