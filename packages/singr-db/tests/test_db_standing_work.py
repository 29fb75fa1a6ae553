"""Standing work is seen, paused, resumed and run at once by operators, whichever process does it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from sqlalchemy import text

from singr_config.clock import clock
from singr_db import Database
from singr_db.chores import Chore, Switches
from singr_db.chores._forget_turns import KEPT, ForgetTurns
from singr_db.chores._switch import Asked, Switch
from singr_db.operation_log import act_as, list_operations
from singr_db.standing_work import (
    StandingWorkUnknownError,
    StandingWorkView,
    list_standing_work,
    pause_standing_work,
    resume_standing_work,
    run_standing_work,
)
from singr_observability import build_metrics


class Sweeping(Chore):
    """Says when it has had a turn, which is once a day."""

    name = "sweeping"
    seen_as: ClassVar[str | None] = "floor.sweep"
    every = 86_400.0

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.turns: asyncio.Queue[None] = asyncio.Queue()

    async def work(self) -> None:
        self.turns.put_nowait(None)
        if self.errors:
            raise self.errors.pop()


class Guarding(Sweeping):
    """What must never be paused."""

    seen_as: ClassVar[str | None] = None


@asynccontextmanager
async def at_work(chore: Sweeping, switches: Switches) -> AsyncIterator[None]:
    """It has had its first turn, and waits for the next."""
    await switches.work()
    running = asyncio.create_task(chore.run())
    await turn_of(chore)
    yield
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def turn_of(chore: Sweeping) -> None:
    async with asyncio.timeout(30):
        await chore.turns.get()


async def seen(db: Database) -> tuple[StandingWorkView, ...]:
    async with db.platform() as session:
        return await list_standing_work(session)


async def ask(db: Database) -> StandingWorkView:
    async with db.platform() as session:
        return await run_standing_work(session, "floor.sweep")


async def pause(db: Database, by: str = "user:1", reason: str = "guests") -> StandingWorkView:
    async with db.platform() as session:
        act_as(session, by)
        return await pause_standing_work(session, "floor.sweep", reason=reason, by=by)


async def test_what_was_done_and_comes_next_is_seen(db: Database) -> None:
    chore = Sweeping()
    switches = Switches(db, [chore], process="one:1")
    async with at_work(chore, switches):
        await switches.work()
    [one] = await seen(db)
    assert (one.name, one.every, one.error, one.paused, one.asked_at) == ("floor.sweep", 86_400.0, None, None, None)
    assert one.last_run_at is not None
    assert one.seconds is not None


async def test_why_a_turn_failed_is_told_in_words_and_without_what_follows_the_first_line(db: Database) -> None:
    chore = Sweeping(ValueError("the broom is gone\nDETAIL: (email)=(somebody)"))
    switches = Switches(db, [chore], process="one:1")
    async with at_work(chore, switches):
        await switches.work()
    [one] = await seen(db)
    assert one.error == "ValueError: the broom is gone"
    assert one.failed_at is not None


async def test_for_how_long_work_is_paused_is_told_from_the_start_and_until_it_is_resumed(db: Database) -> None:
    chore, metrics = Sweeping(), build_metrics()
    switches = Switches(db, [chore], process="one:1", metrics=metrics)

    def told() -> float:
        rendered: Any = metrics.render_json()
        [one] = rendered["singr_standing_work_paused_seconds"]["values"]
        assert one["labels"] == {"work": "floor.sweep"}
        return float(one["value"])

    assert told() == 0.0
    await switches.work()
    await pause(db)
    async with db.platform() as session:
        await session.execute(text("UPDATE standing_work SET paused_at = now() - interval '2 hours'"))
    await switches.work()
    assert 7_200 <= told() < 7_300
    async with db.platform() as session:
        await resume_standing_work(session, "floor.sweep")
    await switches.work()
    assert told() == 0.0


async def test_what_must_never_be_paused_is_not_seen(db: Database) -> None:
    guarding = Guarding()
    await Switches(db, [guarding], process="one:1").work()
    assert guarding.switch is None
    assert await seen(db) == ()


async def test_a_run_is_had_at_once_and_once(db: Database) -> None:
    chore = Sweeping()
    switches = Switches(db, [chore], process="one:1")
    async with at_work(chore, switches):
        await switches.work()
        assert (await ask(db)).asked_at is not None
        await switches.work()
        await turn_of(chore)
        await switches.work()
        await switches.work()
        assert chore.turns.empty()
    assert [one.asked_at for one in await seen(db)] == [None]


def test_a_run_that_is_under_way_is_had_once_however_long_the_database_took_to_speak_of_it() -> None:
    switch, at = Switch(), clock.now()
    switch.heard(Asked(at, ago=1.0), paused=True)
    assert switch.begins()
    switch.heard(Asked(at, ago=0.0), paused=True)
    assert not switch.begins(), "the one that was asked for has begun"
    switch.heard(Asked(at + timedelta(microseconds=1), ago=0.0), paused=True)
    assert switch.begins(), "somebody asked again"


async def test_what_is_paused_has_no_turn_but_one_that_is_asked_for(db: Database) -> None:
    chore = Sweeping()
    switches = Switches(db, [chore], process="one:1")
    await switches.work()
    await pause(db)
    await switches.work()
    assert chore.switch is not None
    assert not chore.switch.begins()
    await ask(db)
    await switches.work()
    assert chore.switch.begins()
    assert not chore.switch.begins()


async def test_a_process_that_starts_has_no_turn_of_what_is_paused(db: Database) -> None:
    """Else whoever pauses a deletion has it in full by the next restart."""
    await Switches(db, [Sweeping()], process="one:1").work()
    await pause(db)
    chore = Sweeping()
    switches = Switches(db, [chore], process="two:2")
    running = asyncio.create_task(chore.run())
    for _ in range(2):
        await asyncio.sleep(0.05)
        assert chore.turns.empty()
        await switches.work()
    await ask(db)
    await switches.work()
    await turn_of(chore)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_is_resumed_has_its_turns_again(db: Database) -> None:
    chore = Sweeping()
    switches = Switches(db, [chore], process="one:1")
    await switches.work()
    await pause(db)
    await switches.work()
    async with db.platform() as session:
        assert (await resume_standing_work(session, "floor.sweep")).paused is None
    await switches.work()
    assert chore.switch is not None
    assert chore.switch.begins()


async def test_a_second_pause_keeps_who_paused_first_and_the_log_has_one_line(db: Database) -> None:
    await Switches(db, [Sweeping()], process="one:1").work()
    first = await pause(db)
    assert await pause(db, by="user:2", reason="more guests") == first
    async with db.platform() as session:
        lines = (await list_operations(session, limit=10)).items
    told = [(line.kind, line.target, line.actor, line.reason) for line in lines]
    assert told == [("standing_work.pause", "floor.sweep", "user:1", "guests")]


async def test_one_that_nobody_does_is_refused_and_those_that_are_there_are_named(db: Database) -> None:
    await Switches(db, [Sweeping()], process="one:1").work()
    async with db.platform() as session:
        with pytest.raises(StandingWorkUnknownError, match=r"floor\.sweep"):
            await pause_standing_work(session, "ceiling.sweep")


async def test_of_processes_past_a_few_turns_are_kept_and_of_those_that_live_all(db: Database) -> None:
    async with db.platform() as session:
        await session.execute(
            text("""
INSERT INTO standing_turns (name, process, every, seen_at)
SELECT 'floor.sweep', 'past:' || n, 60, now() - n * interval '1 minute' FROM generate_series(1, :many) AS n
UNION ALL VALUES ('floor.sweep', 'alive:1', 60, now() - interval '8 days'),
                 ('roof.sweep', 'past:1', 60, now() - interval '6 days'),
                 ('roof.sweep', 'past:2', 60, now() - interval '8 days')
"""),
            {"many": KEPT + 5},
        )
        await session.execute(
            text("""
INSERT INTO workers (name, host, version, queues, types, in_hand) VALUES ('alive:1', 'h', '1', '{}', '{}', '{}')
""")
        )
    assert await ForgetTurns(db).work() == 6
    async with db.platform() as session:
        kept = (await session.execute(text("SELECT name, process FROM standing_turns"))).all()
    latest = {("floor.sweep", f"past:{n}") for n in range(1, KEPT + 1)}
    assert {tuple(row) for row in kept} == latest | {("floor.sweep", "alive:1"), ("roof.sweep", "past:1")}
