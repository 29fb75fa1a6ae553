"""An alert by text message keeps its id, and is found again by it."""

from typing import Any

import pytest


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


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("two\nlines", "; its character 4 (U+000A, a control character) is not allowed"),
        ("\u202eback", "; its character 1 (U+202E, RIGHT-TO-LEFT OVERRIDE) is not allowed"),
        ("bell \x07", "; its character 6 (U+0007, a control character) is not allowed"),
        ("x" * 201, ""),
    ],
    ids=["line feed", "override", "bell", "length"],
)
async def test_the_character_that_is_not_allowed_is_named(
    standing_door_url: str, callers: Any, client: Any, world: Any, reference: str, said: str
) -> None:
    caller = client(standing_door_url, callers.own)
    whole = {
        "reference": f"must be a string of 1 to 200 characters, such as alert-4711, or null{said}",
        "labels[1]": f"must be a string of 1 to 64 characters, such as import{said}",
    }
    asked = world.sms(reference=reference, labels=["import", reference])
    refused = world.problem(await caller.post("/v1/jobs", json=asked, headers=world.key()), 422, "invalid")
    assert {error["field"]: error["message"] for error in refused["errors"]} == whole


async def test_a_name_of_nothing_but_spaces_is_told_so(
    standing_url: str, client: Any, someone: Any, world: Any
) -> None:
    caller = client(standing_url, await someone())
    for name, said in (("   ", "it holds nothing but spaces"), ("Blue\tNote", "its character 5 (U+0009")):
        refused = await caller.post("/v1/organizations", json={"name": name}, headers=world.key())
        [error] = world.problem(refused, 422, "invalid")["errors"]
        assert error["field"] == "name"
        assert said in error["message"]
