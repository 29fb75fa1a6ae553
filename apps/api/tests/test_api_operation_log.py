"""The operation log over HTTP: who did what, for operators of the platform."""

from typing import Any

from test_api_schedules import nightly


async def test_the_log_tells_operators_who_did_what_to_schedules_and_jobs(
    standing_url: str, client: Any, someone: Any, world: Any
) -> None:
    person = await someone(member="customer_owner")
    owner, admin = client(standing_url, person), client(standing_url, await someone(platform="admin"))
    made = (await owner.post("/v1/schedules", json=nightly(), headers=world.key())).json()
    await owner.post(f"/v1/schedules/{made['id']}/pause", headers=world.key())
    job = (await owner.post("/v1/jobs", json=nightly()["job"], headers=world.key())).json()
    await owner.post(f"/v1/jobs/{job['id']}/cancel", headers=world.key())
    await owner.delete(f"/v1/schedules/{made['id']}")
    answer = await admin.get("/v1/operation-log", params={"organization_id": str(world.organization)})
    assert answer.status_code == 200, answer.text
    lines = answer.json()["items"]
    assert [line["kind"] for line in lines] == ["schedule.delete", "job.cancel", "schedule.pause", "schedule.put"]
    assert {line["actor_kind"] for line in lines} == {"user"}
    assert {line["actor"] for line in lines} == {lines[0]["actor"]}
    assert lines[1]["after"]["status"] == "cancelled"
    assert (lines[2]["before"]["state"], lines[2]["after"]["state"]) == ("active", "paused")
    assert lines[3]["before"] is None
    assert "5555550100" not in answer.text
    of_job = (await admin.get("/v1/operation-log", params={"target": job["id"], "kind": "job.cancel"})).json()
    assert of_job["items"] == [lines[1]]


async def test_the_log_is_not_for_organizations(standing_url: str, client: Any, someone: Any, world: Any) -> None:
    owner = client(standing_url, await someone(member="customer_owner"))
    world.problem(await owner.get("/v1/operation-log"), 403, "scope-missing")
    acting = client(standing_url, await someone(member="customer_owner", platform="admin"))
    assert (await acting.get("/v1/operation-log")).status_code == 403


async def test_a_filter_that_cannot_be_is_refused_by_its_name(
    standing_url: str, client: Any, someone: Any, world: Any
) -> None:
    admin = client(standing_url, await someone(platform="admin"))
    answer = await admin.get("/v1/operation-log", params={"kind": "Cancelled"})
    assert "kind" in world.fields(world.problem(answer, 422, "invalid"))
