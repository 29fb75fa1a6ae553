"""Unique keys over HTTP that are held for a time, or pass to the job that came last."""

from typing import Any

import pytest

QUIET = {"unique_key": "k", "debounce": {"seconds": 10, "longest": 60}}


async def test_the_last_one_is_left_and_each_request_is_answered_alike_again(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller, keys = client(standing_door_url, callers.own), [world.key() for _ in range(3)]
    answers = [await caller.post("/v1/jobs", json=world.sms(**QUIET), headers=key) for key in keys]
    again = [await caller.post("/v1/jobs", json=world.sms(**QUIET), headers=key) for key in keys]

    assert [answer.status_code for answer in answers] == [202] * 3
    assert [answer.content for answer in again] == [answer.content for answer in answers]
    ids = [answer.json()["id"] for answer in answers]
    read = [(await caller.get(f"/v1/jobs/{job_id}")).json() for job_id in ids]
    assert [job["status"] for job in read] == ["cancelled", "cancelled", "pending"]
    assert [job["replaced_by"] for job in read] == [*ids[1:], None]
    why = (await caller.get(f"/v1/jobs/{ids[-1]}/explain")).json()
    assert why["reason"] == "debounced"


async def test_a_job_of_a_key_as_long_as_the_library_takes_is_made(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller, long = client(standing_door_url, callers.own), world.sms(unique_key="ä" * 255, unique_for=86_400)
    made = await caller.post("/v1/jobs", json=long, headers=world.key())
    found = await caller.post("/v1/jobs", json=long, headers=world.key())
    assert (made.status_code, found.status_code, found.json()["id"]) == (202, 200, made.json()["id"])


WRONG = {
    "longer key than the library takes": ({"unique_key": "k" * 256}, "unique_key"),
    "longer time than jobs are kept": ({"unique_key": "k", "unique_for": 86_401}, "unique_for"),
    "no time": ({"unique_key": "k", "unique_for": 0}, "unique_for"),
    "time without a key": ({"unique_for": 60}, ""),
    "replace without a key": ({"replace": True}, ""),
    "debounce without a key": ({"debounce": {"seconds": 1}}, ""),
    "debounce and a delay": ({**QUIET, "delay": 5}, ""),
    "debounce and a time for the key": ({**QUIET, "unique_for": 60}, ""),
    "bound before its time": ({"unique_key": "k", "debounce": {"seconds": 10, "longest": 5}}, "debounce"),
    "debounce of what is before": ({"unique_key": "k", "debounce": {"seconds": -1}}, "debounce.seconds"),
}


@pytest.mark.parametrize(("wrong", "field"), WRONG.values(), ids=WRONG)
async def test_options_that_fit_nothing_are_refused_by_field_and_store_nothing(
    standing_door_url: str, callers: Any, client: Any, world: Any, wrong: dict[str, Any], field: str
) -> None:
    caller = client(standing_door_url, callers.own)
    refused = await caller.post("/v1/jobs", json=world.sms(**wrong), headers=world.key())
    assert (refused.status_code, [error["field"] for error in refused.json()["errors"]]) == (422, [field])
    assert (await world.stored()).get("jobs", 0) == 0
