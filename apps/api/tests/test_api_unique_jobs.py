"""Unique keys over HTTP that are held for a time, or pass to the job that came last."""

import asyncio
from typing import Any

import pytest
from api_world import ORGANIZATION

from singr_db import Database, new_id

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


@pytest.mark.parametrize("how", [QUIET, {"unique_key": "k", "replace": True}], ids=["debounce", "replace"])
async def test_callers_at_once_under_one_key_are_each_accepted(
    standing_door_url: str, callers: Any, client: Any, world: Any, how: dict[str, Any]
) -> None:
    caller = client(standing_door_url, callers.own)
    asked = [caller.post("/v1/jobs", json=world.sms(**how), headers=world.key()) for _ in range(8)]
    answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [202] * 8
    read = [(await caller.get(f"/v1/jobs/{answer.json()['id']}")).json()["status"] for answer in answers]
    assert sorted(read) == ["cancelled"] * 7 + ["pending"]


async def test_key_in_an_open_transaction_is_told_to_be_in_use_and_stores_nothing(
    standing_door_url: str, callers: Any, client: Any, world: Any, db: Database
) -> None:
    caller, key = client(standing_door_url, callers.own), world.key()
    claim = "INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id) VALUES (%s, 'sms.send', 'h', %s)"
    async with db.psycopg.connection() as other, other.transaction(force_rollback=True):
        await other.execute(claim, (ORGANIZATION, new_id()))
        refused = await caller.post("/v1/jobs", json=world.sms(unique_key="h"), headers=key)
    told = world.problem(refused, 409, "name-in-use")
    assert "open transaction" in told["detail"]
    assert [(one["field"], one["code"]) for one in told["errors"]] == [("unique_key", "taken")]
    assert refused.headers["retry-after"] == "1"
    assert (await world.stored()).get("jobs", 0) == 0


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
