"""What was gathered or held for a reader is not lost to their limits as it is let go: it waits for room."""

from datetime import timedelta
from typing import Any

import pytest
from comms_crowds import Crowd
from comms_digest_windows import digests, due, put, rows, tell

from singr_comms.messages.digest import Digest
from singr_comms.notifications import Deliveries
from singr_comms.people import QuietHours
from singr_config import LimitSettings
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError, RetryLater


@pytest.fixture
async def crowd(clock: VirtualClock, bench: Any) -> Crowd:
    """An organization with Ada, who gets one mail in an hour; it is noon."""
    bench.limits = LimitSettings(email_per_hour=1)
    crowd = await Crowd.of(bench)
    await put(crowd, time_zone="UTC")
    clock.move_to((clock.now() + timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0))
    return crowd


async def at_once(crowd: Crowd, title: str, **options: Any) -> Any:
    told = await tell(crowd, title, digest=None, channels=["email"], **options)
    [row] = await crowd.messages(told)
    return row.id


async def send(crowd: Crowd, bench: Any, message_id: Any) -> None:
    await bench.sender().send("email", message_id, organization_id=crowd.organization, is_last_attempt=True)


async def test_a_digest_over_the_hourly_limit_waits_for_the_next_hour(
    clock: VirtualClock, crowd: Crowd, bench: Any
) -> None:
    await send(crowd, bench, await at_once(crowd, "now"))
    await tell(crowd, "plums")
    await due(crowd)
    assert (await digests(crowd).close_due(crowd.organization)).mails == 1
    [mail] = await rows(crowd, "SELECT id, job_id FROM messages WHERE kind = 'digest'")
    with pytest.raises(RetryLater) as held:
        await send(crowd, bench, mail.id)
    assert (held.value.code, held.value.counts, round(held.value.after / 60)) == ("recipient_limit", False, 60)
    said = f'{{"code": "{held.value.code}", "message": "{held.value.message}"}}'
    await crowd.run(
        "UPDATE jobs SET run_at = now() + interval '1 hour', error = CAST(:error AS jsonb) WHERE id = :id",
        error=said,
        id=mail.job_id,
    )
    async with crowd.db.tenant(crowd.organization) as session:
        detail = await Deliveries(crowd.sealer).read(session, mail.id)
    assert detail is not None
    assert detail.request is not None
    decision = detail.decision
    assert (decision.outcome, decision.rule, decision.until) == ("held", "recipient_limit", detail.request.due_at)
    clock.advance(hours=1)
    await send(crowd, bench, mail.id)
    assert type(bench.email.sent[-1].message) is Digest


async def test_what_quiet_hours_held_is_not_lost_as_they_end_for_many_at_once(
    clock: VirtualClock, crowd: Crowd, bench: Any
) -> None:
    await put(crowd, time_zone="UTC", quiet_hours=QuietHours(starts="11:00", ends="14:00"))
    soon = clock.now() + timedelta(hours=2, minutes=30)
    first, second = [await at_once(crowd, title) for title in ("plums", "pears")]
    brief = await at_once(crowd, "figs", expires_at=soon)
    clock.advance(hours=2, seconds=1)
    await send(crowd, bench, first)
    with pytest.raises(RetryLater) as held:
        await send(crowd, bench, second)
    assert held.value.code == "recipient_limit"
    with pytest.raises(PermanentError):
        await send(crowd, bench, brief)  # of no use in an hour
    with pytest.raises(PermanentError):
        await send(crowd, bench, await at_once(crowd, "what comes now is no less a flood"))
    clock.advance(hours=1)
    await send(crowd, bench, second)
    assert len(bench.email.sent) == 2


async def test_a_digest_that_was_held_up_for_a_second_waits_for_room_for_days(
    clock: VirtualClock, crowd: Crowd, bench: Any
) -> None:
    await tell(crowd, "plums")
    await due(crowd)
    await digests(crowd).close_due(crowd.organization)
    [mail] = await rows(crowd, "SELECT id FROM messages WHERE kind = 'digest'")
    await crowd.run("UPDATE messages SET held_since = now() WHERE kind = 'digest'")  # its provider's rate
    for _ in range(3):
        await send(crowd, bench, await at_once(crowd, "what fills the hour"))
        with pytest.raises(RetryLater) as held:
            await send(crowd, bench, mail.id)
        assert held.value.code == "recipient_limit"
        clock.advance(hours=25)
    await send(crowd, bench, mail.id)
    assert type(bench.email.sent[-1].message) is Digest
