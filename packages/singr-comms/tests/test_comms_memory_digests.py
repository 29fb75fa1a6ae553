"""Digests and inboxes in memory: closed by the test's own clock, and read, marked and counted as in the database."""

from datetime import timedelta
from typing import Any

import pytest
from test_comms_memory import ORGANIZATION, SEALER, START, put

from singr_comms import PlainPush
from singr_comms.messages.digest import Digest
from singr_comms.notifying import Target, cancel_notification, notify
from singr_comms.people import (
    DefaultDigestTime,
    DigestTime,
    FrequencyChoice,
    OwnTimes,
    PreferenceChoice,
    RecipientInput,
    change_preferences,
    preferences_holder,
    read_times,
    recipient_named,
    remove_recipient,
    set_digest_defaults,
    set_times,
)
from singr_comms.people.inbox import InboxMessage, add_to_inboxes, count_inbox, inbox_changes, list_inbox, mark_inbox
from singr_comms.testing import MemoryNotifications

ADA = RecipientInput(name="Ada", email="ada@example.org", time_zone="Europe/Berlin")
EIGHT = START.replace(day=29, hour=7)
"""Eight o'clock in Berlin on the next day: it is ten there as a test begins, on a Saturday."""


@pytest.fixture
async def outbox() -> MemoryNotifications:
    outbox = MemoryNotifications(now=START)
    await put(outbox, ada=ADA)
    return outbox


async def tell(outbox: MemoryNotifications, title: str, **options: Any) -> Any:
    data = {"title": title, "text": f"All about {title}."}
    async with outbox.tenant(ORGANIZATION) as session:
        given = {"channels": ["email"], "digest": "daily"} | options
        return await notify(session, "plain", Target(recipient="ada"), sealer=SEALER, data=data, **given)


def told(outbox: MemoryNotifications) -> list[tuple[str | None, list[str]]]:
    """What came of digests: why not, or the titles."""
    return [
        (one.reason, [item.title for item in one.message.items] if isinstance(one.message, Digest) else [])
        for one in outbox.messages
        if one.type == "digest"
    ]


async def test_what_is_kept_comes_in_one_mail_at_its_readers_time(outbox: MemoryNotifications) -> None:
    await tell(outbox, "plums")
    await outbox.advance(timedelta(hours=1))
    await tell(outbox, "pears", channels=["email", "push", "inbox"])
    assert [(one.channel, one.reason, one.digest) for one in outbox.held_back] == [
        ("email", "digested", "daily"),
        ("email", "digested", "daily"),
        ("push", "no_device", None),
    ]
    await outbox.move_to(EIGHT - timedelta(seconds=1))
    assert told(outbox) == []
    await outbox.move_to(EIGHT + timedelta(days=3))
    assert told(outbox) == [(None, ["plums", "pears"])]
    [mail] = [one for one in outbox.sent if one.type == "digest"]
    assert (mail.decided_at, mail.recipient, mail.to.email, mail.expires_at) == (EIGHT, "ada", "ada@example.org", None)
    assert "plums" in (mail.preview().text or "")


async def test_what_was_read_cancelled_or_is_not_wanted_any_more_is_not_told(outbox: MemoryNotifications) -> None:
    _, one = [await tell(outbox, title, channels=["email", "inbox"]) for title in ("plums", "pears")]
    async with outbox.tenant(ORGANIZATION) as session:
        ada = await recipient_named(session, "ada")
        [newest, _] = (await list_inbox(session, SEALER, ada.id)).items
        assert (await cancel_notification(session, one.id)).stopped == 1
        await mark_inbox(session, ada.id, "read", before=newest.created_at)
    assert [one.reason for one in outbox.held_back] == ["digested", "cancelled"]
    await outbox.move_to(EIGHT)
    assert told(outbox) == [("digest_empty", [])]
    await tell(outbox, "figs")
    off = PreferenceChoice(scope="type", name="plain", channel="email", allowed=False)
    async with outbox.tenant(ORGANIZATION) as session:
        await change_preferences(session, await preferences_holder(session, "ada"), [off], source="recipient")
    await outbox.advance(timedelta(days=1))
    assert told(outbox)[1][0] == "preference"
    with pytest.raises(ValueError, match="says nothing"):
        next(one for one in outbox.held_back if one.reason == "digest_empty").preview()


async def test_windows_move_with_their_readers_times_and_go_with_them(outbox: MemoryNotifications) -> None:
    await tell(outbox, "plums")
    async with outbox.tenant(ORGANIZATION) as session:
        holder = await preferences_holder(session, "ada")
        times = OwnTimes(time_zone="UTC", digest=DigestTime(at="11:00"))
        assert await set_times(session, holder, times) == times == await read_times(session, holder)
    await outbox.advance(timedelta(hours=2))
    assert told(outbox) == [(None, ["plums"])]
    await tell(outbox, "pears")
    async with outbox.tenant(ORGANIZATION) as session:
        await remove_recipient(session, "ada")
    await outbox.advance(timedelta(days=2))
    assert len(told(outbox)) == 1


async def test_default_time_and_choice_of_how_often_hold(outbox: MemoryNotifications) -> None:
    weekly = FrequencyChoice(scope="type", name="plain", frequency="weekly")
    async with outbox.tenant(ORGANIZATION) as session:
        await set_digest_defaults(session, DefaultDigestTime(at="17:00", weekday=2))
        holder = await preferences_holder(session, "ada")
        await change_preferences(session, holder, frequencies=[weekly], source="recipient")
    await tell(outbox, "plums", digest=None)
    assert [(one.reason, one.rule) for one in outbox.messages] == [("digested", "recipient:type")]
    await outbox.advance(timedelta(days=7))
    [mail] = outbox.sent
    assert mail.decided_at == START.replace(day=1, month=12, hour=16)


async def test_what_raises_leaves_no_item_behind(outbox: MemoryNotifications) -> None:
    await tell(outbox, "plums", channels=["email", "inbox"])

    async def taken_back() -> None:
        async with outbox.tenant(ORGANIZATION) as session:
            ada = await recipient_named(session, "ada")
            await mark_inbox(session, ada.id, "read", before=outbox.now)
            raise LookupError

    with pytest.raises(LookupError):
        await taken_back()
    async with outbox.tenant(ORGANIZATION) as session:
        ada = await recipient_named(session, "ada")
        assert (await count_inbox(session, ada.id)).unread == 1


async def test_an_inbox_is_read_marked_and_counted(outbox: MemoryNotifications) -> None:
    push = PlainPush(title="By hand", text="Look.", link="https://singr.example/x")
    for title in ("plums", "pears"):
        await tell(outbox, title, channels=["inbox"], digest=None)
    async with outbox.tenant(ORGANIZATION) as session:
        ada = await recipient_named(session, "ada")
        added = await add_to_inboxes(session, SEALER, [InboxMessage(ada.id, push)], organization_id=ORGANIZATION)
        assert (added, tuple((await count_inbox(session, ada.id)).__struct_fields__)) == (
            1,
            ("unread", "unseen", "position"),
        )
        first = await list_inbox(session, SEALER, ada.id, limit=2)
        rest = await list_inbox(session, SEALER, ada.id, limit=2, cursor=first.next_cursor)
        assert [one.title for one in (*first.items, *rest.items)] == ["By hand", "pears", "plums"]
        assert (first.items[0].link, rest.next_cursor) == ("https://singr.example/x", None)
        hand, pears = first.items
        counts = await mark_inbox(session, ada.id, "read", ids=[hand.id])
        assert (counts.unread, counts.unseen, counts.position) == (2, 2, 4)
        assert await mark_inbox(session, ada.id, "read", ids=[hand.id]) == counts
        until = outbox.now + timedelta(hours=1)
        counts = await mark_inbox(session, ada.id, "snoozed", ids=[pears.id], until=until)
        assert (counts.unread, counts.unseen, counts.position) == (1, 1, 5)
        [snoozed] = (await list_inbox(session, SEALER, ada.id, state="snoozed")).items
        assert snoozed.snoozed_until == until
        assert [one.title for one in await inbox_changes(session, SEALER, ada.id, after=3, limit=9)] == [
            "By hand",
            "pears",
        ]
        await mark_inbox(session, ada.id, "archived", ids=[hand.id])
    await outbox.advance(timedelta(hours=1))
    async with outbox.tenant(ORGANIZATION) as session:
        assert [one.title for one in (await list_inbox(session, SEALER, ada.id, state="unread")).items] == [
            "pears",
            "plums",
        ]
        assert (await count_inbox(session, ada.id)).unread == 2
        await remove_recipient(session, "ada")
        assert (await count_inbox(session, ada.id)).position == 0


async def test_inbox_and_digest_say_what_is_kept_in_their_readers_language(outbox: MemoryNotifications) -> None:
    await put(outbox, ada=RecipientInput(email="ada@example.org", locale="ar"))
    data = {"user_name": "Ada", "farm_name": "Sunny", "order_number": "A-1", "pickup_place": "Gate"}
    data["link"] = "https://singr.example/o"
    async with outbox.tenant(ORGANIZATION) as session:
        given: dict[str, Any] = {"channels": ["sms", "inbox", "email"], "digest": "daily", "data": data}
        await notify(session, "order_ready", Target(recipient="ada"), sealer=SEALER, **given)
    async with outbox.tenant(ORGANIZATION) as session:
        ada = await recipient_named(session, "ada")
        [item] = (await list_inbox(session, SEALER, ada.id)).items
        assert [item] == await inbox_changes(session, SEALER, ada.id, after=0, limit=1)
    [shown] = outbox.sent
    assert (item.title, shown.preview().subject) == ("طلبكم جاهز", "طلبكم جاهز")
    await put(outbox, ada=RecipientInput(email="ada@example.org", locale="de"))
    async with outbox.tenant(ORGANIZATION) as session:
        [item] = (await list_inbox(session, SEALER, ada.id)).items
    assert item.title == "Ihre Bestellung liegt bereit"
    await outbox.advance(timedelta(days=1))
    [(_, [title])] = told(outbox)
    assert title.startswith("Ihre Bestellung")
