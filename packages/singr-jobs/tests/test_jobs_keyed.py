"""Jobs with a key: as many at once as the limit says, in order, whatever becomes of them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from jobs_support import ORGANIZATION, lies, put, submission, until
from keys_support import Charge, at, keyed, look, look_at_all, put_charge, rows, running

from singr_db import Database
from singr_jobs import (
    DeclarationError,
    EnqueueError,
    Ingestion,
    JobContext,
    Jobs,
    Keyed,
    LimitsUnknownError,
    Priority,
    Rate,
    TypeLimits,
    Waker,
    cancel_job,
    explain,
    list_limits,
    set_limits,
)
from singr_jobs.keys._promoter import Promoter, SlotSweeper
from singr_jobs.maintenance._auditor import Auditor
from singr_jobs.running._observer import GuardedObserver, JobObserver

OTHER = UUID("01920000-0000-7000-8000-0000000000bb")


async def test_one_of_a_key_is_let_through_and_the_others_are_parked(db: Database, promoter: Promoter):
    jobs = [await put_charge(db, "7") for _ in range(3)]
    await look(promoter)
    assert [await lies(db, job) for job in jobs] == ["ready", "parked", "parked"]


@pytest.mark.parametrize("where", ["job_ready", "job_slots"])
async def test_a_job_that_somebody_let_through_by_hand_keeps_nobody_else_waiting(
    db: Database, promoter: Promoter, where: str
):
    twice, other = await put_charge(db, "7"), await put_charge(db, "8")
    columns = {
        "job_ready": "queue, organization_id, priority, run_at, id, type",
        "job_slots": "organization_id, type, key, id",
    }[where]
    async with db.psycopg.connection() as connection:
        into = columns.replace(" id", " job_id") if where == "job_slots" else columns
        await connection.execute(
            f"INSERT INTO {where} ({into}) SELECT {columns} FROM job_keyed WHERE id = %s", (twice,)
        )
    await look(promoter)
    assert await lies(db, other) == "ready"
    assert await rows(db, "SELECT count(*) FROM job_keyed") == [(0,)]


async def test_a_flood_of_one_key_that_came_before_keeps_no_other_waiting(
    db: Database, promoter: Promoter, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("singr_jobs.keys._promoter.LOOKED", 3)
    monkeypatch.setattr("singr_jobs.keys._promoter.OF_EACH", 1)
    flood = [await put_charge(db, "7") for _ in range(8)]
    first, second = await put_charge(db, "8"), await put_charge(db, "8")
    await promoter.look()
    assert [await lies(db, job) for job in (first, second)] == ["ready", "keyed"]
    assert [await lies(db, job) for job in flood] == ["ready", *["parked"] * 3, *["keyed"] * 4]


async def test_a_job_of_another_key_is_let_through_beside_it(db: Database, promoter: Promoter):
    await put_charge(db, "7")
    await put_charge(db, "7")
    other = await put_charge(db, "8")
    await look(promoter)
    assert await lies(db, other) == "ready"


async def test_a_job_without_key_is_held_to_no_limit(db: Database):
    assert [await lies(db, await put_charge(db, None)) for _ in range(2)] == ["ready", "ready"]


async def test_a_job_of_a_type_without_limits_is_written_as_ever(db: Database):
    assert await lies(db, await put(db)) == "ready"
    assert await rows(db, "SELECT count(*) FROM job_keyed") == [(0,)]


async def test_jobs_of_a_key_run_one_by_one_in_their_order(db: Database, working, pulse):
    names = [str(number) for number in range(8)]
    for name in names:
        await put_charge(db, "7", name)
    async with working(jobs=keyed):
        await until(lambda: len(pulse.ran) == len(names))
    assert pulse.ran == names
    assert running.most["7"] == 1


async def test_the_end_of_one_lets_the_next_through_in_its_transaction(
    db: Database, promoter: Promoter, working, pulse
):
    await put_charge(db, "7", "first", "wait")
    async with working(jobs=keyed):
        await until(lambda: pulse.ran == ["first"])
        second = await put_charge(db, "7", "second")
        third = await put_charge(db, "7", "third")
        await until(lambda: at(db, third, "parked"))
        assert await lies(db, second) == "parked"
        pulse.gate.set()
        await until(lambda: pulse.ran == ["first", "second", "third"])
    assert await rows(db, "SELECT count(*) FROM job_slots") == [(0,)]


async def test_what_fails_lets_the_next_through_too(db: Database, working, pulse):
    await put_charge(db, "7", "fails", "fail", attempts=1)
    await put_charge(db, "7", "next")
    async with working(jobs=keyed):
        await until(lambda: pulse.ran == ["fails", "next"])


async def test_a_retry_goes_back_behind_its_key(db: Database, working, pulse):
    await put_charge(db, "7", "again", "later")
    await put_charge(db, "7", "next")
    async with working(jobs=keyed):
        await until(lambda: len(pulse.ran) == 3)
    assert pulse.ran == ["again", "next", "again"]


async def test_the_more_urgent_of_a_key_goes_first(db: Database, promoter: Promoter):
    await put_charge(db, "7")
    await look(promoter)
    normal = await put_charge(db, "7")
    high = await put_charge(db, "7", priority=Priority.HIGH)
    await look(promoter)
    await rows(db, "DELETE FROM job_slots")
    await look_at_all(promoter)
    assert [await lies(db, job) for job in (high, normal)] == ["ready", "parked"]


async def test_a_cancelled_job_that_is_parked_leaves_its_place(db: Database, promoter: Promoter):
    await put_charge(db, "7")
    parked = await put_charge(db, "7")
    await look(promoter)
    async with db.tenant(ORGANIZATION) as session:
        assert (await cancel_job(session, parked)).status == "cancelled"
    assert await lies(db, parked) == ""


async def test_a_cancelled_job_that_was_let_through_lets_go_of_its_key(db: Database, promoter: Promoter):
    first, second = await put_charge(db, "7"), await put_charge(db, "7")
    await look(promoter)
    async with db.tenant(ORGANIZATION) as session:
        await cancel_job(session, first)
    await look_at_all(promoter)
    assert await lies(db, second) == "ready"


async def test_the_audit_gives_a_job_that_lies_nowhere_its_place_behind_its_key(db: Database, waker: Waker, audit):
    job = await put_charge(db, "7")
    await rows(db, "DELETE FROM job_keyed")
    await rows(db, "UPDATE jobs SET created_at = now() - interval '2 minutes'")
    assert await audit() == 1
    assert await lies(db, job) == "keyed"


async def test_the_audit_leaves_a_parked_job_where_it_is(db: Database, promoter: Promoter, audit):
    await put_charge(db, "7")
    parked = await put_charge(db, "7")
    await look(promoter)
    await rows(db, "UPDATE jobs SET created_at = now() - interval '2 minutes'")
    assert await audit() == 0
    assert await lies(db, parked) == "parked"


async def test_the_audit_leaves_a_job_that_lies_twice_where_it_runs(db: Database, promoter: Promoter, audit):
    job = await put_charge(db, "7")
    await look(promoter)
    await rows(
        db,
        "INSERT INTO job_parked SELECT organization_id, type, 'k', priority, run_at, id, queue FROM job_ready",
    )
    assert await audit() == 1
    assert await lies(db, job) == "ready"


async def test_a_slot_of_a_job_that_has_ended_is_forgotten(db: Database, promoter: Promoter):
    job = await put_charge(db, "7")
    await look(promoter)
    await rows(db, "UPDATE jobs SET status = 'completed' WHERE id = %s", job)
    assert await SlotSweeper(db.psycopg).work() == 1
    assert await SlotSweeper(db.psycopg).work() == 0


async def test_a_slot_of_a_job_that_runs_is_kept(db: Database, promoter: Promoter):
    await put_charge(db, "7")
    await look(promoter)
    assert await SlotSweeper(db.psycopg).work() == 0


async def test_a_lowered_limit_holds_once_enough_has_ended(db: Database, promoter: Promoter):
    await rows(db, "UPDATE job_limits SET set_concurrency = 3 WHERE type = 'test.charge'")
    jobs = [await put_charge(db, "7") for _ in range(5)]
    await look(promoter)
    assert [await lies(db, job) for job in jobs].count("ready") == 3
    await rows(db, "UPDATE job_limits SET set_concurrency = 1 WHERE type = 'test.charge'")
    await look_at_all(promoter)
    assert [await lies(db, job) for job in jobs].count("ready") == 3


async def test_a_raised_limit_lets_more_through(db: Database, promoter: Promoter):
    jobs = [await put_charge(db, "7") for _ in range(3)]
    await look(promoter)
    await rows(db, "UPDATE job_limits SET set_concurrency = 3 WHERE type = 'test.charge'")
    await look_at_all(promoter)
    assert [await lies(db, job) for job in jobs] == ["ready", "ready", "ready"]


async def test_limits_are_set_while_workers_run_and_taken_back(db: Database, promoter: Promoter):
    async with db.platform() as session:
        await set_limits(session, "test.charge", concurrency=2, reason="the provider allows it")
    jobs = [await put_charge(db, "7") for _ in range(3)]
    await look(promoter)
    assert [await lies(db, job) for job in jobs] == ["ready", "ready", "parked"]
    async with db.platform() as session:
        await set_limits(session, "test.charge")
        listed = {one.type: one for one in await list_limits(session)}
    assert listed["test.charge"] == TypeLimits("test.charge", 1, None, None, None)
    assert listed["test.call"] == TypeLimits("test.call", None, Rate(2, 60), None, None)
    acts = await rows(db, "SELECT kind, target, after, reason FROM operation_log ORDER BY id")
    assert acts[0] == ("limits.set", "test.charge", {"set_concurrency": 2}, "the provider allows it")
    assert len(acts) == 2


async def test_a_limit_of_zero_lets_nothing_start(db: Database, promoter: Promoter):
    async with db.platform() as session:
        await set_limits(session, "test.charge", concurrency=0)
    job = await put_charge(db, "7")
    await look(promoter)
    assert await lies(db, job) == "parked"


async def test_limits_of_a_type_that_declares_none_cannot_be_set(db: Database, promoter: Promoter):
    with pytest.raises(LimitsUnknownError, match=r"test\.steer"):
        async with db.platform() as session:
            await set_limits(session, "test.steer", concurrency=1)


async def test_what_is_parked_goes_on_once_its_type_is_declared_without_a_limit(
    db: Database, promoter: Promoter, waker
):
    jobs = [await put_charge(db, "7") for _ in range(3)]
    await look(promoter)
    unlimited = Jobs()

    class Same(Charge, frozen=True, tag="test.charge"):
        pass

    @unlimited.handler(Same)
    async def charge(job: Same, context: JobContext) -> None: ...

    other = Promoter(db.psycopg, unlimited, poll=0.5, waker=waker, due=lambda queues: None)
    await other.declare()
    await look_at_all(other)
    assert [await lies(db, job) for job in jobs] == ["ready", "ready", "ready"]


async def test_a_type_that_no_worker_has_declared_waits(db: Database, promoter: Promoter):
    job = await put_charge(db, "7")
    await rows(db, "DELETE FROM job_limits")
    await look(promoter)
    assert await lies(db, job) == "parked"


async def test_a_key_of_another_organization_is_another_key(db: Database, promoter: Promoter):
    await put_charge(db, "7")
    other = await put_charge(db, "7", of=OTHER)
    await look(promoter)
    assert await lies(db, other) == "ready"


async def test_a_job_for_later_waits_for_its_time_first(db: Database, promoter: Promoter):
    job = await put_charge(db, "7", run_at=datetime.now(UTC) + timedelta(hours=1))
    await look(promoter)
    assert await lies(db, job) == "keyed"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"concurrency": 3}, "concurrency must be such as Keyed"),
        ({"concurrency": Keyed(lambda job: 1, limit=0)}, "concurrency: limit must be 1 to 100000"),
        ({"concurrency": Keyed(lambda job: 1, Rate(1, 1))}, "concurrency must be such as Keyed"),
        ({"rate": Keyed(lambda job: 1, limit=2)}, "rate must be such as Keyed"),
        ({"rate": Keyed(lambda job: 1, Rate(2**40, 1))}, r"rate\.count must be 1 to 1000000, a whole number, not 1099"),
        ({"rate": Keyed(lambda job: 1, Rate(1, 1e-9))}, r"rate\.seconds must be 0\.001 to 86400 seconds, as a number"),
        ({"rate": Keyed(..., Rate(1, 1))}, "must be by one key"),
        (
            {"concurrency": Keyed(lambda job: 1, 1), "rate": Keyed(lambda job: 2, Rate(1, 1))},
            "must be by one key",
        ),
        ({"concurrency": Keyed("account", 1)}, "needs a function"),
    ],
)
def test_limits_that_cannot_be_are_refused_by_name(options, words):
    with pytest.raises(DeclarationError, match=words):
        Jobs().handler(Charge, **options)


@pytest.mark.parametrize("account", ["", "x" * 256])
async def test_a_key_that_cannot_be_kept_is_refused_without_telling_it(db: Database, account):
    with pytest.raises(EnqueueError, match="concurrency_key must be") as refused:
        await put_charge(db, account)
    assert account == "" or account not in str(refused.value)


async def test_a_caller_names_another_key_than_the_jobs_own(db: Database, waker: Waker, promoter: Promoter):
    ingestion = Ingestion(db.psycopg, waker, intakes={})
    made = []
    for number, key in enumerate((None, "other", "other")):
        one = submission(f"key-{number}", job_type=keyed.named("test.charge"), concurrency_key=key)
        one.payload = Charge("7")
        made.append(await ingestion.submit(one))
    await look(promoter)
    assert [await lies(db, answer.job_id) for answer in made] == ["ready", "ready", "parked"]
    assert [msgspec.json.decode(answer.body)["concurrency_key"] for answer in made] == ["7", "other", "other"]
    again = submission("key-1", job_type=keyed.named("test.charge"), concurrency_key="other")
    again.payload = Charge("7")
    assert (await ingestion.submit(again)).body == made[1].body


async def test_a_parked_job_says_whom_it_waits_for(db: Database, promoter: Promoter):
    first, _, third = [await put_charge(db, "7") for _ in range(3)]
    await look(promoter)
    async with db.tenant(ORGANIZATION) as session:
        told = await explain(session, third)
    assert (told.state, told.reason) == ("parked", "concurrency_key")
    assert told.in_words == (
        f"Waits for one of 1 running jobs of its key to end, such as {first}; 1 of its key are before it."
    )


async def test_a_keyed_job_whose_time_has_not_come_says_so(db: Database, promoter: Promoter):
    job = await put_charge(db, "7", run_at=datetime.now(UTC) + timedelta(hours=1))
    async with db.tenant(ORGANIZATION) as session:
        assert (await explain(session, job)).reason == "not_due"


@pytest.fixture
def audit(db: Database, waker: Waker):
    return Auditor(db.psycopg, waker=waker, observer=GuardedObserver(JobObserver())).work


async def test_what_an_open_transaction_has_locked_is_looked_for_more_and_more_seldom(db: Database, promoter: Promoter):
    """It was looked for without a pause, for as long as that stayed open."""
    job = await put_charge(db, "7")
    async with db.psycopg.connection() as connection, connection.transaction():
        await connection.execute("SELECT FROM job_keyed WHERE id = %s FOR UPDATE", (job,))
        pauses = [await promoter.look() for _ in range(4)]
        beside = await put_charge(db, "8")
        assert await promoter.look() == 0.0
        assert await lies(db, beside) == "ready"
        again = await promoter.look()
    assert 0 < pauses[0] == again < pauses[1] < pauses[-1] <= 0.5
    await look(promoter)
    assert await lies(db, job) == "ready"
