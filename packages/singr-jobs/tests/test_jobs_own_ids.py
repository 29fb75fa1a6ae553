"""Ids that callers give: the same again is one job; what another has is refused without a word about whose it is."""

from typing import Any
from uuid import UUID

import pytest
from jobs_support import ORGANIZATION, Later, Pulse, Steer, newer

from singr_db import Database, new_id
from singr_jobs import Flow, JobExistsError, enqueue
from singr_jobs.testing import InMemoryJobs

THEIRS = new_id()
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "with a key": {"unique_key": "k"},
    "held": {"unique_key": "k", "unique_for": 60},
    "in the place of who holds it": {"unique_key": "k", "replace": True},
}


@pytest.fixture(params=["database", "memory"])
def store(request: pytest.FixtureRequest) -> Database | InMemoryJobs:
    if request.param == "memory":
        return InMemoryJobs(newer, resources={Pulse: Pulse()})
    db: Database = request.getfixturevalue("db")
    return db


async def put(store: Database | InMemoryJobs, organization_id: UUID, job: Any, **options: Any) -> UUID:
    async with store.tenant(organization_id) as session:
        return await enqueue(session, job, organization_id=organization_id, **options)


async def refused(session: Any, job: Any, field: str, **options: Any) -> str:
    """What is said to it; whatever else the session does goes on."""
    with pytest.raises(JobExistsError, match=f"^{field} .* is in use: give another, as singr_db.new_id") as raised:
        await enqueue(session, job, organization_id=ORGANIZATION, **options)
    await enqueue(session, Steer("goes on"), organization_id=ORGANIZATION)
    return str(raised.value)


async def all_of(store: Database | InMemoryJobs) -> list[tuple[UUID, str]]:
    """All jobs there are, as whose and which."""
    if isinstance(store, InMemoryJobs):
        return sorted((job.organization_id, job.job.name) for job in store.all if isinstance(job.job, Steer))
    async with store.psycopg.connection() as connection:
        cursor = await connection.execute("SELECT organization_id, payload ->> 'name' FROM jobs")
        return sorted(await cursor.fetchall())


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
async def test_the_id_of_anothers_job_is_refused_and_leaves_nothing(store: Database | InMemoryJobs, options):
    own = await put(store, THEIRS, Steer("theirs"), job_id=new_id())
    async with store.tenant(ORGANIZATION) as session:
        said = await refused(session, Steer("ours"), "job_id", job_id=own, **options)
    async with store.platform() as session:
        assert await refused(session, Steer("ours"), "job_id", job_id=own, **options) == said
    assert str(THEIRS) not in said
    assert await all_of(store) == sorted([(ORGANIZATION, "goes on"), (ORGANIZATION, "goes on"), (THEIRS, "theirs")])
    # The key was not taken, either.
    assert await put(store, ORGANIZATION, Steer("later"), unique_key="k", job_id=(new := new_id())) == new


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
async def test_the_id_of_its_own_job_is_answered_again_also_when_that_has_ended(store, options):
    own = await put(store, ORGANIZATION, Steer("a"), job_id=new_id(), **options)
    assert await put(store, ORGANIZATION, Steer("a"), job_id=own, **options) == own
    if isinstance(store, InMemoryJobs):
        await store.run_due()
    else:
        async with store.psycopg.connection() as connection:
            await connection.execute("UPDATE jobs SET status = 'completed', finished_at = now()")
    assert await put(store, ORGANIZATION, Steer("a"), job_id=own, **options) == own
    assert await all_of(store) == [(ORGANIZATION, "a")]


async def test_who_holds_the_key_is_answered_whatever_id_was_given(store):
    theirs = await put(store, THEIRS, Steer("theirs"))
    done = await put(store, ORGANIZATION, Steer("done"))
    holder = await put(store, ORGANIZATION, Steer("holds"), unique_key="k")
    for taken in (theirs, done):
        assert await put(store, ORGANIZATION, Steer("late"), unique_key="k", job_id=taken) == holder


async def test_a_job_of_another_type_has_an_id_of_its_own(store):
    own = await put(store, ORGANIZATION, Steer("a"))
    async with store.tenant(ORGANIZATION) as session:
        await refused(session, Later("a"), "job_id", job_id=own)


@pytest.mark.parametrize("options", [{}, {"unique_key": "k"}], ids=["plain", "with a key"])
async def test_a_role_that_may_only_enqueue_is_told_the_same(db, enqueuer_session, options):
    theirs, ours = await put(db, THEIRS, Steer("theirs")), await put(db, ORGANIZATION, Steer("ours"))
    async with enqueuer_session() as session:
        await refused(session, Steer("ours"), "job_id", job_id=theirs, **options)
        assert await enqueue(session, Steer("ours"), organization_id=ORGANIZATION, job_id=ours, **options) == ours
    assert await all_of(db) == sorted([(ORGANIZATION, "goes on"), (ORGANIZATION, "ours"), (THEIRS, "theirs")])


async def test_the_id_of_anothers_flow_is_refused_and_leaves_nothing(store: Database | InMemoryJobs):
    def flow(flow_id: UUID, name: str) -> Flow:
        made = Flow("import", flow_id=flow_id)
        made.add(Steer(name))
        return made

    own = await put(store, THEIRS, flow(new_id(), "theirs"))
    async with store.tenant(ORGANIZATION) as session:
        assert str(THEIRS) not in await refused(session, flow(own, "ours"), "flow_id")
    assert await put(store, THEIRS, flow(own, "theirs")) == own
    assert await all_of(store) == sorted([(ORGANIZATION, "goes on"), (THEIRS, "theirs")])
