"""Reminders go out at the time that something else has, move with it, and end with it."""

from datetime import UTC, datetime, timedelta
from functools import partial
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
    read_notification,
    remind_of_pickup,
    remind_of_renewal,
)
from singr_comms.testing import MemoryNotifications

ADA = Target(recipient="ada")
BARE = Target(email="ada@example.org")


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
        ("review_request", then + timedelta(days=3), then + timedelta(days=30), "scheduled"),
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
        ("review_request", then + timedelta(days=3), then + timedelta(days=30), "scheduled"),
    ]


@pytest.fixture(params=["memory", "database"])
def tenant(request: pytest.FixtureRequest, bench: Any) -> Any:
    """Transactions of an organization, in memory and in the database."""
    if request.param == "memory":
        return partial(MemoryNotifications().tenant, bench.organization)
    crowd = request.getfixturevalue("crowd")
    return partial(crowd.db.tenant, crowd.organization)


async def test_the_next_renewal_is_reminded_of_once_the_last_reminder_went_out(tenant: Any, bench: Any) -> None:
    how: dict[str, Any] = {"sealer": bench.sealer, "data": data(renewal_reminder)}
    soon, month = datetime.now(UTC) + timedelta(days=2), timedelta(days=30)
    async with tenant() as session:
        first = await remind_of_renewal(session, "s-1", BARE, renewal=soon, **how)
        with pytest.raises(NotificationStateError):  # it has moved, and the reader knows of it
            await remind_of_renewal(session, "s-1", BARE, renewal=soon + timedelta(days=5), **how)
        second = await remind_of_renewal(session, "s-1", BARE, renewal=soon + month, **how)
        again = await remind_of_renewal(session, "s-1", BARE, renewal=soon + month * 1.1, **how)
    assert first is not None
    assert second is not None
    assert again is not None
    assert (first.state, second.state) == ("deciding", "scheduled")
    assert first.id != second.id == again.id


async def test_what_moved_into_the_past_is_not_reminded_of(tenant: Any, bench: Any) -> None:
    moment, later = datetime.now(UTC), datetime.now(UTC) + timedelta(days=3)
    how: dict[str, Any] = {"sealer": bench.sealer}
    async with tenant() as session:
        made = [
            await remind_of_pickup(session, "A-1", BARE, pickup=later, data=data(pickup_reminder), **how),
            await remind_of_renewal(
                session, "s-1", BARE, renewal=later + timedelta(days=9), data=data(renewal_reminder), **how
            ),
            await ask_for_review(session, "A-1", BARE, picked_up=later, data=data(review_request), **how),
        ]
        assert [one and one.state for one in made] == ["scheduled"] * 3
        past = moment - timedelta(days=400)
        assert await remind_of_pickup(session, "A-1", BARE, pickup=past, data=data(pickup_reminder), **how) is None
        assert await remind_of_renewal(session, "s-1", BARE, renewal=past, data=data(renewal_reminder), **how) is None
        assert await ask_for_review(session, "A-1", BARE, picked_up=past, data=data(review_request), **how) is None
        now = [await read_notification(session, one.id) for one in made if one is not None]
    assert [one and one.state for one in now] == ["cancelled"] * 3


async def test_a_moment_past_all_calendars_is_a_fault(tenant: Any, bench: Any) -> None:
    last = datetime(9999, 12, 31, tzinfo=UTC)
    async with tenant() as session:
        with pytest.raises(InvalidNotificationError, match="picked_up: must be within a year"):
            await ask_for_review(session, "A-1", BARE, picked_up=last, data=data(review_request), sealer=bench.sealer)


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
