"""Bulk actions over HTTP: looked at first, asked for once, stopped, and each organization's its own."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from test_api_dead_letters import dead

from singr_db import Database
from singr_jobs.chores._act_in_bulk import ActInBulk

WHICH = {"type": "sms.send", "error_code": "provider_unavailable"}
REQUEUE = {"action": "requeue", "target": "dead_letters", "filter": WHICH, "reason": "it is back"}


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(member="customer_owner"))


async def ask(caller: Any, world: Any, status: int = 202, **changed: Any) -> dict[str, Any]:
    answer = await caller.post("/v1/bulk-actions", json=REQUEUE | changed, headers=world.key())
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_what_would_be_done_is_seen_first_and_then_done_by_workers(owner: Any, world: Any, db: Database) -> None:
    job, letter = await dead(db, owner, world)
    seen = await ask(owner, world, status=200, dry_run=True)
    assert (seen["matching"], seen["counted"]) == (1, "exact")
    assert [one["id"] for one in seen["examples"]] == [letter["id"]]
    assert (await owner.get("/v1/bulk-actions")).json()["items"] == []
    made = await ask(owner, world, rate_per_minute=600)
    assert (made["state"], made["matching"], made["done"], made["target"]) == ("running", 1, 0, "dead_letters")
    await ActInBulk(db).work()
    at = f"/v1/bulk-actions/{made['id']}"
    after = (await owner.get(at)).json()
    assert (after["state"], after["done"], after["filter"]["type"]) == ("done", 1, "sms.send")
    assert (await owner.get("/v1/bulk-actions")).json() == {"items": [after], "next_cursor": None}
    assert (await owner.get(f"/v1/jobs/{job['id']}")).json()["status"] == "pending"
    world.problem(await owner.post(f"{at}/stop", headers=world.key()), 409, "bulk-action-ended")


async def test_the_same_request_asked_twice_is_one_action(owner: Any, world: Any, db: Database) -> None:
    await dead(db, owner, world)
    key = world.key()
    first, second = [await owner.post("/v1/bulk-actions", json=REQUEUE, headers=key) for _ in range(2)]
    assert (first.status_code, second.status_code, second.content) == (202, 202, first.content)
    assert len((await owner.get("/v1/bulk-actions")).json()["items"]) == 1


async def test_a_stopped_action_tells_who_stopped_it(owner: Any, world: Any, db: Database) -> None:
    await dead(db, owner, world)
    made = await ask(owner, world)
    stopped = (await owner.post(f"/v1/bulk-actions/{made['id']}/stop", headers=world.key())).json()
    assert (stopped["state"], stopped["stopped_by"], stopped["done"]) == ("stopped", made["asked_by"], 0)
    assert await ActInBulk(db).work() == 0


async def test_waiting_jobs_are_given_another_priority_and_cancelled(owner: Any, world: Any, db: Database) -> None:
    job = (await owner.post("/v1/jobs", json=world.sms(), headers=world.key())).json()
    await ask(owner, world, action="reprioritize", target="jobs", filter={"queue": "sms"}, priority="high")
    await ActInBulk(db).work()
    assert (await owner.get(f"/v1/jobs/{job['id']}")).json()["priority"] == "high"
    await ask(owner, world, action="cancel", target=None, filter={"type": "sms.send"})
    await ActInBulk(db).work()
    assert (await owner.get(f"/v1/jobs/{job['id']}")).json()["status"] == "cancelled"


async def test_another_organizations_action_is_not_there_by_any_route(
    standing_url: str, callers: Any, client: Any, owner: Any, world: Any, db: Database
) -> None:
    _, letter = await dead(db, owner, world)
    made = await ask(owner, world)
    other = client(standing_url, callers.other)
    at = f"/v1/bulk-actions/{made['id']}"
    assert (await other.get("/v1/bulk-actions")).json()["items"] == []
    world.problem(await other.get(at), 404, "not-found")
    world.problem(await other.post(f"{at}/stop", headers=world.key()), 404, "not-found")
    theirs = await ask(other, world)
    assert theirs["matching"] == 0
    named = {"organization_id": str(world.organization)}
    answer = await other.post("/v1/bulk-actions", params=named, json=REQUEUE, headers=world.key())
    world.problem(answer, 403, "organization-forbidden")
    async with db.platform() as session:
        await session.execute(text("DELETE FROM bulk_actions WHERE id = :id"), {"id": UUID(made["id"])})
    await ActInBulk(db).work()
    assert (await owner.get(f"/v1/dead-letters/{letter['id']}")).json()["state"] == "open"


async def test_operators_act_on_all_organizations_and_readers_on_none(
    standing_url: str, callers: Any, client: Any, someone: Any, owner: Any, world: Any, db: Database
) -> None:
    _, letter = await dead(db, owner, world)
    reader = client(standing_url, callers.reader)
    world.problem(await reader.post("/v1/bulk-actions", json=REQUEUE, headers=world.key()), 403, "scope-missing")
    operator = client(standing_url, await someone(platform="admin"))
    made = await ask(operator, world)
    assert (made["organization_id"], made["matching"]) == (None, 1)
    await ActInBulk(db).work()
    assert (await owner.get(f"/v1/dead-letters/{letter['id']}")).json()["state"] == "requeued"
    assert (await owner.get("/v1/bulk-actions")).json()["items"] == []
    [line] = (await operator.get("/v1/operation-log", params={"kind": "bulk.ask"})).json()["items"]
    assert (line["target"], line["reason"], line["after"]["matching"]) == (made["id"], "it is back", 1)


@pytest.mark.parametrize(
    ("changed", "problem", "field"),
    [
        ({"action": "discard", "filter": {}}, "filter-too-wide", "filter"),
        ({"action": "cancel", "target": "jobs", "filter": {}}, "filter-too-wide", "filter"),
        ({"filter": {"failed_after": "2026-11-22T00:00:00Z", "nothing": 1}}, "invalid", "filter.nothing"),
        ({"filter": {"created_after": "2026-11-22T00:00:00Z"}}, "invalid", "filter.created_after"),
        ({"target": "jobs"}, "invalid", ""),
        ({"priority": "high"}, "invalid", ""),
        ({"rate_per_minute": 0}, "invalid", "rate_per_minute"),
        ({"action": "explode"}, "invalid", "action"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(
    owner: Any, world: Any, changed: dict[str, Any], problem: str, field: str
) -> None:
    answer = await owner.post("/v1/bulk-actions", json=REQUEUE | changed, headers=world.key())
    assert field in world.fields(world.problem(answer, 422, problem))
    assert (await owner.get("/v1/bulk-actions")).json()["items"] == []
