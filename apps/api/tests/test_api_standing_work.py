"""Standing work over HTTP: seen and steered by operators of the platform alone, with a line in the operation log."""

from typing import Any

import pytest
from sqlalchemy import text

from singr_db import Database


@pytest.fixture
async def admin(standing_url: str, client: Any, someone: Any, db: Database) -> Any:
    async with db.platform() as session:
        await session.execute(
            text("INSERT INTO standing_turns (name, process, every) VALUES ('retention.clean', 'one:1', 600)")
        )
    return client(standing_url, await someone(platform="admin"))


async def test_operators_pause_run_and_resume_standing_work_and_the_log_says_who(admin: Any, world: Any) -> None:
    why = {"reason": "An export is under way."}
    paused = (await admin.post("/v1/standing-work/retention.clean/pause", json=why, headers=world.key())).json()
    assert paused["paused"]["reason"] == "An export is under way."
    assert (await admin.get("/v1/standing-work")).json() == {"items": [paused]}
    asked = (await admin.post("/v1/standing-work/retention.clean/run", headers=world.key())).json()
    assert asked["asked_at"] is not None
    resumed = (await admin.post("/v1/standing-work/retention.clean/resume", headers=world.key())).json()
    assert resumed["paused"] is None
    lines = (await admin.get("/v1/operation-log", params={"target": "retention.clean"})).json()["items"]
    assert [line["kind"] for line in lines] == ["standing_work.resume", "standing_work.run", "standing_work.pause"]
    assert lines[2]["actor"] == paused["paused"]["by"]


async def test_standing_work_that_is_not_there_is_not_found(admin: Any, world: Any) -> None:
    answer = await admin.post("/v1/standing-work/leases/pause", headers=world.key())
    assert "name" in world.fields(world.problem(answer, 404, "not-found"))
