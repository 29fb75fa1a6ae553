"""The end of an organization over HTTP: by its owner, who is there, alone, and with nothing left to do."""

import asyncio
import json
import re
from typing import Any

import pytest
from sqlalchemy import text

from singr_jobs.chores._act_in_bulk import ActInBulk


async def until_refused(caller: Any) -> None:
    async with asyncio.timeout(20):  # how soon: test_auth_access_feed.py
        while (answer := await caller.get("/v1/jobs")).status_code == 200:  # noqa: ASYNC110 — nobody tells when
            await asyncio.sleep(0.2)
    assert answer.status_code == 401, answer.text


@pytest.fixture
async def owner(someone: Any) -> Any:
    return await someone()


@pytest.fixture
async def path(api_url: str, client: Any, world: Any, owner: Any) -> str:
    """The path of an organization of this owner."""
    made = await client(api_url, owner).post("/v1/organizations", json={"name": "Blue Note"}, headers=world.key())
    assert made.status_code == 201, made.text
    return f"/v1/organizations/{made.json()['id']}"


async def test_owner_deletes_their_organization_and_its_keys_open_nothing(
    api_url: str, client: Any, world: Any, owner: Any, path: str
) -> None:
    caller = client(api_url, owner)
    acting = client(api_url, owner.acting(path.rpartition("/")[2]))
    key = await acting.post("/v1/api-keys", json={"name": "x", "scopes": ["jobs:read"]}, headers=world.key())
    assert key.status_code == 201, key.text
    program = client(api_url, key.json()["secret"])
    assert (await program.get("/v1/jobs")).status_code == 200
    busy = await caller.delete(path)
    assert "jobs" in world.problem(busy, 409, "conflict")["detail"]  # the mail about the new key has not gone out
    # what that says is what helps
    cancel = json.loads("{" + re.search(r"POST /v1/bulk-actions: {(.*)}\.", busy.json()["detail"])[1] + "}")
    assert (await acting.post("/v1/bulk-actions", json=cancel, headers=world.key())).status_code == 202
    await ActInBulk(world.db).work()
    async with world.db.platform() as session:
        assert not await session.scalar(text("SELECT count(*) FROM jobs WHERE status = 'pending'"))
    await acting.put("/v1/recipients/u-17", json={"email": "ada@example.org"})
    assert (await acting.post("/v1/recipients/u-17/export", headers=world.key())).status_code == 202
    async with world.db.platform() as session:
        await session.execute(text("UPDATE jobs SET status = 'completed' WHERE type <> 'person.export_remove'"))
    gone = await caller.delete(path)  # that the export is to be removed one day keeps nobody from it
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await caller.get("/v1/organizations")).json()["items"] == []
    world.problem(await caller.get(path), 403, "organization-forbidden")
    world.problem(await caller.delete(path), 404, "not-found")
    async with world.db.platform() as session:
        left = await session.scalars(text("SELECT type FROM jobs WHERE status = 'pending'"))
        assert left.all() == ["person.export_remove"]
    await until_refused(program)
    again = await caller.post("/v1/organizations", json={"name": "Blue Note"}, headers=world.key())
    assert again.json()["slug"] == "blue-note"


async def test_deletion_takes_a_recent_proof_of_presence(
    api_url: str, client: Any, world: Any, owner: Any, path: str
) -> None:
    async with world.db.platform() as session:
        await session.execute(
            text("UPDATE auth_sessions SET authenticated_at = now() - interval '16 minutes' WHERE id = :id"),
            {"id": owner.session_id},
        )
    caller = client(api_url, owner)
    world.problem(await caller.delete(path), 403, "reauthentication-required")
    assert (await caller.get(path)).status_code == 200


async def test_nobody_but_an_owner_who_is_alone_deletes_one(
    api_url: str, client: Any, world: Any, someone: Any
) -> None:
    owner, staff = await someone(member="customer_owner"), await someone(member="customer_staff")
    admin, neighbour = await someone(platform="admin"), await someone(member="customer_owner", of=world.other)
    path = f"/v1/organizations/{world.organization}"
    world.problem(await client(api_url, staff).delete(path), 403, "not-allowed")
    for stranger in (admin, neighbour):
        world.problem(await client(api_url, stranger).delete(path), 403, "organization-forbidden")
    refused = await client(api_url, owner).delete(path)
    assert "members" in world.problem(refused, 409, "conflict")["detail"]
    assert (await client(api_url, owner).delete(f"{path}/members/{staff.user_id}")).status_code == 200
    assert (await client(api_url, owner).delete(path)).status_code == 204
    world.problem(await client(api_url, admin).get(path), 404, "not-found")


async def test_own_table_that_refers_to_an_organization_is_named_and_on_delete_helps(
    api_url: str, client: Any, world: Any, owner: Any, path: str
) -> None:
    caller = client(api_url, owner)
    for key in ("", "DEFERRABLE INITIALLY DEFERRED", "ON DELETE RESTRICT", "ON DELETE CASCADE"):
        async with world.db.platform() as session:
            await session.execute(text(f"CREATE TABLE loans (organization_id uuid REFERENCES organizations {key})"))
            await session.execute(text("INSERT INTO loans VALUES (:id)"), {"id": path.rpartition("/")[2]})
        try:
            answer = await caller.delete(path)
        finally:
            async with world.db.platform() as session:
                await session.execute(text("DROP TABLE loans"))
        if key == "ON DELETE CASCADE":
            assert answer.status_code == 204, answer.text
            return
        refused = world.problem(answer, 409, "conflict")["detail"]
        assert refused.startswith("The table loans still refers to "), key
        assert "ON DELETE" in refused
        assert (await caller.get(path)).status_code == 200
