"""What a revoked key or a removed member has set in motion tells nobody anything any more; who asked can be seen."""

import datetime as dt
from typing import Any
from uuid import UUID

import pytest
from api_world import ORGANIZATION
from sqlalchemy import text

from singr_comms.notifying import FanOut
from singr_comms.notifying.chores._see_notifications_off import SeeNotificationsOff
from singr_db import Database

PATH = "/v1/notifications"
SCOPES = ["notifications:read", "notifications:write"]


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    caller = client(standing_url, await someone(member="customer_owner"))
    for number in range(4):
        answer = await caller.put(f"/v1/recipients/u-{number}", json={"phone": f"+1555555010{number}"})
        assert answer.status_code == 201, answer.text
    return caller


def tomorrow() -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat()


async def told(caller: Any, world: Any, **more: Any) -> dict[str, Any]:
    body = {"type": "plain", "channels": ["sms"], "data": {"text": "Come on."}, "to": {"all": True}, **more}
    answer = await caller.post(PATH, json=body, headers=world.key())
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = (await caller.get(f"{PATH}/{answer.json()['id']}")).json()
    return found


async def stolen(owner: Any, world: Any, client: Any, url: str) -> tuple[str, Any]:
    made = (await owner.post("/v1/api-keys", json={"name": "a", "scopes": SCOPES}, headers=world.key())).json()
    return made["key_id"], client(url, made["secret"])


async def jobs(db: Database, notification_id: str) -> list[str]:
    statement = "SELECT status FROM jobs WHERE payload ->> 'notification_id' = :id"
    async with db.platform() as session:
        return sorted(await session.scalars(text(statement), {"id": notification_id}))


async def test_a_scheduled_notification_ends_with_the_key_that_asked_for_it(
    owner: Any, world: Any, client: Any, standing_url: str, db: Database
) -> None:
    key_id, thief = await stolen(owner, world, client, standing_url)
    theirs = await told(thief, world, send_at=tomorrow())
    ours = await told(owner, world, send_at=tomorrow())
    assert theirs["asked_by"] == key_id
    revoked = (await owner.delete(f"/v1/api-keys/{key_id}")).json()
    assert revoked["cancelled_jobs"] == 1
    await SeeNotificationsOff(db).work()
    ended = (await owner.get(f"{PATH}/{theirs['id']}")).json()
    assert (ended["state"], ended["asked_by"]) == ("cancelled", key_id)
    assert (await jobs(db, theirs["id"]), await jobs(db, ours["id"])) == (["cancelled"], ["pending"])
    assert (await owner.get(f"{PATH}/{ours['id']}")).json()["state"] == "scheduled"


async def test_a_campaign_stops_where_it_is_when_its_author_is_revoked(
    owner: Any, world: Any, client: Any, standing_url: str, db: Database
) -> None:
    key_id, thief = await stolen(owner, world, client, standing_url)
    campaign = await told(thief, world, per_minute=6)
    which = {"organization_id": ORGANIZATION}
    assert await FanOut(db).run(UUID(campaign["id"]), turn=1, **which) == 1
    assert (await owner.delete(f"/v1/api-keys/{key_id}")).json()["cancelled_jobs"] == 1  # messages that are due go out
    assert await FanOut(db).run(UUID(campaign["id"]), turn=2, **which) == 0
    ended = (await owner.get(f"{PATH}/{campaign['id']}")).json()
    assert (ended["state"], ended["messages"]) == ("cancelled", 1)


async def test_what_a_removed_member_scheduled_is_told_to_nobody(
    owner: Any, world: Any, client: Any, standing_url: str, someone: Any, db: Database
) -> None:
    member = await someone(member="customer_owner")
    theirs = await told(client(standing_url, member), world, send_at=tomorrow())
    assert theirs["asked_by"] == f"user:{member.user_id}"
    at = f"/v1/organizations/{ORGANIZATION}/members/{member.user_id}"
    assert (await owner.delete(at, headers=world.key())).json()["cancelled_jobs"] == 1
    await SeeNotificationsOff(db).work()
    assert (await owner.get(f"{PATH}/{theirs['id']}")).json()["state"] == "cancelled"


async def test_what_waits_for_quiet_hours_is_cancelled_with_its_author(
    owner: Any, world: Any, client: Any, standing_url: str, db: Database
) -> None:
    key_id, thief = await stolen(owner, world, client, standing_url)
    async with db.platform() as session:
        await session.execute(
            text(
                "UPDATE recipients SET time_zone = 'UTC', quiet_from = (now() - interval '1 hour')::time,"
                " quiet_to = (now() + interval '1 hour')::time"
            )
        )
    held = await told(thief, world)
    assert await FanOut(db).run(UUID(held["id"]), turn=1, organization_id=ORGANIZATION) == 4
    assert (await owner.delete(f"/v1/api-keys/{key_id}")).json()["cancelled_jobs"] == 4
