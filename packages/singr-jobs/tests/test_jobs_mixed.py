"""Quick and slow jobs in one queue: who is quick keeps places, and what waits behind slow ones waits in turn."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from jobs_support import Steer, lies, put, take_by_hand, until
from sqlalchemy import text
from test_jobs_handing import nobody

from singr_db import Database
from singr_jobs import Queue, enqueue, redis_transport
from singr_jobs.running import _line
from singr_jobs.running._line import Line
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._claims import Shares
from singr_jobs.taking._tickets import Ticket

SLOW, QUICK, NEW = UUID(int=1), UUID(int=2), UUID(int=3)
LONG = 60.0
_JOB = dict.fromkeys(("correlation_id", "traceparent", "outage")) | {
    "type": "t",
    "payload": "{}",
    "attempt": 1,
    "max_attempts": 3,
    "backoff": 1.0,
    "timeout": LONG,
    "followed": False,
    "cancel_requested": False,
    "waited": 0.0,
}


class Played:
    """A queue of so many places, played by hand on a clock of its own."""

    def __init__(self, concurrency: int = 4) -> None:
        self.line = Line(Queue.DEFAULT, concurrency)
        self.now = 100.0
        self.began: list[ClaimedJob] = []

    def take(self, whose: UUID, count: int = 1, **about: Any) -> list[ClaimedJob]:
        """So many jobs of an organization come into hand."""
        jobs = [
            msgspec.convert({**_JOB, "id": uuid4(), "organization_id": whose} | about, ClaimedJob) for _ in range(count)
        ]
        self.line.in_hand += count
        self.line.ready += jobs
        self.line.sharing.took(jobs, self.now)
        return jobs

    def begin(self) -> list[UUID]:
        """Begin what may; answers whose jobs began."""
        begun = []
        while (job := self.line.begins(self.now)) is not None:
            self.began.append(job)
            begun.append(job.organization_id)
        return begun

    def end(self, job: ClaimedJob, seconds: float) -> None:
        self.began.remove(job)
        self.line.finished(job, seconds)
        if not self.line.left_its_place(job, self.now):
            self.line.parted_with(job, self.now)

    def one_by_one(self, whose: UUID, count: int = 20, seconds: float = 0.001) -> None:
        """So many have come, and ended after so long each."""
        for job in self.take(whose, count):
            self.begin()
            self.end(job, seconds)

    def go_on(self, seconds: float) -> None:
        """All that runs has run for so long, and goes on."""
        for job in self.began:
            self.line.look(job, seconds)


@pytest.fixture
def played() -> Played:
    """One whose jobs so far were one organization's, and quick."""
    played = Played()
    played.one_by_one(QUICK)
    return played


def test_of_whom_nothing_is_known_leaves_a_place_to_whoever_is_quick(played: Played) -> None:
    played.take(SLOW, 10)
    played.take(QUICK, 2)
    assert played.begin() == [SLOW, SLOW, SLOW, QUICK]
    played.end(played.began[-1], 0.001)
    assert played.begin() == [QUICK], "the next one, though others came before it"


def test_who_turns_out_to_be_quick_has_every_place(played: Played) -> None:
    played.take(SLOW, 10)
    played.begin()
    played.end(played.began[0], 0.001)
    assert played.begin() == [SLOW, SLOW]
    assert played.line.shares(played.now) is None


def test_one_of_each_organization_may_begin_where_a_place_is_free(played: Played) -> None:
    played.take(SLOW, 10)
    played.take(NEW, 2)
    assert played.begin() == [SLOW, SLOW, SLOW, NEW]


def newcomers(played: Played, count: int) -> list[ClaimedJob]:
    """So many organizations come, with one job each."""
    return [job for _ in range(count) for job in played.take(uuid4())]


def test_newcomers_with_a_job_each_leave_a_place_to_whoever_is_quick(played: Played) -> None:
    came = newcomers(played, 6)
    played.begin()
    assert (played.began, played.line.let_go(played.now)) == (came[:3], []), "the others may have their turn in moments"
    played.go_on(0.03)
    assert played.line.let_go(played.now) == came[3:], "now they may not"
    each, others = played.line.shares(played.now) or Shares()
    assert ([*each], each[QUICK] > 1000, others) == ([QUICK], True, 0)
    played.take(QUICK)
    assert played.begin() == [QUICK]


def test_jobs_that_were_lost_leave_a_place_to_whoever_is_quick_and_alone_so_far(played: Played) -> None:
    assert (played.line.places, played.line.places_for_anyone) == (4, 3)


def test_what_is_kept_is_also_for_what_was_lost_of_whoever_is_quick(played: Played) -> None:
    played.take(NEW, 3, at_once=True)
    assert played.begin() == [NEW] * 3
    assert (played.line.places, played.line.places_for_anyone) == (1, 0)
    assert played.line.shares(played.now) is None, "of others some may come ahead, and wait here"
    each, others = played.line.shares(played.now, at_once=True) or Shares()
    assert ([*each], each[QUICK] > 0, others) == ([QUICK], True, 0)


def test_newcomers_leave_it_also_once_the_first_of_them_has_ended(played: Played) -> None:
    came = newcomers(played, 3)
    played.begin()
    played.go_on(0.03)
    played.end(came[0], 4.0)
    assert not played.line._is_quick
    assert (played.line.shares(played.now) or Shares()).others is None, "one may have its place"
    assert played.line.places_for_anyone == 1, "and one job that was lost with its worker"
    late = newcomers(played, 2)
    assert played.begin() == [late[0].organization_id]
    played.go_on(0.03)
    assert played.line.let_go(played.now) == late[1:]
    shares = played.line.shares(played.now)
    assert shares is not None
    assert (shares.others, shares.each[QUICK] > 0) == (0, True)
    assert all(not share for whose, share in shares.each.items() if whose != QUICK)
    assert played.line.places_for_anyone == 0
    played.take(QUICK)
    assert played.begin() == [QUICK]


def test_newcomers_have_every_place_where_nobody_is_known_to_be_quick(played: Played) -> None:
    played.now += 11.0
    newcomers(played, 6)
    assert len(played.begin()) == 4
    played.go_on(0.03)
    assert (played.line.shares(played.now) or Shares()).others is None


def test_beside_one_that_has_all_the_rest_one_newcomer_takes_of_what_is_kept() -> None:
    played = Played(8)
    played.one_by_one(QUICK)
    played.take(SLOW, 10)
    newcomers(played, 3)
    assert len(played.begin()) == 7
    played.take(QUICK)
    assert played.begin() == [QUICK]


def test_several_that_are_slow_leave_a_place_to_whoever_is_quick(played: Played) -> None:
    first, *_ = played.take(SLOW, 2)
    played.take(NEW, 1)
    [waits] = newcomers(played, 1)
    assert played.begin() == [SLOW, SLOW, NEW]
    played.go_on(0.4)
    assert played.line.let_go(played.now) == [waits]
    played.end(first, 3.0)
    assert not played.line._is_quick
    played.take(SLOW, 2)
    newcomers(played, 1)
    assert played.begin() == [SLOW]
    played.take(QUICK)
    assert played.begin() == [QUICK]


@pytest.mark.parametrize(("concurrency", "begin"), [(1, 1), (3, 3), (8, 6)])
def test_a_quarter_is_kept_rounded_down(concurrency: int, begin: int) -> None:
    played = Played(concurrency)
    played.one_by_one(QUICK)
    played.take(SLOW, 20)
    assert played.line.places_for_anyone == 0, "what is taken now may not all begin"
    assert len(played.begin()) == begin


def test_handlers_that_were_given_up_take_places_once_they_are_more_than_there_are() -> None:
    played = Played()
    limits = []
    for more in (0, 4, 1, 2, 1, 1):
        played.line.count_given_up(more)
        limits.append(played.line.limit)
    assert limits == [4, 4, 3, 1, 0, 0]
    played.take(SLOW)
    assert (played.begin(), played.line.target, played.line.places) == ([], 0, 0)


def test_who_has_a_queue_for_itself_has_every_place() -> None:
    played = Played()
    played.one_by_one(SLOW)
    played.go_on(1.0)
    played.take(SLOW, 10)
    assert len(played.begin()) == 4


def test_what_is_found_to_be_slow_waits_here_no_longer(played: Played) -> None:
    mine = played.take(SLOW, 10)
    played.begin()
    assert played.line.let_go(played.now) == [], "nobody knows yet"
    played.go_on(0.03)
    assert played.line.let_go(played.now) == mine[3:]
    for job in mine[3:]:
        played.line.parted_with(job, played.now)
    assert played.line.shares(played.now) == ({SLOW: 0}, None)
    played.end(mine[0], 8.0)
    played.one_by_one(QUICK, 200)
    assert played.line.shares(played.now) == ({SLOW: 1}, None), "and no more, once the others made the queue quick"


def test_a_job_that_goes_on_makes_slow_whoever_was_quick(played: Played) -> None:
    played.one_by_one(SLOW)
    played.take(SLOW, 3)
    played.begin()
    played.go_on(0.1)
    assert played.line.shares(played.now) is None, "now and then one takes longer"
    played.go_on(0.4)
    assert played.line.shares(played.now) == ({SLOW: 0}, None)
    for job in list(played.began):
        played.end(job, 0.001)
    assert played.line.shares(played.now) is None


def test_one_slow_organization_leaves_another_a_job_at_the_least(played: Played) -> None:
    for whose, count in ((SLOW, 3), (NEW, 1)):
        played.take(whose, count)
    played.begin()
    played.go_on(0.03)
    played.end(played.began[-1], 5.0)
    played.one_by_one(QUICK, 200)
    assert (played.line.shares(played.now) or ({},))[0] == {SLOW: 0, NEW: 1}


def test_what_is_to_begin_at_once_does(played: Played) -> None:
    played.take(SLOW, 3)
    played.begin()
    played.take(SLOW, 1, at_once=True)
    assert played.begin() == [SLOW]


def test_what_was_taken_ahead_goes_once_it_would_take_long() -> None:
    played = Played()
    played.one_by_one(QUICK)
    ahead = played.take(QUICK, 90)
    for _ in range(3):
        played.begin()
        for job in list(played.began):
            played.end(job, 0.3)
    played.begin()
    played.now += 0.3
    assert played.line.let_go(played.now) == ahead[16:]
    assert played.line.target == 4, "nothing is ahead of whoever comes"


def test_what_waits_behind_jobs_that_do_not_end_goes() -> None:
    played = Played()
    played.one_by_one(QUICK)
    ahead = played.take(QUICK, 10)
    played.begin()
    played.now += 0.9
    assert played.line.let_go(played.now) == []
    ahead[5].stop_reason = "lost"
    played.now += 0.2
    assert played.line.let_go(played.now) == [*ahead[4:5], *ahead[6:]]
    assert list(played.line.ready) == [ahead[5]], "it waits for its turn to be forgotten"


def test_of_what_others_hand_over_there_is_room_for_a_share(played: Played) -> None:
    played.take(SLOW, 2)
    played.begin()
    played.go_on(0.03)
    handed = [*played.take(SLOW, 4), *played.take(NEW, 2)]
    played.line.ready.clear()
    for job in handed:
        played.line.parted_with(job, played.now)
    fit, others = played.line.fitting(handed, played.now)
    assert (fit, others) == ([handed[0], *handed[4:]], handed[1:4])


async def is_quick(worker: Any, db: Database) -> None:
    """Let it learn that QUICK's jobs are."""
    line = worker._runner._lines[Queue.DEFAULT]
    while not (line._is_quick and QUICK in line.sharing._held and line.sharing._held[QUICK].is_quick):
        await put(db, "warm", organization_id=QUICK)
        await asyncio.sleep(0.02)
    await until(lambda: line.in_hand == 0, what="their outcomes are written")


@pytest.mark.parametrize("redis", ["with redis", "without redis"])
async def test_a_place_is_kept_for_who_is_quick_beside_slow_jobs_that_came_at_once(
    db: Database, settings: Any, waker: Any, working: Callable[..., Any], pulse: Any, redis: str
) -> None:
    where = {"redis": settings.redis if redis == "with redis" else nobody(), "poll": 0.05, "lease": LONG}
    async with working(concurrency=4, **where) as one, working(concurrency=4, **where) as other:
        workers = (one, other)
        for worker in workers:
            await is_quick(worker, db)
        async with db.tenant(SLOW) as session:  # at once, before one of them has run for long
            plan = [Steer(f"slow-{number}", ("wait",)) for number in range(40)]
            slow = [await enqueue(session, job, organization_id=SLOW) for job in plan]

        async def all_wait() -> bool:
            return [await lies(db, job_id) for job_id in slow].count("ready") == 34

        await until(all_wait, what="three have begun in each, and the others wait in turn")
        assert pulse.running == 6
        for number in range(20):
            await put(db, f"quick-{number}", organization_id=QUICK)
            await until(lambda: f"quick-{number}" in pulse.ran, what="it has a place")  # noqa: B023 - asked at once
        assert pulse.running == 6, "and none of the slow ones has it"
        pulse.gate.set()
        await until(lambda: sum(name.startswith("slow") for name in pulse.ran) == 40)
    assert len({name for name in pulse.ran if name != "warm"}) == 60
    assert {context.attempt for context in pulse.contexts} == {1}


async def lose(db: Database, whose: UUID, *names: str) -> None:
    """So many jobs of an organization wait that were lost with their worker while they lay ahead."""
    async with db.platform() as session:
        for name in names:
            await enqueue(session, Steer(name, ("wait",)), organization_id=whose)
        apart = text("UPDATE job_ready SET priority = 8 WHERE organization_id = :whose")
        await session.execute(apart, {"whose": whose})


async def test_jobs_that_were_lost_have_no_more_than_their_share(
    db: Database, waker: Any, working: Callable[..., Any], pulse: Any
) -> None:
    async with working(concurrency=4, lease=LONG, poll=0.05) as worker:
        await is_quick(worker, db)
        await lose(db, SLOW, *(f"slow-{number}" for number in range(12)))
        await until(lambda: pulse.running == 3, what="three have begun")
        for number in range(10):
            await put(db, f"quick-{number}", organization_id=QUICK)
            await until(lambda: f"quick-{number}" in pulse.ran, what="it has a place")  # noqa: B023 - asked at once
        assert pulse.running == 3
        await lose(db, QUICK, "lost")
        await until(lambda: pulse.running == 4, what="the place is also for what was lost of who is quick")
        pulse.gate.set()
        await until(lambda: len({name for name in pulse.ran if name != "warm"}) == 23)
    assert {context.attempt for context in pulse.contexts} == {1}


async def test_of_a_ticket_what_has_no_place_waits_in_turn_with_others(
    db: Database, settings: Any, working: Callable[..., Any], pulse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_line, "PATIENCE", LONG)  # it is not what is stuck here that waits again
    ids = [await put(db, f"handed-{number}", "wait", organization_id=SLOW) for number in range(16)]
    await take_by_hand(db, *ids, token=7, state="travelling")
    async with working(concurrency=4, lease=LONG) as worker:
        await asyncio.to_thread(redis_transport(settings.redis).send, [Ticket(Queue.DEFAULT, 7, 16)])
        await until(lambda: pulse.running == 4, what="as many as have places run")

        async def all_wait() -> bool:
            return [await lies(db, job_id) for job_id in ids].count("ready") == 12

        await until(all_wait, what="the others wait again")
        assert worker.in_hand() == {"default": 4}
        pulse.gate.set()
        await until(lambda: len(pulse.ran) == 16)
    assert {context.attempt for context in pulse.contexts} == {1}
