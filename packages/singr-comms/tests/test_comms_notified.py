"""A notification is stored, moved, paused and ended as if nobody else were at it, and however many there are."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from comms_crowds import Crowd
from comms_waiting import waits
from sqlalchemy import text

from singr_comms import PlainSms
from singr_comms.catalogue import message_types
from singr_comms.notifications.channels import rates_of
from singr_comms.notifications.sending._guards import SmsGuards
from singr_comms.notifications.sending._ordinary import OrdinaryWay, nothing_before
from singr_comms.notifications.sending._quotas import Quotas
from singr_comms.notifications.sending._suppressions import CODES, Suppressions, _stops
from singr_comms.notifications.sending._try import OVER, UNWANTED
from singr_comms.notifying import Audience, cancel_notification, pause_notification
from singr_comms.notifying.chores._see_notifications_off import SeeNotificationsOff
from singr_config import LimitSettings
from singr_db import new_id

EVERYBODY = Audience(all=True)
OF_CATEGORIES = ("category:general", "category:orders")
SMS = PlainSms(text="Come on.")
STOP = """
INSERT INTO suppressions (id, organization_id, channel, address_hash, address_masked, scope, reason)
SELECT :id, :organization, 'email', email_hash, '***', :scope, :reason FROM recipients WHERE external_id = :name
"""


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization's recipients."""
    return await Crowd.of(bench)


def soon(hours: int = 1) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


async def test_a_key_is_free_for_whoever_waited_while_its_notification_was_cancelled(crowd: Crowd) -> None:
    first = await crowd.tell(SMS, EVERYBODY, send_at=soon(), deduplication_key="pickup-7")
    async with crowd.db.tenant(crowd.organization) as session:
        await session.execute(text("SELECT FROM notifications WHERE id = :id FOR UPDATE"), {"id": first.id})
        telling = asyncio.create_task(crowd.tell(SMS, EVERYBODY, deduplication_key="pickup-7", replace=True))
        await waits(crowd.db, telling)
        await cancel_notification(session, first.id)
    second = await telling
    assert second.is_new
    assert second.id != first.id


async def test_a_known_key_is_told_though_its_notification_is_at_work(crowd: Crowd) -> None:
    first = await crowd.tell(SMS, EVERYBODY, send_at=soon(), deduplication_key="pickup-7")
    async with crowd.db.tenant(crowd.organization) as session:
        await session.execute(text("SELECT FROM notifications WHERE id = :id FOR UPDATE"), {"id": first.id})
        async with asyncio.timeout(20):
            again = await crowd.tell(SMS, EVERYBODY, deduplication_key="pickup-7")
    assert (again.id, again.is_new) == (first.id, False)


async def test_what_takes_the_place_of_another_is_neither_paused_nor_leaves_anybody_out(crowd: Crowd) -> None:
    await crowd.add("u-1", "u-2")
    first = await crowd.tell(SMS, EVERYBODY, send_at=soon(), deduplication_key="pickup-7")
    async with crowd.db.tenant(crowd.organization) as session:
        await cancel_notification(session, first.id, recipients=["u-2"])
        await pause_notification(session, first.id)
    moved = await crowd.tell(SMS, EVERYBODY, deduplication_key="pickup-7", replace=True)
    assert moved.id == first.id
    assert await crowd.decide(moved, turn=2) == 2
    assert [(row.external_id, row.code) for row in await crowd.messages(moved)] == [("u-1", None), ("u-2", None)]


async def test_whoever_is_left_out_again_is_noted_once(crowd: Crowd) -> None:
    await crowd.add("u-1", "u-2")
    told = await crowd.tell(SMS, EVERYBODY)
    async with crowd.db.tenant(crowd.organization) as session:
        for names in ([], ["u-1"], ["u-2", "u-1"], []):
            await cancel_notification(session, told.id, recipients=names)
    standing = await crowd.standing(told)
    assert sorted(standing.audience["without"]) == sorted(str(crowd.ids[name]) for name in ("u-1", "u-2"))


async def test_those_that_wait_for_their_messages_keep_no_other_one_from_ending(crowd: Crowd) -> None:
    await crowd.add("u-1")
    waiting = [await crowd.tell(SMS, EVERYBODY) for _ in range(2)]
    last = await crowd.tell(SMS, EVERYBODY)
    for told in (*waiting, last):
        await crowd.decide(told)
    await crowd.run("UPDATE messages SET status = 'sent' WHERE notification_id = :id", id=last.id)
    chore = SeeNotificationsOff(crowd.db)
    chore.piece = 2
    assert [await chore.work(), await chore.work()] == [0, 1]
    assert (await crowd.standing(last)).state == "done"
    await crowd.run("UPDATE messages SET status = 'sent'")
    assert await chore.work() == 2  # from the first one again


async def test_what_has_ended_is_paused_no_more(crowd: Crowd) -> None:
    await crowd.add("u-1")
    done, cancelled = [await crowd.tell(SMS, EVERYBODY) for _ in range(2)]
    for told in (done, cancelled):
        await crowd.decide(told)
        async with crowd.db.tenant(crowd.organization) as session:
            await pause_notification(session, told.id)
    async with crowd.db.tenant(crowd.organization) as session:
        await cancel_notification(session, cancelled.id)
    await crowd.run("UPDATE messages SET status = 'unknown' WHERE notification_id = :id", id=done.id)
    assert await SeeNotificationsOff(crowd.db).work() == 1
    for told, state in ((done, "done"), (cancelled, "cancelled")):
        standing = await crowd.standing(told)
        assert (standing.state, standing.paused_at) == (state, None)


@pytest.mark.parametrize("kind", ["plain", "news", "password_reset", "security_notice"])
async def test_an_address_that_is_stopped_is_so_at_the_decision_as_it_is_when_an_attempt_begins(
    crowd: Crowd, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = message_types.named("plain" if kind == "news" else kind)
    assert declared is not None
    monkeypatch.setattr(declared, "mandatory", kind != "plain")  # as `news` would be, of which none comes along
    [message] = [message for channel, message in declared.samples() if channel == "email"][:1]
    stops = [(reason, scope) for reason in CODES for scope in ("all", "marketing", *OF_CATEGORIES)]
    for reason, scope in stops:
        await crowd.add(f"{reason}-{scope}")
        values = {"id": new_id(), "name": f"{reason}-{scope}", "reason": reason, "scope": scope}
        await crowd.run(STOP, **values)
    told = await crowd.tell(message, EVERYBODY)
    await crowd.decide(told)
    found = {row.external_id: row.code for row in await crowd.messages(told)}
    assert found == {
        f"{reason}-{scope}": CODES[reason][0] if _stops(declared.name, reason, scope) else None
        for reason, scope in stops
    }


async def test_what_is_paused_after_it_was_read_begins_no_attempt(crowd: Crowd, bench: Any, database_url: str) -> None:
    await crowd.add("u-1")
    told = await crowd.tell("plain", EVERYBODY, channels=["email"], data={"title": "You", "text": "Come on."})
    await crowd.decide(told)
    [message] = await crowd.messages(told)

    def paused_meanwhile(_row: Any) -> float:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("UPDATE notifications SET paused_at = now()")
        return 60.0

    limits = LimitSettings()
    quotas = Quotas(bench.sealer, **rates_of(limits), guards=SmsGuards(bench.sealer, limits))
    way = OrdinaryWay(crowd.db, quotas, Suppressions(bench.sealer), lambda _row: None)
    opened = await way.begin(
        message.id,
        organization_id=crowd.organization,
        channel="email",
        provider="memory",
        token="a",
        remaining=paused_meanwhile,
        before=nothing_before,
    )
    assert opened is None
    assert [row.status for row in await crowd.messages(told)] == ["queued"]


async def test_a_reason_is_told_in_the_same_words_at_the_decision_and_when_an_attempt_begins(crowd: Crowd) -> None:
    await crowd.add("expired", "unwilling")
    await crowd.run(
        "INSERT INTO preferences (id, organization_id, recipient_id, scope, name, channel, allowed, source)"
        " VALUES (:id, :organization, :who, 'type', 'plain', 'sms', false, 'recipient')",
        id=new_id(),
        who=crowd.ids["unwilling"],
    )
    told = await crowd.tell(SMS, EVERYBODY)
    await crowd.decide(told)
    late = await crowd.tell(SMS, EVERYBODY, expires_at=soon())
    await crowd.run("UPDATE notifications SET expires_at = now() WHERE id = :id", id=late.id)
    await crowd.decide(late)
    async with crowd.db.platform() as session:
        words = await session.scalars(text("SELECT error ->> 'message' FROM messages"))
    assert set(words) == {UNWANTED.format(rule="recipient:type+channel"), OVER.message, None}
