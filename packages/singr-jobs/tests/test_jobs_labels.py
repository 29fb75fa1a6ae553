"""What callers sort their jobs by is kept with them, wherever jobs are made and shown."""

from typing import Any
from uuid import UUID

import pytest
from alike_support import Store, ask, put
from jobs_support import ORGANIZATION, Pulse, Steer, jobs, submission
from sqlalchemy import text

from singr_db import Database, new_id
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
from singr_jobs.schedules import Every, run_schedule_now, schedule
from singr_jobs.schedules._firing import Scheduler
from singr_jobs.testing import InMemoryJobs

WRONG = [
    ("eu", r"labels must be a list of texts, such as \['import', 'eu'\], not 'eu'"),
    (7, "labels must be a list of texts"),
    ({"eu"}, "labels must be a list of texts"),
    ([f"l{n}" for n in range(11)], "labels must be 10 at most, not 11"),
    (["eu", 7], r"labels\[1\] must be a text, not 7"),
    ([""], r"labels\[0\] must be one line of 1 to 64 characters"),
    (["x" * 65], r"labels\[0\] must be one line of 1 to 64 characters"),
    (["two\nlines"], r"labels\[0\] must be one line of 1 to 64 characters, without control characters"),
    (["\u202eback"], r"labels\[0\] must be one line"),
    (["eu", "us", "eu"], r"labels\[2\] must be another than those before it, not 'eu' once more"),
]


async def test_a_job_is_shown_with_its_labels_in_their_order(store: Store) -> None:
    ten = tuple("x" * 60 + str(n) for n in range(1000, 1010))
    for given, kept in ((["import", "eu"], ("import", "eu")), (ten, ten), ((), ())):
        job = await ask(store, read_job, await put(store, labels=given))
        assert job.labels == kept
    page = await ask(store, list_jobs, limit=10)
    assert [one.labels for one in page.items] == [(), ten, ("import", "eu")]


async def test_labels_that_cannot_be_are_refused_by_their_place(store: Store) -> None:
    for labels, words in WRONG:
        with pytest.raises(EnqueueError, match=words):
            await put(store, labels=labels)
    assert (await ask(store, list_jobs, limit=1)).items == ()


async def test_jobs_are_found_by_one_label_or_several(store: Store) -> None:
    async def found(*labels: str, whose: UUID = ORGANIZATION, **how: Any) -> list[UUID]:
        page = await ask(store, list_jobs, limit=10, labels=labels, whose=whose, **how)
        return [one.id for one in page.items]

    both = await put(store, "a", labels=["import", "eu"])
    one = await put(store, "b", labels=["eu"], reference="alert")
    await put(store, "c")
    other = new_id()
    theirs = await put(store, "theirs", organization_id=other, labels=["eu"])
    assert await found("eu") == [one, both]
    assert await found("eu", oldest_first=True) == [both, one]
    assert await found("eu", "import") == await found("import") == [both]
    assert await found("import", "us") == await found("e") == []
    assert await found("eu", whose=other) == [theirs]
    assert await found("eu", reference="alert", status=JobStatus.PENDING) == [one]
    assert await found("eu", status=JobStatus.FAILED) == await found("import", reference="alert") == []
    first = await ask(store, list_jobs, limit=1, labels=["eu"])
    assert [one.id for one in first.items] == [one]
    assert await found("eu", cursor=first.next_cursor) == [both]
    for labels, words in WRONG:
        with pytest.raises(ValueError, match=words):
            await ask(store, list_jobs, limit=1, labels=labels)


async def test_members_of_a_flow_have_theirs(store: Store) -> None:
    flow = Flow("import")
    flow.then(Steer("b"), after=[flow.add(Steer("a"), labels=["eu", "import"])], labels=("last",))
    await ask(store, enqueue, flow, organization_id=ORGANIZATION)
    members = {one.is_completion: one.labels for one in (await ask(store, list_members, flow.id)).items}
    assert members == {False: ("eu", "import"), True: ("last",)}
    with pytest.raises(EnqueueError, match="options go with the jobs of a flow"):
        await ask(store, enqueue, Flow("import"), organization_id=ORGANIZATION, labels=["eu"])


async def test_many_jobs_have_them_together_or_each_its_own(store: Store) -> None:
    async def many(*names: str, labels: Any) -> list[UUID]:
        work = [Steer(name) for name in names]
        made: list[UUID] = await ask(store, enqueue_many, work, organization_id=ORGANIZATION, labels=labels)
        return made

    async def kept(made: list[UUID]) -> list[tuple[str, ...]]:
        return [(await ask(store, read_job, one)).labels for one in made]

    assert await kept(await many("a", "b", labels=["eu"])) == [("eu",), ("eu",)]
    own: dict[str, Any] = {"c": ["c", "eu"], "d": None, "e": []}
    assert await kept(await many(*own, labels=lambda job: own[job.name])) == [("c", "eu"), (), ()]
    for labels, words in (
        ("eu", r"jobs\[0\]: labels must be a list of texts"),
        (lambda job: [job.name, "b"], r"jobs\[1\]: labels\[1\] must be another"),
        (lambda job: job.nothing, r"jobs\[0\]: labels raised AttributeError"),
    ):
        with pytest.raises(EnqueueError, match=words):
            await many("a", "b", labels=labels)


async def test_each_job_of_a_schedule_has_them(db: Database, scheduler: Scheduler, pulse: Any) -> None:
    memory = InMemoryJobs(jobs, resources={Pulse: pulse})

    async def fire(kept: Any, work: Any) -> list[tuple[str, ...]]:
        async with kept.tenant(ORGANIZATION) as session:
            made = await schedule(
                session, "often", Every(90), Steer("a"), organization_id=ORGANIZATION, labels=["eu", "nightly"]
            )
            await run_schedule_now(session, made.id, organization_id=ORGANIZATION)
        await work()
        async with kept.tenant(ORGANIZATION) as session:
            return [one.labels for one in (await list_jobs(session, limit=10)).items]

    assert await fire(memory, memory.run_due) == await fire(db, scheduler.work) == [("eu", "nightly")]


async def test_they_are_kept_through_ingestion_and_the_first_answer_again(db: Database, waker: Any) -> None:
    ingestion = Ingestion(db.psycopg, waker, intakes={})
    answers = [await ingestion.submit(submission("key", labels=["import", 'a"b'])) for _ in range(2)]
    assert answers[0].body == answers[1].body
    assert b'"labels":["import","a\\"b"]' in answers[0].body
    none = await ingestion.submit(submission("other"))
    async with db.tenant(ORGANIZATION) as session:
        assert (await read_job(session, answers[0].job_id)).labels == ("import", 'a"b')
        stored = await session.scalars(text("SELECT labels FROM jobs WHERE id = :id"), {"id": none.job_id})
        assert list(stored) == [None]  # as large as without


async def test_a_dead_letter_and_the_job_made_anew_of_it_keep_them(db: Database, working: Any, reaches: Any) -> None:
    async with db.tenant(ORGANIZATION) as session:
        job_id = await enqueue(
            session, Steer("a", ("permanent", "ok")), organization_id=ORGANIZATION, labels=["eu", "import"]
        )
    async with working():
        await reaches(job_id, "failed")
    async with db.platform() as session:
        await session.execute(text("DELETE FROM jobs"))
        [letter] = (await dead_letters(session)).items
        assert (await read_dead_letter(session, letter.id)).labels == ("eu", "import")
        await requeue(session, letter.id)
    async with db.tenant(ORGANIZATION) as session:
        assert (await read_job(session, job_id)).labels == ("eu", "import")
