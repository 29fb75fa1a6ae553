"""Schedules over HTTP: what is asked for is sealed, checked anew at each time, and seen by its organization alone."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from singr_config import Settings
from singr_db import Database, Sealer
from singr_db.redis import redis_client
from singr_jobs import Waker
from singr_jobs.schedules._firing import Scheduler
from singr_platform import all_jobs, schedule_requests

GUIDE = Path(__file__).resolve().parents[3] / "docs/guides/run-work-on-time.md"
SCOPES = ["schedules:read", "schedules:write", "jobs:read", "jobs:write", "notifications:write", "notifications:read"]


PAYLOAD = {"to": "+15555550100", "message": {"kind": "plain", "text": "The night's songs are counted."}}
JOB = {"type": "sms.send", "payload": PAYLOAD}


def nightly(**changed: Any) -> dict[str, Any]:
    """A valid schedule of a text message."""
    return {
        "name": "nightly",
        "cron": "30 2 * * 1-5",
        "time_zone": "Europe/Berlin",
        "job": JOB,
    } | changed


@pytest.fixture
async def scheduler(db: Database, settings: Settings) -> AsyncIterator[Scheduler]:
    """The chore of a worker, with the parts that a worker has."""
    redis = redis_client(settings.redis)
    sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)
    yield Scheduler(db.psycopg, waker=Waker(redis), requests=schedule_requests(settings, all_jobs(), sealer))
    await redis.aclose()


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(member="customer_owner"))


async def create(caller: Any, world: Any, **changed: Any) -> dict[str, Any]:
    answer = await caller.post("/v1/schedules", json=nightly(**changed), headers=world.key())
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/schedules/{made['id']}"
    return made


async def test_a_schedule_is_made_read_paused_run_and_deleted(owner: Any, world: Any, db: Any, scheduler: Any) -> None:
    made = await create(owner, world, job={**JOB, "reference": "alert-1", "labels": ["eu", "show"]})
    assert made["in_words"] == "At 02:30 on Monday through Friday (Europe/Berlin)"
    at = f"/v1/schedules/{made['id']}"
    assert (await owner.get(at)).json() == made
    assert (await owner.get("/v1/schedules")).json() == {"items": [made], "next_cursor": None}
    assert (await owner.get("/v1/schedules", params={"state": "paused"})).json()["items"] == []
    paused = (await owner.post(f"{at}/pause", headers=world.key())).json()
    assert (paused["state"], paused["next_fire_at"]) == ("paused", None)
    assert (await owner.post(f"{at}/run", headers=world.key())).status_code == 202
    assert await scheduler.work() == 1
    [fire] = (await owner.get(f"{at}/fires")).json()["items"]
    job = (await owner.get(f"/v1/jobs/{fire['job_id']}")).json()
    assert (fire["outcome"], job["type"], job["status"]) == ("asked", "sms.send", "pending")
    assert (job["schedule_id"], job["labels"]) == (made["id"], ["eu", "show"])
    [found] = (await owner.get("/v1/jobs", params={"reference": "alert-1"})).json()["items"]
    assert (found["id"], found["reference"]) == (job["id"], "alert-1")
    delivery = (await owner.get(f"/v1/deliveries/{job['payload']['message_id']}")).json()
    assert (delivery["job_id"], delivery["kind"]) == (job["id"], "plain")
    resumed = (await owner.post(f"{at}/resume", headers=world.key())).json()
    assert (resumed["state"], resumed["next_fire_at"]) == ("active", made["next_fire_at"])
    async with db.platform() as session:
        rows = (
            await session.execute(text("SELECT s::text FROM schedules s UNION ALL SELECT j::text FROM jobs j"))
        ).all()
    assert "5555550100" not in str(rows)
    assert "songs are counted" not in str(rows)
    assert (await owner.delete(at)).status_code == 204
    world.problem(await owner.get(at), 404, "not-found")


@pytest.mark.parametrize(
    ("changed", "slug", "field"),
    [
        ({"cron": "61 * * * *"}, "cron-invalid", "cron"),
        ({"cron": "0 0 31 2 *"}, "never-fires", "cron"),
        ({"time_zone": "Europe/Atlantis"}, "zone-unknown", "time_zone"),
        ({"cron": None, "time_zone": None, "every": 0.5}, "invalid", "every"),
        ({"cron": None, "time_zone": None, "at": "2020-01-01T00:00:00Z"}, "never-fires", "at"),
        ({"ends": "2020-01-01T00:00:00Z"}, "never-fires", "ends"),
        ({"starts": "2100-01-02T00:00:00Z", "ends": "2100-01-01T00:00:00Z"}, "invalid", "ends"),
        ({"missed": "all", "overlap": "skip"}, "invalid", "overlap"),
        ({"starts": "0001-01-01T00:00:00Z"}, "invalid", "starts"),
        ({"name": "nightly "}, "invalid", "name"),
        ({"job": {"type": "sms.send", "payload": {"to": "1"}}}, "invalid", "job.payload.to"),
        ({"job": {**JOB, "reference": "two\nlines"}}, "invalid", "job.reference"),
        ({"job": {**JOB, "labels": ["eu", "eu"]}}, "invalid", "job.labels[1]"),
    ],
)  # fmt: skip
async def test_what_cannot_be_scheduled_is_refused_by_its_field_and_leaves_nothing(
    owner: Any, world: Any, changed: dict[str, Any], slug: str, field: str
) -> None:
    answer = await owner.post("/v1/schedules", json=nightly(**changed), headers=world.key())
    assert field in world.fields(world.problem(answer, 422, slug))
    assert (await owner.get("/v1/schedules")).json()["items"] == []


async def test_an_organization_has_a_thousand_schedules_at_most_and_may_still_replace_one(
    owner: Any, world: Any, db: Any
) -> None:
    await create(owner, world)
    columns = "organization_id, every, cron, time_zone, anchor_at, missed_within, type, request, rules"
    more = f"INSERT INTO schedules (id, name, {columns}) SELECT gen_random_uuid(), 'n' || n, {columns}"
    async with db.platform() as session:
        await session.execute(text(f"{more} FROM schedules, generate_series(2, 999) AS n"))
    await create(owner, world, name="the last")
    answer = await owner.post("/v1/schedules", json=nightly(name="one more"), headers=world.key())
    assert "1000" in world.fields(world.problem(answer, 409, "conflict"))["name"]
    await create(owner, world, name="the last", cron="0 3 * * *")


async def test_another_organizations_schedule_is_not_there_by_any_route(
    owner: Any, standing_url: str, client: Any, someone: Any, world: Any
) -> None:
    made = await create(owner, world)
    other = client(standing_url, (await someone(member="customer_owner", of=world.other)))
    at = f"/v1/schedules/{made['id']}"
    answers = [await other.get(at), await other.get(f"{at}/fires"), await other.delete(at)]
    answers += [await other.post(f"{at}/{way}", headers=world.key()) for way in ("pause", "resume", "run")]
    for answer in answers:
        world.problem(answer, 404, "not-found")
    assert (await other.get("/v1/schedules")).json()["items"] == []
    assert (await owner.get(at)).json() == made


async def test_a_schedule_stops_with_the_credential_that_made_it(
    owner: Any, standing_url: str, client: Any, world: Any, scheduler: Any
) -> None:
    asked = {"name": "till", "scopes": SCOPES}
    key = (await owner.post("/v1/api-keys", json=asked, headers=world.key())).json()
    made = await create(client(standing_url, key["secret"]), world)
    at = f"/v1/schedules/{made['id']}"
    await owner.post(f"{at}/run", headers=world.key())
    assert await scheduler.work() == 1
    assert (await owner.delete(f"/v1/api-keys/{key['key_id']}")).status_code == 200
    await owner.post(f"{at}/run", headers=world.key())
    assert await scheduler.work() == 0
    stopped = (await owner.get(at)).json()
    assert stopped["state"] == "paused"
    assert "no longer has the permission" in stopped["problem"]


@pytest.mark.parametrize(
    "fall",
    [
        "DELETE FROM memberships",
        "UPDATE users SET status = 'disabled'",
        "DELETE FROM role_permissions WHERE permission = 'notifications:write'",
    ],
    ids=["removed", "disabled", "role shrunk"],
)
async def test_a_schedule_stops_with_the_standing_of_who_made_it(
    owner: Any, world: Any, db: Any, scheduler: Any, fall: str
) -> None:
    made = await create(owner, world)
    async with db.platform() as session:
        await session.execute(text(fall))
        await session.execute(text("UPDATE schedules SET due_at = now(), asked_at = now()"))
    assert await scheduler.work() == 0
    async with db.platform() as session:
        found = (await session.execute(text("SELECT state FROM schedules"))).scalars().all()
    assert (found, made["state"]) == (["paused"], "active")


@pytest.mark.parametrize("is_fallen", [False, True])
async def test_what_was_asked_for_the_platform_is_asked_for_it_no_more_by_whoever_left_it(
    standing_url: str, client: Any, someone: Any, world: Any, db: Any, scheduler: Any, *, is_fallen: bool
) -> None:
    admin = client(standing_url, await someone(member="customer_owner", platform="admin"))
    message = {"kind": "verification_code", "code": "042917", "expiry_minutes": 5}
    asked = nightly(job={"type": "sms.send", "payload": {"to": "+15555550100", "message": message}})
    admin.headers.pop("x-singr-organization")
    ours = {"organization_id": str(world.organization)}
    answer = await admin.post("/v1/schedules", json=asked, params=ours, headers=world.key())
    assert answer.status_code == 201, answer.text
    async with db.platform() as session:
        if is_fallen:
            await session.execute(text("UPDATE users SET role_id = NULL"))
        await session.execute(text("UPDATE schedules SET due_at = now(), asked_at = now()"))
    assert await scheduler.work() == (0 if is_fallen else 1)
    async with db.platform() as session:
        state, problem = (await session.execute(text("SELECT state, problem FROM schedules"))).one()
    assert state == ("paused" if is_fallen else "active")
    assert not is_fallen or "is sent by the platform itself" in problem


@pytest.mark.parametrize("lacking", ["jobs:write", "notifications:write", "schedules:write"])
async def test_a_caller_schedules_nothing_that_it_may_not_ask_for_at_once(
    owner: Any, standing_url: str, client: Any, world: Any, lacking: str
) -> None:
    scopes = [scope for scope in SCOPES if scope != lacking]
    key = (await owner.post("/v1/api-keys", json={"name": "a", "scopes": scopes}, headers=world.key())).json()
    caller = client(standing_url, key["secret"])
    answer = await caller.post("/v1/schedules", json=nightly(), headers=world.key())
    world.problem(answer, 403, "scope-missing")


async def test_what_speaks_for_the_platform_cannot_be_scheduled_by_an_organization(owner: Any, world: Any) -> None:
    message = {"kind": "verification_code", "code": "042917", "expiry_minutes": 5}
    job = {"type": "sms.send", "payload": {"to": "+15555550100", "message": message}}
    answer = await owner.post("/v1/schedules", json=nightly(job=job), headers=world.key())
    document = world.problem(answer, 403, "not-allowed")
    assert list(world.fields(document)) == ["job.payload.message.kind"]
    assert (await owner.get("/v1/schedules")).json()["items"] == []


async def test_a_preview_tells_words_and_times_and_makes_nothing(owner: Any, world: Any) -> None:
    asked = {"cron": "30 2 * * *", "time_zone": "Europe/Berlin", "after": "2026-10-24T12:00:00Z", "count": 2}
    answer = await owner.post("/v1/schedules/preview", json=asked)
    assert answer.json() == {
        "in_words": "At 02:30 every day (Europe/Berlin)",
        "next_fires": [
            {"local": "2026-10-25T02:30:00+02:00", "utc": "2026-10-25T00:30:00Z"},
            {"local": "2026-10-26T02:30:00+01:00", "utc": "2026-10-26T01:30:00Z"},
        ],
    }
    world.problem(await owner.post("/v1/schedules/preview", json={"cron": "* * 0 * *"}), 422, "cron-invalid")
    world.problem(await owner.post("/v1/schedules/preview", json={}), 422, "invalid")
    long_ago = {"cron": "0 0 * * *", "time_zone": "America/New_York", "after": "0001-01-01T00:00:00Z"}
    refused = world.problem(await owner.post("/v1/schedules/preview", json=long_ago), 422, "invalid")
    assert list(world.fields(refused)) == ["after"]
    assert (await owner.get("/v1/schedules")).json()["items"] == []


async def test_the_guides_examples_are_scheduled_as_they_stand(owner: Any, world: Any) -> None:
    examples = [json.loads(one) for one in re.findall(r"```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)]
    timed = [one for one in examples if "job" in one]
    assert len(timed) == 2
    for example in timed:
        answer = await owner.post("/v1/schedules", json=example, headers=world.key())
        assert answer.status_code == 201, answer.text


async def test_a_request_that_cannot_become_a_job_is_refused_by_its_field_within_the_schedule(
    owner: Any, world: Any
) -> None:
    payload = {"to": {"email": "a@example.org", "name": "\u200b"}, "message": world.email()["payload"]["message"]}
    answer = await owner.post(
        "/v1/schedules", json=nightly(job={"type": "email.send", "payload": payload}), headers=world.key()
    )
    assert list(world.fields(world.problem(answer, 422, "invalid"))) == ["job.payload.to.name"]
