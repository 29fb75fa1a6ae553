"""Devices and topics over HTTP: who has a token last gets its pushes, and nobody sees another's."""

from typing import Any

import pytest
from api_callers import OTHER

TOKEN = {"token": "device-token:0123456789", "platform": "ios"}
MINE = "/v1/me/push-devices"


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    made = client(standing_url, await someone(member="customer_owner"))
    for name in ("u-1", "u-2"):
        assert (await made.put(f"/v1/recipients/{name}", json={})).status_code == 201
    return made


async def test_a_token_moves_to_who_registered_it_last(owner: Any, world: Any) -> None:
    async def registered(name: str) -> tuple[int, str]:
        answer = await owner.post(f"/v1/recipients/{name}/devices", json=TOKEN, headers=world.key())
        return answer.status_code, answer.json()["id"]

    async def tokens(name: str) -> list[str]:
        items = (await owner.get(f"/v1/recipients/{name}/devices")).json()["items"]
        return [one["id"] for one in items]

    (first, one), (again, same) = await registered("u-1"), await registered("u-1")
    assert (first, again, one == same) == (201, 200, True)
    moved, other = await registered("u-2")
    assert (moved, other == one) == (201, False)
    assert (await tokens("u-1"), await tokens("u-2")) == ([], [other])
    world.problem(await owner.delete(f"/v1/recipients/u-1/devices/{other}"), 404, "not-found")
    assert (await owner.delete(f"/v1/recipients/u-2/devices/{other}")).status_code == 204
    wrong = TOKEN | {"time_zone": "Mars/Base"}
    refused = await owner.post("/v1/recipients/u-1/devices", json=wrong, headers=world.key())
    assert world.problem(refused, 422, "invalid")["errors"][0]["field"] == "time_zone"
    nobody = await owner.post("/v1/recipients/u-9/devices", json=TOKEN, headers=world.key())
    world.problem(nobody, 404, "not-found")


async def test_a_member_registers_their_own_and_sees_only_that(
    owner: Any, world: Any, standing_url: str, client: Any, someone: Any
) -> None:
    member = await someone(member="customer_staff")
    me = client(standing_url, member.acting(None))
    made = await me.post(MINE, json=TOKEN)
    assert (made.status_code, made.json()["token"]) == (201, "device …6789")
    assert [one["id"] for one in (await me.get(MINE)).json()["items"]] == [made.json()["id"]]
    [told] = (await owner.get("/v1/recipients", params={"user_id": str(member.user_id)})).json()["items"]
    given = told["external_id"]
    assert given.startswith("user:")
    assert given != f"user:{member.user_id}"  # which somebody could have taken
    colleague = client(standing_url, (await someone(member="customer_staff")).acting(None))
    world.problem(await colleague.delete(f"{MINE}/{made.json()['id']}"), 404, "not-found")
    world.problem(await me.get(MINE, params={"organization_id": str(OTHER)}), 404, "not-found")
    nobody = client(standing_url, await someone())
    world.problem(await nobody.post(MINE, json=TOKEN), 404, "not-found")
    assert (await me.delete(f"{MINE}/{made.json()['id']}")).status_code == 204


async def test_who_looks_at_their_devices_or_takes_one_off_becomes_nobodys_recipient(
    owner: Any, world: Any, standing_url: str, client: Any, someone: Any
) -> None:
    member = await someone(member="customer_staff")
    me = client(standing_url, member.acting(None))
    named = f"/v1/recipients/user:{member.user_id}"
    row = {"name": "The organization's own", "email": "own@example.org"}
    assert (await owner.put(named, json=row)).status_code == 201
    assert (await me.get(MINE)).json() == {"items": []}
    world.problem(await me.delete(f"{MINE}/{member.user_id}"), 404, "not-found")
    found = {"user_id": str(member.user_id)}
    assert (await owner.get("/v1/recipients", params=found)).json()["items"] == []
    assert (await me.post(MINE, json=TOKEN)).status_code == 201
    [mine] = (await owner.get("/v1/recipients", params=found)).json()["items"]
    assert (await owner.get(named)).json()["name"] == row["name"]
    erased = await owner.post(f"/v1/recipients/{mine['external_id']}/erase", headers=world.key())
    assert erased.status_code == 202
    assert (await me.get(MINE)).json() == {"items": []}
    assert (await owner.get("/v1/recipients", params=found)).json()["items"] == []


async def test_a_topic_is_made_by_its_members_and_names_all_who_are_none(
    owner: Any, world: Any, standing_url: str, client: Any, someone: Any
) -> None:
    at = "/v1/topics/farm-9"
    refused = await owner.post(
        f"{at}/members", json={"add": ["u-1", "u-8", "u-9", "u-2"], "remove": ["u-2"]}, headers=world.key()
    )
    errors = world.problem(refused, 422, "invalid")["errors"]
    assert {(one["field"], one["code"]) for one in errors} == {
        ("add[1]", "not_found"),
        ("add[2]", "not_found"),
        ("add[3]", "repeated"),
    }
    world.problem(await owner.get(at), 404, "not-found")
    changes = [({"add": ["u-1", "u-2"]}, (2, 0)), ({"add": ["u-1"], "remove": ["u-2", "u-7"]}, (0, 1))]
    for body, (added, removed) in changes:
        done = await owner.post(f"{at}/members", json=body, headers=world.key())
        assert done.json() == {"added": added, "removed": removed}
    assert (await owner.get(at)).json()["members"] == 1
    assert [one["key"] for one in (await owner.get("/v1/topics")).json()["items"]] == ["farm-9"]
    members = (await owner.get("/v1/recipients", params={"topic": "farm-9"})).json()["items"]
    assert [one["external_id"] for one in members] == ["u-1"]
    stranger = client(standing_url, await someone(member="customer_owner", of=OTHER))
    world.problem(await stranger.get(at), 404, "not-found")
    world.problem(await stranger.delete(at), 404, "not-found")
    assert (await owner.delete("/v1/recipients/u-1")).status_code == 204
    assert (await owner.get(at)).json()["members"] == 0
    assert (await owner.delete(at)).status_code == 204
