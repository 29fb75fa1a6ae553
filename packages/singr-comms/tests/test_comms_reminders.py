"""Reminders go out at the time that something else has, move with it, and end with it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from comms_crowds import Crowd
from sqlalchemy import text

from singr_comms.messages import pickup_reminder, renewal_reminder, review_request
from singr_comms.notifying import (
    InvalidNotificationError,
    NotificationStateError,
    Reminder,
    Target,
    ask_for_review,
    cancel_reminder,
    remind_of_pickup,
    remind_of_renewal,
)

ADA = Target(recipient="ada")


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    crowd = await Crowd.of(bench)
    await crowd.add("ada")
    return crowd


def data(module: Any) -> dict[str, Any]:
    """What the typical mail of a type says."""
    message = next(one for channel, one in module.MESSAGE_TYPE.samples() if channel == "email")
    return {name: value for name, value in vars_of(message).items() if value is not None}


def vars_of(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


async def now(crowd: Crowd) -> datetime:
    async with crowd.db.platform() as session:
        found: datetime = await session.scalar(text("SELECT now()"))
    return found


async def scheduled(crowd: Crowd) -> list[tuple[str, datetime, datetime | None, str]]:
    asked = text("SELECT type, send_at, expires_at, state FROM notifications ORDER BY created_at, type")
    async with crowd.db.platform() as session:
        return [tuple(row) for row in (await session.execute(asked)).all()]


async def test_each_goes_at_its_time_and_moves_with_what_it_is_about(crowd: Crowd) -> None:
    then, hour = await now(crowd) + timedelta(days=30), timedelta(hours=1)
    async with crowd.db.tenant(crowd.organization) as session:
        how: dict[str, Any] = {"sealer": crowd.sealer}
        first = await remind_of_pickup(session, "A-17", ADA, pickup=then, data=data(pickup_reminder), **how)
        await ask_for_review(session, "A-17", ADA, picked_up=then, data=data(review_request), **how)
        await remind_of_renewal(session, "s-1", ADA, renewal=then, data=data(renewal_reminder), **how)
    assert sorted(await scheduled(crowd)) == [
        ("pickup_reminder", then - hour, then, "scheduled"),
        ("renewal_reminder", then - timedelta(days=7), then, "scheduled"),
        ("review_request", then + timedelta(days=3), None, "scheduled"),
    ]
    async with crowd.db.tenant(crowd.organization) as session:
        moved = await remind_of_pickup(session, "A-17", ADA, pickup=then + hour, data=data(pickup_reminder), **how)
        assert first is not None
        assert moved is not None
        assert (moved.id, moved.is_new) == (first.id, False)
        assert await cancel_reminder(session, Reminder.of_renewal("s-1")) is not None
        assert await cancel_reminder(session, Reminder.of_renewal("s-2")) is None
    assert sorted(await scheduled(crowd)) == [
        ("pickup_reminder", then, then + hour, "scheduled"),
        ("renewal_reminder", then - timedelta(days=7), then, "cancelled"),
        ("review_request", then + timedelta(days=3), None, "scheduled"),
    ]


async def test_what_is_over_is_not_reminded_of_and_what_went_out_does_not_move(crowd: Crowd) -> None:
    moment = await now(crowd)
    async with crowd.db.tenant(crowd.organization) as session:
        how: dict[str, Any] = {"sealer": crowd.sealer, "data": data(pickup_reminder)}
        assert await remind_of_pickup(session, "A-1", ADA, pickup=moment - timedelta(seconds=1), **how) is None
        soon = await remind_of_pickup(session, "A-2", ADA, pickup=moment + timedelta(minutes=20), **how)
        assert soon is not None
        assert soon.state == "deciding"  # it is less than an hour away: at once
        with pytest.raises(NotificationStateError):
            await remind_of_pickup(session, "A-2", ADA, pickup=moment + timedelta(hours=5), **how)
        with pytest.raises(InvalidNotificationError, match="pickup: must have a time zone"):
            await remind_of_pickup(session, "A-3", ADA, pickup=datetime(2030, 1, 1), **how)  # noqa: DTZ001 - the fault
