"""API keys and service credentials over HTTP: shown once, kept sealed, no more than their maker, gone when revoked."""

import asyncio
import datetime as dt
from typing import Any

import pytest
from sqlalchemy import text

from singr_auth import SigningKey
from singr_auth.accounts import ServiceCredentials
from singr_config import Secret
from singr_config.constants import ROLE_PERMISSIONS
from singr_db import Sealer

BOTH = pytest.mark.parametrize("path", ["/v1/api-keys", "/v1/service-credentials"])


def acting_as(path: str, made: dict[str, Any]) -> SigningKey | str:
    """What calls with a new credential."""
    return made["secret"] if path == "/v1/api-keys" else SigningKey(made["key_id"], Secret(made["secret"]))


@pytest.fixture
async def owner(someone: Any) -> Any:
    return await someone(member="customer_owner")


@pytest.fixture
def make(api_url: str, client: Any, world: Any) -> Any:
    """Makes a credential over HTTP."""

    async def make(caller: Any, path: str = "/v1/api-keys", **body: Any) -> dict[str, Any]:
        form = {"name": "Till", "scopes": ["jobs:read"]} | body
        answer = await client(api_url, caller).post(path, json=form, headers=world.key())
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    return make


async def until_refused(caller: Any) -> None:
    async with asyncio.timeout(20):  # how soon: test_auth_access_feed.py
        while (answer := await caller.get("/v1/jobs")).status_code == 200:  # noqa: ASYNC110 — nobody tells when
            await asyncio.sleep(0.2)
    assert answer.status_code == 401, answer.text


@BOTH
async def test_made_credential_works_and_is_listed_without_its_secret(
    api_url: str, client: Any, world: Any, owner: Any, make: Any, path: str
) -> None:
    made = await make(owner, path, scopes=["jobs:read", "jobs:write", "notifications:write"])
    program = client(api_url, acting_as(path, made))
    sent = await program.post("/v1/jobs", json=world.sms(), headers=world.key())
    assert sent.status_code == 202, sent.text
    assert (await program.get("/v1/jobs", params={"organization_id": str(world.other)})).status_code == 403
    listed = await client(api_url, owner).get(path)
    row = next(one for one in listed.json()["items"] if one["key_id"] == made["key_id"])
    assert (row["name"], row["status"], row["created_by"]) == ("Till", "in_force", f"user:{owner.user_id}")
    assert row["last_used_at"] is not None
    assert made["secret"] not in listed.text
    kinds = (await client(api_url, owner).get(f"/v1/organizations/{world.organization}/security-events")).json()
    noun = "api_key" if path == "/v1/api-keys" else "service_credential"
    assert kinds["items"][0]["kind"] == f"{noun}.created"
    async with world.db.platform() as session:
        told = await session.scalar(text("SELECT count(*) FROM messages WHERE kind = 'security_notice'"))
    assert told == 1


@BOTH
async def test_new_credential_says_its_name_and_end_and_is_read_by_itself(
    api_url: str, client: Any, world: Any, owner: Any, make: Any, path: str
) -> None:
    until = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=3)
    old = await make(owner, path, expires_at=until.astimezone(dt.timezone(dt.timedelta(hours=9))).isoformat())
    assert (old["name"], dt.datetime.fromisoformat(old["expires_at"])) == ("Till", until)
    assert old["expires_at"].endswith("Z")
    caller = client(api_url, owner)
    new = (await caller.post(f"{path}/{old['key_id']}/rotate", headers=world.key())).json()
    assert (await make(owner, path))["expires_at"] is None
    listed = {row["key_id"]: row for row in (await caller.get(path)).json()["items"]}
    for made in (old, new):
        read = await caller.get(f"{path}/{made['key_id']}")
        assert read.status_code == 200, read.text
        assert read.json() == listed[made["key_id"]]
        assert made["secret"] not in read.text
    assert (new["name"], new["expires_at"]) == ("Till", listed[new["key_id"]]["expires_at"])
    elsewhere = "/v1/service-credentials" if path == "/v1/api-keys" else "/v1/api-keys"
    world.problem(await caller.get(f"{elsewhere}/{old['key_id']}"), 404, "not-found")
    world.problem(await client(api_url, (await make(owner))["secret"]).get(f"{path}/x"), 403, "scope-missing")


@BOTH
async def test_repeat_is_given_the_secret_again_out_of_a_sealed_record_and_nobody_else_is(
    api_url: str, client: Any, world: Any, owner: Any, someone: Any, path: str
) -> None:
    body, headers = {"name": "Till", "scopes": ["jobs:read"]}, world.key()
    caller = client(api_url, owner)
    first = await caller.post(path, json=body, headers=headers)
    again = await caller.post(path, json=body, headers=headers)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    secret = first.json()["secret"]
    async with world.db.platform() as session:
        kept = [bytes(row) for row in await session.scalars(text("SELECT response_body FROM request_keys"))]
        tables = await session.scalars(
            text("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace")
        )
        dump = "".join(
            [str(await session.scalar(text(f"SELECT jsonb_agg(to_jsonb(t))::text FROM {name} t"))) for name in tables]
        )
    assert len(kept) == 1
    assert secret.encode() not in kept[0]
    assert b"key_id" not in kept[0]
    assert secret not in dump
    assert secret.encode().hex() not in dump
    # another owner of the same organization who sends the very same request makes a key of their own
    second = await client(api_url, await someone(member="customer_owner")).post(path, json=body, headers=headers)
    assert second.status_code == 201
    assert second.json()["key_id"] != first.json()["key_id"]
    assert "idempotency-replayed" not in second.headers
    other = await caller.post(path, json=body | {"name": "Other"}, headers=headers)
    world.problem(other, 422, "idempotency-key-reused")


async def test_one_key_many_times_at_once_makes_one_credential(
    api_url: str, client: Any, world: Any, owner: Any
) -> None:
    headers = world.key()
    caller = client(api_url, owner)
    body = {"name": "Till", "scopes": ["jobs:read"]}
    answers = await asyncio.gather(*(caller.post("/v1/api-keys", json=body, headers=headers) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["secret"] for answer in answers if answer.status_code == 201}) == 1
    assert len([one for one in (await caller.get("/v1/api-keys")).json()["items"] if one["name"] == "Till"]) == 1


@BOTH
async def test_rotation_overlaps_then_refuses_the_old_one(
    api_url: str, client: Any, world: Any, owner: Any, make: Any, path: str
) -> None:
    old = await make(owner, path)
    caller = client(api_url, owner)
    rotated = await caller.post(f"{path}/{old['key_id']}/rotate", headers=world.key())  # a body may be left out
    assert rotated.status_code == 201, rotated.text
    new = rotated.json()
    assert (new["replaces"], new["scopes"]) == (old["key_id"], ["jobs:read"])
    for one in (old, new):
        assert (await client(api_url, acting_as(path, one)).get("/v1/jobs")).status_code == 200
    rows = {row["key_id"]: row for row in (await caller.get(path)).json()["items"]}
    assert (rows[old["key_id"]]["status"], rows[old["key_id"]]["replaced_by"]) == ("retiring", new["key_id"])
    left = dt.datetime.fromisoformat(rows[old["key_id"]]["expires_at"]) - dt.datetime.now(dt.UTC)
    assert abs(left.total_seconds() - 86_400) < 60
    again = await caller.post(f"{path}/{old['key_id']}/rotate", json={}, headers=world.key())
    world.problem(again, 409, "conflict")
    last = await caller.post(f"{path}/{new['key_id']}/rotate", json={"overlap_seconds": 0}, headers=world.key())
    await until_refused(client(api_url, acting_as(path, new)))
    assert (await client(api_url, acting_as(path, last.json())).get("/v1/jobs")).status_code == 200


@pytest.mark.parametrize("overlap", [-1, 604_801, "1", 1.5, None])
async def test_bad_overlap_is_named(api_url: str, client: Any, world: Any, owner: Any, make: Any, overlap: Any) -> None:
    old = await make(owner)
    answer = await client(api_url, owner).post(
        f"/v1/api-keys/{old['key_id']}/rotate", json={"overlap_seconds": overlap}, headers=world.key()
    )
    assert "overlap_seconds" in world.fields(world.problem(answer, 422, "invalid"))


@BOTH
async def test_revoked_credential_is_refused_within_a_second_by_another_process(
    api_url: str, client: Any, world: Any, owner: Any, make: Any, settings: Any, serve_app: Any, path: str
) -> None:
    made = await make(owner, path)
    async with serve_app(settings) as elsewhere:
        program = client(elsewhere, acting_as(path, made))
        assert (await program.get("/v1/jobs")).status_code == 200
        revoked = await client(api_url, owner).delete(f"{path}/{made['key_id']}")
        assert revoked.status_code == 200, revoked.text
        await until_refused(program)
    again = await client(api_url, owner).delete(f"{path}/{made['key_id']}")
    world.problem(again, 409, "conflict")


async def test_scopes_go_no_further_than_their_maker(
    api_url: str, client: Any, world: Any, owner: Any, make: Any
) -> None:
    program = await make(owner, scopes=["api_keys:read", "api_keys:write", "jobs:read"])
    caller = client(api_url, program["secret"])
    body = {"name": "x", "scopes": ["jobs:read", "jobs:write"]}
    world.problem(await caller.post("/v1/api-keys", json=body, headers=world.key()), 403, "not-allowed")
    made = await caller.post("/v1/api-keys", json=body | {"scopes": ["jobs:read"]}, headers=world.key())
    assert made.status_code == 201
    strong = await make(owner, scopes=["jobs:write"])
    rotated = await caller.post(f"/v1/api-keys/{strong['key_id']}/rotate", json={}, headers=world.key())
    world.problem(rotated, 403, "not-allowed")
    world.problem(await caller.delete(f"/v1/api-keys/{strong['key_id']}"), 403, "scope-missing")
    for scope in ("operations:read", "users:write", "everything"):
        refused = await client(api_url, owner).post(
            "/v1/api-keys", json={"name": "x", "scopes": [scope]}, headers=world.key()
        )
        world.problem(refused, 422, "invalid")


async def test_role_that_was_taken_a_moment_ago_makes_no_key(
    api_url: str, client: Any, world: Any, someone: Any
) -> None:
    """What the edge still remembers does not count where a secret is handed out."""
    member = await someone(member="customer_owner")
    caller = client(api_url, member)
    assert (await caller.get("/v1/api-keys")).status_code == 200  # remembered now
    async with world.db.platform() as session:
        await session.execute(
            text(
                "UPDATE memberships SET role_id = (SELECT id FROM roles WHERE name = 'customer_manager')"
                " WHERE user_id = :user"
            ),
            {"user": member.user_id},
        )
    body = {"name": "x", "scopes": ["jobs:read"]}
    world.problem(await caller.post("/v1/api-keys", json=body, headers=world.key()), 403, "scope-missing")


@BOTH
async def test_credentials_of_another_organization_do_not_exist(
    api_url: str, client: Any, world: Any, owner: Any, someone: Any, make: Any, settings: Any, path: str
) -> None:
    made = await make(owner, path)
    neighbour = await someone(member="customer_owner", of=world.other)
    sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)
    async with world.db.platform() as session:
        foreign = await ServiceCredentials(world.db, sealer, settings.ingestion).create_signing_credential(
            session, name="foreign", organization_id=world.other, scopes=ROLE_PERMISSIONS["customer_owner"]
        )
    for caller in (neighbour, SigningKey(foreign.key_id, foreign.secret)):
        http = client(api_url, caller)
        assert made["key_id"] not in (await http.get(path)).text
        world.problem(
            await http.post(f"{path}/{made['key_id']}/rotate", json={}, headers=world.key()), 404, "not-found"
        )
        world.problem(await http.delete(f"{path}/{made['key_id']}"), 404, "not-found")
        world.problem(await http.get(f"{path}/{made['key_id']}"), 404, "not-found")
        for method, target in (
            ("GET", path),
            ("GET", f"{path}/{made['key_id']}"),
            ("DELETE", f"{path}/{made['key_id']}"),
        ):
            named = await http.request(method, target, params={"organization_id": str(world.organization)})
            world.problem(named, 403, "organization-forbidden")
    # a member of one organization does not act for another by naming it in the header
    world.problem(await client(api_url, neighbour.acting(world.organization)).get(path), 403, "organization-forbidden")
    assert (await client(api_url, acting_as(path, made)).get("/v1/jobs")).status_code == 200


async def test_platform_names_the_organization_that_it_acts_for(
    api_url: str, client: Any, world: Any, someone: Any, callers: Any
) -> None:
    del callers
    caller = client(api_url, await someone(platform="admin"))
    body = {"name": "x", "scopes": ["jobs:read"]}
    unnamed = await caller.post("/v1/api-keys", json=body, headers=world.key())
    assert "organization_id" in world.fields(world.problem(unnamed, 422, "invalid"))
    where = {"organization_id": str(world.organization)}
    made = await caller.post("/v1/api-keys", json=body, params=where, headers=world.key())
    assert (made.status_code, made.json()["organization_id"]) == (201, str(world.organization))
    nowhere = {"organization_id": "019ab2c0-7f00-7000-8000-00000000dead"}
    missing = await caller.post("/v1/api-keys", json=body, params=nowhere, headers=world.key())
    world.problem(missing, 404, "not-found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"name": "x", "scopes": []},
        {"name": "", "scopes": ["jobs:read"]},
        {"name": "x", "scopes": ["jobs:read"], "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "scopes": ["jobs:read"], "expires_at": "tomorrow"},
        {"name": "x", "scopes": ["jobs:read"], "expires_at": "9999-12-31T23:59:59Z"},
        {"name": "x", "scopes": ["jobs:read"], "expires_at": "9999-12-31T23:59:59-01:00"},  # 10000 in UTC
        {"name": "x", "scopes": ["jobs:read"], "expires_at": "0001-01-01T00:00:00+01:00"},
        {"name": "x", "scopes": ["jobs:read"], "secret": "mine"},
    ],
)
async def test_bad_form_is_refused_and_makes_nothing(
    api_url: str, client: Any, world: Any, owner: Any, body: dict[str, Any]
) -> None:
    caller = client(api_url, owner)
    before = (await caller.get("/v1/api-keys")).json()
    answer = await caller.post("/v1/api-keys", json=body, headers=world.key())
    assert world.fields(world.problem(answer, 422, "invalid"))
    assert (await caller.get("/v1/api-keys")).json() == before


async def test_unfit_key_id_is_not_found(api_url: str, client: Any, world: Any, owner: Any) -> None:
    caller = client(api_url, owner)
    for key_id in ("ak_none", "x" * 500, "%00", "%ff", "a%20b"):
        for method in ("GET", "DELETE"):
            answer = await caller.request(method, f"/v1/api-keys/{key_id}")
            assert answer.status_code in {400, 404}, answer.text


async def test_pages_lead_on_newest_first(api_url: str, client: Any, owner: Any, make: Any) -> None:
    made = [(await make(owner, name=f"key {number}"))["key_id"] for number in range(3)]
    caller = client(api_url, owner)
    first = await caller.get("/v1/api-keys", params={"limit": 2})
    rest = await caller.get(first.headers["link"].split(">")[0].removeprefix("<"))
    found = [one["key_id"] for page in (first, rest) for one in page.json()["items"]]
    assert found[:3] == made[::-1]
