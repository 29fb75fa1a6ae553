"""What callers call the matter of a job is kept with it, and leads to it."""

from typing import Any
from uuid import UUID

import pytest
from alike_support import Store, ask, put
from jobs_support import ORGANIZATION, Pulse, Steer, jobs, submission
from sqlalchemy import select, text

from singr_db import Database, new_id
from singr_db.tables import Job
from singr_jobs import (
    EnqueueError,
    Flow,
    Ingestion,
    JobStatus,
    dead_letters,
    enqueue,
    enqueue_many,
    list_jobs,
    list_members,
    read_dead_letter,
    read_job,
    requeue,
)
from singr_jobs.reading._filter import JobFilter
from singr_jobs.schedules import Every, run_schedule_now, schedule
from singr_jobs.schedules._firing import Scheduler
from singr_jobs.testing import InMemoryJobs


async def found(store: Store, reference: str, **how: Any) -> list[UUID]:
    return [one.id for one in (await ask(store, list_jobs, limit=10, reference=reference, **how)).items]


async def test_jobs_of_a_matter_are_found_by_it_and_others_are_not(store: Store) -> None:
    first, second = [await put(store, name, reference="alert-4711") for name in "ab"]
    await put(store, "c", reference="alert-4712")
    await put(store, "d")
    other = new_id()
    await put(store, "theirs", organization_id=other, reference="alert-4711")
    assert await found(store, "alert-4711") == [second, first]
    assert await found(store, "alert-4711", status=JobStatus.PENDING, oldest_first=True) == [first, second]
    assert await found(store, "alert-4711", status=JobStatus.FAILED) == []
    assert len(await found(store, "alert-4711", whose=other)) == 1
    assert await found(store, "alert-471") == []
    assert await found(store, "alert-4711", status=JobStatus.PROCESSING) == [], "they wait"
    assert (await ask(store, read_job, first)).reference == "alert-4711"


@pytest.mark.parametrize("reference", ["", "x" * 201, "two\nlines", "\x1b[2J", "\u202eback", "\x00", 7])
async def test_a_reference_is_one_line_of_bounded_length(store: Store, reference: Any) -> None:
    with pytest.raises(EnqueueError, match="reference must be"):
        await put(store, reference=reference)
    with pytest.raises(ValueError, match="reference must be"):
        await found(store, reference)


async def test_members_of_a_flow_have_their_own(store: Store) -> None:
    flow = Flow("alerts")
    first, _ = flow.add(Steer("a"), reference="alert-1"), flow.add(Steer("b"))
    last = flow.then(Steer("c"), reference="alert-1")
    await ask(store, enqueue, flow, organization_id=ORGANIZATION)
    assert {*await found(store, "alert-1")} == {first.id, last.id}
    members = (await ask(store, list_members, flow.id)).items
    assert sorted(str(one.reference) for one in members) == ["None", "alert-1", "alert-1"]
    wrong = Flow("wrong")
    wrong.add(Steer("a"), reference="two\nlines")
    with pytest.raises(EnqueueError, match="reference must be one line"):
        await ask(store, enqueue, wrong, organization_id=ORGANIZATION)


async def test_many_jobs_have_one_together_or_each_its_own(store: Store) -> None:
    async def many(*names: str, reference: Any) -> list[UUID]:
        jobs = [Steer(name) for name in names]
        made: list[UUID] = await ask(store, enqueue_many, jobs, organization_id=ORGANIZATION, reference=reference)
        return made

    both = await many("a", "b", reference="alert-1")
    assert await found(store, "alert-1", oldest_first=True) == both
    own = await many("c", "d", "e", reference=lambda job: None if job.name == "d" else f"alert-{job.name}")
    assert [await found(store, f"alert-{name}") for name in "cde"] == [[own[0]], [], [own[2]]]
    for reference, words in (
        (7, "reference must be a text, or a function that gives a job's, not 7"),
        ("", r"jobs\[0\]: reference must be one line"),
        (lambda job: "" if job.name == "b" else None, r"jobs\[1\]: reference must be one line"),
        (lambda job: job.nothing, r"jobs\[0\]: reference raised AttributeError"),
    ):
        with pytest.raises(EnqueueError, match=words):
            await many("a", "b", reference=reference)


async def test_each_job_of_a_schedule_has_it(db: Database, scheduler: Scheduler, pulse: Any) -> None:
    memory = InMemoryJobs(jobs, resources={Pulse: pulse})

    async def fire(kept: Any, work: Any) -> int:
        async with kept.tenant(ORGANIZATION) as session:
            how = {"organization_id": ORGANIZATION, "reference": "alert-1"}
            made = await schedule(session, "often", Every(90), Steer("a"), **how)
            await run_schedule_now(session, made.id, organization_id=ORGANIZATION)
        await work()
        async with kept.tenant(ORGANIZATION) as session:
            jobs = (await list_jobs(session, limit=10, reference="alert-1")).items
            assert [(await read_job(session, one.id)).schedule_id for one in jobs] == [made.id]
            return len(jobs)

    assert [await fire(memory, memory.run_due), await fire(db, scheduler.work)] == [1, 1]
    with pytest.raises(EnqueueError, match="reference must be one line"):
        await schedule(memory, "wrong", Every(90), Steer("a"), organization_id=ORGANIZATION, reference="")


async def test_it_is_kept_through_ingestion_and_the_first_answer_again(db: Database, waker: Any) -> None:
    ingestion = Ingestion(db.psycopg, waker, intakes={})
    answers = [await ingestion.submit(submission("key", reference="alert-4711")) for _ in range(2)]
    assert answers[0].body == answers[1].body
    assert b'"reference":"alert-4711"' in answers[0].body


async def test_a_job_that_is_made_anew_of_its_letter_keeps_it(db: Database, working: Any, reaches: Any) -> None:
    async with db.tenant(ORGANIZATION) as session:
        job_id = await enqueue(
            session, Steer("a", ("permanent", "ok")), organization_id=ORGANIZATION, reference="alert"
        )
    async with working():
        await reaches(job_id, "failed")
    async with db.platform() as session:
        await session.execute(text("DELETE FROM jobs"))
        [letter] = (await dead_letters(session)).items
        assert (await read_dead_letter(session, letter.id)).reference == "alert"
        await requeue(session, letter.id)
    async with db.tenant(ORGANIZATION) as session:
        assert (await read_job(session, job_id)).reference == "alert"


async def test_an_index_leads_to_the_jobs_of_a_matter(db: Database) -> None:
    looked = select(Job.id).where(Job.organization_id == ORGANIZATION, *JobFilter(reference="alert-4711").led_to())
    async with db.tenant(ORGANIZATION) as session:
        for other in ("seqscan", "bitmapscan", "sort"):
            await session.execute(text(f"SET LOCAL enable_{other} = off"))
        asked = str(looked.order_by(Job.id.desc()).limit(10).compile(compile_kwargs={"literal_binds": True}))
        plan = "\n".join((await session.execute(text(f"EXPLAIN {asked}"))).scalars())
    assert "(reference = 'alert-4711'::text)" in plan
    assert "Sort  (" not in plan  # in the order of pages, already
