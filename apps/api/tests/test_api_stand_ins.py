"""What stands in for a field that is wrong is told of nobody: neither by itself, nor by what follows from it."""

from typing import Any

import pytest
from api_callers import ORGANIZATION
from sqlalchemy import insert

from singr_api.http.form.annotations import stand_in
from singr_comms.notifying import Audience, PriorityName
from singr_db import Database, new_id
from singr_db.tables import Recipient

JANE = {"recipient": "u-17"}
NOBODY = {"recipient": "nobody"}
TEXT = {"text": "You are next."}
PLAIN = {"type": "plain", "data": TEXT, "channels": ["sms"]}
PAST = "2001-01-01T00:00:00Z"
CRON = {"name": "nightly", "cron": "0 3 * * *"}
JOB = {"type": "sms.send", "payload": {"to": "+15555550100", "message": {"kind": "plain", "text": "Hello."}}}


@pytest.fixture
async def jane(db: Database, callers: Any) -> None:
    row = {"organization_id": ORGANIZATION, "external_id": "u-17", "key_id": new_id()}
    async with db.platform() as session:
        await session.execute(insert(Recipient).values(id=new_id(), **row))


async def told(answer: Any, world: Any) -> list[str]:
    return sorted(one["field"] for one in world.problem(answer, 422, "invalid")["errors"])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # of one word it would follow, and of the other not
        ({"priority": "urgent", "digest": "daily", "to": [JANE]}, ["priority"]),
        ({"priority": 5, "digest": "daily", "to": [JANE]}, ["priority"]),
        ({"priority": "urgent", "to": {"all": True}}, ["priority"]),
        # of each word, and not where it is left out
        ({"digest": "dayly", "to": [{"phone": "+15555550100"}]}, ["digest"]),
        ({"deduplication_key": "", "replace": True, "to": [JANE]}, ["deduplication_key"]),
        # of none
        ({"priority": "urgent", "digest": "daily", "to": [JANE, NOBODY]}, ["priority", "to[1].recipient"]),
        ({"priority": "urgent", "expires_at": PAST, "to": [JANE]}, ["expires_at", "priority"]),
        ({"priority": "urgent", "digest": "dayly", "to": [JANE], "data": {}}, ["data.text", "digest", "priority"]),
        ({"replace": "yes", "to": [JANE, JANE]}, ["replace", "to[1]"]),
        ({"digest": "daily", "priority": "high", "send_at": "tomorrow", "to": [JANE]}, ["digest", "send_at"]),
    ],
)
async def test_of_a_notification_is_told_what_is_wrong_whatever_was_meant(
    standing_url: str, client: Any, callers: Any, world: Any, jane: None, body: dict[str, Any], expected: list[str]
) -> None:
    desk = client(standing_url, callers.own)
    answer = await desk.post("/v1/notifications", json=PLAIN | body, headers=world.key())
    assert await told(answer, world) == expected
    assert (await desk.get("/v1/notifications")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"missed": "all", "overlap": "que", "job": JOB}, ["overlap"]),
        ({"missed": "every", "overlap": "skip", "job": JOB}, ["missed"]),
        ({"missed": "all", "overlap": "skip", "job": JOB | {"priority": "urgent"}}, ["job.priority", "overlap"]),
        ({"missed": "every", "time_zone": "Mars/Base", "job": JOB}, ["missed", "time_zone"]),
    ],
)
async def test_of_a_schedule_is_told_what_is_wrong_whatever_was_meant(
    standing_url: str, client: Any, someone: Any, world: Any, body: dict[str, Any], expected: list[str]
) -> None:
    owner = client(standing_url, await someone(member="customer_owner"))
    answer = await owner.post("/v1/schedules", json=CRON | body, headers=world.key())
    assert await told(answer, world) == expected


@pytest.mark.parametrize("more", [{}, {"until": "2099-01-01T00:00:00Z"}, {"until": PAST}])
async def test_of_a_mark_that_is_none_it_is_open_whether_it_takes_a_time(
    standing_url: str, client: Any, someone: Any, world: Any, more: dict[str, Any]
) -> None:
    reader, whose = client(standing_url, await someone()), {"organization_id": str(ORGANIZATION)}
    body = {"mark": "snooze", "ids": [str(new_id())], **more}
    answer = await reader.post("/v1/me/inbox/mark", params=whose, json=body)
    assert await told(answer, world) == ["mark"]
    answer = await reader.post("/v1/me/inbox/mark", params=whose, json=body | {"ids": []})
    assert await told(answer, world) == ["ids", "mark"]


def test_stand_ins_take_turns_until_each_had_its_own() -> None:
    assert [stand_in(PriorityName, turn) for turn in range(4)] == ["high", "normal", "low", "high"]
    assert [stand_in(PriorityName | None, turn) for turn in range(4)] == ["high", "normal", "low", None]
    assert [stand_in(bool, turn) for turn in range(2)] == [False, True]
    assert [stand_in(int | None, turn) for turn in range(3)] == [0, None, 0]
    assert stand_in(Audience, 0) == stand_in(Audience, 1)
