"""A notification whose type a worker does not know waits for one that does, and ends when it is of no use any more."""

import importlib
from datetime import timedelta
from typing import Any

import pytest
from comms_crowds import Crowd
from comms_digest_windows import rows
from comms_guides import own_types
from comms_versions import LINK, Knowing, unknowing

from singr_comms.notifying import Audience
from singr_config.clock import clock
from singr_jobs import RetryLater

DATA = {"shop": "Corner Shop", "link": LINK}
NAMES = [f"u-{number}" for number in range(5)]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Knowing:
    """`with elsewhere()`: as in a process that has no such type."""
    importlib.import_module(own_types(monkeypatch))
    return unknowing(monkeypatch)


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization with five recipients."""
    crowd = await Crowd.of(bench)
    await crowd.add(*NAMES)
    return crowd


async def tell(crowd: Crowd, **options: Any) -> Any:
    return await crowd.tell("parcel_ready", Audience(all=True), data=DATA, channels=["sms", "inbox"], **options)


async def left(crowd: Crowd, told: Any) -> float:
    """Look at it once, as its job does; returns the seconds until the next look."""
    with pytest.raises(RetryLater) as caught:
        await crowd.decide(told, bite=2)
    assert (caught.value.code, caught.value.counts) == ("unknown_type", False)
    await crowd.run(
        "UPDATE jobs SET error = jsonb_build_object('code', 'unknown_type') WHERE type = 'notification.fan_out'"
    )
    return caught.value.after


async def age(crowd: Crowd, **ago: float) -> None:
    """Let it have been left for so long."""
    await crowd.run("UPDATE notifications SET updated_at = now() - CAST(:ago AS interval)", ago=timedelta(**ago))


async def fate(crowd: Crowd, told: Any) -> set[tuple[str, str, str | None]]:
    return {(row.channel, row.status, row.code) for row in await crowd.messages(told)}


async def test_it_is_looked_at_as_often_as_a_message_and_decided_by_who_knows_it(
    crowd: Crowd, elsewhere: Knowing
) -> None:
    told = await tell(crowd)
    await age(crowd, hours=30)  # nobody was there to look at it
    with elsewhere():
        soon = await left(crowd, told)
        again = await left(crowd, told)
        await age(crowd, seconds=10)
        later = await left(crowd, told)
        await age(crowd, hours=23)
        seldom = await left(crowd, told)
    assert (soon, again, 10 <= later < 60, seldom) == (2.0, 2.0, True, 60.0)
    assert await fate(crowd, told) == set()
    await crowd.decide(told)
    assert await fate(crowd, told) == {("sms", "queued", None), ("inbox", "delivered", None)}


async def test_what_nobody_knows_ends_at_the_end_that_it_was_given(crowd: Crowd, elsewhere: Knowing) -> None:
    told = await tell(crowd, expires_at=clock.now() + timedelta(seconds=30))
    with elsewhere():
        await left(crowd, told)
        await age(crowd, seconds=50)
        assert 0 < await left(crowd, told) <= 30.0
        await crowd.run("UPDATE notifications SET expires_at = now() - interval '1 second'")
        assert await crowd.decide(told, bite=2) == 5
    assert await fate(crowd, told) == {("sms", "suppressed", "expired"), ("inbox", "suppressed", "expired")}
    assert (await crowd.standing(told)).state == "sending"  # done, as soon as it is seen off


async def test_what_nobody_knows_ends_a_day_after_it_was_first_left(crowd: Crowd, elsewhere: Knowing) -> None:
    told = await tell(crowd)
    with elsewhere():
        await left(crowd, told)
        await age(crowd, hours=25)
        assert await crowd.decide(told, bite=2) == 5
    assert await fate(crowd, told) == {("sms", "suppressed", "expired"), ("inbox", "suppressed", "expired")}
    [words] = {row.words for row in await rows(crowd, "SELECT error ->> 'message' AS words FROM messages")}
    assert words == (
        "its time was over, and this process knows no type parcel_ready: import what declares it, or install it"
    )
