"""Queues are declared names: a service has its own, and a name that is none is refused where it is written."""

import copy
import pickle
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from jobs_support import ORGANIZATION, Pulse, Steer, jobs, put

from singr_db import Database, new_id
from singr_jobs import (
    DeclarationError,
    EnqueueError,
    JobContext,
    Jobs,
    JobStatus,
    JobTelemetry,
    JobView,
    Queue,
    QueueError,
    QueueOptions,
    Waker,
    WorkerOptions,
    enqueue,
    list_jobs,
    redis_client,
)
from singr_jobs.testing import InMemoryJobs
from singr_observability import build_metrics

HOUSE = "email, sms, push, two-factor, digest, webhook, maintenance, default"


class Invoice(msgspec.Struct, frozen=True, tag="test.invoice"):
    """A job of another team."""


async def nothing(job: Any, context: JobContext) -> None: ...


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test declares is gone after it."""
    monkeypatch.setattr("singr_jobs.declare._types._DECLARED", {})


def test_a_declared_queue_is_a_queue_like_those_of_the_house():
    billing = Queue.declare("billing")
    assert billing is Queue("billing") is Queue.declare("billing") is copy.deepcopy(billing)
    assert isinstance(billing, Queue)
    assert (billing, billing.value, f"{billing}", hash(billing)) == ("billing", "billing", "billing", hash("billing"))
    assert pickle.loads(pickle.dumps(billing)) is billing
    assert msgspec.json.decode(msgspec.json.encode(billing), type=Queue) is billing
    assert Queue.declared() == (*Queue, billing)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Billing",
        "billing_invoices",
        "-billing",
        "billing-",
        "a--b",
        "2nd",
        "b\u00e4nke",
        "a b",
        "a\n",
        "a,b",
        "x" * 41,
        7,
    ],
)
def test_a_badly_spelt_name_is_refused_with_what_would_be_right(name):
    with pytest.raises(QueueError, match="lower-case words of letters and digits, joined by -, 40 characters at most"):
        Queue.declare(name)
    assert Queue.declared() == tuple(Queue)


def test_a_name_of_the_house_is_not_declared_again():
    with pytest.raises(QueueError, match="email is the house's own"):
        Queue.declare("email")


def test_a_process_declares_a_hundred_queues_and_no_more():
    for number in range(100):
        Queue.declare(f"queue-{number}")
    with pytest.raises(QueueError, match="queue-100 is one too many: a process may declare 100"):
        Queue.declare("queue-100")
    assert Queue.declare("queue-99") == "queue-99"


def test_an_undeclared_name_is_refused_with_those_that_are_declared():
    Queue.declare("billing")
    with pytest.raises(QueueError) as refused:
        Queue("biling")
    right = "declare it first, with Queue.declare"
    assert str(refused.value) == f"there is no queue 'biling': {right}; there are {HOUSE}, billing"
    with pytest.raises(QueueError, match=r"there is no queue 'Billing\\n': a name is lower-case words of letters"):
        Queue("Billing\n")
    with pytest.raises(QueueError) as long:
        Queue("x" * 1_000_000)
    assert len(str(long.value)) < 400


def undeclared(field: str) -> str:
    return f"{field}there is no queue 'emial': declare it first, with Queue.declare; there are {HOUSE}"


async def test_an_undeclared_queue_is_refused_where_it_is_written_by_its_field():
    wrong: Any = "emial"
    with pytest.raises(DeclarationError, match=undeclared("job type 'test.invoice': queue: ")):
        Jobs().handler(Invoice, queue=wrong)(nothing)
    with pytest.raises(DeclarationError, match=undeclared("job type 'test.invoice': queue: ")):
        Jobs().declare(Invoice, queue=wrong)
    with pytest.raises(EnqueueError, match=undeclared("queue: ")):
        await enqueue(InMemoryJobs(jobs), Steer("a"), organization_id=ORGANIZATION, queue=wrong)
    with pytest.raises(ValueError, match=undeclared("queues: ")):
        WorkerOptions(queues={wrong: QueueOptions()})
    with pytest.raises(QueueError, match=undeclared("")):
        InMemoryJobs(jobs, queues=[wrong])


async def test_jobs_are_not_listed_by_a_queue_that_is_none(db: Database):
    async with db.tenant(ORGANIZATION) as session:
        with pytest.raises(QueueError, match=undeclared("")):
            await list_jobs(session, limit=10, queue="emial")  # type: ignore[arg-type]  # what is refused


def test_a_worker_serves_what_is_declared_unless_it_chooses():
    billing = Queue.declare("billing")
    assert set(WorkerOptions().queues) == {*Queue, billing}
    chosen: Any = {"billing": QueueOptions(concurrency=2)}
    [(queue, options)] = WorkerOptions(queues=chosen).queues.items()
    assert (queue is billing, options.concurrency) == (True, 2)


async def test_memory_jobs_run_the_queues_that_they_are_given():
    billing = Queue.declare("billing")
    memory = InMemoryJobs(jobs, resources={Pulse: Pulse()}, queues=[billing])
    ours = await enqueue(memory, Steer("ours"), organization_id=ORGANIZATION, queue=billing)
    await enqueue(memory, Steer("theirs"), organization_id=ORGANIZATION)
    assert [job.id for job in await memory.run_due()] == [ours]
    assert [(job.queue, job.status) for job in await memory.run_until_done()] == [
        ("billing", "completed"),
        ("default", "pending"),
    ]


async def test_a_worker_serves_a_declared_queue_and_no_other(db: Database, waker: Waker, working, reaches):
    billing = Queue.declare("billing")
    async with working(queues={billing: QueueOptions(concurrency=1)}) as worker:
        elsewhere = await put(db, "elsewhere")
        job = await reaches(await put(db, "ours", queue=billing), "completed")
        assert worker.in_hand().keys() == {"billing"}
    assert job.queue is billing
    async with db.tenant(ORGANIZATION) as session:
        listed = await list_jobs(session, limit=10, queue=billing)
    assert [one.id for one in listed.items] == [job.id]
    assert (await reaches(elsewhere, "pending")).attempt == 0


@pytest.mark.xdist_group("jobs-running")  # channels are the whole server's, and tests of nonsense speak on them
async def test_a_commit_wakes_those_who_serve_a_declared_queue_and_is_nonsense_to_nobody(db: Database, waker, settings):
    billing = Queue.declare("billing")
    heard: list[frozenset[Queue]] = []
    misheard: list[None] = []
    client = redis_client(settings.redis)
    async for queues in Waker(client).listen(cancelled=lambda _: None, misheard=lambda: misheard.append(None)):
        if billing in queues and heard:
            break
        heard.append(queues)
        if len(heard) == 1:
            waker.wake([Queue.stored("of-others")])
            await put(db, "a", queue=billing)
    assert misheard == []
    await client.aclose()


def test_a_job_of_a_queue_that_is_declared_elsewhere_is_read_from_its_json():
    now = datetime.now(UTC)
    told = JobView(
        new_id(),
        ORGANIZATION,
        "a.b",
        Queue.stored("of-others"),
        JobStatus.PENDING,
        "normal",
        0,
        0,
        3,
        run_at=now,
        created_at=now,
    )
    assert msgspec.json.decode(msgspec.json.encode(told), type=JobView) == told
    assert msgspec.json.decode(msgspec.json.encode(told), type=JobView).queue.value == "of-others"


async def test_a_queue_of_others_makes_no_labels_here(db: Database, working, monkeypatch):
    metrics = build_metrics()
    telemetry = JobTelemetry(metrics)
    for number in range(50):
        other = Queue.stored(f"other-{number}")
        telemetry.stalled(other, "test.steer", ORGANIZATION, 1, "pending")
        telemetry.depths({(other.value, "waiting"): 1})
    for family in ("singr_jobs_stalled", "singr_queue_depth"):
        labels = {one["labels"]["queue"] for one in metrics.render_json()[family]["values"]}
        assert labels <= {*Queue, "other"}
    assert metrics.jobs_stalled.labels("other").value == 50
