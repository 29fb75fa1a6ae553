"""An alert by text message keeps its id, and is found again by it."""

from typing import Any


async def test_an_alert_is_found_by_its_id_with_the_message_that_told_of_it(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller, key = client(standing_door_url, callers.own), world.key()
    alert = world.sms(reference="alert-4711", priority="high")
    made = await caller.post("/v1/jobs", json=alert, headers=key)
    assert (made.status_code, made.json()["reference"]) == (202, "alert-4711")
    assert (await caller.post("/v1/jobs", json=alert, headers=key)).content == made.content
    await caller.post("/v1/jobs", json=world.sms(reference="alert-4712"), headers=world.key())
    [found] = (await caller.get("/v1/jobs", params={"reference": "alert-4711"})).json()["items"]
    assert (found["id"], found["reference"]) == (made.json()["id"], "alert-4711")
    assert (await caller.get(f"/v1/deliveries/{found['payload']['message_id']}")).status_code == 200
    stranger = client(standing_door_url, callers.other)
    assert (await stranger.get("/v1/jobs", params={"reference": "alert-4711"})).json()["items"] == []


async def test_a_reference_is_one_line_of_bounded_length(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller = client(standing_door_url, callers.own)
    for reference in ("", "x" * 201, "two\nlines", "\x1b[2J", "\u202eback"):
        made = await caller.post("/v1/jobs", json=world.sms(reference=reference), headers=world.key())
        found = await caller.get("/v1/jobs", params={"reference": reference})
        for refused in (made, found):
            assert world.fields(world.problem(refused, 422, "invalid")).keys() == {"reference"}
