"""What the README shows runs, and prints what it says."""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from jobs_support import ORGANIZATION, lies
from test_jobs_dead_letters import dead

from singr_db import Database
from singr_jobs import Queue, Rate, enqueue
from singr_jobs.chores._act_in_bulk import ActInBulk
from singr_jobs.testing import InMemoryJobs

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


async def test_examples_do_what_the_readme_says(
    database_url: str, clean_redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("singr_jobs.declare._types._DECLARED", {})
    example, many, last, own, steering, plain, scheduling, flows, _, testing, _ = blocks("python")
    (expected,) = blocks("text")
    namespace: dict[str, Any] = {}
    exec(compile(example, str(README), "exec"), namespace)
    await namespace["main"](database_url, clean_redis_url)
    assert capsys.readouterr().out == expected
    exec(compile(many, str(README), "exec"), namespace)
    memory = InMemoryJobs(namespace["jobs"])
    benny, _, again = await namespace["greet_all"](memory, ["Benny", "Frida", "Benny"], uuid4())
    assert benny == again
    exec(compile(last, str(README), "exec"), namespace)
    memory = InMemoryJobs(namespace["jobs"])
    organization = uuid4()
    ids = [await namespace["written"](memory, "Ada", organization) for _ in range(3)]
    assert [job.id for job in memory.all if job.status == "pending" and job.unique_key == "Ada"] == [ids[-1]]
    assert [job.status for job in memory.all if job.unique_key == "digest"] == ["pending"]
    exec(compile(own + plain, str(README), "exec"), namespace)
    memory = InMemoryJobs(namespace["jobs"], queues=[*Queue, *namespace["options"].queues])
    for job in (namespace["Bill"](4711), namespace["Hash"](str(README))):
        await enqueue(memory, job, organization_id=uuid4())
    assert [job.result for job in await memory.run_due()] == [
        {"billed": 4711},
        {"sha256": hashlib.sha256(README.read_bytes()).hexdigest()},
    ]
    exec(compile(steering, str(README), "exec"), namespace)
    told = await namespace["steer"](memory, uuid4())
    assert (told.paused, told.rate, told.organizations[0].weight) == (None, Rate(100, seconds=60), 3)
    exec(compile(scheduling, str(README), "exec"), namespace | {"datetime": datetime, "UTC": UTC})
    exec(compile(flows, str(README), "exec"), namespace)
    body = "\n".join(f"    {line}" for line in testing.splitlines())
    scope = namespace | {"enqueue": enqueue}
    exec(compile(f"async def check(organization_id):\n{body}\n", str(README), "exec"), scope)
    await scope["check"](uuid4())


async def test_what_failed_for_good_is_given_back_as_the_readme_says(
    db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    namespace: dict[str, Any] = {"UUID": UUID}
    exec(compile(blocks("python")[-3], str(README), "exec"), namespace)
    job_id, _ = await dead(db)
    await dead(db, "b")
    async with db.platform() as session:
        asked = await namespace["give_back"](session, ORGANIZATION, "the provider is back")
    assert (asked.matching, capsys.readouterr().out) == (2, "2 like \"provider 7 said 'no' to +4915112345\"\n")
    assert await ActInBulk(db).work() == 1
    assert await lies(db, job_id) == "ready"
    async with db.platform() as session:
        assert await namespace["give_back"](session, uuid4(), "there is nothing") is None
