"""What handlers write of their attempts: kept by attempt, bounded and redacted, and never in a job's way."""

from typing import Any

import msgspec
import pytest
from jobs_support import ORGANIZATION, until

from singr_db import Database, new_id
from singr_jobs import Exponential, JobContext, JobNotFoundError, Jobs, SyncJobContext, enqueue, list_job_logs
from singr_jobs.testing import InMemoryJobs


class Talk(msgspec.Struct, frozen=True, tag="test.talk"):
    """Writes something in each attempt."""

    lines: int = 1


class Ramble(msgspec.Struct, tag="test.ramble"):
    """Says far too much."""


class Mutter(msgspec.Struct, frozen=True, tag="test.mutter"):
    """The same in a thread."""


class Unprintable:
    def __str__(self) -> str:
        raise SystemExit


def talking() -> Jobs:
    made = Jobs()

    @made.handler(Talk, attempts=2, backoff=Exponential(0.01))
    async def talk(job: Talk, context: JobContext) -> None:
        for number in range(job.lines):
            context.log("line", number=number, password="hunter2", odd=Unprintable(), nul="a\x00b\ud800")
        context.log("token=abcdefghijklmnop")
        if not context.is_last_attempt:
            raise ValueError

    @made.handler(Mutter)
    def mutter(job: Mutter, context: SyncJobContext) -> None:
        context.log("from a thread", inside=True)

    return made


TALKING = talking()


async def lines(db: Database, job_id: Any, **which: Any) -> list[Any]:
    async with db.tenant(ORGANIZATION) as session:
        return list((await list_job_logs(session, job_id, limit=100, **which)).items)


async def put(db: Database, job: msgspec.Struct) -> Any:
    async with db.tenant(ORGANIZATION) as session:
        return await enqueue(session, job, organization_id=ORGANIZATION)


async def test_lines_are_kept_by_attempt_in_order_and_without_secrets(db: Database, working: Any) -> None:
    job_id = await put(db, Talk(2))
    async with working(jobs=TALKING):
        await until(lambda: _has(db, job_id, 6))
    found = await lines(db, job_id)
    assert [(line.attempt, line.message) for line in found] == [
        (attempt, words) for attempt in (1, 2) for words in ("line", "line", "token=[REDACTED]")
    ]
    assert [line.fields["number"] for line in found if line.fields] == [0, 1, 0, 1]
    assert "hunter2" not in str(found)
    assert found[0].fields["nul"] == "ab?"
    assert {line.attempt for line in await lines(db, job_id, attempt=2)} == {2}


async def _has(db: Database, job_id: Any, count: int) -> bool:
    return len(await lines(db, job_id)) == count


async def test_a_plain_function_writes_its_log_from_its_thread(db: Database, working: Any) -> None:
    job_id = await put(db, Mutter())
    async with working(jobs=TALKING):
        await until(lambda: _has(db, job_id, 1))
    [line] = await lines(db, job_id)
    assert (line.message, line.fields) == ("from a thread", {"inside": True})


async def test_logs_in_memory_are_those_of_a_worker() -> None:
    memory = InMemoryJobs(TALKING)
    await enqueue(memory, Talk(1), organization_id=ORGANIZATION)
    await enqueue(memory, Mutter(), organization_id=ORGANIZATION)
    talked, muttered = await memory.run_until_done()
    assert [(line.attempt, line.message) for line in talked.logs] == [
        (attempt, words) for attempt in (1, 2) for words in ("line", "token=[REDACTED]")
    ]
    assert [line.fields for line in muttered.logs] == [{"inside": True}]


async def test_an_attempt_keeps_two_hundred_lines_and_says_what_is_left_out() -> None:
    memory = InMemoryJobs(TALKING)
    await enqueue(memory, Talk(500), organization_id=ORGANIZATION, attempts=1)
    [job] = await memory.run_until_done()
    assert len(job.logs) == 200
    assert "further lines are left out" in job.logs[-1].message


@pytest.mark.parametrize("told", [{"text": "x" * 30_000}, {"deep": ["y" * 100] * 150}])
async def test_fields_of_a_line_are_bounded(told: dict[str, Any]) -> None:
    made = Jobs()

    @made.handler(Ramble)
    async def ramble(job: Ramble, context: JobContext) -> None:
        for _ in range(100):
            context.log("z" * 2000, **told)

    memory = InMemoryJobs(made)
    await enqueue(memory, Ramble(), organization_id=ORGANIZATION)
    [job] = await memory.run_until_done()
    assert sum(len(line.message) + len(str(line.fields)) for line in job.logs) < 66_000
    assert "too many" in str(job.logs[0].fields)


async def test_logs_of_another_organization_are_not_there(db: Database) -> None:
    job_id = await put(db, Talk())
    with pytest.raises(JobNotFoundError):
        async with db.tenant(new_id()) as session:
            await list_job_logs(session, job_id, limit=1)
