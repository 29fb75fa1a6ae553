"""Why a job is not running, in words: the first reason that applies, and who may know."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from jobs_support import ORGANIZATION, put, take_by_hand
from sqlalchemy import text

from singr_config.clock import clock
from singr_db import Database, new_id
from singr_jobs import Explanation, JobNotFoundError, cancel_job, explain
from singr_jobs.explaining import _explain, _places
from singr_jobs.explaining.reasons import turn
from singr_jobs.maintenance._presence import Presence

SOON = clock.now() + timedelta(hours=1)
WORKER = (
    "INSERT INTO workers (name, host, version, queues, types, in_hand) VALUES (:name, 'h', '1', :queues, :types, '{}')"
)
SETTING = """
INSERT INTO queue_settings (id, queue, for_organization, paused_at, paused_by, paused_for, concurrency,
                            concurrency_per_organization, rate_count, rate_seconds)
VALUES (:id, 'default', :whose, CASE WHEN :by IS NOT NULL THEN now() END, :by, :why, :most, :each, :count, :seconds)
"""


async def why(db: Database, job_id: UUID, served: Any = None, *, organization: UUID = ORGANIZATION) -> Explanation:
    await change(db, "DELETE FROM workers")
    for queue, job_type in {("default", "test.steer"), ("email", "test.moved")} if served is None else served:
        await change(db, WORKER, name=f"{queue}:{job_type}", queues=[queue], types=[job_type])
    async with db.tenant(organization) as session:
        return await explain(session, job_id)


async def settle(db: Database, whose: UUID | None = None, **given: Any) -> None:
    await change(
        db, f"INSERT INTO organizations (id, name, slug) VALUES ('{ORGANIZATION}', 'n', 's') ON CONFLICT DO NOTHING"
    )
    names = ("by", "why", "most", "each", "count", "seconds")
    values = {name: given.get(name) for name in names}
    typed = re.sub(":by", "CAST(:by AS text)", SETTING)
    await change(db, typed, id=new_id(), whose=whose, **values)


async def change(db: Database, statement: str, **values: Any) -> None:
    async with db.platform() as session:
        await session.execute(text(statement), values)


async def test_a_due_job_waits_its_turn_behind_those_before_it(db: Database) -> None:
    first, second = await put(db, "a"), await put(db, "b")
    urgent = await put(db, "c", priority=0)
    told = [await why(db, job_id) for job_id in (urgent, first, second)]
    assert [one.reason for one in told] == ["next", "turn", "turn"]
    assert "2 other jobs of its organization are before it in the queue default" in told[2].in_words
    assert told[2].would_start is not None
    assert (told[2].would_start.workers, told[2].would_start.workers_that_know_the_type) == (1, 1)
    assert told[2].would_start.paused is False


async def test_what_is_before_a_job_is_counted_so_far_only(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "COUNTED", 2)
    ids = [await put(db, name) for name in "abcd"]
    assert "at least 2 other jobs" in (await why(db, ids[3])).in_words


async def test_others_of_another_organization_are_not_told_of(db: Database) -> None:
    await put(db, "a", organization_id=new_id())
    assert (await why(db, await put(db, "b"))).reason == "next"


async def test_a_job_of_tomorrow_is_not_due(db: Database) -> None:
    job_id = await put(db, run_at=SOON)
    told = await why(db, job_id)
    assert (told.state, told.reason) == ("scheduled", "not_due")
    assert "Is not due until" in told.in_words


async def test_a_retry_says_what_it_waits_for(db: Database) -> None:
    job_id = await put(db, run_at=SOON)
    failed = """UPDATE jobs SET attempt = 1, error = '{"code": "busy", "message": "the line is busy"}' WHERE id = :id"""
    await change(db, failed, id=job_id)
    told = await why(db, job_id)
    assert (told.reason, told.error_code) == ("retries_later", "busy")
    assert "(attempt 2 of 3), after busy: the line is busy" in told.in_words


@pytest.mark.parametrize(
    ("state", "reason", "seen"),
    [
        ("working", "running", "processing"),
        ("ahead", "taken_ahead", "processing"),
        ("travelling", "travelling", "dispatched"),
    ],
)
async def test_a_job_in_hand_says_who_has_it(db: Database, state: str, reason: str, seen: str) -> None:
    job_id = await put(db)
    await take_by_hand(db, job_id, state=state, worker="worker-7")
    told = await why(db, job_id)
    assert (told.state, told.reason) == (seen, reason)
    assert "worker-7" in told.in_words


@pytest.mark.parametrize(("rank", "reason"), [(8, "suspect"), (9, "alone")])
async def test_a_job_that_was_lost_says_that_it_is_set_apart(db: Database, rank: int, reason: str) -> None:
    job_id = await put(db)
    await change(db, "UPDATE job_ready SET priority = :rank WHERE id = :id", rank=rank, id=job_id)
    assert (await why(db, job_id)).reason == reason


async def test_a_type_that_no_worker_knows_is_told_and_where_it_is_known(db: Database) -> None:
    told = await why(db, await put(db), {("default", "test.other"), ("email", "test.steer")})
    assert told.reason == "type_unknown"
    assert "some run it from email" in told.in_words


async def test_a_queue_that_nobody_serves_is_told(db: Database) -> None:
    told = await why(db, await put(db), {("email", "test.steer")})
    assert told.reason == "queue_not_served"
    assert told.would_start is not None
    assert told.would_start.workers == 0


async def test_a_worker_that_is_silent_counts_as_gone(db: Database) -> None:
    job_id = await put(db)
    await why(db, job_id)
    await change(db, "UPDATE workers SET seen_at = now() - interval '36 seconds'")
    async with db.tenant(ORGANIZATION) as session:
        assert (await explain(session, job_id)).reason == "queue_not_served"


async def test_limits_on_what_is_in_hand_are_told_of_once_they_are_reached(db: Database) -> None:
    held, job_id = await put(db, "a"), await put(db, "b")
    await settle(db, most=1)
    assert (await why(db, job_id)).reason == "turn"
    await take_by_hand(db, held)
    told = await why(db, job_id)
    assert told.reason == "limit_reached"
    assert "one of 1 jobs of the queue default" in told.in_words


async def test_a_limit_of_each_organization_counts_its_own_jobs_alone(db: Database) -> None:
    other = await put(db, "a", organization_id=new_id())
    held, job_id = await put(db, "b"), await put(db, "c")
    await settle(db, each=1)
    await take_by_hand(db, other)
    assert (await why(db, job_id)).reason == "turn"
    await take_by_hand(db, held, token=2)
    assert "of its organization in the queue default" in (await why(db, job_id)).in_words


async def test_a_limit_that_was_lowered_under_what_is_in_hand_says_so(db: Database) -> None:
    held, job_id = [await put(db, name) for name in "ab"], await put(db, "c")
    await take_by_hand(db, *held)
    await settle(db, each=1)
    told = await why(db, job_id)
    assert told.reason == "limit_reached"
    assert "2 jobs of its organization in the queue default are in hand, and 1 may be at once" in told.in_words


async def test_a_rate_is_told_of_to_a_job_that_has_waited_for_seconds(db: Database) -> None:
    job_id = await put(db)
    await settle(db, count=10, seconds=1.0)
    assert (await why(db, job_id)).reason == "next"
    past = "UPDATE {} SET run_at = run_at - interval '1 minute'"
    for table in ("jobs", "job_ready"):
        await change(db, past.format(table))
    told = await why(db, job_id)
    assert told.reason == "limit_reached"
    assert "10 jobs of the queue default may start in 1 s" in told.in_words


@pytest.mark.parametrize(("whose", "told"), [(None, "is paused since"), (ORGANIZATION, "paused for its organization")])
async def test_a_paused_queue_is_told_of_to_whom_it_concerns(db: Database, whose: UUID | None, told: str) -> None:
    job_id = await put(db)
    await settle(db, whose, by="user:operator", why="The provider is down.")
    explained = await why(db, job_id)
    assert told in explained.in_words
    assert "by user:operator (The provider is down)" in explained.in_words
    assert explained.would_start is not None
    assert explained.would_start.paused
    other = new_id()
    theirs = await put(db, organization_id=other)
    assert (await why(db, theirs, organization=other)).reason == ("queue_paused" if whose is None else "next")


async def test_what_ended_says_how(db: Database) -> None:
    job_id = await put(db)
    async with db.tenant(ORGANIZATION) as session:
        await cancel_job(session, job_id)
    told = await why(db, job_id)
    assert (told.state, told.reason, told.would_start) == ("cancelled", "cancelled", None)
    failed = """UPDATE jobs SET status = 'failed', attempt = 3, error = '{"code": "no", "message": "never"}'"""
    await change(db, failed)
    assert "in attempt 3 of 3. no: never" in (await why(db, job_id)).in_words


async def test_a_job_that_lies_nowhere_says_who_brings_it_back(db: Database) -> None:
    job_id = await put(db)
    await change(db, "DELETE FROM job_ready")
    assert (await why(db, job_id)).reason == "moving"


async def test_a_job_of_another_organization_is_not_explained(db: Database) -> None:
    job_id = await put(db)
    await take_by_hand(db, job_id)
    with pytest.raises(JobNotFoundError):
        await why(db, job_id, organization=new_id())
    async with db.tenant(new_id()) as session:
        assert (await session.execute(text("SELECT * FROM holder_of_job(:id)"), {"id": job_id})).all() == []


async def test_what_workers_serve_is_known_from_what_they_say(db: Database) -> None:
    job_id = await put(db)
    presence = Presence(db.psycopg, name="w", queues=["default"], types=lambda: ["test.steer"], in_hand=dict)
    async with db.tenant(ORGANIZATION) as session:
        assert (await explain(session, job_id)).reason == "queue_not_served"
    await presence.work()
    async with db.tenant(ORGANIZATION) as session:
        assert (await explain(session, job_id)).reason == "next"


async def test_the_place_and_the_turn_of_a_job_are_found_by_whole_keys(db: Database) -> None:
    job_id = await put(db)
    async with db.tenant(ORGANIZATION) as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        values = {"queue": "default", "organization_id": ORGANIZATION, "rank": 1, "id": job_id, "most": 11}
        row = (await session.execute(text("SELECT run_at FROM jobs WHERE id = :id"), {"id": job_id})).one()
        explaining = text(f"EXPLAIN {_places.BEFORE.text}")
        plan = "\n".join((await session.execute(explaining, {**values, "run_at": row.run_at})).scalars())
    [bounds] = [line for line in plan.splitlines() if "Index Cond" in line]
    assert "ROW(priority, run_at, id) <" in bounds


def test_every_reason_has_its_place() -> None:
    assert len(_explain._reasons()) >= 6
