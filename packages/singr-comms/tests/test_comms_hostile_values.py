"""Whatever a caller in Python gives is told by its path as HTTP tells it, in memory as in the database."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from comms_crowds import Crowd

from singr_comms import PlainSms
from singr_comms._errors import CommsError
from singr_comms.notifications import QuestionError
from singr_comms.notifying import (
    Audience,
    InvalidNotificationError,
    Target,
    cancel_by_key,
    cancel_notification,
    explain,
    list_notifications,
    notify,
    pause_notification,
    read_notification,
    remind_of_pickup,
    resume_notification,
)
from singr_comms.people import (
    DefaultDigestTime,
    DeviceInput,
    DigestTime,
    FrequencyChoice,
    NamedRecipient,
    OwnTimes,
    PeopleError,
    PreferenceChoice,
    PreferenceError,
    QuietHours,
    RecipientInput,
    RecipientNotFoundError,
    TopicChange,
    TopicNotFoundError,
    change_preferences,
    change_topic,
    erase_recipient,
    import_recipients,
    list_recipients,
    preferences_holder,
    put_recipient,
    read_digest_defaults,
    read_preferences,
    read_recipient,
    read_times,
    read_topic,
    recipient_named,
    recipient_of_member,
    register_device,
    remove_recipient,
    remove_topic,
    set_digest_defaults,
    set_times,
)
from singr_comms.people.inbox import count_inbox, inbox_changes, list_inbox, mark_inbox
from singr_comms.testing import MemoryNotifications
from singr_db import Sealer

Call = Callable[[Any, Sealer], Awaitable[Any]]
TOKEN = "bk3RNwTe3H0:CI2k_HHwgIpoDKC"
EVERYBODY = Audience(all=True)
ONE = UUID(int=1)
# Types of Python say what is right; what people give who do not run a checker is none of theirs.
W: Any = lambda value: value  # noqa: E731 - says no more than its name


async def _device(session: Any, sealer: Sealer, **given: Any) -> Any:
    whole = DeviceInput(**{"token": TOKEN, "platform": "ios"} | given)
    return await register_device(session, await recipient_named(session, "u-1"), whole, sealer=sealer)


async def _choose(session: Any, *choices: Any, source: Any = "recipient", **more: Any) -> Any:
    holder = await preferences_holder(session, "u-1")
    return await change_preferences(session, holder, choices, source=source, **more)


async def _times(session: Any, given: Any) -> Any:
    return await set_times(session, await preferences_holder(session, "u-1"), given)


def _put(**given: Any) -> Call:
    return lambda session, sealer: put_recipient(session, "u-9", RecipientInput(**given), sealer=sealer)


def _tell(what: Any = "plain", to: Any = EVERYBODY, **given: Any) -> Call:
    given = {"data": {"text": "Come on."}, "channels": ["sms"]} | given
    return lambda session, sealer: notify(session, what, to, sealer=sealer, **given)


def _change(key: Any, **given: Any) -> Call:
    return lambda session, _: change_topic(session, key, TopicChange(**given))


FAULTS: list[tuple[str, Call, list[tuple[str, str]]]] = [
    *(
        (f"topic {key!r:.12}", _change(key, add=["u-1"]), [("key", "malformed")])
        for key in ("par t", "", "../x", "a\nb", "t" * 200, None, 5, "\0", "\ud800")
    ),
    ("a word for a list", _change("t", add="par-1"), [("add", "malformed")]),
    (
        "all of a topic at once",
        _change("", add=["u-1", 5, "a\0"], remove=[None]),
        [("key", "malformed"), ("add[1]", "malformed"), ("add[2]", "malformed"), ("remove[0]", "malformed")],
    ),
    ("an unknown member beside a key", _change("", add=["u-7"]), [("key", "malformed"), ("add[0]", "not_found")]),
    ("no change", lambda session, _: change_topic(session, "t", W({"add": []})), [("", "malformed")]),
    ("platform", lambda *at: _device(*at, platform="windows"), [("platform", "unknown_value")]),
    *(
        (f"token {token!r:.9}", lambda *at, token=token: _device(*at, token=token), [("token", "malformed")])
        for token in ("", "x", f"{TOKEN}\0", "t" * 5_000, b"bk3RNwTe3H0", None)
    ),
    (
        "device",
        lambda *at: _device(*at, locale="x" * 200, time_zone=5),
        [("locale", "malformed"), ("time_zone", "malformed")],
    ),
    ("zone", lambda *at: _device(*at, time_zone="Mars/X"), [("time_zone", "unknown_value")]),
    (
        "frequency",
        lambda session, _: _choose(session, frequencies=[FrequencyChoice(scope="all", frequency=W("hourly"))]),
        [("frequencies[0].frequency", "unknown_value")],
    ),
    ("source", lambda session, _: _choose(session, source="martian"), [("source", "unknown_value")]),
    (
        "allowed",
        lambda session, _: _choose(session, PreferenceChoice(scope="all", channel="email", allowed=W("no"))),
        [("choices[0].allowed", "malformed")],
    ),
    (
        "taken back",
        lambda session, _: _choose(session, PreferenceChoice(scope="type", name="a\0", allowed=None), W({})),
        [("choices[0].name", "malformed"), ("choices[1]", "malformed")],
    ),
    (
        "whose",
        lambda session, _: change_preferences(session, W("u-1"), [], source="recipient"),
        [("holder", "malformed")],
    ),
    (
        "times",
        lambda session, _: _times(session, OwnTimes(time_zone=W(5), quiet_hours=QuietHours(starts="25:00", ends="7"))),
        [("time_zone", "malformed"), ("quiet_hours.from", "malformed"), ("quiet_hours.to", "malformed")],
    ),
    ("no times", lambda session, _: _times(session, W(None)), [("", "malformed")]),
    (
        "defaults",
        lambda session, _: set_digest_defaults(session, DefaultDigestTime(at="8", weekday=9)),
        [("at", "malformed"), ("weekday", "out_of_range")],
    ),
    ("account as text", _put(user_id=str(ONE)), [("user_id", "malformed")]),
    (
        "person",
        _put(name=5, tags="vip", digest=DigestTime(at=W(8)), time_zone=b"UTC"),
        [("name", "malformed"), ("time_zone", "malformed"), ("tags", "malformed"), ("digest.at", "malformed")],
    ),
    ("name", _put(name="Ada\ud800"), [("name", "malformed")]),
    (
        "no person",
        lambda session, sealer: put_recipient(session, "u-9", W({"name": "Ada"}), sealer=sealer),
        [("", "malformed")],
    ),
    (
        "id",
        lambda session, sealer: put_recipient(session, W(["u"]), RecipientInput(), sealer=sealer),
        [("external_id", "malformed")],
    ),
    (
        "people",
        lambda session, sealer: import_recipients(session, W([{"external_id": "u"}]), sealer=sealer),
        [("recipients[0]", "malformed")],
    ),
    (
        "of people",
        lambda session, sealer: import_recipients(
            session, [NamedRecipient(external_id="a\0", email=W(5))], sealer=sealer
        ),
        [("recipients[0].email", "malformed"), ("recipients[0].external_id", "malformed")],
    ),
    (
        "no list",
        lambda session, sealer: import_recipients(session, W("u-1"), sealer=sealer),
        [("recipients", "malformed")],
    ),
    ("account", lambda session, _: recipient_of_member(session, W("x")), [("user_id", "malformed")]),
    (
        "inbox",
        lambda session, sealer: list_inbox(session, sealer, W("x"), state=W("martian")),
        [("state", "unknown_value"), ("recipient_id", "malformed")],
    ),
    ("counts", lambda session, _: count_inbox(session, W("x")), [("recipient_id", "malformed")]),
    (
        "changes",
        lambda session, sealer: inbox_changes(session, sealer, ONE, after=W("5"), limit=5),
        [("after", "malformed")],
    ),
    ("mark", lambda session, _: mark_inbox(session, W("x"), "read", ids=[ONE]), [("recipient_id", "malformed")]),
    ("moment as text", _tell(send_at="2027-01-01T00:00:00Z"), [("send_at", "malformed")]),
    ("class", _tell(PlainSms), [("type", "malformed")]),
    ("bytes", _tell(data={"text": "x", "more": {"in": [b"A"]}}), [("data.more.in[0]", "malformed")]),
    ("bytes of one", _tell(to=[Target(phone="+15555550100", data={"text": b"A"})]), [("to[0].data.text", "malformed")]),
    ("account of a target", _tell(to=[Target(user_id=W(str(ONE)))]), [("to[0].user_id", "malformed")]),
    ("cancel", lambda session, _: cancel_notification(session, W("x")), [("notification_id", "malformed")]),
    (
        "cancel for",
        lambda session, _: cancel_notification(session, ONE, recipients=W("u-1")),
        [("recipients", "malformed")],
    ),
    ("pause", lambda session, _: pause_notification(session, W("x")), [("notification_id", "malformed")]),
    ("resume", lambda session, _: resume_notification(session, W(str(ONE))), [("notification_id", "malformed")]),
    ("read", lambda session, _: read_notification(session, W("x")), [("notification_id", "malformed")]),
    (
        "pickup",
        lambda session, sealer: remind_of_pickup(
            session, "A", Target(recipient="u-1"), pickup=W("soon"), sealer=sealer, data={}
        ),
        [("pickup", "malformed")],
    ),
    (
        "explain",
        lambda session, _: explain(session, W(5), "sms", recipient="a\0", at=W("now")),
        [("type", "malformed"), ("recipient", "malformed"), ("at", "malformed")],
    ),
]
NOBODY: dict[str, Call] = {
    "recipient_named": lambda session, _: recipient_named(session, "a\0"),
    "a list": lambda session, _: recipient_named(session, W(["a"])),
    "read_recipient": lambda session, sealer: read_recipient(session, W({}), sealer=sealer),
    "half": lambda session, sealer: read_recipient(session, "\ud800", sealer=sealer),
    "remove_recipient": lambda session, _: remove_recipient(session, "a\0"),
    "erase_recipient": lambda session, sealer: erase_recipient(session, W(5), sealer=sealer),
    "preferences_holder": lambda session, _: preferences_holder(session, "a\0"),
    "read_topic": lambda session, _: read_topic(session, "a\0"),
    "remove_topic": lambda session, _: remove_topic(session, W(["a"])),
}


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization's recipients."""
    return await Crowd.of(bench)


@pytest.fixture(params=["memory", "database"])
async def where(request: pytest.FixtureRequest, crowd: Crowd) -> Any:
    """Where people are, with one of them."""
    found: Any = MemoryNotifications() if request.param == "memory" else crowd.db
    async with found.tenant(crowd.organization) as session:
        await put_recipient(session, "u-1", RecipientInput(), sealer=crowd.sealer)
    return found


async def test_hostile_values_are_told_by_path_and_nothing_is_kept(where: Any, crowd: Crowd) -> None:
    for name, call, faults in FAULTS:
        with pytest.raises((PeopleError, PreferenceError, InvalidNotificationError, QuestionError)) as caught:
            async with where.tenant(crowd.organization) as session:
                await call(session, crowd.sealer)
        assert [(one.field, one.code) for one in caught.value.faults] == faults, name
        assert not any("expected form" in one.message for one in caught.value.faults), name
    async with where.tenant(crowd.organization) as session:
        for key in ("t", "par t", ""):
            with pytest.raises(TopicNotFoundError):
                await read_topic(session, key)
        assert not (await read_preferences(session, await preferences_holder(session, "u-1"))).choices
        assert await read_digest_defaults(session) == DefaultDigestTime()
        assert await read_times(session, await preferences_holder(session, "u-1")) == OwnTimes()
        with pytest.raises(RecipientNotFoundError):
            await recipient_named(session, "u-9")


async def test_what_nobody_can_be_called_is_not_there(where: Any, crowd: Crowd) -> None:
    for name, call in NOBODY.items():
        with pytest.raises(CommsError) as caught:
            async with where.tenant(crowd.organization) as session:
                await call(session, crowd.sealer)
        assert isinstance(caught.value, RecipientNotFoundError | TopicNotFoundError), name
    async with where.tenant(crowd.organization) as session:
        assert await cancel_by_key(session, "a\0") is None


async def test_a_topic_of_the_time_when_any_key_was_taken_can_be_taken_away(crowd: Crowd) -> None:
    await crowd.add("u-1")
    await crowd.topic("par t", "u-1")
    async with crowd.db.tenant(crowd.organization) as session:
        await remove_topic(session, "par t")
        with pytest.raises(TopicNotFoundError):
            await read_topic(session, "par t")


async def test_lists_are_asked_for_by_what_there_can_be(crowd: Crowd) -> None:
    async with crowd.db.tenant(crowd.organization) as session:
        with pytest.raises(InvalidNotificationError) as caught:
            await list_notifications(session, state=W("martian"))
        assert [one.field for one in caught.value.faults] == ["state"]
        with pytest.raises(PeopleError) as wrong:
            await list_recipients(session, sealer=crowd.sealer, tag="a\0", user_id=W("x"))
        assert [one.field for one in wrong.value.faults] == ["user_id", "tag"]


async def test_a_class_in_place_of_a_type_is_told_the_types_name(where: Any, crowd: Crowd) -> None:
    with pytest.raises(InvalidNotificationError, match="such as plain, or a message of it, not its class"):
        async with where.tenant(crowd.organization) as session:
            await _tell(PlainSms)(session, crowd.sealer)


async def test_what_http_takes_in_place_of_a_struct_is_kept_as_one(where: Any, crowd: Crowd) -> None:
    given = RecipientInput(quiet_hours=W({"from": "22:00", "to": "07:00"}))
    async with where.tenant(crowd.organization) as session:
        kept, _ = await put_recipient(session, "u-2", given, sealer=crowd.sealer)
    assert kept.quiet_hours == QuietHours(starts="22:00", ends="07:00")
