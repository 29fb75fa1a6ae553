"""The platform's own jobs among an organization's: its callers could not create them, and steer none of them."""

from typing import Any
from uuid import UUID

import pytest
from api_world import ORGANIZATION
from sqlalchemy import text
from test_api_dead_letters import die
from test_api_flows import create as create_flow
from test_api_flows import sms
from test_api_schedules import create as create_schedule
from test_api_schedules import nightly

from singr_db import Database
from singr_jobs.chores._act_in_bulk import ActInBulk

NAMED = {"organization_id": str(ORGANIZATION)}


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(member="customer_owner"))


@pytest.fixture
async def operator(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(platform="admin"))


async def erased(owner: Any, world: Any) -> str:
    """Ask for an erasure; answers its job."""
    assert (await owner.put("/v1/recipients/u-17", json={"email": "ada@example.org"})).status_code == 201
    return str((await owner.post("/v1/recipients/u-17/erase", headers=world.key())).json()["job_id"])


async def standing(db: Database, job_id: str) -> tuple[Any, ...]:
    statement = "SELECT status, cancel_requested, priority, run_at <= now() FROM jobs WHERE id = :id"
    async with db.platform() as session:
        return tuple((await session.execute(text(statement), {"id": UUID(job_id)})).one())


async def steer(caller: Any, world: Any, job_id: str, **params: Any) -> list[Any]:
    at = f"/v1/jobs/{job_id}"
    return [
        await caller.patch(at, json={"priority": "low"}, params=params),
        await caller.post(f"{at}/run-now", headers=world.key(), params=params),
        await caller.post(f"{at}/cancel", headers=world.key(), params=params),
        await caller.post(f"{at}/retry", headers=world.key(), params=params),
    ]


async def test_no_caller_of_an_organization_steers_the_erasure_that_it_asked_for(
    owner: Any, operator: Any, world: Any, db: Database
) -> None:
    job_id = await erased(owner, world)
    before = await standing(db, job_id)
    for answer in await steer(owner, world, job_id):
        assert "ask again for the erasure" in world.problem(answer, 403, "not-allowed")["detail"]
    assert await standing(db, job_id) == before == ("pending", False, before[2], True)
    assert [answer.status_code for answer in await steer(operator, world, job_id, **NAMED)] == [200] * 4


async def test_bulk_actions_of_an_organization_leave_the_platforms_jobs_alone(
    owner: Any, operator: Any, world: Any, db: Database
) -> None:
    house = await erased(owner, world)
    own = (await owner.post("/v1/jobs", json=world.sms(), headers=world.key())).json()
    before = await standing(db, house)
    for action, which, matching in (
        ({"action": "reprioritize", "priority": "low"}, {}, [own["id"]]),
        ({"action": "cancel"}, {"queue": "default"}, []),
    ):
        named = {**action, "filter": {"type": "recipient.erase_by_key"}}
        world.problem(await owner.post("/v1/bulk-actions", json=named, headers=world.key()), 403, "not-allowed")
        body = {**action, "filter": which}
        seen = await owner.post("/v1/bulk-actions", json={**body, "dry_run": True}, headers=world.key())
        assert [one["id"] for one in seen.json()["examples"]] == matching
        made = await owner.post("/v1/bulk-actions", json=body, headers=world.key())
        assert (made.status_code, made.json()["matching"]) == (202, len(matching)), made.text
        await ActInBulk(db).work()
    assert await standing(db, house) == before
    assert (await standing(db, own["id"]))[2] > before[2]
    everything = {"action": "cancel", "filter": {"queue": "default"}}
    made = await operator.post("/v1/bulk-actions", json=everything, headers=world.key(), params=NAMED)
    await ActInBulk(db).work()
    assert (made.json()["matching"], (await standing(db, house))[0]) == (1, "cancelled")


async def test_a_dead_letter_of_the_platforms_own_is_settled_by_operators_alone(
    owner: Any, operator: Any, world: Any, db: Database
) -> None:
    job_id = await erased(owner, world)
    await die(db, job_id)
    [letter] = (await owner.get("/v1/dead-letters")).json()["items"]
    at = f"/v1/dead-letters/{letter['id']}"
    for act in ("requeue", "discard"):
        world.problem(await owner.post(f"{at}/{act}", headers=world.key()), 403, "not-allowed")
    assert (await operator.post(f"{at}/requeue", headers=world.key())).json()["state"] == "requeued"


async def test_a_flow_and_a_schedule_of_the_platforms_own_jobs_are_not_steered_by_an_organization(
    owner: Any, operator: Any, world: Any, db: Database
) -> None:
    flow = await create_flow(owner, world, jobs=[sms(), sms(after=[0])])
    schedule = await create_schedule(owner, world)
    async with db.platform() as session:
        await session.execute(
            text("UPDATE jobs SET type = 'digest.close' WHERE id = :id"), {"id": flow["jobs"][1]["id"]}
        )
        await session.execute(text("UPDATE schedules SET type = 'digest.close'"))
    at = f"/v1/schedules/{schedule['id']}"
    cancel = f"/v1/flows/{flow['id']}/cancel"
    for answer in (
        await owner.post(cancel, headers=world.key()),
        await owner.post("/v1/schedules", json=nightly(), headers=world.key()),
        *[await owner.post(f"{at}/{act}", headers=world.key()) for act in ("pause", "resume", "run")],
        await owner.delete(at),
    ):
        world.problem(answer, 403, "not-allowed")
    assert (await operator.post(cancel, headers=world.key(), params=NAMED)).json()["state"] == "cancelled"
    assert (await operator.post(f"{at}/pause", headers=world.key(), params=NAMED)).json()["state"] == "paused"
