"""What is wrong with a notification is told at once, whatever knows it; and nothing is wrong that hinders nobody."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from comms_crowds import Crowd
from sqlalchemy import text

from singr_comms import InvalidDataError, InvalidMessageError, PlainSms, message_from
from singr_comms.notifications import MessageIntake
from singr_comms.notifying import Audience, InvalidNotificationError, Target, list_notifications, notify
from singr_comms.testing import MemoryNotifications
from singr_jobs import Priority

EVERYBODY = Audience(all=True)
SMS = PlainSms(text="Come on.")
NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001 - it is what is wrong


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization's recipients."""
    return await Crowd.of(bench)


async def faults(crowd: Crowd, what: Any, to: Any, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidNotificationError) as caught:
        await crowd.tell(what, to, **options)
    return [(one.field, one.code) for one in caught.value.faults]


async def test_whom_the_database_does_not_know_is_told_beside_all_else(crowd: Crowd) -> None:
    await crowd.add("u-1")
    async with crowd.db.platform() as session:
        user_id = await session.scalar(text("SELECT user_id FROM recipients"))
    to = [Target(recipient="u-1"), Target(recipient="u-9"), Target(user_id=user_id), Target(phone="0171")]
    assert await faults(crowd, SMS, to, channels=["sms"], replace=True) == [
        ("replace", "invalid"),
        ("to[3].phone", "malformed"),
        ("to[1].recipient", "not_found"),
        ("to[2].user_id", "repeated"),
    ]
    found = await faults(crowd, "plain", Audience(topic="nothing"), channels=["sms"], data={})
    assert found == [("data.text", "required"), ("to.topic", "not_found")]


async def test_every_fault_in_each_item_of_a_variable_is_told_by_its_path(crowd: Crowd) -> None:
    items: list[Any] = [{"title": "", "body": 7}, {"title": "New"}, {"body": "x", "more": 1}, 7]
    data = {"period": "daily", "first_day": "2026-11-28", "last_day": "2026-11-28", "link": "https://singr.example/"}
    assert await faults(crowd, "digest", EVERYBODY, data=data | {"items": items}) == [
        ("data.items[0].title", "invalid"),
        ("data.items[0].body", "invalid"),
        ("data.items[2].more", "invalid"),
        ("data.items[2].title", "required"),
        ("data.items[3]", "invalid"),
    ]
    found = await faults(crowd, "digest", EVERYBODY, data=data | {"items": [{"title": "\ud800"}]})
    assert found == [("data.items", "invalid")]  # what cannot be written as JSON has no path in it


async def test_span_of_a_digest_that_ends_before_it_begins_is_told_with_both_of_its_days(crowd: Crowd) -> None:
    days = {"first_day": "2026-11-28", "last_day": "2026-11-27"}
    data = {"period": "daily", **days, "link": "https://singr.example/", "items": [{"title": "New"}]}
    with pytest.raises(InvalidNotificationError) as caught:
        await crowd.tell("digest", EVERYBODY, data=data)
    assert [(one.field, one.message) for one in caught.value.faults] == [
        ("data.first_day", "must not be after last_day")
    ]
    with pytest.raises(InvalidDataError) as wrong:
        message_from("digest", "email", data)
    assert wrong.value.faults == {"first_day": "must not be after last_day"}
    with pytest.raises(InvalidMessageError, match="first_day: must not be after last_day"):
        msgspec.structs.replace(message_from("digest", "email", data | {"last_day": "2026-11-28"}), **days)


async def test_what_others_wrote_is_held_to_what_organizations_may_say_and_own_words_are_not(crowd: Crowd) -> None:
    known = MessageIntake(crowd.sealer, link_origins=["https://singr.example"])
    data = {"venue_name": "Blue", "artist": "Abba", "title": "Waterloo", "link": "https://elsewhere.example/x"}
    own = Target(phone="+15555550199", data={"link": "https://singr.example.elsewhere.example/"})
    asked: dict[str, Any] = {"to": [Target(phone="+15555550198"), own], "data": data, "channels": ["sms"]}
    found = await faults(crowd, "song_request", intake=known, **asked)
    assert found == [("data.link", "forbidden"), ("to[1].data.link", "forbidden")]
    reserved = await faults(crowd, "two_factor_code", EVERYBODY, intake=known, data={}, channels=["email"])
    assert reserved == [("type", "forbidden")]
    async with MemoryNotifications().tenant(crowd.organization) as session:
        with pytest.raises(InvalidNotificationError, match="MESSAGE_LINK_ORIGINS"):
            await notify(session, "song_request", sealer=crowd.sealer, intake=known, **asked)
        await notify(session, "song_request", sealer=crowd.sealer, **asked)


async def test_what_no_database_keeps_is_a_fault_of_its_field(crowd: Crowd) -> None:
    before = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    after = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12)))
    found = await faults(crowd, SMS, EVERYBODY, send_at=before, expires_at=after, per_minute=2**40)
    assert found == [(name, "out_of_range") for name in ("per_minute", "send_at", "expires_at")]
    nobody: Any = Target(user_id="u-1")  # type: ignore[arg-type]
    found = await faults(crowd, SMS, [nobody, Target(recipient="u\0")])
    assert found == [("to[0].user_id", "malformed"), ("to[1].recipient", "malformed")]


async def test_of_two_moments_each_is_told_what_is_wrong_with_it(crowd: Crowd) -> None:
    wrong = [("send_at", "malformed"), ("expires_at", "malformed"), ("replace", "invalid")]
    assert await faults(crowd, SMS, EVERYBODY, send_at=NAIVE, expires_at=NAIVE, replace=True) == wrong
    past = datetime.now(UTC) - timedelta(hours=1)
    wrong = [("send_at", "malformed"), ("expires_at", "out_of_range")]
    assert await faults(crowd, SMS, EVERYBODY, send_at=NAIVE, expires_at=past) == wrong


async def test_a_rate_is_for_crowds_since_named_ones_are_decided_at_once(crowd: Crowd) -> None:
    to = [Target(phone="+15555550199")]
    assert await faults(crowd, SMS, to, per_minute=60) == [("per_minute", "invalid")]
    assert (await crowd.tell(SMS, EVERYBODY, per_minute=60)).is_new


async def test_what_is_said_need_fit_no_channel_that_reaches_nobody(crowd: Crowd) -> None:
    await crowd.add("u-1")
    phone = Target(phone="+15555550199")
    told = await crowd.tell("plain", [phone], data={"text": "Come on."}, channels=["email", "sms"])
    assert await crowd.decide(told) == 1
    assert [(row.channel, row.status) for row in await crowd.messages(told)] == [("sms", "queued")]
    own = Target(recipient="u-1", data={"title": "You"})
    told = await crowd.tell("plain", [phone, own], data={"text": "Come on."}, channels=["email", "sms"])
    # A title says nothing by text message, so that nobody but the recipient needs one.
    await crowd.decide(told)
    assert sorted((row.channel, row.status) for row in await crowd.messages(told)) == [
        ("email", "queued"), ("sms", "queued"), ("sms", "queued"),
    ]  # fmt: skip
    everybody = [phone, Target(recipient="u-1")]
    found = await faults(crowd, "plain", everybody, data={"text": "Come on."}, channels=["email", "sms"])
    assert found == [("data.title", "required")]


async def test_an_address_by_no_channel_of_the_type_is_a_fault_whatever_is_said_to_it(crowd: Crowd) -> None:
    to = [Target(phone="+15555550199", data={"text": "You."})]
    assert await faults(crowd, "digest", to) == [("to[0].phone", "invalid")]


# What has not its form, by whoever gives it, and what is told of it: HTTP decodes by the same declaration.
MISSHAPEN: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"digest": "monthly"}, [("digest", "unknown_value")]),
    ({"digest": ""}, [("digest", "unknown_value")]),
    ({"deduplication_key": "a\0b"}, [("deduplication_key", "malformed")]),
    ({"deduplication_key": ""}, [("deduplication_key", "malformed")]),
    ({"deduplication_key": "k" * 201, "replace": 1}, [("deduplication_key", "malformed"), ("replace", "malformed")]),
    ({"priority": "urgent"}, [("priority", "unknown_value")]),
    ({"priority": True, "per_minute": "60"}, [("per_minute", "malformed"), ("priority", "unknown_value")]),
    ({"data": [1]}, [("data", "malformed")]),
    ({"data": {1: "x"}}, [("data", "malformed")]),
    ({"send_at": date(2030, 1, 1)}, [("send_at", "malformed")]),
    ({"send_at": NAIVE, "expires_at": "soon"}, [("send_at", "malformed"), ("expires_at", "malformed")]),
    ({"channels": "email"}, [("channels", "malformed")]),
    ({"channels": ["sms", 5]}, [("channels[1]", "malformed")]),
    ({"to": None, "priority": Priority.HIGH, "per_minute": 5}, [("to", "malformed")]),
    ({"to": ["u-1", Target(phone="0171")]}, [("to[0]", "malformed"), ("to[1].phone", "malformed")]),
    ({"to": Target(recipient=5)}, [("to[0].recipient", "malformed")]),  # type: ignore[arg-type] # what is wrong
    ({"to": Target(phone="+15555550199", data=[1])}, [("to[0].data", "malformed")]),  # type: ignore[arg-type] # likewise
    ({"to": Audience(topic="a\0b")}, [("to.topic", "malformed")]),
    ({"to": Audience(tags=["x", 5])}, [("to.tags[1]", "malformed")]),  # type: ignore[list-item] # likewise
    ({"what": 5, "digest": "monthly"}, [("type", "malformed"), ("digest", "unknown_value")]),
]


@pytest.mark.parametrize("in_memory", [False, True])
async def test_what_has_not_its_form_is_told_by_field_in_memory_as_in_the_database(
    crowd: Crowd, *, in_memory: bool
) -> None:
    where: Any = MemoryNotifications() if in_memory else crowd.db
    usual = {"what": "plain", "to": EVERYBODY, "data": {"text": "Come on."}, "channels": ["sms"]}
    for given, wrong in MISSHAPEN:
        with pytest.raises(InvalidNotificationError) as caught:
            async with where.tenant(crowd.organization) as session:
                await notify(session, sealer=crowd.sealer, **{**usual, **given})
        assert [(one.field, one.code) for one in caught.value.faults] == wrong, given
        assert all("expected form" not in one.message for one in caught.value.faults), given
    async with where.tenant(crowd.organization) as session:
        assert not (await list_notifications(session)).items if not in_memory else not where.messages


async def test_a_priority_goes_by_the_word_that_http_has_for_it(crowd: Crowd) -> None:
    told = await crowd.tell(SMS, [Target(phone="+15555550199")], priority="high")
    async with crowd.db.platform() as session:
        stored = await session.scalar(text("SELECT priority FROM notifications WHERE id = :id"), {"id": told.id})
    assert stored == Priority.HIGH
