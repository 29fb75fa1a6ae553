"""Notifications in memory: for users' tests, by a clock of their own, with the rules and errors of the database's."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from singr_comms import EmailAddress, PlainSms
from singr_comms.catalogue import Message, MessageType
from singr_comms.messages.campaign import MESSAGE_TYPE as CAMPAIGN
from singr_comms.notifying import (
    Audience,
    InvalidNotificationError,
    NotificationNotFoundError,
    NotificationStateError,
    Target,
    cancel_notification,
    notify,
    pause_notification,
    read_notification,
    resume_notification,
)
from singr_comms.people import (
    DeviceInput,
    DeviceNotFoundError,
    NamedRecipient,
    PeopleError,
    PreferenceChoice,
    QuietHours,
    RecipientInput,
    RecipientNotFoundError,
    TopicChange,
    TopicInUseError,
    TopicNotFoundError,
    change_preferences,
    change_topic,
    import_recipients,
    list_devices,
    preferences_holder,
    put_recipient,
    read_preferences,
    read_recipient,
    read_topic,
    recipient_named,
    register_device,
    remove_device,
    remove_recipient,
    remove_topic,
)
from singr_comms.testing import MemoryNotifications
from singr_config import Secret
from singr_db import Sealer

SEALER = Sealer(Secret("s" * 40))
ORGANIZATION = uuid4()
START = datetime(2026, 11, 28, 9, tzinfo=UTC)
SMS = PlainSms(text="Come on.")
SAID = {"title": "You", "text": "Come on."}
ADA = RecipientInput(name="Ada", email="ada@example.org", phone="+15555550100", locale="de_at", tags=["vip", "a", "a"])
TOKEN = "device-token:0123456789"


@pytest.fixture
def outbox() -> MemoryNotifications:
    return MemoryNotifications(now=START)


def text_of(declared: MessageType) -> Message:
    return next(message for channel, message in declared.samples() if channel == "sms")


async def put(outbox: MemoryNotifications, **people: RecipientInput) -> None:
    async with outbox.tenant(ORGANIZATION) as session:
        for name, given in people.items():
            await put_recipient(session, name, given, sealer=SEALER)


async def test_whoever_is_told_is_seen_with_what_they_read_and_nobody_else(outbox: MemoryNotifications) -> None:
    await put(outbox, ada=ADA, bob=RecipientInput(email="bob@example.org"))
    async with outbox.tenant(ORGANIZATION) as session:
        told = await notify(session, "plain", Target(recipient="ada"), sealer=SEALER, data=SAID, channels=["email"])
    [message] = outbox.sent
    assert (message.recipient, message.to, message.locale) == ("ada", EmailAddress("ada@example.org", "Ada"), "de-AT")
    assert (message.reason, message.words, message.decided_at) == (None, None, START)
    assert message.preview().subject == "You"
    async with outbox.tenant(ORGANIZATION) as session:
        found = await read_notification(session, told.id)
    assert found is not None
    assert (found.state, found.decided, [tuple(one.__struct_fields__) for one in found.counts]) == (
        "done",
        1,
        [("channel", "status", "reason", "messages")],
    )
    assert found.counts[0].messages == 1
    async with outbox.tenant(uuid4()) as session:
        assert await read_notification(session, told.id) is None


async def test_why_not_is_told_by_code_rule_and_words(outbox: MemoryNotifications) -> None:
    await put(outbox, ada=ADA, bob=RecipientInput(email="bob@example.org"))
    off = PreferenceChoice(scope="category", name="general", channel="email", allowed=False)
    outbox.suppress("sms", "+1 555 555 0100", reason="stopped")
    async with outbox.tenant(ORGANIZATION) as session:
        holder = await preferences_holder(session, "bob")
        await change_preferences(session, holder, [off], source="recipient")
        await notify(session, "plain", Audience(all=True), sealer=SEALER, data=SAID)
    came_to = {(one.recipient, one.channel): (one.reason, one.rule) for one in outbox.messages}
    assert came_to == {
        ("ada", "email"): (None, None),
        ("ada", "sms"): ("opt_out", None),
        ("ada", "push"): ("no_device", None),
        ("bob", "email"): ("preference", "recipient:category+channel"),
        ("bob", "sms"): ("no_address", None),
        ("bob", "push"): ("no_device", None),
    }
    stopped = next(one for one in outbox.held_back if one.reason == "opt_out")
    assert stopped.words == "the reader answered STOP"
    unwanted = next(one for one in outbox.held_back if one.reason == "preference")
    assert "recipient:category+channel" in (unwanted.words or "")
    assert len(outbox.sent) == 1


async def test_what_is_scheduled_goes_at_its_time_and_no_sooner(outbox: MemoryNotifications) -> None:
    await put(outbox, ada=ADA)
    later = START + timedelta(hours=9)
    async with outbox.tenant(ORGANIZATION) as session:
        told = await notify(session, SMS, Target(recipient="ada"), sealer=SEALER, send_at=later)
    assert told.state == "scheduled"
    await outbox.advance(timedelta(hours=8))
    assert outbox.messages == []
    await outbox.advance(2 * 3600)
    assert [message.decided_at for message in outbox.sent] == [later]
    assert outbox.now == START + timedelta(hours=10)
    for never in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="time passes in a number of seconds"):
            await outbox.advance(never)
    with pytest.raises(ValueError, match="only goes forward"):
        await outbox.move_to(START)
    with pytest.raises(ValueError, match="must have a time zone"):
        await outbox.move_to(datetime(2027, 1, 1))  # noqa: DTZ001 - that is wrong with it


async def test_what_expires_before_its_turn_says_so(outbox: MemoryNotifications) -> None:
    await put(outbox, ada=ADA)
    async with outbox.tenant(ORGANIZATION) as session:
        told = await notify(
            session,
            SMS,
            Target(recipient="ada"),
            sealer=SEALER,
            send_at=START + timedelta(hours=1),
            expires_at=START + timedelta(hours=2),
        )
        await pause_notification(session, told.id)
    await outbox.advance(timedelta(hours=3))
    assert outbox.messages == []
    async with outbox.tenant(ORGANIZATION) as session:
        await resume_notification(session, told.id)
    assert [message.reason for message in outbox.messages] == ["expired"]


async def test_a_session_that_raises_or_is_rolled_back_has_done_nothing(outbox: MemoryNotifications) -> None:
    await put(outbox, ada=ADA)

    async def tell_and_fail() -> None:
        async with outbox.tenant(ORGANIZATION) as session:
            await remove_recipient(session, "ada")
            await put_recipient(session, "bob", ADA, sealer=SEALER)
            await notify(session, "plain", Target(recipient="bob"), sealer=SEALER, data=SAID, deduplication_key="k")
            raise LookupError

    with pytest.raises(LookupError):
        await tell_and_fail()
    async with outbox.tenant(ORGANIZATION) as session:
        assert (await read_recipient(session, "ada", sealer=SEALER)).external_id == "ada"
        with pytest.raises(RecipientNotFoundError):
            await read_recipient(session, "bob", sealer=SEALER)
        await notify(session, "plain", Target(recipient="ada"), sealer=SEALER, data=SAID)
        await session.rollback()
    assert outbox.messages == []


async def test_a_key_is_used_once_moved_while_it_waits_and_free_once_cancelled(outbox: MemoryNotifications) -> None:
    await put(outbox, ada=ADA)

    async def tell(hours: int, **options: Any) -> tuple[str, bool]:
        async with outbox.tenant(ORGANIZATION) as session:
            told = await notify(
                session,
                SMS,
                Target(recipient="ada"),
                sealer=SEALER,
                send_at=outbox.now + timedelta(hours=hours),
                deduplication_key="pickup-7",
                **options,
            )
        return told.state, told.is_new

    assert [await tell(1), await tell(2), await tell(3, replace=True)] == [
        ("scheduled", True),
        ("scheduled", False),
        ("scheduled", False),
    ]
    await outbox.advance(timedelta(hours=3))
    assert [message.decided_at for message in outbox.sent] == [START + timedelta(hours=3)]
    with pytest.raises(NotificationStateError, match="has begun"):
        await tell(1, replace=True)


async def test_cancelling_stops_what_waits_leaves_out_who_is_named_and_counts_what_went(
    outbox: MemoryNotifications,
) -> None:
    await put(outbox, ada=ADA, bob=ADA)
    async with outbox.tenant(ORGANIZATION) as session:
        for_all = await notify(
            session,
            SMS,
            Audience(all=True),
            sealer=SEALER,
            send_at=START + timedelta(hours=1),
        )
        await cancel_notification(session, for_all.id, recipients=["bob"])
        with pytest.raises(InvalidNotificationError, match=r"recipients\[0\]"):
            await cancel_notification(session, for_all.id, recipients=["nobody"])
        with pytest.raises(NotificationNotFoundError):
            await cancel_notification(session, uuid4())
    await outbox.advance(timedelta(hours=1))
    assert {message.recipient: message.reason for message in outbox.messages} == {"ada": None, "bob": "cancelled"}
    async with outbox.tenant(ORGANIZATION) as session:
        counted = await cancel_notification(session, for_all.id)
    assert (counted.stopped, counted.already_sent, counted.in_flight) == (0, 1, 0)


async def test_a_campaign_goes_at_its_rate(outbox: MemoryNotifications) -> None:
    people = [NamedRecipient(external_id=f"u-{n}", phone="+15555550100") for n in range(5)]
    async with outbox.tenant(ORGANIZATION) as session:
        await import_recipients(session, people, sealer=SEALER)
        told = await notify(session, SMS, Audience(all=True), sealer=SEALER, per_minute=12)
    assert len(outbox.sent) == 2  # as many as may go in ten seconds
    async with outbox.tenant(ORGANIZATION) as session:
        await pause_notification(session, told.id)
        await resume_notification(session, told.id)
    await outbox.advance(5)
    assert len(outbox.sent) == 2
    await outbox.advance(5)
    assert len(outbox.sent) == 4
    await outbox.advance(10)
    assert [message.recipient for message in outbox.sent] == [one.external_id for one in people]


async def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_kept(outbox: MemoryNotifications) -> None:
    async with outbox.tenant(ORGANIZATION) as session:
        with pytest.raises(InvalidNotificationError) as caught:
            await notify(
                session,
                "plain",
                [Target(recipient="nobody"), Target(phone="1")],
                sealer=SEALER,
                data={"word": 1},
                send_at=START - timedelta(days=400) + timedelta(days=800),
            )
        with pytest.raises(PeopleError) as wrong:
            await put_recipient(session, "u-1", RecipientInput(phone="+1", time_zone="Mars/Olympus"), sealer=SEALER)
    fields = {fault.field for fault in caught.value.faults}
    assert {"to[0].recipient", "to[1].phone", "data.word", "send_at"} <= fields
    assert {fault.field for fault in wrong.value.faults} == {"phone", "time_zone"}
    assert outbox.messages == []


async def test_channel_that_is_named_twice_and_tag_that_nobody_can_have_are_refused(
    outbox: MemoryNotifications,
) -> None:
    async with outbox.tenant(ORGANIZATION) as session:
        for asked, field, code in (
            ({"to": Audience(all=True), "channels": ["sms", "email", "sms"]}, "channels[2]", "repeated"),
            ({"to": Audience(tags=["vip", "ü x"])}, "to.tags[1]", "malformed"),
        ):
            with pytest.raises(InvalidNotificationError) as caught:
                await notify(session, "plain", sealer=SEALER, data=SAID, **asked)  # type: ignore[arg-type] # as drawn
            assert [(one.field, one.code) for one in caught.value.faults] == [(field, code)]


def test_the_first_moment_has_a_zone_as_every_other() -> None:
    with pytest.raises(ValueError, match="must have a time zone"):
        MemoryNotifications(now=datetime(2027, 1, 1))  # noqa: DTZ001 - that is wrong with it


async def test_devices_belong_to_whoever_registered_them_last(outbox: MemoryNotifications) -> None:
    await put(outbox, ada=ADA, bob=ADA)
    async with outbox.tenant(ORGANIZATION) as session:
        ada, bob = await recipient_named(session, "ada"), await recipient_named(session, "bob")
        given = DeviceInput(token=TOKEN, platform="ios", locale="pt_br")
        first, is_new = await register_device(session, ada, given, sealer=SEALER)
        assert (is_new, first.locale) == (True, "pt-BR")
        assert not (await register_device(session, ada, given, sealer=SEALER))[1]
        second, is_new = await register_device(session, bob, given, sealer=SEALER)
        assert is_new
        assert second.id != first.id
        assert await list_devices(session, ada) == ()
        await notify(session, "plain", Audience(all=True), sealer=SEALER, data=SAID, channels=["push"])
    assert {message.recipient: message.reason for message in outbox.messages} == {"ada": "no_device", "bob": None}
    async with outbox.tenant(ORGANIZATION) as session:
        await remove_device(session, bob, second.id)
        with pytest.raises(DeviceNotFoundError):
            await remove_device(session, bob, second.id)


async def test_topics_have_members_until_these_or_the_topic_are_taken_away(outbox: MemoryNotifications) -> None:
    await put(outbox, ada=ADA, bob=ADA)
    async with outbox.tenant(ORGANIZATION) as session:
        changed = await change_topic(session, "farm-9", TopicChange(add=["ada", "bob"]))
        assert (changed.added, changed.removed) == (2, 0)
        with pytest.raises(PeopleError, match=r"add\[0\]"):
            await change_topic(session, "farm-9", TopicChange(add=["nobody"]))
        await remove_recipient(session, "bob")
        assert (await read_topic(session, "farm-9")).members == 1
        await notify(session, "plain", Audience(topic="farm-9"), sealer=SEALER, data=SAID, channels=["inbox"])
    assert [(message.recipient, message.status) for message in outbox.sent] == [("ada", "delivered")]
    async with outbox.tenant(ORGANIZATION) as session:
        later = START + timedelta(days=1)
        waiting = await notify(session, "plain", Audience(topic="farm-9"), sealer=SEALER, data=SAID, send_at=later)
        with pytest.raises(TopicInUseError, match=str(waiting.id)):
            await remove_topic(session, "farm-9")
        await cancel_notification(session, waiting.id)
        await remove_topic(session, "farm-9")
        with pytest.raises(TopicNotFoundError):
            await read_topic(session, "farm-9")
        with pytest.raises(InvalidNotificationError, match="no topic"):
            await notify(session, "plain", Audience(topic="farm-9"), sealer=SEALER, data=SAID)


async def test_people_are_told_as_the_database_tells_them(outbox: MemoryNotifications) -> None:
    quiet = QuietHours(starts="22:00", ends="07:00", days=[7, 1, 1])
    async with outbox.tenant(ORGANIZATION) as session:
        view, is_new = await put_recipient(
            session, "ada", RecipientInput(**{**given_of(ADA), "quiet_hours": quiet}), sealer=SEALER
        )
        assert is_new
        assert (view.email, view.phone, view.tags) == ("a***@example.org", "+1******0100", ("a", "vip"))
        assert view.quiet_hours == QuietHours(starts="22:00", ends="07:00", days=[1, 7])
        holder = await preferences_holder(session, "ada")
        off = PreferenceChoice(scope="all", channel="sms", allowed=False)
        await change_preferences(session, holder, [off], source="recipient")
        found = await read_preferences(session, holder)
        assert [(one.scope, one.channel, one.source) for one in found.choices] == [("all", "sms", "recipient")]
        back = PreferenceChoice(scope="all", channel="sms", allowed=None)
        assert (await change_preferences(session, holder, [back], source="recipient")).choices == ()


async def test_what_is_opt_in_goes_by_what_was_chosen_alone_and_says_so(
    outbox: MemoryNotifications, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CAMPAIGN, "opt_in", True)
    await put(outbox, ada=ADA)
    yes = PreferenceChoice(scope="category", name=CAMPAIGN.category, channel="sms", allowed=True)
    async with outbox.tenant(ORGANIZATION) as session:
        holder = await preferences_holder(session, "ada")

        async def seen() -> dict[str, tuple[bool, str]]:
            found = await read_preferences(session, holder)
            [of_type] = [one for one in found.types if one.type == CAMPAIGN.name]
            return {one.channel: (one.allowed, one.rule) for one in of_type.channels}

        assert await seen() == dict.fromkeys(("email", "sms", "push", "inbox"), (False, "type"))
        await change_preferences(session, holder, [yes], source="recipient")
        now = await seen()
        assert (now["sms"], now["email"]) == ((True, "recipient:category+channel"), (False, "type"))
        await notify(session, text_of(CAMPAIGN), Target(recipient="ada"), sealer=SEALER)
    assert [message.reason for message in outbox.messages] == [None]


async def test_what_needs_a_database_says_so(outbox: MemoryNotifications) -> None:
    async with outbox.tenant(ORGANIZATION) as session:
        with pytest.raises(AttributeError, match="in memory have no execute: what is called here needs a database"):
            await session.execute("SELECT 1")
    with pytest.raises(ValueError, match="reason must be one of bounced, "):
        outbox.suppress("email", "ada@example.org", reason="annoyed")


def given_of(one: RecipientInput) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__}
