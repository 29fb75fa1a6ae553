"""Places are shared: who floods a queue leaves some of them to others, and alone it has them all."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from jobs_support import put, until

from singr_db import Database
from singr_jobs import Queue
from singr_jobs.running import _line
from singr_jobs.running._line import Line
from singr_jobs.running._sharing import Sharing

FLOOD, OTHER = UUID(int=1), UUID(int=2)


class Held:
    """As much of a claimed job as counts here."""

    def __init__(self, organization_id: UUID) -> None:
        self.organization_id = organization_id
        self.over = False


def in_hand(*counts: tuple[UUID, int]) -> Sharing:
    """What somebody has had in hand for long."""
    sharing = Sharing()
    for whose, count in counts:
        held: Any = [Held(whose)] * count
        sharing.took(held, 100.0)
    for second in range(5):
        sharing.shares(20, 0, 100.0 + second)
    return sharing


def test_an_organization_alone_has_all_places():
    assert in_hand((FLOOD, 20)).shares(20, 0, 105.0) is None


def test_who_floods_leaves_a_quarter_to_those_that_have_less_than_their_share():
    sharing = in_hand((FLOOD, 13), (OTHER, 1))
    assert sharing.shares(20, 6, 105.0) == ({FLOOD: 1}, None)
    assert sharing.shares(20, 5, 105.0) == ({FLOOD: 0}, None)


def test_two_that_flood_have_their_shares_and_waste_no_place():
    sharing = in_hand((FLOOD, 9), (OTHER, 10))
    assert sharing.shares(20, 1, 105.0) == ({FLOOD: 1, OTHER: 0}, None)


def test_a_burst_of_one_that_usually_has_little_is_not_held_back():
    sharing = in_hand((FLOOD, 10), (OTHER, 1))
    burst: Any = [Held(OTHER)] * 9
    sharing.took(burst, 104.1)
    shares = sharing.shares(20, 1, 104.2)
    assert shares is not None
    assert OTHER not in shares.each


def test_once_nobody_else_comes_all_places_are_taken_again():
    sharing = in_hand((FLOOD, 12), (OTHER, 1))
    other: Any = Held(OTHER)
    sharing.parted_with(other)
    again: Any = [Held(FLOOD)]
    sharing.took(again, 120.0)
    assert sharing.shares(20, 7, 121.0) is None


def line_of(*held: UUID, seconds: float = 1.0) -> tuple[Line, list[Any]]:
    """A queue of three places, whose handlers take so long, with these in hand."""
    line, jobs = Line(Queue.DEFAULT, 3), [Held(whose) for whose in held]
    line.running = 1
    line.finished(seconds)
    line.in_hand = len(jobs)
    line.sharing.took(jobs, 100.0)  # type: ignore[arg-type]  # as much of jobs as counts
    return line, jobs


def test_who_has_ended_leaves_a_place_to_others_while_the_outcome_is_written() -> None:
    line, [one, *_] = line_of(FLOOD, FLOOD, OTHER)
    assert (line.room, line.left_its_place(one), line.room) == (0, True, 1)
    assert (line.parted_with(one), line.in_hand, line.room) == (False, 2, 1), "its place was free before"


def test_no_more_outcomes_gather_in_a_database_that_is_away_than_there_are_places() -> None:
    line, jobs = line_of(*[FLOOD] * 6)
    assert [line.left_its_place(job) for job in jobs[:4]] == [True, True, True, False]
    assert line.room == 0
    assert (line.parted_with(jobs[0]), line.room) == (True, 1)


def test_quick_jobs_are_in_hand_until_their_outcomes_are_written() -> None:
    line, [one, *_] = line_of(FLOOD, FLOOD, FLOOD, seconds=0.001)
    room = line.room
    assert (line.left_its_place(one), line.room) == (False, room)
    assert (line.parted_with(one), line.room) == (True, room + 1)


async def test_a_place_is_free_once_its_handler_has_ended_though_its_outcome_cannot_be_written(
    db: Database, working: Any, pulse: Any, reaches: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.setattr(_line, "AHEAD_SECONDS", 0.0)  # as if they took their time
    first = await put(db, "first")
    async with db.psycopg.connection() as console, console.transaction():
        await console.execute("SELECT FROM jobs WHERE id = %s FOR UPDATE", (first,))
        async with working(concurrency=1):
            await until(lambda: pulse.ran == ["first"])
            await put(db, "second")
            await until(lambda: pulse.ran == ["first", "second"], what="the other has the place")
            await console.execute("ROLLBACK")
            await reaches(first, "completed")


async def test_beside_a_flood_a_job_of_another_begins_while_none_of_the_flood_ends(
    db, waker, working, pulse, organization
):
    async with working(concurrency=4) as worker:
        sharing, now = worker._runner._lines[Queue.DEFAULT].sharing, time.monotonic()
        long_since: Any = [Held(FLOOD)] * 400
        sharing.took([*long_since, Held(organization)], now)
        sharing.shares(4, 0, now)
        for held in long_since:
            sharing.parted_with(held)
        for number in range(12):
            await put(db, f"flood {number}", "wait", organization_id=FLOOD)
        await until(lambda: pulse.running == 3)
        await put(db, "other")
        await until(lambda: "other" in pulse.ran)
        assert pulse.most_running == 4
