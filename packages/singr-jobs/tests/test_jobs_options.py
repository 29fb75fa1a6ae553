"""What no option can be is refused where it is written, by its name and with what would be right."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from jobs_support import ORGANIZATION, Steer, jobs
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import Database
from singr_jobs import (
    DeclarationError,
    EnqueueError,
    Exponential,
    Jobs,
    Priority,
    Queue,
    QueueError,
    QueueOptions,
    Rate,
    WorkerOptions,
    enqueue,
    list_jobs,
)

NUMBER = "as a number, not "
WRONG: list[tuple[str, Any, str]] = [
    ("organization_id", None, "organization_id must be a UUID, not None"),
    ("organization_id", str(ORGANIZATION), f"organization_id must be a UUID, not '{ORGANIZATION}'"),
    ("priority", 5, "priority must be one of Priority.HIGH, Priority.NORMAL, Priority.LOW, not 5"),
    ("priority", "high", "priority must be one of Priority.HIGH, Priority.NORMAL, Priority.LOW, not 'high'"),
    ("priority", True, "priority must be one of Priority.HIGH, Priority.NORMAL, Priority.LOW, not True"),
    ("attempts", 2.5, "attempts must be 1 to 100, a whole number, not 2.5"),
    ("attempts", True, "attempts must be 1 to 100, a whole number, not True"),
    ("attempts", "3", "attempts must be 1 to 100, a whole number, not '3'"),
    ("timeout", "5", f"timeout must be above 0 and at most 86400 seconds, {NUMBER}'5'"),
    ("timeout", timedelta(1), f"timeout must be above 0 and at most 86400 seconds, {NUMBER}a timedelta"),
    ("timeout", float("nan"), f"timeout must be above 0 and at most 86400 seconds, {NUMBER}nan"),
    ("run_at", date(2030, 1, 1), "datetime.now(UTC) + timedelta(…), not a date"),
    ("run_at", "tomorrow", "datetime.now(UTC) + timedelta(…), not 'tomorrow'"),
    ("unique_key", 5, "unique_key must be a text, not 5"),
    ("queue", 5, "queue: there is no queue 5: a name is lower-case words"),
    ("job_id", "mine", "job_id must be a UUID version 7, as singr_db.new_id() makes, not 'mine'"),
]


@pytest.mark.parametrize(("field", "value", "says"), WRONG, ids=[f"{field} {value}" for field, value, _ in WRONG])
async def test_enqueue_refuses_an_option_of_the_wrong_kind_before_any_statement(field, value, says):
    bound_to_nothing = AsyncSession()
    with pytest.raises(EnqueueError) as refused:
        await enqueue(bound_to_nothing, Steer("a"), **{"organization_id": ORGANIZATION, field: value})
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("job", "says"),
    [
        (Steer, "the job must be an instance, Steer(…), not the class Steer itself"),
        ({"name": "a"}, "the job must be an instance of a struct that is declared as a job, not a dict"),
        (None, "the job must be an instance of a struct that is declared as a job, not None"),
    ],
    ids=["class", "dict", "none"],
)
async def test_what_is_no_job_is_refused_by_what_it_is(job: Any, says: str):
    with pytest.raises(EnqueueError) as refused:
        await enqueue(AsyncSession(), job, organization_id=ORGANIZATION)
    assert str(refused.value) == says
    with pytest.raises(EnqueueError) as refused:
        jobs.of(job)
    assert str(refused.value) == says


class Thing(msgspec.Struct, frozen=True, tag="test.thing"):
    """A job whose declaration is wrong."""


async def nothing(job: Thing, context: object) -> None: ...


TYPES = "needs must be a tuple of types, such as needs=(Mailer,), not "


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"attempts": 2.5}, "attempts must be 1 to 100, a whole number, not 2.5"),
        ({"attempts": "3"}, "attempts must be 1 to 100, a whole number, not '3'"),
        ({"timeout": "3"}, f"timeout must be above 0 and at most 86400 seconds, {NUMBER}'3'"),
        ({"backoff": 2.0}, "backoff must be an Exponential, such as Exponential(2.0), not 2.0"),
        ({"needs": Thing}, f"{TYPES}the class Thing"),
        ({"needs": ("x",)}, f"{TYPES}'x'"),
    ],
    ids=str,
)
def test_a_declaration_refuses_an_option_of_the_wrong_kind(options: dict[str, Any], says: str):
    with pytest.raises(DeclarationError) as refused:
        Jobs().handler(Thing, **options)
    assert str(refused.value) == f"job type 'test.thing': {says}"


class Built:
    async def __call__(self, job: Thing, context: object) -> None: ...


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda: None, "the handler must take two arguments, the job and its context, not ()"),
        (lambda _job: None, "the handler must take two arguments, the job and its context, not (_job)"),
        (lambda _job, _context, more: more, "two arguments, the job and its context, not (_job, _context, more)"),
        (Built, "the handler must be a function, async or plain, without yield"),
    ],
    ids=["none", "one", "three", "class"],
)
def test_a_handler_that_no_job_could_be_given_to_is_refused(function: Any, says: str):
    with pytest.raises(DeclarationError) as refused:
        Jobs().handler(Thing)(function)
    assert says in str(refused.value)


@pytest.mark.parametrize("function", [Built(), staticmethod(nothing)], ids=["object", "static method"])
def test_whatever_is_called_as_an_async_function_runs_as_one(function: Any):
    made = Jobs()
    made.handler(Thing)(function)
    assert not made.named("test.thing").in_thread


@pytest.mark.parametrize("struct", [dict, 5, None, nothing], ids=["dict", "number", "none", "without parentheses"])
def test_a_declaration_of_what_is_no_struct_says_so(struct: Any):
    with pytest.raises(DeclarationError, match="a job type needs its struct, a subclass"):
        Jobs().handler(struct)


@pytest.mark.parametrize(
    "tag", ["", " ", "A.b", "1a", "a b", "\u00dcn\u00ef", "a\0b", "\ud800", "a.b\n", "a" * 101], ids=ascii
)
def test_a_tag_that_the_api_could_not_ask_for_names_no_job_type(tag: str):
    struct: Any = msgspec.defstruct("Odd", [], tag=tag)
    with pytest.raises(DeclarationError, match=r"Odd: its tag: .* cannot name a job type: a small letter comes first"):
        Jobs().declare(struct)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Rate(1.5), "rate: count must be at least 1, a whole number, not 1.5"),  # type: ignore[arg-type]
        (lambda: Rate(1, seconds=0), f"rate: seconds must be above 0 seconds, {NUMBER}0"),
        (lambda: Exponential("2"), f"backoff: first must be above 0 seconds, {NUMBER}'2'"),  # type: ignore[arg-type]
        (lambda: QueueOptions(concurrency="3"), "concurrency must be at least 1, a whole number, not '3'"),  # type: ignore[arg-type]
        (lambda: QueueOptions(rate=5), "rate must be a Rate, such as Rate(100, seconds=60), not 5"),  # type: ignore[arg-type]
        (lambda: WorkerOptions(poll=0), f"poll must be above 0 seconds, {NUMBER}0"),
        (lambda: WorkerOptions(grace="x"), f"grace must be at least 0 seconds, {NUMBER}'x'"),  # type: ignore[arg-type]
        (lambda: WorkerOptions(queues=[Queue.EMAIL]), "queues must be a mapping of queues to QueueOptions, not a list"),  # type: ignore[arg-type]
        (lambda: WorkerOptions(queues={Queue.SMS: 5}), "queues: sms must be a QueueOptions, not 5"),  # type: ignore[dict-item]
    ],
)
def test_options_of_the_wrong_kind_are_refused_by_their_name(make, says):
    with pytest.raises(ValueError, match=r".") as refused:
        make()
    assert str(refused.value) == says


async def test_a_number_that_is_a_priority_is_one(db: Database):
    async with db.tenant(ORGANIZATION) as session:
        job_id = await enqueue(session, Steer("a"), organization_id=ORGANIZATION, priority=Priority(0))
        assert job_id != await enqueue(session, Steer("a"), organization_id=ORGANIZATION, priority=2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"status": "nope"}, "status must be one of pending, processing, completed, failed, cancelled, not 'nope'"),
        ({"job_type": "a\0b"}, "'a\\x00b' cannot name a job type"),
    ],
    ids=["status", "type"],
)
async def test_jobs_are_not_listed_by_what_none_can_have(db: Database, given: dict[str, Any], says: str):
    async with db.tenant(ORGANIZATION) as session:
        with pytest.raises(ValueError, match=r".") as refused:
            await list_jobs(session, limit=10, **given)
    assert says in str(refused.value)


async def test_jobs_are_listed_by_the_word_of_a_status_as_by_the_status(db: Database):
    async with db.tenant(ORGANIZATION) as session:
        await enqueue(session, Steer("a"), organization_id=ORGANIZATION)
        assert not (await list_jobs(session, limit=10, status="processing")).items  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "shown"), [("1a", "'1a'"), (None, "None"), (5, "5")])
def test_a_name_of_a_queue_is_told_to_begin_with_a_letter(name: Any, shown: str):
    with pytest.raises(QueueError, match=rf"^{shown} cannot be the name of a queue: .*, a letter first"):
        Queue.declare(name)
