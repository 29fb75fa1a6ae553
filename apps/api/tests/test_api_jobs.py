"""Jobs over HTTP: create once, list in pages, read, cancel; each organization sees its own."""

import asyncio
import datetime as dt
import json
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from singr_db import new_id
from singr_dev.clock import VirtualClock


async def create(client: Any, world: Any, **changed: Any) -> dict[str, Any]:
    answer = await client.post("/v1/jobs", json=world.sms(**changed), headers=world.key())
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_created_job_is_committed_with_its_message_and_can_be_read(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller = client(standing_door_url, callers.own)
    answer = await caller.post("/v1/jobs", json=world.email(priority="high"), headers=world.key())
    assert answer.status_code == 202
    job = answer.json()
    assert (job["type"], job["status"], job["priority"], job["queue"]) == ("email.send", "pending", "high", "email")
    assert job["correlation_id"] == answer.headers["x-request-id"]
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert await world.stored() == {"jobs": 1, "messages": 1, "request_keys": 1}
    read = (await caller.get(answer.headers["location"])).json()
    assert [read.pop(name) for name in ("attempts", "replaced_by", "schedule_id")] == [[], None, None]
    assert read == job
    message = job["payload"]["message_id"]
    delivery = (await caller.get(f"/v1/deliveries/{message}")).json()
    assert delivery["job_id"] == job["id"]
    assert delivery["recipient"] == "j***@example.org"
    assert "jane@" not in json.dumps([read, delivery])


async def test_options_reach_the_job(standing_door_url: str, callers: Any, client: Any, world: Any) -> None:
    job_id = str(new_id())
    before = dt.datetime.now(dt.UTC)
    job = await create(
        client(standing_door_url, callers.platform), world, id=job_id, delay=3600, attempts=7, timeout=5, unique_key="k"
    )
    assert (job["id"], job["max_attempts"], job["unique_key"]) == (job_id, 7, "k")
    late = dt.datetime.fromisoformat(job["run_at"]) - before
    assert dt.timedelta(seconds=3599) < late < dt.timedelta(seconds=3630)


async def test_a_concurrency_key_of_a_type_without_limits_is_refused_by_name(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller = client(standing_door_url, callers.own)
    refused = await caller.post("/v1/jobs", json=world.sms(concurrency_key="7"), headers=world.key())
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["concurrency_key"]
    assert (await world.stored()).get("jobs", 0) == 0


async def test_time_of_the_caller_is_answered_in_utc_also_when_replayed(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller, key = client(standing_door_url, callers.own), world.key()
    east = dt.datetime.now(dt.timezone(dt.timedelta(hours=14))) + dt.timedelta(hours=1)
    for _ in ("first", "replayed"):
        answer = await caller.post("/v1/jobs", json=world.sms(run_at=east.isoformat()), headers=key)
        run_at = answer.json()["run_at"]
        assert run_at.endswith("Z")
        assert dt.datetime.fromisoformat(run_at) == east


async def test_own_id_that_is_taken_is_409(standing_door_url: str, callers: Any, client: Any, world: Any) -> None:
    caller = client(standing_door_url, callers.own)
    job = await create(caller, world, id=str(new_id()))
    again = await caller.post("/v1/jobs", json=world.sms(id=job["id"]), headers=world.key())
    assert "id" in world.fields(world.problem(again, 409, "job-exists"))
    assert (await world.stored())["jobs"] == 1


async def test_unique_key_gives_the_job_that_holds_it(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller = client(standing_door_url, callers.own)
    job = await create(caller, world, unique_key="pickup-1")
    again = await caller.post("/v1/jobs", json=world.sms(unique_key="pickup-1"), headers=world.key())
    assert (again.status_code, again.json()["id"]) == (200, job["id"])
    assert (await world.stored())["jobs"] == 1


async def test_one_key_a_hundred_times_at_once_makes_one_job_and_identical_answers(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    """R10."""
    caller = client(standing_door_url, callers.own)
    headers = world.key()
    sends = [caller.post("/v1/jobs", json=world.sms(), headers=headers) for _ in range(100)]
    answers = await asyncio.gather(*sends)
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert await world.stored() == {"jobs": 1, "messages": 1, "request_keys": 1}


@pytest.mark.parametrize("change", ["body", "path"])
async def test_key_reused_for_another_request_is_422_and_named(
    standing_door_url: str, callers: Any, client: Any, world: Any, change: str
) -> None:
    caller = client(standing_door_url, callers.own)
    headers = world.key()
    first = await caller.post("/v1/jobs", json=world.sms(), headers=headers)
    if change == "body":
        again = await caller.post("/v1/jobs", json=world.sms(priority="low"), headers=headers)
    else:
        again = await caller.post(f"/v1/jobs/{first.json()['id']}/cancel", headers=headers)
    assert "idempotency-key" in world.fields(world.problem(again, 422, "idempotency-key-reused"))
    assert (await world.stored())["jobs"] == 1
    assert (await caller.get(f"/v1/jobs/{first.json()['id']}")).json()["status"] == "pending"


async def test_request_still_running_is_409(standing_door_url: str, callers: Any, client: Any, world: Any) -> None:
    """R10: the third answer."""
    headers = world.key()
    body = json.dumps(world.sms(), separators=(",", ":")).encode()
    await world.begin(headers, "POST", "/v1/jobs", body)
    answer = await client(standing_door_url, callers.own).post(
        "/v1/jobs", content=body, headers=headers | {"content-type": "application/json"}
    )
    world.problem(answer, 409, "idempotency-in-progress")
    assert answer.headers["retry-after"] == "1"
    assert (await world.stored())["jobs"] == 0


async def test_another_organization_with_the_same_key_gets_its_own_job(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    """R11."""
    headers = world.key()
    ours = await client(standing_door_url, callers.own).post("/v1/jobs", json=world.sms(), headers=headers)
    theirs = await client(standing_door_url, callers.other).post(
        "/v1/jobs", json=world.sms(organization_id=str(world.other)), headers=headers
    )
    assert (ours.status_code, theirs.status_code) == (202, 202)
    assert "idempotency-replayed" not in theirs.headers
    assert theirs.json()["id"] != ours.json()["id"]
    assert theirs.json()["organization_id"] == str(world.other)


async def test_another_organization_sees_nothing_of_ours(
    standing_url: str, callers: Any, client: Any, world: Any
) -> None:
    """R11."""
    job = await create(client(standing_url, callers.own), world)
    stranger = client(standing_url, callers.other)
    for path in (f"/v1/jobs/{job['id']}", f"/v1/deliveries/{job['payload']['message_id']}"):
        world.problem(await stranger.get(path), 404, "not-found")
    refused = await stranger.post(f"/v1/jobs/{job['id']}/cancel", headers=world.key())
    world.problem(refused, 404, "not-found")
    for path in ("/v1/jobs", "/v1/deliveries"):
        assert (await stranger.get(path)).json() == {"items": [], "next_cursor": None}
        named = await stranger.get(path, params={"organization_id": str(world.organization)})
        assert "organization_id" in world.fields(world.problem(named, 403, "organization-forbidden"))
    assert (await client(standing_url, callers.own).get(f"/v1/jobs/{job['id']}")).json()["status"] == "pending"


async def test_platform_credential_says_for_which_organization_it_reads(
    standing_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller = client(standing_url, callers.platform)
    job = await create(caller, world)
    path = f"/v1/jobs/{job['id']}"
    assert "organization_id" in world.fields(world.problem(await caller.get(path), 422, "invalid"))
    assert (await caller.get(path, params={"organization_id": str(world.organization)})).status_code == 200
    wrong = await caller.get(path, params={"organization_id": str(world.other)})
    world.problem(wrong, 404, "not-found")


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_pages_cover_everything_once_while_more_arrives(
    standing_url: str, callers: Any, client: Any, world: Any, order: str
) -> None:
    caller = client(standing_url, callers.own)
    made = [(await create(caller, world))["id"] for _ in range(7)]
    seen: list[str] = []
    path: str | None = f"/v1/jobs?limit=3&status=pending&type=sms.send&queue=sms&order={order}"
    while path is not None:
        answer = await caller.get(path)
        page = answer.json()
        seen += [job["id"] for job in page["items"]]
        link = answer.headers.get("link")
        assert (link is None) == (page["next_cursor"] is None)
        path = None if link is None else link[1 : link.index(">")]
        if len(seen) < 6:
            made.append((await create(caller, world))["id"])
    assert seen == (made if order == "oldest" else made[6::-1])


async def test_filters_choose(standing_url: str, callers: Any, client: Any, world: Any) -> None:
    caller = client(standing_url, callers.own)
    sms = await create(caller, world)
    middle = dt.datetime.now(dt.UTC).isoformat()
    email = (await caller.post("/v1/jobs", json=world.email(), headers=world.key())).json()

    async def ids(**filters: str) -> list[str]:
        return [job["id"] for job in (await caller.get("/v1/jobs", params=filters)).json()["items"]]

    assert await ids(type="email.send") == [email["id"]]
    assert await ids(queue="sms") == [sms["id"]]
    assert await ids(status="failed") == []
    assert await ids(created_after=middle) == [email["id"]]
    assert await ids(created_before=middle) == [sms["id"]]

    for year in ("0001", "9999"):
        for zone in ("Z", "+14:00", "-14:00"):
            moment = f"{year}-12-31T23:59:59{zone}"
            every = [email["id"], sms["id"]]
            assert await ids(created_after=moment) == (every if year == "0001" else [])
            assert await ids(created_before=moment) == (every if year == "9999" else [])

    async def deliveries(**filters: str) -> list[str]:
        answer = await caller.get("/v1/deliveries", params=filters)
        return [delivery["job_id"] for delivery in answer.json()["items"]]

    assert await deliveries() == [email["id"], sms["id"]]
    assert await deliveries(channel="sms") == [sms["id"]]
    assert await deliveries(kind="song_request") == [email["id"]]
    assert await deliveries(job_id=sms["id"]) == [sms["id"]]
    assert await deliveries(recipient="jane@example.org") == [email["id"]]
    assert await deliveries(recipient="joe@example.org") == []
    assert await deliveries(status="sent") == []


async def test_waiting_job_is_cancelled_once_however_often_it_is_asked(
    standing_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller = client(standing_url, callers.own)
    job = await create(caller, world)
    headers = world.key()
    answers = await asyncio.gather(
        *(caller.post(f"/v1/jobs/{job['id']}/cancel", headers=headers) for _ in range(20)), return_exceptions=False
    )
    done = [answer for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.content for answer in done}) == 1
    assert done[0].json()["status"] == "cancelled"
    assert sum("idempotency-replayed" not in answer.headers for answer in done) == 1
    later = await caller.post(f"/v1/jobs/{job['id']}/cancel", headers=headers)
    assert (later.status_code, later.headers["idempotency-replayed"]) == (200, "true")
    assert later.content == done[0].content
    assert (await caller.get(f"/v1/jobs/{job['id']}")).json()["status"] == "cancelled"


async def test_ended_job_cannot_be_cancelled_and_the_refusal_is_replayed(
    standing_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller = client(standing_url, callers.own)
    job = await create(caller, world)
    async with world.db.platform() as session:
        await session.execute(text("UPDATE jobs SET status = 'completed', finished_at = now()"))
    headers = world.key()
    first = await caller.post(f"/v1/jobs/{job['id']}/cancel", headers=headers)
    again = await caller.post(f"/v1/jobs/{job['id']}/cancel", headers=headers)
    assert "completed" in world.problem(first, 409, "job-ended")["detail"]
    assert (again.status_code, again.content) == (409, first.content)
    assert again.headers["idempotency-replayed"] == "true"


async def test_record_left_running_by_a_dead_process_is_taken_over(
    clock: VirtualClock, standing_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller = client(standing_url, callers.own)
    job = await create(caller, world)
    headers = world.key()
    path = f"/v1/jobs/{job['id']}/cancel"
    await world.begin(headers, "POST", path)
    clock.advance(seconds=30)
    world.problem(await caller.post(path, headers=headers), 409, "idempotency-in-progress")
    clock.advance(seconds=31)
    assert (await caller.post(path, headers=headers)).json()["status"] == "cancelled"


async def test_id_that_is_none_is_404_and_named(standing_url: str, callers: Any, client: Any, world: Any) -> None:
    caller = client(standing_url, callers.own)
    for path, field in (("/v1/jobs/", "job_id"), ("/v1/deliveries/", "delivery_id")):
        for name in (str(uuid4()), "nope", "0" * 36):
            assert field in world.fields(world.problem(await caller.get(path + name), 404, "not-found"))


async def test_failed_attempts_are_read_back(standing_url: str, callers: Any, client: Any, world: Any) -> None:
    caller = client(standing_url, callers.own)
    job = await create(caller, world)
    async with world.db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO job_attempts (job_id, attempt, organization_id, outcome, error, worker, started_at,"
                ' finished_at) VALUES (:j, 1, :o, \'timed_out\', \'{"code": "timeout", "message": "too slow"}\','
                " 'w1', now(), now())"
            ),
            {"j": job["id"], "o": world.organization},
        )
        await session.execute(text("UPDATE jobs SET attempt = 1 WHERE id = :j"), {"j": job["id"]})
    attempts = (await caller.get(f"/v1/jobs/{job['id']}")).json()["attempts"]
    assert [(one["attempt"], one["outcome"], one["error"]["code"]) for one in attempts] == [(1, "timed_out", "timeout")]


INVISIBLE = "\u3164\u200b"


@pytest.mark.parametrize("name", ["venue_name", "artist", "title", "singer_name"])
@pytest.mark.parametrize("kind", ["email", "sms"])
async def test_a_name_in_a_message_that_nobody_can_see_is_refused_by_its_field(
    standing_door_url: str, callers: Any, client: Any, world: Any, kind: str, name: str
) -> None:
    body = world.email()
    if kind == "sms":
        body = world.sms(payload={"to": "+15555550177", "message": body["payload"]["message"]})
    body["payload"]["message"][name] = INVISIBLE
    answer = await client(standing_door_url, callers.own).post("/v1/jobs", json=body, headers=world.key())
    (error,) = world.problem(answer, 422, "invalid")["errors"]
    assert (error["field"], error["code"]) == (f"payload.message.{name}", "malformed")
    assert error["message"] == "must hold at least one visible character"
    assert await world.nothing_stored()


async def test_a_recipients_name_that_nobody_can_see_is_refused(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    body = world.email()
    body["payload"]["to"]["name"] = INVISIBLE
    answer = await client(standing_door_url, callers.own).post("/v1/jobs", json=body, headers=world.key())
    assert set(world.fields(world.problem(answer, 422, "invalid"))) == {"payload.to.name"}


async def test_a_job_says_why_it_is_not_running(standing_url: str, client: Any, callers: Any, world: Any) -> None:
    own, other = client(standing_url, callers.own), client(standing_url, callers.other)
    body = {"type": "sms.send", "payload": {"to": "+15555550100", "message": {"kind": "plain", "text": "Next."}}}
    made = (await own.post("/v1/jobs", json={**body, "delay": 3600}, headers=world.key())).json()
    told = (await own.get(f"/v1/jobs/{made['id']}/explain")).json()
    assert (told["state"], told["reason"]) == ("scheduled", "not_due")
    assert told["in_words"].startswith("Is not due until")
    assert told["would_start"]["queue"] == "sms"
    for query in ("", "?attempt=1"):
        assert (await own.get(f"/v1/jobs/{made['id']}/logs{query}")).json() == {"items": [], "next_cursor": None}
    for what in ("explain", "logs"):
        world.problem(await other.get(f"/v1/jobs/{made['id']}/{what}"), 404, "not-found")


async def test_a_job_is_moved_run_and_tried_again_by_its_organization_alone(
    standing_url: str, client: Any, callers: Any, world: Any
) -> None:
    own, other = client(standing_url, callers.own), client(standing_url, callers.other)
    body = {"type": "sms.send", "payload": {"to": "+15555550100", "message": {"kind": "plain", "text": "Next."}}}
    made = (await own.post("/v1/jobs", json={**body, "delay": 3600}, headers=world.key())).json()
    at = f"/v1/jobs/{made['id']}"
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(days=2)).isoformat()
    changed = await own.patch(at, json={"run_at": later})
    assert (changed.status_code, changed.json()["run_at"] > made["run_at"]) == (200, True)
    assert (await own.post(f"{at}/run-now", headers=world.key())).json()["run_at"] < made["run_at"]
    world.problem(await own.post(f"{at}/retry", headers=world.key()), 409, "job-running")
    await own.post(f"{at}/cancel", headers=world.key())
    world.problem(await own.post(f"{at}/run-now", headers=world.key()), 409, "job-ended")
    again = await own.post(f"{at}/retry", json={"reason": "It was a mistake."}, headers=world.key())
    assert (again.status_code, again.json()["status"]) == (200, "pending")
    assert (await own.patch(at, json={"priority": "high"})).json()["priority"] == "high"
    assert "required" in world.problem(await own.patch(at, json={}), 422, "invalid")["errors"][0]["code"]
    far = await own.patch(at, json={"run_at": "2199-01-01T00:00:00Z"})
    assert "run_at" in world.fields(world.problem(far, 422, "invalid"))
    for answer in (
        await other.patch(at, json={"run_at": later}),
        await other.post(f"{at}/run-now", headers=world.key()),
        await other.post(f"{at}/retry", headers=world.key()),
    ):
        world.problem(answer, 404, "not-found")
