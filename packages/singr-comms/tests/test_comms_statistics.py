"""How many messages came to what: right over weeks, as late callbacks leave them, for the own organization alone."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from comms_queueing import ORGANIZATION
from msgspec.structs import asdict
from sqlalchemy import text

from singr_comms.notifications import (
    DeliveryGroup,
    DeliveryStatistics,
    QuestionError,
    count_deliveries,
    delivery_statistics,
)
from singr_comms.notifications.reading._counting import BUCKET
from singr_config.clock import clock as time_of_day
from singr_db import Database, first_id, made_at
from singr_dev.clock import VirtualClock
from singr_jobs.minutes import bucket_of

OTHER = UUID("01920000-0000-7000-8000-0000000000be")
USER = UUID("01920000-0000-7000-8000-0000000000a1")
_ADD = text(
    "INSERT INTO messages (id, organization_id, user_id, channel, kind, status, provider, error, recipient_sealed,"
    " recipient_hash, recipient_masked, content_sealed, created_at, delivered_at) VALUES (:id, :organization, :user,"
    " :channel, :kind, :status, :provider, CAST(:error AS jsonb), '', '', '***', '', :at,"
    " CAST(:at AS timestamptz) + CAST(:seconds AS float8) * interval '1 second')"
)


async def made(
    db: Database,
    at: datetime,
    status: str,
    *,
    count: int = 1,
    kind: str = "song_request",
    provider: str | None = "mailjet",
    code: str | None = None,
    seconds: float | None = None,
    organization: UUID = ORGANIZATION,
    user: UUID | None = None,
) -> list[UUID]:
    """Messages that were asked for at a moment, and came to this."""
    ids = [UUID(int=first_id(at).int | random.getrandbits(62)) for _ in range(count)]
    rows = [
        {
            "id": one,
            "organization": organization,
            "user": user,
            "channel": "email",
            "kind": kind,
            "status": status,
            "provider": provider,
            "at": at,
            "seconds": seconds,
            "error": None if code is None else f'{{"code": "{code}"}}',
        }
        for one in ids
    ]
    async with db.platform() as session:
        await session.execute(_ADD, rows)
    return ids


async def told(
    db: Database, by: Sequence[str] = (), *, days: float = 30, organization: UUID = ORGANIZATION
) -> DeliveryStatistics:
    now = time_of_day.now()
    async with db.tenant(organization) as session:
        return await delivery_statistics(session, by=by, since=now - timedelta(days=days), until=now)


def stands(group: DeliveryGroup) -> dict[str, int]:
    """How many stand where, but for none."""
    return {state: count for state, count in asdict(group.states).items() if count}


async def test_buckets_are_those_that_percentiles_are_read_from(db: Database) -> None:
    seconds = [0.0, -3.0, 1e-5, 7e-5, 0.001, 0.3, 0.99, 1.0, 1.4, 1.51, 2.5, 3600.0, 86_400.0, 131_071.0, 1e9]
    given = "unnest(CAST(:seconds AS float8[])) WITH ORDINALITY AS one (seconds, at)"
    query = text(f"SELECT {BUCKET} FROM {given} ORDER BY at")
    async with db.platform() as session:
        assert list(await session.scalars(query, {"seconds": seconds})) == list(map(bucket_of, seconds))


async def test_counts_are_right_over_weeks_by_everything_that_can_be_told_apart(
    clock: VirtualClock, db: Database
) -> None:
    now = time_of_day.now()
    monday = (now + timedelta(days=7 - now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    clock.advance(seconds=(monday - now).total_seconds() + 5400)
    moments = [monday + timedelta(minutes=minutes) for minutes in (80, 20, -30)]  # the last lies in another partition
    for at in moments:
        await made(db, at, "delivered", count=6, seconds=2.0)
        await made(db, at, "delivered", count=1, seconds=60.0)
        await made(db, at, "bounced", code="mailjet_bounce")
        await made(db, at, "complained", code="mailjet_spam", seconds=2.0)
        await made(db, at, "sent", kind="welcome", provider="resend")
        await made(db, at, "suppressed", code="opt_out", provider=None)
        await made(db, at, "delivered", count=5, seconds=1.0, organization=OTHER)
    assert await count_deliveries(db) == 3
    [whole] = (await told(db)).items
    states = {"delivered": 21, "bounced": 3, "complained": 3, "sent": 3, "suppressed": 3}
    assert (whole.messages, stands(whole)) == (33, states)
    assert whole.rates is not None
    assert (whole.rates.delivered, whole.rates.bounced, whole.rates.complained) == (0.8, 0.1, 0.1)
    assert whole.seconds_to_delivered is not None
    assert whole.seconds_to_delivered.median == pytest.approx(2.0, rel=0.5)
    assert whole.seconds_to_delivered.p95 == pytest.approx(60.0, rel=0.25)
    assert [(one.status, one.code, one.messages) for one in whole.reasons] == [
        ("bounced", "mailjet_bounce", 3),
        ("complained", "mailjet_spam", 3),
        ("suppressed", "opt_out", 3),
    ]
    days = (await told(db, ["day"])).items
    sunday = monday - timedelta(days=1)
    assert [(one.day, one.messages) for one in days] == [(f"{monday:%Y-%m-%d}", 22), (f"{sunday:%Y-%m-%d}", 11)]
    apart = {(one.type, one.provider): one.messages for one in (await told(db, ["type", "provider"])).items}
    assert apart == {("song_request", "mailjet"): 27, ("welcome", "resend"): 3, ("song_request", None): 3}
    [other] = (await told(db, ["channel"], organization=OTHER)).items
    assert (other.channel, stands(other)) == ("email", {"delivered": 15})
    found = await told(db, ["day"], days=1 / 24)
    assert [one.messages for one in found.items] == [22], "whole hours, and no other"
    assert found.since == monday


async def test_what_callbacks_change_later_is_counted_anew_and_nothing_twice(clock: VirtualClock, db: Database) -> None:
    [one, _] = await made(db, time_of_day.now(), "sent", count=2)
    await asyncio.gather(*(count_deliveries(db) for _ in range(3)))
    found = await told(db)
    assert [stands(each) for each in found.items] == [{"sent": 2}]
    assert found.counted_at is not None
    async with db.platform() as session:
        await session.execute(text("UPDATE messages SET status = 'bounced' WHERE id = :id"), {"id": one})
    assert await count_deliveries(db) == 0, "none is due"
    clock.advance(minutes=2)
    assert await count_deliveries(db) >= 1
    assert [stands(each) for each in (await told(db)).items] == [{"sent": 1, "bounced": 1}]


async def test_hour_is_counted_ever_more_seldom_and_after_eight_days_no_more(db: Database) -> None:
    hour = time_of_day.now().replace(minute=0, second=0, microsecond=0)
    ages = [timedelta(hours=5), timedelta(days=9)]
    for age in ages:
        await made(db, hour - age, "sent")
    async with db.platform() as session:
        rows = [{"hour": one} for one in (hour, *(hour - age for age in ages))]
        await session.execute(text("INSERT INTO delivery_counts (hour, due_at) VALUES (:hour, now())"), rows)
    assert await count_deliveries(db) == 3
    query = text(
        "SELECT due_at = 'infinity', CASE WHEN due_at < 'infinity' THEN extract(epoch FROM due_at - counted_at) END"
        " FROM delivery_counts ORDER BY hour"
    )
    async with db.platform() as session:
        [old, later, now] = (await session.execute(query)).all()
    assert tuple(old) == (True, None)
    assert 3600 <= later[1] <= 3600 * 5 / 4 + 60, "a quarter of its age"
    assert 60 <= now[1] <= 120
    assert [stands(each) for each in (await told(db)).items] == [{"sent": 2}]


async def test_users_are_told_apart_from_the_messages_themselves(db: Database) -> None:
    now = time_of_day.now()
    await made(db, now, "delivered", count=3, seconds=1.5, user=USER)
    await made(db, now, "sent")
    await made(db, now, "sent", organization=OTHER, user=USER)
    found = await told(db, ["user"], days=1)
    assert {(one.user, one.messages) for one in found.items} == {(USER, 3), (None, 1)}
    assert (found.since, found.is_whole) == (found.from_time, True)


async def test_nothing_counted_yet_is_said_and_not_told_as_none(db: Database) -> None:
    found = await told(db)
    assert (found.items, found.since, found.counted_at) == ((), None, None)


async def test_every_fault_is_told_at_once(db: Database) -> None:
    now = time_of_day.now()
    async with db.tenant(ORGANIZATION) as session:
        with pytest.raises(QuestionError) as caught:
            await delivery_statistics(session, by=["month", "day", "day"], since=now, until=now)
        assert [one.field for one in caught.value.faults] == ["by", "from"]
        for by, days in (((), 93), (("user",), 8)):
            with pytest.raises(QuestionError, match=f"at most {days - 1} days before"):
                await delivery_statistics(session, by=by, since=now - timedelta(days=days), until=now)
        with pytest.raises(QuestionError, match="time zone"):
            await delivery_statistics(session, since=now.replace(tzinfo=None), until=now)


def test_hours_are_told_by_when_ids_were_made() -> None:
    moment = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert made_at(first_id(moment)) == moment
