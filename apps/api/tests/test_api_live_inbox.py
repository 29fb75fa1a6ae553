"""A person's inbox over HTTP: what comes in while somebody looks, and how many may look at once."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from api_callers import ORGANIZATION, OTHER
from api_inboxes import PATH, WHOSE, Mailbox, marked, titles
from sqlalchemy import text

from singr_api.http import leaving
from singr_api.messages.inbox import stream
from singr_comms.notifications import OverrideInput, put_override
from singr_db import Database
from singr_db.schema._restored import tell_of_restore
from singr_dev.clock import VirtualClock


class Events:
    """What a stream tells."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self, name: str) -> tuple[int, Any]:
        """The next event of this name: its id and data."""
        event: dict[str, str] = {}
        async with asyncio.timeout(30):
            async for line in self._lines:
                if line:
                    field, _, value = line.partition(": ")
                    event[field] = value
                elif event.get("event") == name:
                    return int(event["id"]), json.loads(event["data"])
                else:
                    event = {}
        raise AssertionError(f"the stream ended before any {name}")

    async def ended(self) -> list[str]:
        async with asyncio.timeout(30):
            return [line async for line in self._lines]


@pytest.fixture
def following(api_url: str, client: Any) -> Callable[..., Any]:
    @asynccontextmanager
    async def follow(who: Any, after: int | None = None, **headers: str) -> AsyncIterator[Events]:
        params = WHOSE if after is None else WHOSE | {"after": str(after)}
        async with client(api_url, who).stream("GET", f"{PATH}/stream", params=params, headers=headers) as answer:
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            yield Events(answer)

    return follow


async def test_what_comes_in_and_changes_is_told_live_and_followed_up_without_a_gap(
    following: Any, api_url: str, client: Any, someone: Any, mailbox: Mailbox
) -> None:
    ada = await someone()
    recipient = await mailbox.reach(ada.user_id)
    async with following(ada) as events:
        await mailbox.put(recipient, "One")
        position, item = await events.next("item")
        assert (position, item["title"], item["read_at"]) == (1, "One", None)
        assert (await events.next("counts"))[1] == {"unread": 1, "unseen": 1, "position": 1}
        await marked(client(api_url, ada), "read", ids=[item["id"]])
        position, item = await events.next("item")
        assert (position, item["title"]) == (2, "One")
        assert item["read_at"] is not None
    await mailbox.put(recipient, "Two", "Three")
    async with following(ada, **{"last-event-id": "2"}) as events:
        assert [(await events.next("item"))[1]["title"] for _ in range(2)] == ["Two", "Three"]
    async with following(ada, after=3) as events:
        assert (await events.next("item"))[1]["title"] == "Three"


async def test_who_names_no_position_has_one_at_once_and_misses_nothing_of_a_cut(
    following: Any, someone: Any, mailbox: Mailbox
) -> None:
    ada = await someone()
    recipient = await mailbox.reach(ada.user_id)
    await mailbox.put(recipient, "Before")
    async with following(ada) as events:
        known, counts = await events.next("counts")
    assert (known, counts) == (1, {"unread": 1, "unseen": 1, "position": 1})
    await mailbox.put(recipient, "Meanwhile")
    async with following(ada, **{"last-event-id": str(known)}) as events:
        assert (await events.next("item"))[1]["title"] == "Meanwhile"


async def test_page_and_stream_tell_items_in_the_organizations_own_words(
    following: Any, api_url: str, client: Any, someone: Any, mailbox: Mailbox, db: Database
) -> None:
    ada = await someone()
    recipient = await mailbox.reach(ada.user_id)
    async with db.tenant(ORGANIZATION) as session:
        own = OverrideInput(text="{text}", subject="Ours: {title}")
        await put_override(session, "plain", "push", "en", own)
    async with db.platform() as session:
        await session.execute(text("UPDATE template_overrides SET starts_at = now() - interval '1 second'"))
    await mailbox.put(recipient, "One")
    assert await titles(client(api_url, ada), "open") == ["Ours: One"]
    async with following(ada, after=0) as events:
        assert (await events.next("item"))[1]["title"] == "Ours: One"


async def test_who_is_far_behind_is_told_to_read_anew(
    following: Any, someone: Any, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_MOST", 2)
    ada = await someone()
    await mailbox.put(await mailbox.reach(ada.user_id), "One", "Two", "Three")
    async with following(ada, after=0) as events:
        assert await events.next("reload") == (3, {})
        assert (await events.next("counts"))[0] == 3


async def test_who_knows_what_a_restore_took_away_reads_anew_though_as_much_came_since(
    following: Any, someone: Any, mailbox: Mailbox, database_url: str
) -> None:
    ada = await someone()
    recipient = await mailbox.reach(ada.user_id)
    await mailbox.put(recipient, "One", "Two")  # where another Two was, and a Three
    tell_of_restore(database_url)
    await mailbox.put(recipient, "Three", "Four")
    async with following(ada, **{"last-event-id": "3"}) as events:
        assert await events.next("reload") == (1_000_004, {})


@pytest.mark.parametrize("said", [{"last-event-id": "5"}, {"after": 5}, {"last-event-id": "999999"}])
async def test_who_is_ahead_of_an_inbox_that_was_made_anew_is_told_to_read_it(
    following: Any, someone: Any, mailbox: Mailbox, said: dict[str, Any]
) -> None:
    ada = await someone()
    recipient = await mailbox.reach(ada.user_id)
    await mailbox.put(recipient, "One")
    async with following(ada, **said) as events:
        assert await events.next("reload") == (1, {})
        assert (await events.next("counts"))[0] == 1
        await mailbox.put(recipient, "Two")
        assert (await events.next("item"))[1]["title"] == "Two"


async def test_without_redis_what_comes_in_is_told_all_the_same(following: Any, someone: Any, mailbox: Mailbox) -> None:
    mailbox.db.session_info.clear()  # nobody says a word
    ada = await someone()
    recipient = await mailbox.reach(ada.user_id)
    async with following(ada) as events:
        await mailbox.put(recipient, "One")
        assert (await events.next("item"))[1]["title"] == "One"


async def test_stream_ends_with_the_session_and_when_the_process_is_asked_to_stop(
    following: Any, api_url: str, client: Any, someone: Any, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await someone()
    recipient = await mailbox.reach(ada.user_id)
    async with following(ada) as events:
        signed_out = await client(api_url, ada).post("/v1/auth/sign-out")
        assert signed_out.status_code < 300
        await mailbox.put(recipient, "Too late")
        said = await events.ended()
        assert not {": still here", "event: item"} & set(said)
    bob = await someone()
    await mailbox.reach(bob.user_id)
    async with following(bob) as events:
        monkeypatch.setattr(leaving, "_asked", [15])
        await events.ended()


async def test_stream_ends_with_the_token_that_opened_it(
    clock: VirtualClock, following: Any, someone: Any, mailbox: Mailbox
) -> None:
    ada = await someone(at=clock.now().timestamp() - 600)
    recipient = await mailbox.reach(ada.user_id)
    async with following(ada) as events:
        await events.next("counts")
        clock.advance(minutes=5)
        await mailbox.put(recipient, "Too late")
        assert not {": still here", "event: item"} & set(await events.ended())


_TAKEN_FROM_HER: dict[str, str] = {
    "given to somebody else": "UPDATE recipients SET user_id = gen_random_uuid()",
    "nobody's account any more": "UPDATE recipients SET user_id = NULL",
    "gone": "DELETE FROM recipients",
}


@pytest.mark.parametrize("taken", _TAKEN_FROM_HER.values(), ids=_TAKEN_FROM_HER)
async def test_stream_ends_when_the_inbox_is_hers_no_more_and_tells_nothing_that_came_after(
    following: Any, someone: Any, mailbox: Mailbox, db: Database, taken: str
) -> None:
    ada = await someone()
    recipient = await mailbox.reach(ada.user_id)
    await mailbox.put(recipient, "Hers")
    async with following(ada, after=0) as events:
        await events.next("counts")
        async with db.platform() as session:
            await session.execute(text(taken))
        if not taken.startswith("DELETE"):
            await mailbox.put(recipient, "Not hers")
        assert "event: item" not in await events.ended()


async def test_head_of_the_stream_ends_at_once_and_takes_no_place(
    api_url: str, client: Any, someone: Any, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singr_api.messages.inbox.routes._MOST_SCREENS", 1)
    ada = await someone()
    await mailbox.reach(ada.user_id)
    http = client(api_url, ada)
    for _ in range(2):
        answer = await http.head(f"{PATH}/stream", params=WHOSE)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        assert answer.headers.get("connection") != "close"
    assert await _status(http) == 200


async def test_so_many_streams_of_one_inbox_and_no_more(
    following: Any,
    api_url: str,
    client: Any,
    someone: Any,
    mailbox: Mailbox,
    world: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("singr_api.messages.inbox.routes._MOST_SCREENS", 1)
    ada = await someone()
    await mailbox.reach(ada.user_id)
    http = client(api_url, ada)
    async with following(ada):
        answer = await http.get(f"{PATH}/stream", params=WHOSE)
        assert "in each process of the API" in world.problem(answer, 429, "rate-limited")["detail"]
        assert answer.headers["retry-after"] == "5"
    async with asyncio.timeout(30):  # a place is free again once the server has noticed
        while (await _status(http)) != 200:  # noqa: ASYNC110 - another process knows
            await asyncio.sleep(0.05)


async def test_so_many_streams_of_one_person_in_all_their_organizations_and_no_more(
    following: Any,
    api_url: str,
    client: Any,
    someone: Any,
    mailbox: Mailbox,
    world: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("singr_api.messages.inbox.routes._MOST_OF_ONE", 2)
    ada, eve = await someone(), await someone()
    for who in (ada, eve):
        await mailbox.reach(who.user_id)
    await mailbox.reach(ada.user_id, OTHER)
    async with following(ada), following(ada):
        answer = await client(api_url, ada).get(f"{PATH}/stream", params={"organization_id": str(OTHER)})
        assert "2 of one person" in world.problem(answer, 429, "rate-limited")["detail"]
        assert await _status(client(api_url, eve)) == 200


async def test_stream_refuses_what_is_no_position_and_whoever_is_not_signed_in(
    api_url: str, client: Any, someone: Any, mailbox: Mailbox, world: Any
) -> None:
    ada = await someone()
    await mailbox.reach(ada.user_id)
    answer = await client(api_url, ada).get(f"{PATH}/stream", params=WHOSE, headers={"last-event-id": "x"})
    assert world.problem(answer, 400, "malformed-request")["errors"][0]["field"] == "last-event-id"
    answer = await client(api_url, ada).get(f"{PATH}/stream", params={"after": "-1"})
    said = {one["field"]: one["message"] for one in world.problem(answer, 422, "invalid")["errors"]}
    assert "from 0 to 9007199254740991" in said["after"]
    assert "credential" not in said["organization_id"]
    world.problem(await client(api_url).get(f"{PATH}/stream", params=WHOSE), 401, "unauthenticated")


async def _status(http: httpx.AsyncClient) -> int:
    async with http.stream("GET", f"{PATH}/stream", params=WHOSE) as answer:
        return answer.status_code
