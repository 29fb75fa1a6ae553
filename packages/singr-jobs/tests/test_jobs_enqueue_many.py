"""Many jobs enqueued by one call are stored whole or not at all, in their order, with what each is promised alone."""

from uuid import UUID

import msgspec
import pytest
from jobs_support import ORGANIZATION, Steer
from jobs_support import jobs as steered
from sqlalchemy import event, text

from singr_db import Database
from singr_jobs import EnqueueError, Queue, enqueue, enqueue_many
from singr_jobs.intake import _enqueue_many
from singr_jobs.testing import InMemoryJobs


async def stored(db: Database) -> list[tuple[UUID, str]]:
    async with db.platform() as session:
        rows = await session.execute(text("SELECT id, payload->>'name' FROM jobs ORDER BY id"))
        return [(row[0], row[1]) for row in rows]


def named(*names: str) -> list[Steer]:
    return [Steer(name) for name in names]


async def test_many_jobs_are_one_statement_and_their_ids_come_in_their_order(db):
    seen: list[str] = []
    async with db.tenant(ORGANIZATION) as session:
        event.listen(
            (await session.connection()).sync_connection,
            "before_cursor_execute",
            lambda _connection, _cursor, statement, *_: seen.append(statement),
        )
        ids = await enqueue_many(session, map(Steer, "cab"), organization_id=ORGANIZATION)
    assert len(seen) == 1
    assert await stored(db) == list(zip(ids, "cab", strict=True))


async def test_what_is_more_than_one_statement_takes_is_stored_in_its_order_all_the_same(db, monkeypatch):
    monkeypatch.setattr(_enqueue_many, "_ROWS", 2)
    monkeypatch.setattr(_enqueue_many, "_BYTES", 100)
    long = "d" * 100
    async with db.tenant(ORGANIZATION) as session:
        ids = await enqueue_many(session, named("a", "b", "c", long, "e"), organization_id=ORGANIZATION)
    assert await stored(db) == list(zip(ids, ["a", "b", "c", long, "e"], strict=True))


async def test_job_whose_key_is_held_gets_the_holders_id_before_this_call_or_within_it(db):
    async with db.tenant(ORGANIZATION) as session:
        held = await enqueue(session, Steer("b"), organization_id=ORGANIZATION, unique_key="b")
        ids = await enqueue_many(
            session,
            named("c", "b", "a", "none", "c"),
            organization_id=ORGANIZATION,
            unique_key=lambda job: None if job.name == "none" else job.name,
        )
    first, of_b, of_a, without, again = ids
    assert (of_b, again) == (held, first)
    assert await stored(db) == [(held, "b"), (first, "c"), (of_a, "a"), (without, "none")]


async def test_keys_are_claimed_in_one_order_whatever_the_order_of_jobs(db):
    """So that two callers wait for each other, and never in a circle."""
    async with db.tenant(ORGANIZATION) as session:
        await enqueue_many(session, named(*"cab"), organization_id=ORGANIZATION, unique_key=lambda job: job.name)
    async with db.platform() as session:
        claimed = await session.execute(text("SELECT unique_key FROM job_unique_keys ORDER BY ctid"))
        assert [key for (key,) in claimed] == ["a", "b", "c"]


async def test_key_that_is_let_go_while_its_holder_is_looked_for_is_claimed_again(db):
    async with db.tenant(ORGANIZATION) as session:
        await enqueue(session, Steer("a"), organization_id=ORGANIZATION, unique_key="a")
        connection = (await session.connection()).sync_connection

        goes = ["DELETE FROM job_unique_keys"]
        event.listen(
            connection, "after_cursor_execute", lambda *_: connection.exec_driver_sql(goes.pop()) if goes else None
        )
        ids = await enqueue_many(
            session, named("a", "b"), organization_id=ORGANIZATION, unique_key=lambda job: job.name
        )
    assert [row for row in await stored(db) if row[0] in ids] == list(zip(ids, "ab", strict=True))


async def test_role_that_may_only_enqueue_does_so_with_and_without_keys(db, enqueuer_session):
    for _ in range(2):
        async with enqueuer_session() as session:
            ids = await enqueue_many(
                session,
                named("a", "b"),
                organization_id=ORGANIZATION,
                unique_key=lambda job: "k" if job.name == "a" else None,
            )
    assert [name for _, name in await stored(db)] == ["a", "b", "b"]
    assert ids[0] == (await stored(db))[0][0]


async def test_one_bad_job_stores_none_and_is_named_by_its_place(db):
    async with db.tenant(ORGANIZATION) as session:
        with pytest.raises(EnqueueError, match=r"jobs\[1\]: test.steer holds a NUL character"):
            await enqueue_many(session, named("a", "\x00", "c"), organization_id=ORGANIZATION)
        await enqueue(session, Steer("after"), organization_id=ORGANIZATION)
    assert [name for _, name in await stored(db)] == ["after"]


class Unknown(msgspec.Struct, frozen=True, tag="test.unknown"):
    """Has no handler."""


@pytest.mark.parametrize(
    ("jobs", "options", "said"),
    [
        (Steer("a"), {}, "jobs must be several job structs, such as a list of them"),
        ([Steer("a"), Unknown()], {}, r"jobs\[1\]: Unknown has no handler"),
        ([Steer("a"), "b"], {}, r"jobs\[1\]: the job must be an instance of a struct"),
        (named("a"), {"unique_key": "k"}, "unique_key must be a function that gives a job's key, not 'k'"),
        (named("a"), {"unique_key": lambda job: 7}, r"jobs\[0\]: unique_key must be a text, not 7"),
        (named("a"), {"priority": 7}, "priority must be one of"),
        (named("a"), {"queue": "nowhere"}, "queue: "),
    ],
    ids=["one job", "undeclared", "no struct", "one key for all", "key of a wrong kind", "priority", "queue"],
)
async def test_what_cannot_be_enqueued_is_refused_by_its_name(jobs, options, said):
    memory = InMemoryJobs(steered)
    with pytest.raises(EnqueueError, match=said):
        await enqueue_many(memory, jobs, organization_id=ORGANIZATION, **options)
    assert memory.all == []


async def test_jobs_in_memory_are_kept_in_order_and_their_keys_honoured():
    memory = InMemoryJobs(steered)
    ids = await enqueue_many(
        memory, named("b", "a", "b"), organization_id=ORGANIZATION, queue=Queue.EMAIL, unique_key=lambda job: job.name
    )
    assert ids[0] == ids[2]
    assert memory.enqueued(Steer) == named("b", "a")
    assert {job.queue for job in memory.all} == {Queue.EMAIL}


async def test_no_jobs_are_no_statement():
    assert await enqueue_many(InMemoryJobs(steered), [], organization_id=ORGANIZATION) == []
