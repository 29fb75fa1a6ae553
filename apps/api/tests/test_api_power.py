"""Power is used by sessions that proved what their account asks for today; the policy asks, before anything else."""

import re
from typing import Any

import pytest
from sqlalchemy import text

from singr_api.admission.people import SAFE
from singr_api.admission.policy import Access, Policy
from singr_api.wiring.routes import policy_table
from singr_config.constants import ROLE_PERMISSIONS
from singr_db import Database

CALLED = [policy for policy in policy_table().policies if policy.access is Access.CALLER]
NEEDED = (403, "reauthentication-required")


async def add_second_factor(db: Database, someone: Any) -> None:
    """Turn one on, in another session than theirs."""
    async with db.platform() as session:
        await session.execute(
            text("INSERT INTO second_factors (user_id, method, confirmed_at) VALUES (:id, 'email', now())"),
            {"id": someone.user_id},
        )


async def prove_it(db: Database, someone: Any) -> None:
    async with db.platform() as session:
        await session.execute(
            text("UPDATE auth_sessions SET methods = methods || ARRAY['mfa'] WHERE id = :id"),
            {"id": someone.session_id},
        )


async def nowhere(caller: Any, policy: Policy, world: Any) -> Any:
    """Ask for something that is not there."""
    path = policy.path.replace("{organization_id}", str(world.organization))
    path = re.sub(r"\{\w+\}", "01920000-0000-7000-8000-00000000dead", path)
    body = {"json": {}} if policy.takes_body else {}
    return await caller.request(policy.method, path, headers=world.key(), **body)


def outcome(answer: Any) -> tuple[int, str]:
    problem = answer.headers.get("content-type") == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition("/")[2] if problem else ""


async def test_platform_role_is_used_by_whole_sessions_alone_on_every_route(
    api_url: str, client: Any, someone: Any, world: Any, db: Database
) -> None:
    admin = await someone(platform="admin")
    await add_second_factor(db, admin)
    found = {}
    for policy in CALLED:
        if policy.scope in ROLE_PERMISSIONS["admin"]:
            answer = await nowhere(client(api_url, admin), policy, world)
            found[f"{policy.method} {policy.path}"] = outcome(answer)
    assert found
    assert set(found.values()) == {NEEDED}, f"open to one factor: {found}"


async def test_member_of_one_factor_changes_what_the_policy_says_and_nothing_else(
    api_url: str, client: Any, someone: Any, world: Any, db: Database
) -> None:
    owner = await someone(member="customer_owner")
    await add_second_factor(db, owner)
    for policy in CALLED:
        if policy.scope is None or policy.scope in ROLE_PERMISSIONS["customer_owner"]:
            said = outcome(await nowhere(client(api_url, owner), policy, world))
            assert (said == NEEDED) == policy.asks_whole(platform=False), f"{policy.method} {policy.path}: {said}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/api-keys"),
        ("POST", "/v1/api-keys/{key_id}/rotate"),
        ("POST", "/v1/service-credentials"),
        ("POST", "/v1/users/{user_id}/disable"),
        ("POST", "/v1/users/{user_id}/enable"),
        ("POST", "/v1/users/{user_id}/revoke-sessions"),
        ("POST", "/v1/users/{user_id}/reset-second-factors"),
    ],
)
def test_what_makes_power_or_uses_it_over_others_asks_for_all_that_the_account_does(method: str, path: str) -> None:
    assert policy_table().of(method, path).asks_whole(platform=False)


def test_route_that_says_nothing_of_it_asks_for_all_that_the_account_does() -> None:
    silent = [policy for policy in CALLED if not (policy.one_factor or policy.hands_on or policy.asks)]
    assert {policy.asks_whole(platform=False) for policy in silent if policy.method not in SAFE} == {True}


async def test_operator_of_one_factor_takes_nobodys_second_factor(
    api_url: str, client: Any, someone: Any, world: Any, db: Database
) -> None:
    admin, victim = await someone(platform="admin"), await someone()
    for person in (admin, victim):
        await add_second_factor(db, person)
    path = f"/v1/users/{victim.user_id}/reset-second-factors"
    refused = await client(api_url, admin).post(path, headers=world.key())
    document = world.problem(refused, 403, "reauthentication-required")
    assert "second factor" in document["detail"]
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM second_factors")) == 2
    await prove_it(db, admin)
    assert (await client(api_url, admin).post(path, headers=world.key())).status_code == 200


async def test_operator_of_one_factor_sends_nothing_in_the_platforms_name(
    door_url: str, client: Any, someone: Any, world: Any, db: Database
) -> None:
    admin = await someone(platform="admin")
    await add_second_factor(db, admin)
    refused = await client(door_url, admin).post("/v1/jobs", json=world.sms(), headers=world.key())
    world.problem(refused, 403, "reauthentication-required")
    assert await world.nothing_stored()
    await prove_it(db, admin)
    assert (await client(door_url, admin).post("/v1/jobs", json=world.sms(), headers=world.key())).status_code == 202


# ---- what an idempotency key keeps --------------------------------------------------------------------------------

KEPT: dict[str, tuple[str, dict[str, Any]]] = {
    "a key": ("/v1/api-keys", {"name": "till", "scopes": ["jobs:read"]}),
    "a signing credential": ("/v1/service-credentials", {"name": "till", "scopes": ["jobs:read"]}),
    "an owner's invitation": (
        "/v1/organizations/{}/invitations",
        {"email": "friend@example.org", "role": "customer_owner"},
    ),
    "a powerful role": ("/v1/organizations/{}/roles", {"name": "Keymaker", "permissions": ["api_keys:write"]}),
}


@pytest.mark.parametrize(("path", "body"), KEPT.values(), ids=KEPT)
async def test_answer_that_is_kept_is_not_given_again_to_a_session_of_one_factor(
    api_url: str, client: Any, someone: Any, world: Any, db: Database, path: str, body: dict[str, Any]
) -> None:
    owner = await someone(member="customer_owner")
    path, key = path.format(world.organization), world.key()
    made = await client(api_url, owner).post(path, json=body, headers=key)
    assert made.status_code == 201, made.text
    await add_second_factor(db, owner)
    world.problem(await client(api_url, owner).post(path, json=body, headers=key), 403, "reauthentication-required")
    await prove_it(db, owner)
    again = await client(api_url, owner).post(path, json=body, headers=key)
    assert (again.status_code, again.content) == (201, made.content)
    assert again.headers["idempotency-replayed"] == "true"


async def test_session_of_one_factor_is_given_its_own_answer_again(
    api_url: str, client: Any, someone: Any, world: Any, db: Database
) -> None:
    owner = await someone(member="customer_owner")
    await add_second_factor(db, owner)
    path, key = f"/v1/organizations/{world.organization}/roles", world.key()
    body = {"name": "Door", "permissions": ["venues:read"]}
    first, second = [await client(api_url, owner).post(path, json=body, headers=key) for _ in range(2)]
    assert (first.status_code, second.status_code, second.content) == (201, 201, first.content)


async def test_revocation_answers_what_went_and_what_stays(api_url: str, client: Any, someone: Any, world: Any) -> None:
    owner = await someone(member="customer_owner")
    caller = client(api_url, owner)
    made = await caller.post("/v1/api-keys", json={"name": "till", "scopes": ["jobs:read"]}, headers=world.key())
    old = made.json()["key_id"]
    new = (await caller.post(f"/v1/api-keys/{old}/rotate", json={}, headers=world.key())).json()["key_id"]
    revoked = await caller.delete(f"/v1/api-keys/{old}")
    assert revoked.status_code == 200, revoked.text
    assert revoked.json() == {
        "revoked_credentials": [{"key_id": old, "name": "till", "kind": "api_key"}],
        "kept_credentials": [{"key_id": new, "name": "till", "kind": "api_key"}],
        "revoked_invitations": [],
        "cancelled_jobs": 0,
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/api-keys/{key_id}"),
        ("DELETE", "/v1/service-credentials/{key_id}"),
        ("DELETE", "/v1/organizations/{organization_id}/invitations/{invitation_id}"),
        ("POST", "/v1/jobs"),
        ("POST", "/v1/jobs/{job_id}/cancel"),
        ("POST", "/v1/organizations/{organization_id}/invitations"),
        ("PATCH", "/v1/organizations/{organization_id}/members/{user_id}"),
        ("POST", "/v1/organizations/{organization_id}/leave"),
        ("POST", "/v1/auth/sign-out-everywhere"),
        ("DELETE", "/v1/auth/sessions/{session_id}"),
        ("POST", "/v1/auth/reauthenticate"),
        ("POST", "/v1/auth/reauthenticate/passkey"),
    ],
)
def test_daily_work_and_what_takes_power_away_needs_no_more_than_a_session(method: str, path: str) -> None:
    assert not policy_table().of(method, path).asks_whole(platform=False)
