"""A notification reaches each recipient once by each channel, or says why it does not."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from comms_crowds import Crowd
from comms_waiting import waits
from sqlalchemy import text

from singr_comms import PlainSms
from singr_comms.notifications import SmsRequest, queue_message
from singr_comms.notifications._rows import prints_of
from singr_comms.notifying import (
    Audience,
    Cancelled,
    InvalidNotificationError,
    NotificationStateError,
    Target,
    cancel_notification,
    notify,
    pause_notification,
    read_notification,
    resume_notification,
)
from singr_comms.notifying.chores._see_notifications_off import SeeNotificationsOff
from singr_comms.people import TopicInUseError, read_topic, remove_topic
from singr_db import new_id
from singr_jobs import PermanentError, Priority, Queue, RetryLater
from singr_jobs.taking._claims import Claimant, take

EVERYBODY = Audience(all=True)
NAMES = [f"u-{number:03}" for number in range(25)]


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization's recipients."""
    return await Crowd.of(bench)


async def run(crowd: Crowd, statement: str, **values: Any) -> None:
    await crowd.run(statement, **values)


async def test_everybody_gets_one_message_with_a_job_of_its_own(crowd: Crowd, bench: Any) -> None:
    await crowd.add(*NAMES)
    told = await crowd.tell(PlainSms(text="Come on."), EVERYBODY)
    assert (told.state, told.is_new) == ("deciding", True)
    assert await crowd.decide(told, bite=10) == 25
    rows = await crowd.messages(told)
    assert [row.external_id for row in rows] == NAMES
    assert {(row.status, row.job, row.job_type, row.id == row.job_id) for row in rows} == {
        ("queued", "pending", "sms.send", True)
    }
    await bench.sender().send("sms", rows[0].id, organization_id=crowd.organization, is_last_attempt=False)
    [sent] = bench.sms.sent
    assert (sent.to, sent.message.text) == ("+15555550000", "Come on.")
    standing = await crowd.standing(told)
    assert (standing.state, standing.decided) == ("sending", 25)


async def test_jobs_of_a_notification_are_taken_by_workers(crowd: Crowd) -> None:
    await crowd.add("u-1")
    told = await crowd.tell(PlainSms(text="Come on."), EVERYBODY, priority=Priority.LOW)
    await crowd.decide(told)
    async with crowd.db.platform() as session:
        ready = (await session.execute(text("SELECT queue, priority, id FROM job_ready WHERE type = 'sms.send'"))).all()
    assert [tuple(one) for one in ready] == [("sms", 2, (await crowd.messages(told))[0].id)]


async def test_what_presses_and_what_others_send_is_taken_before_all_the_rest_of_a_crowd(crowd: Crowd) -> None:
    await crowd.add(*NAMES)
    await crowd.decide(await crowd.tell(PlainSms(text="Come on."), EVERYBODY))
    pressing = await crowd.tell(PlainSms(text="Now."), [Target(recipient="u-007")], priority=Priority.HIGH)
    await crowd.decide(pressing)
    async with crowd.db.platform() as session:
        request = SmsRequest(to="+15555550123", message=PlainSms(text="Hello."))
        others = await queue_message(session, request, sealer=crowd.sealer, organization_id=new_id())
        await session.execute(text("INSERT INTO job_gates (name) VALUES ('sms') ON CONFLICT DO NOTHING"))
    by_hand, first = Claimant("by-hand", 15.0, ["sms.send"]), UUID(int=0)
    taken = await take(crowd.db.psycopg, Queue.SMS, by_hand, token=1, room=2, places=2, after=first, organizations=200)
    [message] = await crowd.messages(pressing)
    assert {job.id for job in taken.jobs} == {message.job_id, others.job_id}


async def test_each_who_gets_nothing_has_the_reason_and_no_job(crowd: Crowd) -> None:
    await crowd.add("bounced", "complained", "fine", "unwilling")
    await crowd.add("nowhere", phone=False)
    stop = (
        "INSERT INTO suppressions (id, organization_id, channel, address_hash, address_masked, scope, reason)"
        " SELECT :id, :organization, 'sms', phone_hash, '***', 'all', :reason FROM recipients"
        " WHERE external_id = :reason"
    )
    await run(crowd, stop, id=new_id(), reason="bounced")
    await run(crowd, stop, id=new_id(), reason="complained")
    no = (
        "INSERT INTO preferences (id, organization_id, recipient_id, scope, name, channel, allowed, source)"
        " VALUES (:id, :organization, :who, 'type', 'plain', 'sms', false, 'recipient')"
    )
    await run(crowd, no, id=new_id(), who=crowd.ids["unwilling"])
    told = await crowd.tell(PlainSms(text="Come on."), EVERYBODY)
    await crowd.decide(told)
    found = {
        row.external_id: (row.status, row.code, row.job, bool(row.content_sealed)) for row in await crowd.messages(told)
    }
    assert found == {
        "bounced": ("suppressed", "bounced_before", None, False),
        "complained": ("suppressed", "complained_before", None, False),
        "fine": ("queued", None, "pending", True),
        "nowhere": ("suppressed", "no_address", None, False),
        "unwilling": ("suppressed", "preference", None, False),
    }
    rules = {row.external_id: row.rule for row in await crowd.messages(told)}
    assert rules["unwilling"] == "recipient:type+channel"
    async with crowd.db.tenant(crowd.organization) as session:
        detail = await read_notification(session, told.id)
    assert detail is not None
    assert detail.messages == 5
    assert {(one.status, one.reason): one.messages for one in detail.counts} == {
        ("queued", None): 1,
        ("suppressed", "bounced_before"): 1,
        ("suppressed", "complained_before"): 1,
        ("suppressed", "no_address"): 1,
        ("suppressed", "preference"): 1,
    }


async def test_a_push_goes_to_every_device_that_is_on_and_says_where_there_is_none(crowd: Crowd) -> None:
    await crowd.add("two", "none")
    await crowd.device("two", "device-token:0123456789")
    await crowd.device("two", "device-token:9876543210")
    data = {"title": "Now", "text": "Come on."}
    told = await crowd.tell("plain", EVERYBODY, data=data, channels=["push", "sms"])
    await crowd.decide(told)
    found = Counter((row.external_id, row.channel, row.code) for row in await crowd.messages(told))
    assert found == {
        ("two", "push", None): 2,
        ("two", "sms", None): 1,
        ("none", "push", "no_device"): 1,
        ("none", "sms", None): 1,
    }


async def test_named_ones_get_what_is_said_to_them(crowd: Crowd, bench: Any) -> None:
    await crowd.add("u-1", "u-2")
    to = [
        Target(recipient="u-1", data={"text": "You are first."}),
        Target(recipient="u-2"),
        Target(phone="+15555550199"),
    ]
    told = await crowd.tell("plain", to, data={"text": "Come on."}, channels=["sms"], priority=Priority.HIGH)
    assert await crowd.decide(told) == 3
    for row in await crowd.messages(told):
        await bench.sender().send("sms", row.id, organization_id=crowd.organization, is_last_attempt=False)
    assert {one.to: one.message.text for one in bench.sms.sent} == {
        "+15555550000": "You are first.",
        "+15555550001": "Come on.",
        "+15555550199": "Come on.",
    }


async def test_tags_and_topics_reach_those_who_have_them_when_their_turn_comes(crowd: Crowd) -> None:
    await crowd.add("a", "b", "c", tags=["berlin", "regular"])
    await crowd.add("d", tags=["berlin"])
    topic = await crowd.topic("farm-9", "b")
    tagged = await crowd.tell(PlainSms(text="1"), Audience(tags=["berlin", "regular"]))
    members = await crowd.tell(PlainSms(text="2"), Audience(topic="farm-9"))
    await crowd.join(topic, "d")
    await crowd.decide(tagged)
    await crowd.decide(members)
    assert [row.external_id for row in await crowd.messages(tagged)] == ["a", "b", "c"]
    assert [row.external_id for row in await crowd.messages(members)] == ["b", "d"]


async def test_a_topic_whose_members_have_yet_to_be_reached_is_not_removed(crowd: Crowd) -> None:
    await crowd.add("a")
    await crowd.topic("farm-9", "a")
    later = datetime.now(UTC) + timedelta(days=90)
    waiting = await crowd.tell(PlainSms(text="1"), Audience(topic="farm-9"), send_at=later)
    async with crowd.db.tenant(crowd.organization) as session:
        with pytest.raises(TopicInUseError, match=str(waiting.id)) as caught:
            await remove_topic(session, "farm-9")
        assert caught.value.notification_ids == (waiting.id,)
        assert (await read_topic(session, "farm-9")).members == 1
        await cancel_notification(session, waiting.id)
        await remove_topic(session, "farm-9")


async def test_a_topic_is_not_removed_while_its_members_are_being_told(crowd: Crowd) -> None:
    await crowd.add("a")
    await crowd.topic("farm-9", "a")
    async with crowd.db.tenant(crowd.organization) as telling:
        sent = await notify(
            telling, "plain", Audience(topic="farm-9"), sealer=crowd.sealer, data={"title": "A", "text": "B"}
        )

        async def remove() -> None:
            async with crowd.db.tenant(crowd.organization) as session:
                await remove_topic(session, "farm-9")

        removing = asyncio.create_task(remove())
        await waits(crowd.db, removing)
    with pytest.raises(TopicInUseError, match=str(sent.id)):
        await removing


async def test_every_fault_is_told_at_once_by_its_path_and_nothing_is_stored(crowd: Crowd) -> None:
    await crowd.add("u-1")
    to = [
        Target(recipient="u-1"),
        Target(phone="0171 2345678"),
        Target(recipient="u-1"),
        Target(),
        Target(email="jane@example.org"),
    ]
    past = datetime.now(UTC) - timedelta(hours=1)
    with pytest.raises(InvalidNotificationError) as caught:
        await crowd.tell("plain", to, channels=["sms"], data={"text": "", "colour": "red"}, expires_at=past)
    assert {one.field for one in caught.value.faults} == {
        "to[1].phone", "to[2]", "to[3]", "to[4].email", "data.text", "data.colour", "expires_at",
    }  # fmt: skip
    wrong: tuple[tuple[Any, str], ...] = (
        ([Target(recipient="nobody")], "to[0].recipient"),
        (Audience(topic="nothing"), "to.topic"),
        ([Target(recipient=str(number)) for number in range(1_001)], "to"),
        (Audience(), "to"),
    )
    for whom, field in wrong:
        with pytest.raises(InvalidNotificationError) as caught:
            await crowd.tell(PlainSms(text="1"), whom)
        assert [one.field for one in caught.value.faults] == [field]
    with pytest.raises(InvalidNotificationError, match="priority"):
        await crowd.tell(PlainSms(text="1"), EVERYBODY, priority=Priority.HIGH)
    async with crowd.db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM notifications")) == 0
        assert await session.scalar(text("SELECT count(*) FROM jobs")) == 0


async def test_a_known_key_makes_no_second_one_and_moves_the_first_only_while_it_is_scheduled(crowd: Crowd) -> None:
    await crowd.add("u-1")
    soon, later = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, 2))
    first = await crowd.tell(PlainSms(text="1"), EVERYBODY, send_at=soon, deduplication_key="pickup-7")
    again = await crowd.tell(PlainSms(text="2"), EVERYBODY, deduplication_key="pickup-7")
    assert (first.state, again) == ("scheduled", type(first)(first.id, "scheduled", is_new=False))
    moved = await crowd.tell(PlainSms(text="3"), EVERYBODY, send_at=later, deduplication_key="pickup-7", replace=True)
    assert moved == again
    assert (await crowd.standing(first)).send_at == later
    assert await crowd.decide(first, turn=1) == 0  # the job of before has nothing to do any more
    async with crowd.db.tenant(crowd.organization) as session:
        assert await cancel_notification(session, first.id) == Cancelled(0, 0, 0)
    third = await crowd.tell(PlainSms(text="4"), EVERYBODY, deduplication_key="pickup-7")
    assert third.is_new
    with pytest.raises(NotificationStateError, match="has begun"):
        await crowd.tell(PlainSms(text="5"), EVERYBODY, deduplication_key="pickup-7", replace=True)


async def test_a_cancellation_counts_what_it_stopped_and_what_it_could_not(crowd: Crowd, bench: Any) -> None:
    await crowd.add(*NAMES[:5])
    told = await crowd.tell(PlainSms(text="1"), EVERYBODY)
    await crowd.decide(told)
    sent, moving, *_ = rows = await crowd.messages(told)
    await bench.sender().send("sms", sent.id, organization_id=crowd.organization, is_last_attempt=False)
    await run(crowd, "UPDATE messages SET status = 'dispatched', attempts = 1 WHERE id = :id", id=moving.id)
    async with crowd.db.tenant(crowd.organization) as session:
        assert await cancel_notification(session, told.id, recipients=[NAMES[2]]) == Cancelled(1, 0, 0)
        assert await cancel_notification(session, told.id) == Cancelled(2, 1, 1)
        assert await cancel_notification(session, told.id) == Cancelled(0, 1, 1)
    found = [(row.status, row.code, row.job) for row in await crowd.messages(told)]
    assert found[2:] == [("suppressed", "cancelled", "cancelled")] * 3
    assert len(rows) == 5
    assert (await crowd.standing(told)).state == "cancelled"


async def test_who_is_left_out_before_the_turn_comes_gets_nothing(crowd: Crowd) -> None:
    await crowd.add("u-1", "u-2")
    told = await crowd.tell(PlainSms(text="1"), EVERYBODY)
    async with crowd.db.tenant(crowd.organization) as session:
        await cancel_notification(session, told.id, recipients=["u-2"])
    await crowd.decide(told)
    assert [(row.external_id, row.code) for row in await crowd.messages(told)] == [("u-1", None), ("u-2", "cancelled")]


async def test_a_cancelled_one_is_decided_no_further_and_a_paused_one_once_it_is_resumed(crowd: Crowd) -> None:
    await crowd.add(*NAMES)
    told = await crowd.tell(PlainSms(text="1"), EVERYBODY, per_minute=60)
    assert await crowd.decide(told) == 10  # as many as may go in ten seconds
    async with crowd.db.tenant(crowd.organization) as session:
        await pause_notification(session, told.id)
    assert await crowd.decide(told, turn=2) == 0
    async with crowd.db.tenant(crowd.organization) as session:
        await resume_notification(session, told.id)
    assert await crowd.decide(told, turn=3) == 10
    async with crowd.db.tenant(crowd.organization) as session:
        await cancel_notification(session, told.id)
    assert [await crowd.decide(told, turn=turn) for turn in (4, 5)] == [0, 0]
    assert Counter(row.code for row in await crowd.messages(told)) == {"cancelled": 20}


async def test_a_pause_makes_a_campaign_no_faster(crowd: Crowd) -> None:
    await crowd.add(*NAMES)
    told = await crowd.tell(PlainSms(text="1"), EVERYBODY, per_minute=60)
    await crowd.decide(told)
    due = "SELECT run_at FROM jobs WHERE id = (SELECT job_id FROM notifications)"
    async with crowd.db.platform() as session:
        before = await session.scalar(text(due))
    for _ in range(2):
        async with crowd.db.tenant(crowd.organization) as session:
            await pause_notification(session, told.id)
            await resume_notification(session, told.id)
    async with crowd.db.platform() as session:
        assert await session.scalar(text(due)) == before
        assert await session.scalar(text("SELECT count(*) FROM jobs WHERE type = 'notification.fan_out'")) == 4


async def test_two_fan_outs_of_one_notification_reach_each_once(crowd: Crowd) -> None:
    await crowd.add(*NAMES)
    told = await crowd.tell(PlainSms(text="1"), EVERYBODY)
    decided = [await crowd.decide(told, bite=5), await crowd.decide(told, bite=5)]
    assert decided == [25, 0]
    assert [row.external_id for row in await crowd.messages(told)] == NAMES


async def test_a_notification_ends_with_its_messages_and_goes_on_where_its_job_is_gone(crowd: Crowd) -> None:
    await crowd.add("u-1")
    told = await crowd.tell(PlainSms(text="1"), EVERYBODY)
    chore = SeeNotificationsOff(crowd.db)
    assert await chore.work() == 0
    await run(crowd, "UPDATE jobs SET status = 'failed', finished_at = now()")
    await run(crowd, "UPDATE notifications SET created_at = now() - interval '2 minutes', updated_at = now()")
    assert await chore.work() == 0, "others may be at it"
    await run(crowd, "UPDATE notifications SET updated_at = now() - interval '2 minutes'")
    assert await chore.work() == 1
    assert await crowd.decide(told, turn=2) == 1
    assert await chore.work() == 0
    await run(crowd, "UPDATE messages SET status = 'sent'")
    assert await chore.work() == 1
    assert (await crowd.standing(told)).state == "done"


async def test_a_notification_whose_job_somebody_cancelled_is_cancelled_and_not_revived(crowd: Crowd) -> None:
    await crowd.add("u-1")
    told = await crowd.tell(PlainSms(text="1"), EVERYBODY)
    await run(crowd, "UPDATE jobs SET status = 'cancelled', finished_at = now()")
    await run(crowd, "UPDATE notifications SET updated_at = now() - interval '2 minutes'")
    assert [await SeeNotificationsOff(crowd.db).work() for _ in range(2)] == [1, 0]
    assert (await crowd.standing(told)).state == "cancelled"
    assert [await crowd.decide(told, turn=turn) for turn in (1, 2, 3)] == [0, 0, 0]


async def test_fingerprints_of_recipients_are_those_of_messages(crowd: Crowd) -> None:
    await crowd.add("u-1")
    async with crowd.db.platform() as session:
        found = await session.scalar(text("SELECT phone_hash FROM recipients"))
    assert bytes(found or b"") in prints_of(crowd.sealer, "+15555550000")


async def test_what_waits_is_not_sent_while_its_notification_is_paused_nor_after_its_time(
    crowd: Crowd, bench: Any
) -> None:
    await crowd.add("u-1", "u-2")
    told = await crowd.tell(PlainSms(text="1"), EVERYBODY)
    await crowd.decide(told)
    first, second = await crowd.messages(told)
    sender = bench.sender()
    async with crowd.db.tenant(crowd.organization) as session:
        await pause_notification(session, told.id)
    with pytest.raises(RetryLater, match="paused"):
        await sender.send("sms", first.id, organization_id=crowd.organization, is_last_attempt=True)
    async with crowd.db.tenant(crowd.organization) as session:
        await resume_notification(session, told.id)
    await sender.send("sms", first.id, organization_id=crowd.organization, is_last_attempt=True)
    await run(crowd, "UPDATE messages SET expires_at = now() - interval '1 second' WHERE id = :id", id=second.id)
    with pytest.raises(PermanentError, match="expired"):
        await sender.send("sms", second.id, organization_id=crowd.organization, is_last_attempt=True)
    assert len(bench.sms.sent) == 1
    assert [(row.status, row.code) for row in await crowd.messages(told)] == [
        ("sent", None),
        ("suppressed", "expired"),
    ]
