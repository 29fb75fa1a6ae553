"""Flows over HTTP: all of one or none, seen and steered by its organization alone."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from singr_db import Database


def sms(words: str = "Your song is next.", **options: Any) -> dict[str, Any]:
    message = {"kind": "plain", "text": words}
    return {"type": "sms.send", "payload": {"to": "+15555550100", "message": message}, **options}


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(member="customer_owner"))


async def create(caller: Any, world: Any, **flow: Any) -> dict[str, Any]:
    answer = await caller.post("/v1/flows", json={"name": "tonight"} | flow, headers=world.key())
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/flows/{made['id']}"
    return made


async def test_a_flow_is_made_with_its_messages_read_and_cancelled(owner: Any, world: Any, db: Database) -> None:
    jobs = [sms(ref="doors", reference="alert-1", labels=["eu", "show"]), sms(after=["doors"]), sms(after=[0, 1])]
    made = await create(owner, world, jobs=jobs, then={**sms("Good night."), "reference": "alert-1"})
    at, ids = f"/v1/flows/{made['id']}", [job["id"] for job in made["jobs"]]
    assert (made["state"], made["total"], [job["ref"] for job in made["jobs"]]) == ("running", 4, ["doors", None, None])
    assert (await owner.get(at)).json() == {name: made[name] for name in made if name != "jobs"}
    graph = (await owner.get(f"{at}/graph")).json()["items"]
    assert {member["id"]: (member["status"], member["after"]) for member in graph} == {
        ids[0]: ("pending", []),
        ids[1]: ("waiting", ids[:1]),
        ids[2]: ("waiting", ids[:2]),
        made["completion_job_id"]: ("waiting", []),
    }
    about = (await owner.get("/v1/jobs", params={"reference": "alert-1"})).json()["items"]
    assert {one["id"] for one in about} == {ids[0], made["completion_job_id"]}
    assert [one["id"] for one in graph if one["reference"] == "alert-1"] == [one["id"] for one in reversed(about)]
    assert {one["id"]: one["labels"] for one in graph if one["labels"]} == {ids[0]: ["eu", "show"]}
    job = (await owner.get(f"/v1/jobs/{ids[1]}")).json()
    assert (job["flow_id"], job["status"]) == (made["id"], "pending")
    delivery = (await owner.get(f"/v1/deliveries/{job['payload']['message_id']}")).json()
    assert (delivery["job_id"], delivery["kind"]) == (ids[1], "plain")
    cancelled = (await owner.post(f"{at}/cancel", headers=world.key())).json()
    assert (cancelled["state"], cancelled["cancelled"]) == ("cancelled", 4)
    assert (await owner.get("/v1/flows", params={"state": "running"})).json()["items"] == []
    async with db.platform() as session:
        rows = (await session.execute(text("SELECT f::text FROM flows f UNION ALL SELECT j::text FROM jobs j"))).all()
    assert "5555550100" not in str(rows)


async def test_jobs_are_added_while_a_flow_is_open_and_none_afterwards(owner: Any, world: Any) -> None:
    made = await create(owner, world, jobs=[sms()], close=False)
    at, first = f"/v1/flows/{made['id']}", made["jobs"][0]["id"]
    assert made["state"] == "open"
    more = await owner.post(f"{at}/jobs", json={"jobs": [sms(after=[first], ref="b"), sms(after=["b"])]},
                            headers=world.key())  # fmt: skip
    assert (more.status_code, more.json()["total"], len(more.json()["jobs"])) == (202, 3, 2)
    assert (await owner.post(f"{at}/close", headers=world.key())).json()["state"] == "running"
    late = await owner.post(f"{at}/jobs", json={"jobs": [sms()]}, headers=world.key())
    world.problem(late, 409, "flow-closed")


@pytest.mark.parametrize(
    ("jobs", "slug", "field"),
    [
        ([sms(after=[0])], "unknown-member", "jobs[0].after[0]"),
        ([sms(), sms(after=["nobody"])], "unknown-member", "jobs[1].after[0]"),
        ([sms(), sms(after=[str(uuid4())])], "unknown-member", "jobs[1].after[0]"),
        ([sms(ref="a"), sms(ref="a")], "invalid", "jobs[1].ref"),
        ([{"type": "sms.send", "payload": {"to": "1"}}], "invalid", "jobs[0].payload.to"),
        ([sms(reference="two\nlines")], "invalid", "jobs[0].reference"),
        ([sms(), sms(labels=["eu", "eu"])], "invalid", "jobs[1].labels[1]"),
    ],
    ids=["itself", "no such ref", "no such member", "ref twice", "payload", "reference", "labels"],
)
async def test_what_cannot_be_a_flow_is_refused_by_its_field_and_leaves_nothing(
    owner: Any, world: Any, jobs: list[dict[str, Any]], slug: str, field: str
) -> None:
    answer = await owner.post("/v1/flows", json={"name": "tonight", "jobs": jobs}, headers=world.key())
    assert field in world.fields(world.problem(answer, 422, slug))
    assert (await owner.get("/v1/flows")).json()["items"] == []
    assert (await owner.get("/v1/jobs")).json()["items"] == []


@pytest.mark.parametrize(
    "name",
    ["a\u00a0b", "\u6b4c\u3000\u8a5e", "\U0001f468\u200d\U0001f469", "a\u200bb", "a\u00adb", "\ue000", "\u0378"],
    ids=["no-break space", "ideographic space", "emoji", "zero width", "soft hyphen", "private use", "unassigned"],
)
async def test_a_flow_is_called_what_a_person_writes(owner: Any, world: Any, name: str) -> None:
    assert (await create(owner, world, name=name))["name"] == name


@pytest.mark.parametrize("field", ["jobs[0].run_at", "then.run_at"])
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "9999-12-31T23:59:59-23:59"])
async def test_a_flows_jobs_run_within_reason(owner: Any, world: Any, field: str, moment: str) -> None:
    jobs = {"jobs": [sms(run_at=moment)]} if field.startswith("jobs") else {"then": sms(run_at=moment)}
    answer = await owner.post("/v1/flows", json={"name": "tonight", **jobs}, headers=world.key())
    assert field in world.fields(world.problem(answer, 422, "invalid"))


async def test_a_request_that_is_repeated_makes_one_flow(owner: Any, world: Any) -> None:
    key = world.key()
    answers = [await owner.post("/v1/flows", json={"name": "once", "jobs": [sms()]}, headers=key) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert len((await owner.get("/v1/flows")).json()["items"]) == 1


async def test_a_member_of_another_flow_cannot_be_waited_for(owner: Any, world: Any) -> None:
    other = await create(owner, world, jobs=[sms()])
    made = await create(owner, world, close=False)
    theirs = other["jobs"][0]["id"]
    answer = await owner.post(f"/v1/flows/{made['id']}/jobs", json={"jobs": [sms(after=[theirs])]}, headers=world.key())
    world.problem(answer, 422, "unknown-member")


async def test_a_circle_through_the_completion_job_is_refused(owner: Any, world: Any) -> None:
    made = await create(owner, world, jobs=[sms()], then=sms(), close=False)
    more = {"jobs": [sms(after=[made["completion_job_id"]])]}
    answer = await owner.post(f"/v1/flows/{made['id']}/jobs", json=more, headers=world.key())
    world.problem(answer, 422, "unknown-member")


async def test_who_waits_for_whom_has_bounds_that_are_told_by_field_number_and_remedy(owner: Any, world: Any) -> None:
    def layered(width: int) -> dict[str, Any]:
        first = list(range(100))
        return {"name": "wide", "jobs": [sms() for _ in first] + [sms(after=first) for _ in range(width)]}

    answer = await owner.post("/v1/flows", json=layered(101), headers=world.key())
    [error] = world.problem(answer, 422, "invalid")["errors"]
    assert (error["field"], error["code"]) == ("jobs[200].after", "too_many_items")
    assert "10,000" in error["message"]
    assert "let one job wait for these" in error["message"]
    assert (await create(owner, world, **layered(100)))["total"] == 200


async def test_open_flows_have_bounds_of_an_organization(owner: Any, world: Any, db: Database) -> None:
    made = await create(owner, world, jobs=[sms()], close=False)
    async with db.platform() as session:
        values = {"own": made["organization_id"]}
        many = "SELECT gen_random_uuid(), :own, 'open' FROM generate_series(1, 999)"
        await session.execute(text(f"INSERT INTO flows (id, organization_id, name) {many}"), values)
    one_more = {"name": "one more", "jobs": [sms()], "close": False}
    answer = await owner.post("/v1/flows", json=one_more, headers=world.key())
    assert "1,000 open flows" in world.problem(answer, 409, "too-many-open-flows")["detail"]
    await create(owner, world, jobs=[sms()])
    await owner.post(f"/v1/flows/{made['id']}/close", headers=world.key())
    assert (await create(owner, world, **one_more))["state"] == "open"


async def test_another_organization_sees_and_changes_nothing(
    owner: Any, world: Any, standing_url: str, client: Any, someone: Any
) -> None:
    made = await create(owner, world, jobs=[sms()], close=False)
    stranger = client(standing_url, await someone(member="customer_owner", of=world.other))
    at = f"/v1/flows/{made['id']}"
    assert (await stranger.get("/v1/flows")).json()["items"] == []
    for path in (at, f"{at}/graph"):
        world.problem(await stranger.get(path), 404, "not-found")
    world.problem(await stranger.post(f"{at}/jobs", json={"jobs": [sms()]}, headers=world.key()), 404, "not-found")
    for act in ("close", "cancel"):
        world.problem(await stranger.post(f"{at}/{act}", headers=world.key()), 404, "not-found")
    assert (await owner.get(at)).json()["state"] == "open"


async def test_what_waits_in_a_flow_is_cancelled_with_the_credential_that_asked_for_it(
    owner: Any, world: Any, standing_url: str, client: Any
) -> None:
    scopes = ["jobs:read", "jobs:write", "notifications:write"]
    key = (await owner.post("/v1/api-keys", json={"name": "till", "scopes": scopes}, headers=world.key())).json()
    made = await create(client(standing_url, key["secret"]), world, jobs=[sms(ref="a"), sms(after=["a"])])
    assert (await owner.delete(f"/v1/api-keys/{key['key_id']}")).status_code == 200
    assert (await owner.get(f"/v1/flows/{made['id']}")).json()["state"] == "cancelled"
