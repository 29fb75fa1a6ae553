"""Places are shared: who floods a queue leaves some of them to others, and alone it has them all."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import pytest
from jobs_support import put, until

from singr_db import Database
from singr_jobs import Queue
from singr_jobs.running import _line
from singr_jobs.running._line import Line
from singr_jobs.running._sharing import Sharing
from singr_jobs.taking._rules import OwnRules

FLOOD, OTHER, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


class Held:
    """As much of a claimed job as counts here."""

    def __init__(self, organization_id: UUID) -> None:
        self.organization_id = organization_id
        self.over = self.locked = False
        self.at_once = self.late = self.cancel_requested = False
        self.stop_reason: str | None = None


def in_hand(*counts: tuple[UUID, int]) -> Sharing:
    """What somebody has had in hand for long."""
    sharing = Sharing()
    for whose, count in counts:
        held: Any = [Held(whose)] * count
        sharing.took(held, 100.0)
    return sharing


def shares(sharing: Sharing, now: float) -> Mapping[UUID, int] | None:
    shared = sharing.shares(20, now)
    assert shared is None or shared.others is None
    return None if shared is None else shared.each


def test_an_organization_alone_has_all_places():
    assert shares(in_hand((FLOOD, 20)), 105.0) is None


def test_who_floods_leaves_a_quarter_to_those_that_have_less_than_their_share():
    assert shares(in_hand((FLOOD, 13), (OTHER, 1)), 105.0) == {FLOOD: 2}
    assert shares(in_hand((FLOOD, 15), (OTHER, 1)), 105.0) == {FLOOD: 0}


def test_who_floods_leaves_to_others_what_they_usually_have_and_twice_its_root() -> None:
    assert shares(in_hand((FLOOD, 7), (OTHER, 4), (THIRD, 5)), 109.0) == {FLOOD: 0}
    assert shares(in_hand((FLOOD, 7), (OTHER, 2), (THIRD, 2)), 109.0) == {FLOOD: 20 - 8 - 7}


def test_all_that_began_together_and_ended_together_leaves_places_to_others_too() -> None:
    sharing, flood, others = Sharing(), [Held(FLOOD)] * 20, [Held(OTHER)] * 3
    round_of: Any = []
    for number in range(120):  # every place is free whenever anybody looks
        now = 100.0 + number * 0.05
        for job in round_of:
            sharing.parted_with(job, now)
        bound = (shares(sharing, now) or {}).get(FLOOD, 20)
        round_of = flood[: min(bound, 20 - 3)] + others
        sharing.took(round_of, now)
    assert bound == 20 - 7


def test_who_comes_beside_a_flood_is_reckoned_with_from_the_first_moments_on() -> None:
    sharing = in_hand((FLOOD, 20))
    flood: Any = [Held(FLOOD)] * 20
    others: Any = [Held(OTHER)] * 5
    for job in flood:
        sharing.parted_with(job, 109.0)
    sharing.took([*others, *flood[:9]], 109.0)
    assert shares(sharing, 109.1) == {FLOOD: 1}


def test_among_many_that_have_little_only_who_floods_is_held_back() -> None:
    sharing = in_hand((FLOOD, 10))
    for number in range(30):  # a third of a place each in the mean
        one: Any = [Held(UUID(int=10 + number))]
        sharing.took(one, 103.0)
        sharing.parted_with(one[0], 103.5)
    assert shares(sharing, 104.5) == {FLOOD: 0}


@pytest.mark.parametrize(("concurrency", "most"), [(2, 2), (3, 3), (4, 3), (5, 4), (10, 8), (20, 15)])
def test_one_that_comes_now_and_then_costs_a_quarter_at_the_most(concurrency: int, most: int) -> None:
    sharing = in_hand((FLOOD, concurrency - 1))
    one: Any = [Held(OTHER)]
    sharing.took(one, 103.0)
    sharing.parted_with(one[0], 103.1)
    more = sharing.shares(concurrency, 104.5)
    assert more is not None
    assert more.each[FLOOD] == max(0, most - (concurrency - 1))


@pytest.mark.parametrize(("concurrency", "most"), [(3, 2), (4, 2), (5, 2), (6, 3), (7, 5)])
def test_of_few_places_half_is_kept_for_those_that_come_often(concurrency: int, most: int) -> None:
    sharing = Sharing()
    flood: Any = [Held(FLOOD)] * most
    one: Any = Held(OTHER)
    two: Any = Held(OTHER)
    for number in range(100):  # 0.4 of a place in the mean; those of the flood end and come again, too
        now = 100.0 + number * 0.1
        sharing.took([*flood, one, two], now)
        for job, seconds in ((one, 0.01), (two, 0.03), *((job, 0.09) for job in flood)):
            sharing.parted_with(job, now + seconds)
    more = sharing.shares(concurrency, 110.0)
    assert more is not None
    assert more.each == {FLOOD: most}, "it is held to that, though it has less in the mean"


def test_shares_are_by_weight() -> None:
    sharing = in_hand((FLOOD, 14), (OTHER, 5))
    own = {FLOOD: OwnRules(weight=3)}
    assert sharing.shares(20, 105.0, own) == ({FLOOD: 1, OTHER: 0}, None)
    assert sharing.shares(20, 105.0) == ({FLOOD: 0}, None), "and a half each where nothing is set"


def test_who_is_limited_needs_no_room_to_grow() -> None:
    sharing = in_hand((FLOOD, 12), (OTHER, 5))
    assert shares(sharing, 109.0) == {FLOOD: 0}
    assert sharing.shares(20, 109.0, {OTHER: OwnRules(most=5)}) == ({FLOOD: 3}, None)


def test_two_that_have_much_leave_together_what_each_is_to_leave() -> None:
    sharing = in_hand((FLOOD, 4), (OTHER, 3), (THIRD, 1))
    for whose, count in ((FLOOD, 4), (OTHER, 3), (THIRD, 1)):
        for job in [Held(whose)] * count:
            sharing.parted_with(job, 105.0)  # type: ignore[arg-type]  # as much of a job as counts
    assert sharing.shares(8, 105.0) == ({FLOOD: 3, OTHER: 3}, None), "two of eight are kept"


def test_what_hangs_costs_those_that_have_much_and_not_those_that_have_little() -> None:
    sharing = in_hand((OTHER, 10))
    flood: Any = [Held(FLOOD)] * 9
    little: Any = [Held(THIRD)]
    for second in range(20):
        now = 101.0 + second
        sharing.took([*flood, *little], now)
        for job in (*flood, *little):
            sharing.parted_with(job, now + 0.9)
    sharing.took(flood[:5], 121.0)
    assert (shares(sharing, 121.0) or {})[FLOOD] == 0, "five are left for whoever comes"


def test_two_that_flood_have_their_shares_and_waste_no_place():
    sharing = in_hand((FLOOD, 10), (OTHER, 10))
    ended: Any = Held(FLOOD)
    sharing.parted_with(ended, 105.0)
    assert shares(sharing, 105.0) == {FLOOD: 1, OTHER: 0}


def test_a_burst_of_one_that_usually_has_little_is_not_held_back():
    sharing = in_hand((FLOOD, 10), (OTHER, 1))
    burst: Any = [Held(OTHER)] * 9
    sharing.took(burst, 105.0)
    assert OTHER not in (shares(sharing, 105.1) or {OTHER: 0})


def test_once_nobody_else_comes_all_places_are_taken_again():
    sharing = in_hand((FLOOD, 12), (OTHER, 1))
    other: Any = Held(OTHER)
    sharing.parted_with(other, 101.0)
    again: Any = [Held(FLOOD)]
    sharing.took(again, 120.0)
    assert shares(sharing, 121.0) is None


def line_of(*held: UUID, seconds: float = 1.0) -> tuple[Line, list[Any]]:
    """A queue of three places, whose handlers take so long, with these in hand."""
    line, jobs = Line(Queue.DEFAULT, 3), [Held(whose) for whose in held]
    line.running = 1
    first: Any = Held(held[0])
    line.sharing.took([first], 90.0)
    first.share.running += 1
    line.finished(first, seconds)
    line.sharing.parted_with(first, 90.0)
    line.in_hand = len(jobs)
    line.sharing.took(jobs, 100.0)  # type: ignore[arg-type]  # as much of jobs as counts
    return line, jobs


def test_who_has_ended_leaves_a_place_to_others_while_the_outcome_is_written() -> None:
    line, [one, *_] = line_of(FLOOD, FLOOD, OTHER)
    assert (line.room, line.left_its_place(one, 101.0), line.room) == (0, True, 1)
    assert (line.parted_with(one, 101.0), line.in_hand, line.room) == (False, 2, 1), "its place was free before"


def test_no_more_outcomes_gather_in_a_database_that_is_away_than_there_are_places() -> None:
    line, jobs = line_of(*[FLOOD] * 6)
    assert [line.left_its_place(job, 101.0) for job in jobs[:4]] == [True, True, True, False]
    assert line.room == 0
    assert (line.parted_with(jobs[0], 101.0), line.room) == (True, 1)


def test_outcomes_that_wait_for_locks_of_others_keep_no_place() -> None:
    line, jobs = line_of(*[FLOOD] * 6)
    for job in jobs:
        line.left_its_place(job, 101.0)
    assert line.room == 0
    assert [line.locked_out(job, 101.0) for job in jobs[:4]] == [True, True, True, False], "the last had none"
    assert (line.locked_out(jobs[0], 102.0), line.room) == (False, 3), "it counts once, however often it is tried"
    assert (line.parted_with(jobs[0], 103.0), line.in_hand, line.room) == (False, 5, 3)


def test_a_quick_job_that_is_locked_leaves_its_place_and_its_share_once() -> None:
    line, [one, two, *_] = line_of(FLOOD, FLOOD, OTHER, seconds=0.001)
    room = line.room
    assert (line.left_its_place(one, 101.0), line.locked_out(one, 101.0), line.room) == (False, True, room + 1)
    line.parted_with(one, 102.0)
    line.parted_with(two, 102.0)
    assert (line.in_hand, one.share.now, line.room) == (1, 0, room + 2)


def test_no_more_outcomes_wait_for_locks_than_memory_has_to_spare(monkeypatch: Any, said: list[str]) -> None:
    monkeypatch.setattr(_line, "LOCKED_FOR_EACH", 1)
    line, jobs = line_of(*[FLOOD] * 9)
    for job in jobs:
        line.left_its_place(job, 101.0)
        line.locked_out(job, 101.0)
    assert (line.locked, line.over, line.room) == (3, 6, 0), "the others brake as in an outage"
    assert len(said) == 1, "it is told once"
    assert said[0].startswith("3 outcomes of default wait for locks of others")
    line.parted_with(jobs[0], 102.0)
    assert (line.locked_out(jobs[8], 102.0), line.room) == (True, 1)


def test_quick_jobs_are_in_hand_until_their_outcomes_are_written() -> None:
    line, [one, *_] = line_of(FLOOD, FLOOD, FLOOD, seconds=0.001)
    room = line.room
    assert (line.left_its_place(one, 101.0), line.room) == (False, room)
    assert (line.parted_with(one, 101.0), line.room) == (True, room + 1)


def test_a_function_that_goes_on_though_it_was_given_up_is_one_of_its_organizations_until_it_ends() -> None:
    line, [one, *_] = line_of(FLOOD, OTHER)
    line.keep_place(one, 101.0)
    line.left_its_place(one, 101.0)
    line.parted_with(one, 101.0)
    assert (line.in_hand, line.sharing.shares(2, 105.0)) == (2, ({FLOOD: 0, OTHER: 0}, None)), "no place is free"
    line.free_place(one, 105.0)
    assert (line.in_hand, line.sharing.shares(2, 105.0)) == (1, ({FLOOD: 1, OTHER: 1}, None))


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
        other: Any = [Held(organization)]
        sharing.took(long_since, now - 5)
        sharing.took(other, now - 5)
        sharing.parted_with(other[0], now - 4)
        for held in long_since:
            sharing.parted_with(held, now)
        for number in range(12):
            await put(db, f"flood {number}", "wait", organization_id=FLOOD)
        await until(lambda: pulse.running == 3)
        await put(db, "other")
        await until(lambda: "other" in pulse.ran)
        assert pulse.most_running == 4
