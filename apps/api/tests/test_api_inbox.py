"""A person's inbox over HTTP: what is in it, and what becomes of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_callers import ORGANIZATION, OTHER
from api_inboxes import PATH, WHOSE, Mailbox, counts_of, marked, titles
from sqlalchemy import text

from singr_comms import PlainPush, PlainSms
from singr_comms.people.inbox import InboxMessage, InboxWordsError, add_to_inboxes, wake_snoozed
from singr_db import Database, new_id


async def test_inbox_is_read_marked_and_counted_by_its_owner_alone(
    api_url: str, client: Any, someone: Any, mailbox: Mailbox, world: Any
) -> None:
    ada, eve = await someone(), await someone()
    recipient = await mailbox.reach(ada.user_id)
    http, other = client(api_url, ada), client(api_url, eve)
    assert (await http.get(PATH, params=WHOSE)).json() == {
        "items": [], "next_cursor": None, "unread": 0, "unseen": 0, "position": 0,
    }  # fmt: skip
    await mailbox.put(recipient, "One", "Two", "Three")
    page = (await http.get(PATH, params=WHOSE | {"limit": 2})).json()
    assert [(item["title"], item["body"], item["link"]) for item in page["items"]] == [
        ("Three", "Three it is.", "https://app.example/queue"),
        ("Two", "Two it is.", "https://app.example/queue"),
    ]
    assert (page["unread"], page["unseen"], page["position"]) == (3, 3, 3)
    older = (await http.get(PATH, params=WHOSE | {"cursor": page["next_cursor"]})).json()
    assert [item["title"] for item in older["items"]] == ["One"]
    three, two = (item["id"] for item in page["items"])
    assert await marked(http, "seen", before=datetime.now(UTC).isoformat()) == (3, 0)
    assert await marked(http, "read", ids=[three]) == (2, 0)
    assert await marked(http, "read", ids=[three, str(new_id())]) == (2, 0), "again is as once, and others are nothing"
    assert await marked(http, "unread", ids=[three]) == (3, 0)
    assert await marked(http, "archived", ids=[two]) == (2, 0)
    assert await titles(http, "open") == ["Three", "One"]
    assert await titles(http, "archived") == ["Two"]
    assert await marked(http, "restored", ids=[two]) == (3, 0)
    # nobody else's, whatever they name
    world.problem(await other.get(PATH, params=WHOSE), 404, "not-found")
    world.problem(await other.post(f"{PATH}/mark", params=WHOSE, json={"mark": "read", "ids": [two]}), 404, "not-found")
    await mailbox.reach(eve.user_id)
    assert await marked(other, "read", ids=[two], before="2099-01-01T00:00:00Z") == (0, 0)
    assert await counts_of(http) == (3, 0)
    world.problem(await http.get(PATH, params={"organization_id": str(OTHER)}), 404, "not-found")


async def test_what_is_snoozed_comes_back_unread(
    api_url: str, client: Any, someone: Any, mailbox: Mailbox, db: Database
) -> None:
    ada = await someone()
    recipient, http = await mailbox.reach(ada.user_id), client(api_url, ada)
    await mailbox.put(recipient, "One")
    [item] = (await http.get(PATH, params=WHOSE)).json()["items"]
    await marked(http, "read", ids=[item["id"]])
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert await marked(http, "snoozed", ids=[item["id"]], until=later) == (0, 0)
    assert (await titles(http, "open"), await titles(http, "snoozed")) == ([], ["One"])
    async with db.platform() as session:
        assert await wake_snoozed(session, limit=10) == 0
        await session.execute(text("UPDATE inbox_items SET snoozed_until = now() - interval '1 s'"))
        assert await wake_snoozed(session, limit=10) == 1
    assert (await titles(http, "unread"), await counts_of(http)) == (["One"], (1, 1))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mark": "read"}, "ids"),
        ({"mark": "snoozed", "ids": [str(new_id())]}, "until"),
        ({"mark": "read", "ids": [str(new_id())], "until": "2099-01-01T00:00:00Z"}, "until"),
        ({"mark": "snoozed", "ids": [str(new_id())], "until": "2020-01-01T00:00:00Z"}, "until"),
        ({"mark": "liked", "ids": [str(new_id())]}, "mark"),
    ],
)
async def test_mark_that_says_too_little_or_too_much_names_the_field(
    standing_url: str, client: Any, someone: Any, world: Any, body: dict[str, Any], field: str
) -> None:
    answer = await client(standing_url, await someone()).post(f"{PATH}/mark", params=WHOSE, json=body)
    assert [one["field"] for one in world.problem(answer, 422, "invalid")["errors"]] == [field]


async def test_no_message_without_words_for_it_and_nobody_twice_gets_into_an_inbox(mailbox: Mailbox) -> None:
    recipient = await mailbox.reach(new_id())
    async with mailbox.db.tenant(ORGANIZATION) as session:
        for messages, error in (
            ([InboxMessage(recipient, PlainSms(text="Hello"))], InboxWordsError),
            ([InboxMessage(recipient, PlainPush(title="One", text="The process is alive."))] * 2, ValueError),
        ):
            with pytest.raises(error):
                await add_to_inboxes(session, mailbox.sealer, messages, organization_id=ORGANIZATION)


async def test_counts_stay_those_of_the_items_whoever_writes_and_marks_at_once(
    api_url: str, client: Any, someone: Any, mailbox: Mailbox, db: Database
) -> None:
    ada = await someone()
    recipient, http = await mailbox.reach(ada.user_id), client(api_url, ada)
    await mailbox.put(recipient, "First")
    now = datetime.now(UTC).isoformat()
    await asyncio.gather(
        *(mailbox.put(recipient, *(f"{writer}.{number}" for number in range(5))) for writer in range(4)),
        *(marked(http, mark, before=now) for mark in ("read", "archived", "restored", "unread", "seen")),
    )
    async with db.platform() as session:
        counted = "count(*) FILTER (WHERE {} IS NULL AND archived_at IS NULL AND snoozed_until IS NULL)"
        asked = f"SELECT {counted.format('read_at')}, {counted.format('seen_at')}, count(DISTINCT position), count(*)"
        row: Any = (await session.execute(text(asked + " FROM inbox_items"))).one()
    assert (row[0], row[1]) == await counts_of(http)
    assert row[2] == row[3] == 21, "every change has a position of its own"
