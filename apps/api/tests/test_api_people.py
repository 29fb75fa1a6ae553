"""People who call: by access token, in a header or in a browser's cookie; and what another site cannot make them do."""

import asyncio
import time
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from singr_api.admission.csrf import CsrfGuard
from singr_api.http.problems import Problem
from singr_auth import sign_request
from singr_auth.accounts import Accounts
from singr_config import Secret
from singr_db import Database, Sealer, new_id

OURS = "http://localhost:3000"


async def test_member_does_what_their_role_allows_and_nothing_else(
    api_url: str, client: Any, someone: Any, world: Any
) -> None:
    owner, staff = await someone(member="customer_owner"), await someone(member="customer_staff")
    created = await client(api_url, owner).post("/v1/jobs", json=world.sms(), headers=world.key())
    assert created.status_code == 202, created.text
    assert (await client(api_url, owner).get(f"/v1/jobs/{created.json()['id']}")).status_code == 200
    world.problem(await client(api_url, owner).get("/metrics/json"), 403, "scope-missing")
    world.problem(await client(api_url, staff).get("/v1/jobs"), 403, "scope-missing")


async def test_who_may_not_is_told_whom_people_can_ask_and_whom_programs(
    api_url: str, client: Any, someone: Any, world: Any, callers: Any
) -> None:
    owner, staff = await someone(member="customer_owner"), await someone(member="customer_staff")
    of_role = "Your role lacks the permission"
    for who, path, words in (
        (staff, "/v1/jobs", f"{of_role} jobs:read. Ask an owner of the organization for a role that has it."),
        (owner, "/metrics/json", "No role in an organization has it: ask an operator of the platform."),
        (staff, f"/v1/organizations/{world.organization}/roles", f"{of_role} organization:read."),
        (callers.reader, "/metrics/json", "This credential lacks the scope"),
    ):
        assert words in world.problem(await client(api_url, who).get(path), 403, "scope-missing")["detail"], path


async def test_access_token_without_the_scope_is_told_which_one_and_no_other_credential_is(
    door_url: str, client: Any, someone: Any, world: Any, callers: Any
) -> None:
    staff = await someone(member="customer_staff")
    refused = await client(door_url, staff).post("/v1/jobs", json=world.sms(), headers=world.key())
    world.problem(refused, 403, "scope-missing")
    challenge = 'Bearer realm="singr", error="insufficient_scope", scope="jobs:write"'  # RFC 6750, section 3.1
    assert refused.headers["www-authenticate"] == challenge
    for other in (staff.page, callers.reader):
        answer = await client(door_url, other).post("/v1/jobs", json=world.sms(), headers=world.key())
        world.problem(answer, 403, "scope-missing")
        assert "www-authenticate" not in answer.headers


async def test_both_doors_take_people_alike(door_url: str, client: Any, someone: Any, world: Any) -> None:
    owner = await someone(member="customer_owner")
    body = world.sms()
    del body["organization_id"]  # the header names it
    created = await client(door_url, owner).post("/v1/jobs", json=body, headers=world.key())
    assert (created.status_code, created.json()["organization_id"]) == (202, str(world.organization))
    stranger = owner.acting(world.other)
    refused = await client(door_url, stranger).post("/v1/jobs", json=body, headers=world.key())
    document = world.problem(refused, 403, "organization-forbidden")
    assert "x-singr-organization" in world.fields(document)
    body["organization_id"] = str(world.other)
    elsewhere = await client(door_url, owner).post("/v1/jobs", json=body, headers=world.key())
    world.problem(elsewhere, 403, "organization-forbidden")


async def test_organization_must_be_named_once_and_well(api_url: str, client: Any, someone: Any, world: Any) -> None:
    nobody = client(api_url, (await someone(member="customer_owner")).acting(None))
    for headers in ({}, {"x-singr-organization": "mine"}, {"x-singr-organization": ""}):
        document = world.problem(await nobody.get("/v1/jobs", headers=headers), 422, "invalid")
        assert set(world.fields(document)) == {"x-singr-organization"}


async def test_platform_role_acts_for_all_but_not_under_the_name_of_others(
    api_url: str, client: Any, someone: Any, world: Any
) -> None:
    admin = await someone(platform="admin")
    listed = await client(api_url, admin).get("/v1/jobs", params={"organization_id": str(world.other)})
    assert listed.status_code == 200
    assert (await client(api_url, admin).get("/metrics/json")).status_code == 200
    refused = await client(api_url, admin.acting(world.organization)).get("/v1/jobs")
    world.problem(refused, 403, "organization-forbidden")


async def test_role_that_is_taken_away_is_gone_within_a_second(
    api_url: str, client: Any, someone: Any, db: Database
) -> None:
    owner = await someone(member="customer_owner")
    caller = client(api_url, owner)
    assert (await caller.get("/v1/jobs")).status_code == 200
    async with db.platform() as session:
        await session.execute(text("DELETE FROM memberships WHERE user_id = :id"), {"id": owner.user_id})
        await session.execute(
            text("INSERT INTO access_changes (kind, subject) VALUES ('user', :id)"), {"id": owner.user_id}
        )
    async with asyncio.timeout(20):  # how soon: test_auth_access_feed.py
        while (answer := await caller.get("/v1/jobs")).status_code == 200:  # noqa: ASYNC110 — nobody tells when
            await asyncio.sleep(0.2)  # there are 100 requests a minute
    assert answer.status_code == 403


async def test_session_that_is_ended_opens_nothing_within_a_second(
    api_url: str, client: Any, someone: Any, accounts: Accounts, db: Database, world: Any
) -> None:
    owner = await someone(member="customer_owner")
    caller = client(api_url, owner)
    assert (await caller.get("/v1/jobs")).status_code == 200
    async with db.platform() as session:
        await accounts.sessions.revoke_all(session, owner.user_id, reason="signed_out")
    async with asyncio.timeout(20):
        while (answer := await caller.get("/v1/jobs")).status_code == 200:  # noqa: ASYNC110 — nobody tells when
            await asyncio.sleep(0.2)
    world.problem(answer, 401, "token-revoked")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_each_dead_token_says_what_became_of_it(
    api_url: str, client: Any, someone: Any, world: Any, callers: Any
) -> None:
    expired = await someone(member="customer_owner", at=time.time() - 1000)
    good = await someone(member="customer_owner")
    header, payload, signature = good.token.split(".")
    altered = f"{header}.{payload}.{signature[:-2]}{'AA' if signature[-2:] != 'AA' else 'QQ'}"
    for token, slug in (
        (expired.token, "token-expired"),
        (altered, "token-refused"),
        ("nonsense", "token-refused"),
        ("a" * 5000, "token-refused"),
        (callers.api_key, "token-refused"),
    ):
        answer = await client(api_url).get("/v1/jobs", headers={"authorization": f"Bearer {token}"})
        world.problem(answer, 401, slug)
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith('Bearer realm="singr", error="invalid_token", error_description="'), challenge
        assert token not in answer.text
    other_scheme = await client(api_url).get("/v1/jobs", headers={"authorization": "Basic dXNlcjpwYXNz"})
    world.problem(other_scheme, 401, "unauthenticated")
    assert "error=" not in other_scheme.headers["www-authenticate"]
    assert other_scheme.headers["www-authenticate"].startswith("Bearer ")


async def test_scheme_of_the_token_is_read_in_any_case(api_url: str, client: Any, someone: Any) -> None:
    owner = await someone(member="customer_owner")
    for scheme in ("bearer", "BEARER", "Bearer"):
        headers = owner.bearer | {"authorization": f"{scheme} {owner.token}"}
        assert (await client(api_url, headers).get("/v1/jobs")).status_code == 200


async def test_expired_tokens_use_up_no_tries_of_an_address(api_url: str, client: Any, someone: Any) -> None:
    expired = await someone(at=time.time() - 1000)
    answers = [await client(api_url, expired).get("/v1/jobs") for _ in range(65)]
    assert {answer.status_code for answer in answers} == {401}


async def test_more_than_one_kind_of_credential_is_refused(
    api_url: str, client: Any, someone: Any, callers: Any, world: Any
) -> None:
    owner = await someone(member="customer_owner")
    signed = sign_request(callers.own, method="GET", path="/v1/jobs", body=b"")
    for headers in (
        owner.bearer | {"x-api-key": callers.api_key},
        owner.cookie | {"x-api-key": callers.api_key},
        owner.bearer | owner.cookie,
        owner.bearer | dict(signed),
        owner.cookie | dict(signed),
        {"cookie": f"__Host-singr_access={owner.token}; __Host-singr_access=other"},
    ):
        answer = await client(api_url, headers).get("/v1/jobs")
        world.problem(answer, 400, "credentials-ambiguous")
        assert 'error="invalid_request"' in answer.headers["www-authenticate"]
    for name in ("authorization", "cookie", "x-csrf-token", "x-singr-organization", "origin"):
        twice = [*owner.bearer.items(), (name, "a"), (name, "b")]
        world.problem(await client(api_url).get("/v1/jobs", headers=twice), 400, "malformed-request")


async def test_cookie_reads_but_changes_nothing_without_the_csrf_token(
    door_url: str, client: Any, someone: Any, world: Any
) -> None:
    owner, other = await someone(member="customer_owner"), await someone(member="customer_owner")
    browser = client(door_url, owner.cookie)
    assert (await browser.get("/v1/jobs")).status_code == 200
    for token in (None, "", "x", other.csrf, owner.csrf[:-1], owner.csrf + "A", owner.csrf.swapcase()):
        headers = world.key() | ({} if token is None else {"x-csrf-token": token})
        world.problem(await browser.post("/v1/jobs", json=world.sms(), headers=headers), 403, "csrf-refused")
    assert await world.nothing_stored()
    headers = world.key() | {"x-csrf-token": owner.csrf}
    assert (await browser.post("/v1/jobs", json=world.sms(), headers=headers)).status_code == 202


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),
        ({"origin": OURS}, True),
        ({"origin": OURS.upper()}, True),
        ({"origin": OURS, "sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": OURS + ".evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "https://evil.example", "sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
    ],
)
async def test_page_of_another_site_changes_nothing_even_with_the_csrf_token(
    api_url: str, client: Any, someone: Any, world: Any, headers: dict[str, str], *, passes: bool
) -> None:
    owner = await someone(member="customer_owner")
    answer = await client(api_url, owner.page).post("/v1/jobs", json=world.sms(), headers=world.key() | headers)
    if passes:
        assert answer.status_code == 202, answer.text
    else:
        world.problem(answer, 403, "csrf-refused")
        assert await world.nothing_stored()


async def test_page_of_this_very_address_may_change_things(api_url: str, client: Any, someone: Any, world: Any) -> None:
    owner = await someone(member="customer_owner")
    headers = world.key() | {"origin": api_url, "sec-fetch-site": "same-origin"}
    answer = await client(api_url, owner.page).post("/v1/jobs", json=world.sms(), headers=headers)
    assert answer.status_code == 202


async def test_bearer_token_needs_no_csrf_token_from_a_listed_origin(
    api_url: str, client: Any, someone: Any, world: Any
) -> None:
    owner = await someone(member="customer_owner")
    headers = world.key() | {"origin": OURS, "sec-fetch-site": "cross-site"}
    assert (await client(api_url, owner).post("/v1/jobs", json=world.sms(), headers=headers)).status_code == 202


def test_csrf_token_belongs_to_one_session_and_outlives_the_rotation_of_the_secret() -> None:
    old, new = Secret("o" * 40), Secret("n" * 40)
    session, other = new_id(), new_id()
    before, after = CsrfGuard(Sealer(old), ()), CsrfGuard(Sealer(new, [old]), ())
    token = before.token(session).reveal().encode()
    after.check({b"x-csrf-token": token}, session)
    with pytest.raises(Problem):
        after.check({b"x-csrf-token": token}, other)
    with pytest.raises(Problem):
        CsrfGuard(Sealer(new), ()).check({b"x-csrf-token": token}, session)


async def test_without_the_database_no_access_token_is_believed(
    settings: Any, serve_app: Any, client: Any, someone: Any, world: Any
) -> None:
    owner = await someone(member="customer_owner")
    nowhere = msgspec.structs.replace(settings.database, url=Secret("postgresql://singr@127.0.0.1:1/none"))
    async with serve_app(msgspec.structs.replace(settings, database=nowhere)) as url:
        world.problem(await client(url, owner).get("/v1/jobs"), 503, "unavailable")


async def test_keys_are_public_cacheable_and_verify_what_was_issued(
    api_url: str, client: Any, accounts: Accounts
) -> None:
    answer = await client(api_url).get("/.well-known/jwks.json")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=300")
    assert answer.json() == accounts.keys.jwks()
    assert all("d" not in key for key in answer.json()["keys"])
