"""Queues over HTTP: seen and steered by operators of the platform alone, with a line in the operation log."""

from typing import Any

import pytest


@pytest.fixture
async def admin(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(platform="admin"))


async def test_operators_pause_and_resume_a_queue_and_the_log_says_who(admin: Any, world: Any) -> None:
    why = {"reason": "The provider is down."}
    paused = (await admin.post("/v1/queues/sms/pause", json=why, headers=world.key())).json()
    assert paused["paused"]["reason"] == "The provider is down."
    read = (await admin.get("/v1/queues/sms")).json()
    assert (read["paused"], read["jobs"]["waiting"], read["workers"]) == (paused["paused"], 0, 0)
    told = (await admin.get("/v1/queues/sms/health")).json()
    assert [problem["code"] for problem in told["problems"]] == ["paused", "no_workers"]
    assert "The provider is down." in told["problems"][0]["in_words"]
    every = (await admin.get("/v1/queue-health", params={"oldest_within": 60})).json()
    assert [one["queue"] for one in every["queues"] if not one["healthy"]] == ["sms"]
    assert (await admin.get("/v1/workers")).json() == {"items": []}
    resumed = (await admin.post("/v1/queues/sms/resume", headers=world.key())).json()
    assert resumed["paused"] is None
    lines = (await admin.get("/v1/operation-log", params={"target": "sms"})).json()["items"]
    assert [line["kind"] for line in lines] == ["queue.resume", "queue.pause"]
    assert lines[1]["actor"] == paused["paused"]["by"]
    assert lines[1]["reason"] == "The provider is down."


async def test_what_was_done_in_a_queue_is_told_by_the_minute(admin: Any, world: Any) -> None:
    told = (await admin.get("/v1/queues/sms/history", params={"minutes": 2, "type": "sms.send"})).json()
    assert [(one["taken"], one["wait_p95"]) for one in told["minutes"]] == [(0, None)] * 2
    assert told["types"] == []
    world.problem(await admin.get("/v1/queues/smms/history"), 404, "queue-unknown")
    for query, field in (({"minutes": 181}, "minutes"), ({"type": ""}, "type"), ({"type": "a\0b"}, "type")):
        answer = await admin.get("/v1/queues/sms/history", params=query)
        assert field in world.fields(world.problem(answer, 422, "invalid"))


ANYTHING = "01920000-0000-7000-8000-000000000001"
REASONED = {
    "/v1/queues/sms/pause": {},
    "/v1/standing-work/retention.clean/pause": {},
    f"/v1/jobs/{ANYTHING}/retry?organization_id={ANYTHING}": {},
    f"/v1/dead-letters/{ANYTHING}/requeue": {},
    f"/v1/dead-letters/{ANYTHING}/discard": {},
    "/v1/bulk-actions": {"action": "cancel", "target": "jobs", "filter": {"type": "sms.send"}},
}


@pytest.mark.parametrize("at", REASONED)
async def test_a_reason_is_one_line_that_steers_no_terminal(admin: Any, world: Any, at: str) -> None:
    for reason in ("\x1b[2J", "\x9b2J", "down\n2026-11-27 all is well", "", "x" * 1001):
        answer = await admin.post(at, json={**REASONED[at], "reason": reason}, headers=world.key())
        assert "reason" in world.fields(world.problem(answer, 422, "invalid"))


async def test_operators_limit_a_queue_and_weigh_an_organization(admin: Any, world: Any) -> None:
    answer = await admin.patch("/v1/queues/sms", json={"concurrency": 20, "rate": "sms"})
    assert (answer.json()["concurrency"], answer.json()["rate"]) == (20, {"count": 10, "seconds": 1.0})
    ours = {"organization_id": str(world.organization), "weight": 3, "rate": {"count": 5, "seconds": 2}}
    [one] = (await admin.patch("/v1/queues/sms", json=ours)).json()["organizations"]
    assert (one["weight"], one["rate"]) == (3, {"count": 5, "seconds": 2.0})
    reset = (await admin.patch("/v1/queues/sms", json={"rate": None})).json()
    assert (reset["concurrency"], reset["rate"], reset["organizations"]) == (20, None, [one])
    queues = (await admin.get("/v1/queues")).json()["items"]
    assert {"email", "sms", "default"} <= {queue["queue"] for queue in queues}
    assert [queue["queue"] for queue in queues if queue["concurrency"]] == ["sms"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"weight": 3}, "weight"),
        ({"rate": "twitter"}, "rate"),
        ({"rate": {"count": 0}}, "rate.count"),
        ({"rate": {"count": 2**40}}, "rate.count"),
        ({"rate": {"count": 1, "seconds": 1e-9}}, "rate.seconds"),
        ({"organization_id": "01920000-0000-7000-8000-00000000dead", "weight": 3}, "organization_id"),
    ],
)
async def test_what_cannot_be_set_is_refused_by_its_field(admin: Any, world: Any, body: Any, field: str) -> None:
    answer = await admin.patch("/v1/queues/sms", json=body)
    assert field in world.fields(world.problem(answer, 422, "invalid"))


async def test_a_queue_that_is_none_is_refused_with_those_that_are_there(admin: Any, world: Any) -> None:
    problem = world.problem(await admin.get("/v1/queues/smms"), 404, "queue-unknown")
    assert problem["detail"].startswith("There is no queue ")
    assert problem["detail"].endswith("email, sms, push, two-factor, digest, webhook, maintenance, default.")
    world.problem(await admin.post("/v1/queues/smms/pause", headers=world.key()), 404, "queue-unknown")


async def test_queues_are_nobodys_business_but_the_platforms(
    standing_url: str, client: Any, someone: Any, world: Any
) -> None:
    paths = (
        "/v1/queues",
        "/v1/queues/sms",
        "/v1/queues/sms/health",
        "/v1/queues/sms/history",
        "/v1/queue-health",
        "/v1/workers",
    )
    for person in (await someone(member="customer_owner"), await someone(member="customer_owner", platform="admin")):
        owner = client(standing_url, person)
        assert {(await owner.get(path)).status_code for path in paths} == {403}
        assert (await owner.patch("/v1/queues/sms", json={"concurrency": 1})).status_code == 403
        assert (await owner.post("/v1/queues/sms/pause", headers=world.key())).status_code == 403
