"""Whoever is no member of an organization any more: nothing of it reaches them by their account."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from api_callers import ORGANIZATION
from sqlalchemy import text

from singr_comms import PlainPush
from singr_comms.people.inbox import InboxMessage, add_to_inboxes
from singr_config import Settings
from singr_db import Database, Sealer

AT = "/v1/recipients/m2"
INBOX = "/v1/me/inbox"
WHOSE = {"organization_id": str(ORGANIZATION)}
MEMBERS = f"/v1/organizations/{ORGANIZATION}"


@pytest.fixture
async def owner(api_url: str, client: Any, someone: Any) -> httpx.AsyncClient:
    who = await someone(member="customer_owner")
    http: httpx.AsyncClient = client(api_url, who)
    return http


async def put_into_inbox(db: Database, settings: Settings, recipient: str, title: str) -> None:
    push = InboxMessage(UUID(recipient), PlainPush(title=title, text="It is."))
    async with db.tenant(ORGANIZATION) as session:
        await add_to_inboxes(session, Sealer(settings.auth.secret), [push], organization_id=ORGANIZATION)


@pytest.mark.parametrize("by", ["removal", "leaving", "put without the account"])
async def test_device_that_somebody_registered_themselves_goes_with_them_and_the_organizations_stays(
    api_url: str, client: Any, someone: Any, owner: httpx.AsyncClient, world: Any, by: str
) -> None:
    bob = await someone(member="customer_staff")
    me = client(api_url, bob)
    assert (await owner.put(AT, json={"user_id": str(bob.user_id)})).status_code == 201
    given, own = ({"token": f"device-token:{name}123456789", "platform": "ios"} for name in ("0", "9"))
    devices = f"{AT}/devices"
    assert (await owner.post(devices, json=given, headers=world.key())).status_code == 201
    assert (await me.post("/v1/me/push-devices", params=WHOSE, json=own)).status_code == 201
    again = await owner.post(devices, json=own, headers=world.key())
    assert again.status_code == 200, "said once more by the organization, it stays theirs"
    assert len((await owner.get(devices)).json()["items"]) == 2
    if by == "removal":
        gone = await owner.delete(f"{MEMBERS}/members/{bob.user_id}", headers=world.key())
    elif by == "leaving":
        gone = await me.post(f"{MEMBERS}/leave", headers=world.key())
    else:
        gone = await owner.put(AT, json={})
    assert gone.status_code in {200, 204}, gone.text
    [left] = (await owner.get(devices)).json()["items"]
    assert left["last_used_at"] < again.json()["last_used_at"], "the one that the organization gave"


@pytest.mark.parametrize("by", ["removal", "leaving", "end of the account"])
async def test_whose_membership_ends_is_not_told_by_their_account_any_more(
    api_url: str,
    client: Any,
    someone: Any,
    owner: httpx.AsyncClient,
    world: Any,
    db: Database,
    settings: Settings,
    by: str,
) -> None:
    bob = await someone(member="customer_staff")
    me, account = client(api_url, bob), {"user_id": str(bob.user_id)}
    made = (await owner.put(AT, json=account)).json()
    await put_into_inbox(db, settings, made["id"], "Hers")
    assert len((await me.get(INBOX, params=WHOSE)).json()["items"]) == 1
    link = (await me.post("/v1/me/preferences/link", params=WHOSE)).json()["url"].rpartition("/")[2]
    assert (await owner.get(f"/preferences/{link}")).status_code == 200
    async with me.stream("GET", f"{INBOX}/stream", params=WHOSE | {"after": "0"}) as stream:
        lines = stream.aiter_lines()
        assert stream.status_code == 200
        if by == "removal":
            gone = await owner.delete(f"{MEMBERS}/members/{bob.user_id}", headers=world.key())
        elif by == "leaving":
            gone = await me.post(f"{MEMBERS}/leave", headers=world.key())
        else:
            gone = await me.delete("/v1/me")
        assert gone.status_code in {200, 204}, gone.text
        await put_into_inbox(db, settings, made["id"], "Not any more")
        async with asyncio.timeout(30):
            assert "Not any more" not in "".join([line async for line in lines])
    if by != "end of the account":  # whoever has none is nobody
        world.problem(await me.get(INBOX, params=WHOSE), 404, "not-found")
        world.problem(await me.get("/v1/me/preferences", params=WHOSE), 404, "not-found")
    world.problem(await owner.get(f"/preferences/{link}"), 404, "not-found")
    kept = (await owner.get(AT)).json()
    assert (kept["id"], kept["user_id"]) == (made["id"], None), "the person stays the organization's"
    asked = {"type": "plain", "channels": ["inbox"], "to": [account]}
    asked |= {"data": {"title": "New", "text": "Come."}}
    refused = await owner.post("/v1/notifications", json=asked, headers=world.key())
    assert refused.status_code == 422
    assert "to[0].user_id" in world.fields(refused.json())
    async with db.platform() as session:
        assert await session.scalar(text("SELECT last_user_id FROM recipients")) == bob.user_id


async def test_putting_somebody_by_an_account_that_left_says_so_by_its_path(
    owner: httpx.AsyncClient, someone: Any, world: Any
) -> None:
    bob, stranger = await someone(member="customer_staff"), await someone()
    account, other = {"user_id": str(bob.user_id)}, {"user_id": str(stranger.user_id)}
    assert (await owner.put(AT, json=account)).status_code == 201
    await owner.delete(f"{MEMBERS}/members/{bob.user_id}", headers=world.key())
    fields = world.fields(world.problem(await owner.put(AT, json=account), 422, "invalid"))
    assert "is no member of this organization any more" in fields["user_id"]
    people = [{"external_id": "u-1"}, {"external_id": "m2", **account}, {"external_id": "u-3", **other}]
    answer = await owner.post("/v1/recipients/import", json={"recipients": people}, headers=world.key())
    fields = world.fields(world.problem(answer, 422, "invalid"))
    assert set(fields) == {"recipients[1].user_id", "recipients[2].user_id"}
    assert "any more" in fields["recipients[1].user_id"]
    assert "must be the id of a member" in fields["recipients[2].user_id"]


async def looked(db: Database, asked: Any) -> bool:
    async with db.platform() as session:
        return bool(await session.scalar(asked))


async def test_who_is_put_while_their_membership_ends_is_tied_to_nobody(
    owner: httpx.AsyncClient, someone: Any, db: Database
) -> None:
    bob = await someone(member="customer_staff")
    async with db.platform() as session:
        await session.execute(text("DELETE FROM memberships WHERE user_id = :id"), {"id": bob.user_id})
        putting = asyncio.create_task(owner.put(AT, json={"user_id": str(bob.user_id)}))
        ours = "datname = current_database() AND wait_event_type = 'Lock'"
        waits = text(f"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE {ours})")
        async with asyncio.timeout(20):
            while not putting.done() and not await looked(db, waits):  # noqa: ASYNC110 - another process knows
                await asyncio.sleep(0.02)
    answer = await putting
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM recipients WHERE user_id IS NOT NULL")) == 0
    assert answer.status_code == 422
