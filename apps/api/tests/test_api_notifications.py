"""Telling people over HTTP: one call, every fault at once, and what became of it."""

from typing import Any

import pytest
from api_callers import ORGANIZATION
from sqlalchemy import insert

from singr_comms.notifying import FanOut
from singr_db import Database, new_id
from singr_db.tables import Recipient

PATH = "/v1/notifications"
TEXT = {"text": "You are next: come to the stage."}


@pytest.fixture
async def jane(db: Database, callers: Any) -> None:
    row = {"organization_id": ORGANIZATION, "external_id": "u-17", "key_id": new_id()}
    async with db.platform() as session:
        await session.execute(insert(Recipient).values(id=new_id(), **row))


def key() -> dict[str, str]:
    return {"idempotency-key": str(new_id())}


def sms(*to: Any, **more: Any) -> dict[str, Any]:
    return {"type": "plain", "channels": ["sms"], "data": TEXT, "to": list(to), **more}


async def test_a_notification_is_told_from_its_call_to_its_messages(
    api_url: str, client: Any, callers: Any, db: Database, jane: None
) -> None:
    desk = client(api_url, callers.own)
    asked = sms({"recipient": "u-17"}, {"phone": "+15555550100"}, deduplication_key="song-7")
    first = await desk.post(PATH, json=asked, headers=key())
    assert (first.status_code, first.json()["state"], first.json()["is_new"]) == (202, "deciding", True)
    again = await desk.post(PATH, json=asked, headers=key())
    assert (again.status_code, again.json()) == (200, first.json() | {"is_new": False})
    one = f"{PATH}/{first.json()['id']}"
    assert await FanOut(db).run(first.json()["id"], organization_id=ORGANIZATION, turn=1) == 2
    read = (await desk.get(one)).json()
    assert (read["state"], read["decided"], read["messages"]) == ("sending", 2, 2)
    assert read["counts"] == [
        {"channel": "sms", "status": "queued", "reason": None, "messages": 1},
        {"channel": "sms", "status": "suppressed", "reason": "no_address", "messages": 1},
    ]
    [listed] = (await desk.get(PATH, params={"deduplication_key": "song-7"})).json()["items"]
    assert listed == {name: value for name, value in read.items() if name not in {"messages", "counts"}}
    messages = (await desk.get(f"{one}/messages", params={"status": "suppressed"})).json()["items"]
    assert [message["error"]["code"] for message in messages] == ["no_address"]
    delivered = (await desk.get("/v1/deliveries", params={"notification_id": first.json()["id"]})).json()["items"]
    assert len(delivered) == 2
    cancelled = await desk.post(f"{one}/cancel", json={}, headers=key())
    assert cancelled.json() == {"stopped": 1, "already_sent": 0, "in_flight": 0}
    assert (await desk.get(one)).json()["state"] == "cancelled"


async def test_every_fault_is_named_by_its_path_and_nothing_is_kept(
    api_url: str, client: Any, callers: Any, world: Any, jane: None
) -> None:
    desk = client(api_url, callers.own)
    asked = sms({"recipient": "u-17"}, {"recipient": "u-17"}, {"phone": "+4900"}, {}, priority="high")
    asked |= {"data": {"text": "Hi", "colour": "red"}, "replace": True}
    document = world.problem(await desk.post(PATH, json=asked, headers=key()), 422, "invalid")
    assert {one["field"]: one["code"] for one in document["errors"]} == {
        "to[1]": "repeated",
        "to[2].phone": "malformed",
        "to[3]": "required",
        "data.colour": "unknown_field",
        "replace": "invalid",
    }
    elsewhere = {"venue_name": "Blue", "artist": "Abba", "title": "Waterloo", "link": "https://evil.example/x"}
    asked = {"type": "song_request", "to": {"all": True}, "data": elsewhere}
    document = world.problem(await desk.post(PATH, json=asked, headers=key()), 422, "invalid")
    assert {one["field"] for one in document["errors"]} == {"data.link"}
    code = {"user_name": "Jane", "code": "735104", "expiry_minutes": 5}
    asked = {"type": "two_factor_code", "to": {"all": True}, "data": code, "channels": ["email"]}
    document = world.problem(await desk.post(PATH, json=asked, headers=key()), 422, "invalid")
    assert {one["field"] for one in document["errors"]} == {"type"}
    assert (await desk.get(PATH)).json()["items"] == []


async def test_of_a_type_that_the_platform_sends_its_data_is_not_talked_about(
    api_url: str, client: Any, callers: Any, world: Any
) -> None:
    desk = client(api_url, callers.own)
    asked = {"type": "magic_link", "to": [{"email": "a@example.org"}, {"phone": "12"}], "data": {"nothing": 1}}
    document = world.problem(await desk.post(PATH, json=asked, headers=key()), 422, "invalid")
    assert [(one["field"], one["code"]) for one in document["errors"]][-1] == ("type", "forbidden")
    assert not [one for one in document["errors"] if one["field"].startswith("data")]


async def test_a_notification_is_its_organizations_alone_and_paused_and_resumed_by_it(
    api_url: str, client: Any, callers: Any, world: Any, jane: None
) -> None:
    desk, stranger = client(api_url, callers.own), client(api_url, callers.other)
    told = await desk.post(PATH, json=sms({"recipient": "u-17"}), headers=key())
    one = f"{PATH}/{told.json()['id']}"
    assert (await desk.post(f"{one}/pause", headers=key())).json()["is_paused"] is True
    assert (await desk.post(f"{one}/resume", headers=key())).json()["is_paused"] is False
    for asked in (stranger.get(one), stranger.get(f"{one}/messages"), stranger.post(f"{one}/pause", headers=key())):
        world.problem(await asked, 404, "not-found")
    world.problem(await stranger.post(f"{one}/cancel", json={}, headers=key()), 404, "not-found")
    assert (await stranger.get(PATH)).json()["items"] == []
    assert (await desk.post(f"{one}/cancel", headers=key())).status_code == 200, "no body is for everybody"
    world.problem(await desk.post(f"{one}/resume", headers=key()), 409, "conflict")
