"""Ids of another organization's work lead to nothing by any route there is: new routes are asked, too."""

import re
from typing import Any, Final

import httpx
import pytest
from test_api_bulk_actions import ask
from test_api_dead_letters import dead
from test_api_flows import create as make_flow
from test_api_flows import sms
from test_api_schedules import create as make_schedule

from singr_api.wiring.routes import policy_table
from singr_db import Database

_PARAMETER: Final = re.compile(r"\{(\w+)\}")
# What is an organization's, by the name that paths have for its id.
OURS: Final = ("job_id", "flow_id", "letter_id", "schedule_id", "action_id")
ROUTES: Final = [
    (policy.method, policy.path) for policy in policy_table().policies if {*_PARAMETER.findall(policy.path)} & {*OURS}
]
BODIES: Final[dict[str, Any]] = {
    "PATCH /v1/jobs/{job_id}": {"priority": "high"},
    "POST /v1/flows/{flow_id}/jobs": {"jobs": [sms()]},
}


async def test_credential_is_refused_whoever_names_another_organization_in_the_header(
    door_url: str, client: Any, callers: Any, world: Any
) -> None:
    foreign, own = ({"x-singr-organization": str(one)} for one in (world.other, world.organization))
    for caller in (client(door_url, callers.api_key), client(door_url, callers.own)):
        asked = [("GET", "/v1/jobs", {}), ("POST", "/v1/jobs", world.key())]
        for method, path, headers in asked:
            body = world.sms() if method == "POST" else None
            answer = await caller.request(method, path, json=body, headers=headers | foreign)
            document = world.problem(answer, 403, "organization-forbidden")
            assert world.fields(document) == {
                "x-singr-organization": "must be the credential's own organization, or left out"
            }
            answer = await caller.request(method, path, json=body, headers=headers | own)
            assert answer.status_code in {200, 202}, answer.text
        malformed = await caller.get("/v1/jobs", headers={"x-singr-organization": "mine"})
        assert set(world.fields(world.problem(malformed, 422, "invalid"))) == {"x-singr-organization"}


async def test_platform_key_names_an_organization_in_the_header_as_in_the_query_and_a_signature_does_not(
    api_url: str, client: Any, callers: Any, world: Any
) -> None:
    own = client(api_url, callers.api_key)
    await own.post("/v1/jobs", json=world.sms(), headers=world.key())
    platforms, header = client(api_url, callers.platform_key), {"x-singr-organization": str(world.organization)}
    assert (await platforms.get("/v1/jobs", headers=header)).json() == (await own.get("/v1/jobs")).json()
    two = await platforms.get("/v1/jobs", headers=header, params={"organization_id": str(world.other)})
    assert set(world.fields(world.problem(two, 422, "invalid"))) == {"x-singr-organization"}
    signed = await client(api_url, callers.platform).get("/v1/jobs", headers=header)
    assert "is not signed" in world.fields(world.problem(signed, 422, "invalid"))["x-singr-organization"]
    world.problem(await platforms.get("/v1/queues", headers=header), 403, "organization-forbidden")


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(member="customer_owner"))


async def told(caller: httpx.AsyncClient, ids: dict[str, str]) -> list[Any]:
    """All of it, as its own organization reads it."""
    paths = [path for method, path in ROUTES if method == "GET"]
    answers = [await caller.get(path.format(**ids)) for path in paths]
    assert {answer.status_code for answer in answers} == {200}, dict(zip(paths, answers, strict=True))
    return [answer.json() for answer in answers]


async def test_no_route_leads_to_what_is_another_organizations(
    owner: Any, standing_url: str, client: Any, someone: Any, world: Any, db: Database
) -> None:
    _, letter = await dead(db, owner, world)
    action = await ask(owner, world)
    job = (await owner.post("/v1/jobs", json=world.sms(delay=3600), headers=world.key())).json()
    flow, schedule = await make_flow(owner, world, jobs=[sms()], close=False), await make_schedule(owner, world)
    made = {"job_id": job, "flow_id": flow, "letter_id": letter, "schedule_id": schedule, "action_id": action}
    ids = {name: made[name]["id"] for name in OURS}
    before = await told(owner, ids)
    stranger = client(standing_url, await someone(member="customer_owner", of=world.other))
    operator = client(standing_url, await someone(platform="admin"))
    for method, path in ROUTES:
        at, body = path.format(**ids), BODIES.get(f"{method} {path}")
        for caller, named, status, slug in (
            (stranger, None, 404, "not-found"),
            (stranger, world.organization, 403, "organization-forbidden"),
            (operator, world.other, 404, "not-found"),
        ):
            query = {} if named is None else {"organization_id": str(named)}
            headers = {} if method == "GET" else world.key()
            answer = await caller.request(method, at, params=query, json=body, headers=headers)
            met = (answer.status_code, answer.json()["type"].rpartition("/")[2])
            assert met == (status, slug), (method, path, named)
    assert await told(owner, ids) == before
