"""A job that asks for a digest at once gives nobody more of them than they want, and none in their quiet hours."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from comms_crowds import Crowd
from comms_digest_windows import digests, due, made, put, rows, tell

from singr_comms.notifying import ClosedDigests
from singr_comms.people import QuietHours
from singr_db import new_id
from singr_dev.clock import VirtualClock
from singr_jobs import RetryLater


@pytest.fixture
async def crowd(clock: VirtualClock, bench: Any) -> Crowd:
    """An organization with Ada, who lives by UTC and gets digests on Mondays at eight; it is Tuesday noon."""
    crowd = await Crowd.of(bench)
    await put(crowd, time_zone="UTC")
    now = clock.now()
    days = (1 - now.weekday()) % 7 or 7
    noon = (now + timedelta(days=days)).replace(hour=12, minute=0, second=0, microsecond=0)
    clock.move_to(noon)
    return crowd


async def ask(crowd: Crowd, period: Any = "weekly") -> ClosedDigests:
    span: Any = {"start": datetime(2020, 1, 1, tzinfo=UTC), "end": datetime(2100, 1, 1, tzinfo=UTC)}
    return await digests(crowd).send("ada", period, **span, organization_id=crowd.organization, asked_by=new_id())


async def mails(crowd: Crowd) -> list[list[str]]:
    return [titles for status, _, titles, _ in await made(crowd) if status == "queued"]


async def test_jobs_make_one_mail_until_the_readers_next_time_and_keep_the_rest_for_it(
    clock: VirtualClock, crowd: Crowd
) -> None:
    found = []
    for title in ("plums", "pears", "figs"):
        await tell(crowd, title, "weekly")
        found.append(await ask(crowd))
    monday = (clock.now() + timedelta(days=6)).replace(hour=8, minute=0, second=0, microsecond=0)
    assert [(one.mails, one.until and one.until.replace(microsecond=0)) for one in found] == [
        (1, None),
        (0, monday),
        (0, monday),
    ]
    assert await mails(crowd) == [["plums"]]
    await tell(crowd, "tomorrow", "daily")
    assert (await ask(crowd, "daily")).mails == 1, "each period by itself"
    clock.move_to(monday + timedelta(seconds=5))
    assert (await digests(crowd).close_due(crowd.organization)).mails == 1
    assert await mails(crowd) == [["plums"], ["tomorrow"], ["pears", "figs"]], "nothing is lost"
    await tell(crowd, "dates", "weekly")
    assert (await ask(crowd)).mails == 0, "the regular one has just come"
    await crowd.run("DELETE FROM digest_windows WHERE closed_at IS NOT NULL")
    assert (await ask(crowd)).mails == 1


async def test_a_digest_that_told_nothing_is_none(clock: VirtualClock, crowd: Crowd) -> None:
    assert (await ask(crowd)).mails == 0
    await tell(crowd, "plums", "weekly", expires_at=clock.now() + timedelta(days=300))
    await crowd.run("UPDATE digest_items SET expires_at = now() - interval '1 second'")
    await due(crowd)
    assert (await digests(crowd).close_due(crowd.organization)).mails == 0
    await tell(crowd, "pears", "weekly")
    assert (await ask(crowd)).mails == 1


async def test_a_job_in_quiet_hours_waits_until_they_end_and_takes_nothing(clock: VirtualClock, crowd: Crowd) -> None:
    await put(crowd, time_zone="UTC", quiet_hours=QuietHours(starts="11:00", ends="14:00"))
    await tell(crowd, "plums", "weekly")
    with pytest.raises(RetryLater) as held:
        await ask(crowd)
    assert (held.value.code, held.value.counts, round(held.value.after / 60)) == ("quiet_hours", False, 120)
    assert len(await rows(crowd, "SELECT id FROM digest_items")) == 1
    clock.advance(hours=2, seconds=1)
    assert (await ask(crowd)).mails == 1
