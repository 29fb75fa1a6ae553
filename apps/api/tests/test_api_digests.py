"""The job that makes a digest now, asked for over HTTP."""

from typing import Any

import pytest

DAY = {"user": "u-17", "period": "daily", "start": "2026-11-27T07:00:00Z", "end": "2026-11-28T07:00:00Z"}


async def test_a_digest_is_asked_for_by_person_period_and_span(
    standing_door_url: str, client: Any, callers: Any, world: Any
) -> None:
    sent = world.email(type="email.digest", payload=DAY)
    answer = await client(standing_door_url, callers.own).post("/v1/jobs", json=sent, headers=world.key())
    assert answer.status_code == 202
    assert (answer.json()["queue"], answer.json()["payload"]) == (
        "digest",
        {"type": "email.digest"} | DAY,
    )


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"end": DAY["start"]}, "payload"),
        ({"start": "2026-11-27T07:00:00"}, "payload.start"),
        ({"period": "hourly"}, "payload.period"),
        ({"user": "no spaces"}, "payload.user"),
    ],
)
async def test_a_digest_that_cannot_be_is_refused_by_its_field(
    standing_door_url: str, client: Any, callers: Any, world: Any, wrong: dict[str, str], field: str
) -> None:
    sent = world.email(type="email.digest", payload=DAY | wrong)
    answer = await client(standing_door_url, callers.own).post("/v1/jobs", json=sent, headers=world.key())
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]
