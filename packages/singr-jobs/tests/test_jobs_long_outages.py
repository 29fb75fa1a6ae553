"""An outage that lasts for days ends nothing: pauses stay as long as they are, however many failures there were."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import uuid4

import psycopg
import pytest
from jobs_support import Pulse, put, until

from singr_config import RabbitSettings, Secret
from singr_db import Database
from singr_jobs import Exponential, Queue, Waker
from singr_jobs.intake._carrier import RECONNECT
from singr_jobs.rabbit._address import RabbitAwayError
from singr_jobs.rabbit._broker import RabbitBroker
from singr_jobs.rabbit._post import Post
from singr_jobs.running import _outcomes, _runner
from singr_jobs.running._endings import Ended
from singr_jobs.running._holdings import Holdings
from singr_jobs.running._outcomes import Outcomes

# More than a double has powers of two.
FAILURES = 1100


class Away:
    """Carries nothing until it has failed so often."""

    failures = 0

    async def publish(self, message: str) -> None:
        """See Carrier."""

    async def hear(self) -> AsyncGenerator[bytes | str | None, None]:
        """See Carrier."""
        if self.failures < FAILURES:
            self.failures += 1
            raise ConnectionRefusedError
        yield None

    def refusal(self, error: Exception) -> str | None:
        """See Carrier."""

    async def close(self) -> None:
        """See Carrier."""


async def test_a_listener_hears_again_however_often_it_failed(monkeypatch: pytest.MonkeyPatch):
    pauses: list[float] = []

    async def wait(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("singr_jobs.intake._waker.asyncio.sleep", wait)
    hears = Waker(Away()).listen(cancelled=lambda _: None)
    assert await anext(hears) == frozenset(Queue.declared())
    await hears.aclose()
    assert (len(pauses), max(pauses) <= RECONNECT.longest * 1.1) == (FAILURES, True)


def test_rabbitmq_is_asked_again_however_often_it_was_away(monkeypatch: pytest.MonkeyPatch):
    """Its one thread ended, and the process said nothing more until its own end."""
    nobody = RabbitBroker(RabbitSettings(url=Secret("amqp://singr@127.0.0.1:1/")))
    post = Post(nobody)
    try:
        post._away._failures = FAILURES
        for _ in range(2):
            post._away._until = 0.0
            with pytest.raises(RabbitAwayError):
                post.ask("here", lambda _: None).result(20)
        assert post._away._failures == FAILURES + 2
    finally:
        post.close()


async def test_an_outcome_is_written_however_often_it_was_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_outcomes, "_RETRY", 0.0)
    monkeypatch.setattr(_outcomes, "_AGAIN", Exponential(0.01, longest=0.02), raising=False)
    refusals, written = iter(range(5)), asyncio.Event()
    outcomes = Outcomes(
        None,
        worker="refused",
        holdings=Holdings(),
        settled=lambda _: written.set(),
        locked=lambda _: None,
        promoted=lambda _: None,
    )

    async def write(batch: list[Ended]) -> None:
        if next(refusals, None) is not None:
            raise RuntimeError("something that is not in its values")

    monkeypatch.setattr(outcomes, "_write_once", write)
    outcomes.add(Ended(uuid4(), 1, followed=False, status="completed", tries=FAILURES))
    writing = asyncio.create_task(outcomes.run())
    await asyncio.wait([writing, asyncio.create_task(written.wait())], return_when="FIRST_COMPLETED", timeout=15)
    assert written.is_set()
    writing.cancel()


async def test_what_waits_in_hand_behind_many_outcomes_begins_once_they_are_written(
    db: Database, working, pulse: Pulse, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_runner, "_OUTCOMES_AHEAD", 2)
    for number in range(8):
        await put(db, str(number), *(["wait"] if not number else []))
    is_away = True
    async with working(concurrency=1, lease=60.0) as worker:
        outcomes, line = worker._runner.outcomes, worker._runner._lines[Queue.DEFAULT]
        write_once = outcomes._write_once

        async def write(batch: list[Ended]) -> None:
            if is_away:
                raise psycopg.OperationalError("the server went away")
            await write_once(batch)

        monkeypatch.setattr(outcomes, "_write_once", write)
        line._seconds = 1e-4  # as after many quick ones
        await until(lambda: line.in_hand == 8, what="all are in hand")
        pulse.gate.set()
        await until(lambda: len(outcomes) >= 2 and not line.running, what="outcomes gather, and nothing begins")
        assert line.waiting
        is_away = False
        await until(lambda: len(pulse.ran) == 8, what="all have run")
