"""However a job ends, what follows its end is in the same statement; what has not ended keeps what it holds."""

import math
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jobs_support import ORGANIZATION, Steer, end_by_hand, lies, take_by_hand

from singr_db import Database, new_id
from singr_db.ending import COMPLETE, LOSE, SETTLE
from singr_jobs import cancel_job, enqueue

TOKEN = 7


def settled(status: str, outcome: str) -> tuple[str, dict[str, Any]]:
    return SETTLE.followed, {"statuses": [status], "outcomes": [outcome], "errors": ["{}"], "delays": [60.0]}


LOST = (LOSE, {"limit": 10, "error": "{}", "looked": math.inf})
ENDS = {
    "completed": (COMPLETE.followed, {"results": [None]}),
    "completed with a result": (COMPLETE.followed, {"results": ["1"]}),
    "failed": settled("failed", "failed"),
    "cancelled while it ran": settled("cancelled", "cancelled"),
    "lost for the last time": LOST,
}
GOES_ON = {
    "tried again": settled("pending", "failed"),
    "held back": settled("pending", "held"),
    "lost once": LOST,
}


async def running(db: Database, *, attempt: int) -> UUID:
    """A job that holds a unique key, in its attempt of that number of two, its lease just over."""
    async with db.tenant(ORGANIZATION) as session:
        job_id = await enqueue(session, Steer("a"), organization_id=ORGANIZATION, unique_key="k", attempts=2)
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE jobs SET attempt = %s WHERE id = %s", (attempt - 1, job_id))
    await take_by_hand(db, job_id, token=TOKEN, over_in=-1.0)
    return job_id


async def end(db: Database, job_id: UUID, statement: str, values: dict[str, Any], token: int = TOKEN) -> int:
    given = {
        "ids": "{" + job_id.hex + "}",
        "tokens": [token],
        "spent": [token],
        "worker": "w",
        "holding": "{}",
        **values,
    }
    return await end_by_hand(db, statement, given)


async def kept(db: Database) -> tuple[int, int]:
    """How many unique keys are held, and how many attempts are in the history."""
    async with db.psycopg.connection() as connection:
        keys = await (await connection.execute("SELECT count(*) FROM job_unique_keys")).fetchone()
        attempts = await (await connection.execute("SELECT count(*) FROM job_attempts")).fetchone()
    assert keys is not None
    assert attempts is not None
    return keys[0], attempts[0]


@pytest.mark.parametrize(("statement", "values"), ENDS.values(), ids=ENDS)
async def test_a_job_that_ends_lets_go_of_its_key_in_the_same_statement(db, statement, values):
    job_id = await running(db, attempt=2)
    assert await end(db, job_id, statement, values) == 1
    assert (await kept(db))[0] == 0
    assert await lies(db, job_id) == ""


@pytest.mark.parametrize(("statement", "values"), GOES_ON.values(), ids=GOES_ON)
async def test_a_job_that_goes_on_keeps_its_key(db, statement, values):
    job_id = await running(db, attempt=1)
    assert await end(db, job_id, statement, values) == 1
    assert (await kept(db))[0] == 1
    assert await lies(db, job_id) in {"ready", "later"}


async def test_an_attempt_that_was_held_back_leaves_no_row(db):
    job_id = await running(db, attempt=1)
    await end(db, job_id, *GOES_ON["held back"])
    assert (await kept(db))[1] == 0


async def test_a_late_end_changes_nothing_and_frees_no_key(db):
    job_id = await running(db, attempt=2)
    assert await end(db, job_id, *ENDS["failed"], token=TOKEN + 1) == 0
    assert await kept(db) == (1, 0)
    assert await lies(db, job_id) == "working"


@pytest.mark.parametrize(("statement", "values"), {**ENDS, **GOES_ON}.values(), ids={**ENDS, **GOES_ON})
async def test_an_end_that_is_written_twice_counts_once(db, statement, values):
    """The first answer may get lost; other jobs keep the ticket alive."""
    job_id, other = await running(db, attempt=1), new_id()
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE job_tickets SET ids = ids || %s", ([other],))
    assert await end(db, job_id, statement, {**values, "spent": []}) == 1
    assert await end(db, job_id, statement, {**values, "spent": []}) == 0
    assert " and " not in await lies(db, job_id)


async def test_a_waiting_job_that_is_cancelled_lets_go_of_its_key(db):
    async with db.tenant(ORGANIZATION) as session:
        job_id = await enqueue(session, Steer("a"), organization_id=ORGANIZATION, unique_key="k")
        view = await cancel_job(session, job_id)
    assert (view.status, view.cancel_requested, view.payload["name"]) == ("cancelled", True, "a")
    assert await kept(db) == (0, 0)


async def test_a_running_job_that_is_asked_to_stop_keeps_its_key(db):
    job_id = await running(db, attempt=1)
    async with db.tenant(ORGANIZATION) as session:
        view = await cancel_job(session, job_id)
    assert (view.status, view.cancel_requested) == ("processing", True)
    assert await kept(db) == (1, 0)


def test_no_job_is_ended_but_by_the_one_ending():
    """Whatever else wrote such a statement would forget a follow-up one day."""
    root = Path(__file__).resolve().parents[3]
    sources = [*root.glob("packages/*/src/**/*.py"), *root.glob("apps/*/src/**/*.py")]
    ends = re.compile(r"UPDATE jobs\b[^;]*?\bstatus = '(completed|failed|cancelled)'")
    found = {path.parent.name for path in sources if "_migrations" not in path.parts and ends.search(path.read_text())}
    assert found == {"ending"}
