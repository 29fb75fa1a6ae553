"""A notification goes into inboxes as by any other way: once, counted, with its reason where it does not."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest
from comms_crowds import Crowd
from comms_waiting import waits
from sqlalchemy import text

from singr_comms import PlainPush
from singr_comms.notifications import BrandingInput, Deliveries, put_branding
from singr_comms.notifying import (
    Audience,
    Cancelled,
    InvalidNotificationError,
    Target,
    cancel_notification,
    read_notification,
)
from singr_comms.people import PreferenceChoice, change_preferences, preferences_holder, read_preferences
from singr_comms.people.chores._forget_items import ForgetItems
from singr_comms.people.exporting._tables import LISTS
from singr_comms.people.inbox import InboxMessage, add_to_inboxes, count_inbox, inbox_changes, list_inbox, mark_inbox

EVERYBODY = Audience(all=True)
SAID = {"title": "Now", "text": "Come on."}
WAYS = ["push", "inbox"]


class Told:
    """Hears of whose inboxes changed, as `InboxNews` would."""

    def __init__(self) -> None:
        self.recipients: list[UUID] = []

    def tell(self, recipients: Iterable[UUID]) -> None:
        self.recipients += recipients


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization's recipients."""
    return await Crowd.of(bench)


async def standing(crowd: Crowd, *names: str) -> dict[str, tuple[int, int, int]]:
    """Unread, unseen and how many items there are, of each."""
    found = {}
    async with crowd.db.platform() as session:
        for name in names:
            counts = await count_inbox(session, crowd.ids[name])
            items = await list_inbox(session, crowd.sealer, crowd.ids[name])
            found[name] = (counts.unread, counts.unseen, len(items.items))
    return found


async def reasons(crowd: Crowd, told: Any) -> dict[str, tuple[str, str | None]]:
    return {row.external_id: (row.status, row.code) for row in await crowd.messages(told) if row.channel == "inbox"}


async def test_everybody_has_one_item_counted_and_told_beside_the_other_ways(crowd: Crowd) -> None:
    names = [f"u-{number:02}" for number in range(25)]
    await crowd.add(*names)
    await crowd.device("u-00", "device-token:0123456789")
    news = Told()
    crowd.db.session_info["singr_comms.inbox_news"] = news
    told = await crowd.tell("plain", EVERYBODY, data=SAID, channels=[*WAYS, "sms"])
    assert await crowd.decide(told, bite=10) == 25
    assert set((await standing(crowd, *names)).values()) == {(1, 1, 1)}
    assert Counter(news.recipients) == Counter(crowd.ids.values())
    async with crowd.db.tenant(crowd.organization) as session:
        [item] = (await list_inbox(session, crowd.sealer, crowd.ids["u-07"])).items
        detail = await read_notification(session, told.id)
        listed = await Deliveries(crowd.sealer).list(session, notification_id=told.id, channel="inbox", limit=30)
        story = await Deliveries(crowd.sealer).read(session, item.id)
    assert (item.title, item.body, item.type, item.notification_id) == ("Now", "Come on.", "plain", told.id)
    assert detail is not None
    assert {(one.channel, one.status, one.reason): one.messages for one in detail.counts} == {
        ("inbox", "delivered", None): 25,
        ("push", "queued", None): 1,
        ("push", "suppressed", "no_device"): 24,
        ("sms", "queued", None): 25,
    }
    assert item.id in {one.id for one in listed.items}
    assert all(one.delivered_at and one.sent_at and one.job_id is None for one in listed.items)
    assert story is not None
    assert (story.decision.outcome, story.attempts) == ("let_go", ())


async def test_an_inbox_is_in_its_readers_language_as_it_is_read(crowd: Crowd) -> None:
    await crowd.add("u-1")
    data = {"farm_name": "Sunny", "order_number": "A-1", "pickup_place": "Gate", "link": "https://singr.example/o"}
    await crowd.decide(await crowd.tell("order_ready", [Target(recipient="u-1")], data=data, channels=["inbox"]))
    whose = crowd.ids["u-1"]
    titles = {}
    for locale in ("de-AT", "ar", "fr", None, "organization's"):
        if locale == "organization's":
            async with crowd.db.tenant(crowd.organization) as session:
                await put_branding(session, BrandingInput(name="Farm", color="#0a6640", locale="de"))
            await crowd.run("UPDATE brandings SET starts_at = now() - interval '1 second'")
        else:
            await crowd.run("UPDATE recipients SET locale = :locale", locale=locale)
        async with crowd.db.platform() as session:
            [seen] = await inbox_changes(session, crowd.sealer, whose, after=0, limit=1)
        async with crowd.db.tenant(crowd.organization) as session:
            assert list((await list_inbox(session, crowd.sealer, whose)).items) == [seen]
        titles[locale] = seen.title
    english = "Your order is ready"
    german = "Ihre Bestellung liegt bereit"
    assert titles == {"de-AT": german, "ar": "طلبكم جاهز", "fr": english, None: english, "organization's": german}
    [inbox] = [one for one in LISTS if one.name == "inbox"]
    first = {"organization_id": crowd.organization, "recipient_ids": [whose], "hashes": [], "after": UUID(int=0)}
    async with crowd.db.tenant(crowd.organization) as session:
        [exported] = (await session.execute(inbox.statement, first | {"limit": 9})).all()
    assert exported.locale == "de", "an export is told in the same"


async def test_named_ones_have_what_is_said_to_them_and_bare_addresses_no_inbox(crowd: Crowd) -> None:
    await crowd.add("u-1", "u-2")
    to = [
        Target(recipient="u-1", data={"text": "You are first."}),
        Target(recipient="u-2"),
        Target(phone="+15555550199"),
    ]
    told = await crowd.tell("plain", to, data=SAID, channels=["sms", "inbox"])
    await crowd.decide(told)
    assert await reasons(crowd, told) == {"u-1": ("delivered", None), "u-2": ("delivered", None)}
    async with crowd.db.platform() as session:
        [item] = (await list_inbox(session, crowd.sealer, crowd.ids["u-1"])).items
    assert item.body == "You are first."
    with pytest.raises(InvalidNotificationError, match=r"to\[0\]\.email: is reached by email, .* inbox"):
        await crowd.tell("plain", [Target(email="jane@example.org")], data=SAID, channels=["inbox"])
    with pytest.raises(InvalidNotificationError, match=r"channels\[0\]: one_time_code can only be sent by sms"):
        await crowd.tell("one_time_code", [Target(recipient="u-1")], data={}, channels=["inbox"])
    with pytest.raises(InvalidNotificationError, match=r"data\.text: is missing: inbox needs it"):
        await crowd.tell("plain", [Target(recipient="u-1")], data={"title": "Now"}, channels=["inbox"])
    with pytest.raises(
        InvalidNotificationError, match=r"data\.text: is missing: (sms and inbox|inbox and sms) need it"
    ):
        await crowd.tell("plain", [Target(recipient="u-1")], data={"title": "Now"}, channels=["sms", "inbox"])


async def test_who_has_no_item_has_the_reason_and_an_unchanged_inbox(crowd: Crowd) -> None:
    await crowd.add("left-out", "unwilling", "willing")
    async with crowd.db.tenant(crowd.organization) as session:
        holder = await preferences_holder(session, "unwilling")
        choice = PreferenceChoice(scope="type", name="plain", channel="inbox", allowed=False)
        await change_preferences(session, holder, [choice], source="recipient")
    to = [Target(recipient=name) for name in ("left-out", "unwilling", "willing")]
    told = await crowd.tell("plain", to, data=SAID, channels=["inbox"])
    late = await crowd.tell("plain", to, data=SAID, channels=["inbox"])
    stopped = await crowd.tell("plain", to, data=SAID, channels=["inbox"])
    async with crowd.db.tenant(crowd.organization) as session:
        assert await cancel_notification(session, told.id, recipients=["left-out"]) == Cancelled(0, 0, 0)
        await cancel_notification(session, stopped.id)
    await crowd.run("UPDATE notifications SET expires_at = now() - interval '1 second' WHERE id = :id", id=late.id)
    for one in (told, late, stopped):
        await crowd.decide(one)
    assert await reasons(crowd, told) == {
        "left-out": ("suppressed", "cancelled"),
        "unwilling": ("suppressed", "preference"),
        "willing": ("delivered", None),
    }
    assert set((await reasons(crowd, late)).values()) == {("suppressed", "expired")}
    assert await crowd.messages(stopped) == []
    assert await standing(crowd, *crowd.ids) == {
        "left-out": (0, 0, 0), "unwilling": (0, 0, 0), "willing": (1, 1, 1),
    }  # fmt: skip
    async with crowd.db.tenant(crowd.organization) as session:
        assert await cancel_notification(session, told.id) == Cancelled(stopped=0, already_sent=1, in_flight=0)


async def test_somebody_erased_in_the_same_moment_keeps_nobody_else_from_theirs(crowd: Crowd) -> None:
    await crowd.add("a", "b", "c")
    told = await crowd.tell("plain", EVERYBODY, data=SAID, channels=["inbox"])
    async with crowd.db.platform() as session:
        await session.execute(text("DELETE FROM recipients WHERE id = :id"), {"id": crowd.ids["b"]})
        deciding = asyncio.create_task(crowd.decide(told))
        await waits(crowd.db, deciding)
    assert await deciding == 3
    rows = Counter((row.external_id, row.status, row.code) for row in await crowd.messages(told))
    assert rows == {
        ("a", "delivered", None): 1, (None, "suppressed", "erased"): 1, ("c", "delivered", None): 1,
    }  # fmt: skip
    assert await standing(crowd, "a", "c") == {"a": (1, 1, 1), "c": (1, 1, 1)}


async def test_old_items_go_and_counts_are_of_what_is_left(crowd: Crowd) -> None:
    await crowd.add("u-1", "u-2")
    for name in ("u-1", "u-1", "u-2"):
        async with crowd.db.tenant(crowd.organization) as session:
            message = InboxMessage(crowd.ids[name], PlainPush(title="Now", text="Come on."))
            await add_to_inboxes(session, crowd.sealer, [message], organization_id=crowd.organization)
    async with crowd.db.tenant(crowd.organization) as session:
        newest = (await list_inbox(session, crowd.sealer, crowd.ids["u-1"])).items[0]
        await mark_inbox(session, crowd.ids["u-1"], "read", ids=[newest.id])
    # Ids of 1970: what was made half a year ago.
    old = "UPDATE inbox_items SET id = overlay(CAST(id AS text) PLACING '00000000-0000' FROM 1 FOR 13)::uuid"
    await crowd.run(f"{old} WHERE id <> :id", id=newest.id)
    await ForgetItems(crowd.db).work()
    assert await standing(crowd, "u-1", "u-2") == {"u-1": (0, 0, 1), "u-2": (0, 0, 0)}


async def test_the_inbox_is_chosen_as_any_other_way(crowd: Crowd) -> None:
    await crowd.add("u-1")
    async with crowd.db.tenant(crowd.organization) as session:
        view = await read_preferences(session, await preferences_holder(session, "u-1"))
    ways = {one.type: {way.channel for way in one.channels} for one in view.types}
    assert ways["plain"] == {"email", "sms", "push", "inbox"}
    assert all(("inbox" in found) == ("push" in found) for found in ways.values())
