"""In somebody's quiet hours a message waits, is dropped or goes into a digest, as its type says; what presses comes."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from comms_crowds import Crowd
from sqlalchemy import text

from singr_comms import PlainSms
from singr_comms.messages.campaign import MESSAGE_TYPE as CAMPAIGN
from singr_comms.messages.new_review import MESSAGE_TYPE as NEW_REVIEW
from singr_comms.messages.pickup_reminder import MESSAGE_TYPE as PICKUP_REMINDER
from singr_comms.notifications import Deliveries, Explainer
from singr_comms.notifying import Audience, Target, explain
from singr_comms.people import QuietHours, RecipientInput, put_recipient
from singr_config import LimitSettings
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError, Priority, RetryLater

EVERYBODY = Audience(all=True)
JOBS = text(
    "SELECT j.run_at - now() AS after, r.external_id FROM jobs AS j JOIN messages AS m ON m.job_id = j.id"
    " JOIN recipients AS r ON r.id = m.recipient_id WHERE j.type = 'sms.send'"
)


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization with Ada, who sleeps now and for two more hours, and Bob, who does not."""
    crowd = await Crowd.of(bench)
    async with crowd.db.tenant(crowd.organization) as session:
        for name, given in {"ada": {"quiet_hours": QuietHours(starts="00:00", ends="00:00")}, "bob": {}}.items():
            person = RecipientInput(
                email=f"{name}@example.org", phone="+15555550100", time_zone="Asia/Kathmandu", **given
            )
            crowd.ids[name] = (await put_recipient(session, name, person, sealer=crowd.sealer))[0].id
    await sleeps(crowd, hours=2)
    return crowd


async def sleeps(crowd: Crowd, **more: float) -> None:
    """Let Ada's quiet hours have begun three hours ago, and go on for so long."""
    await crowd.run(
        "UPDATE recipients SET quiet_from = CAST(now() AT TIME ZONE time_zone AS time) - interval '3 hours',"
        " quiet_to = date_trunc('second', CAST(now() AT TIME ZONE time_zone AS time)) + CAST(:more AS interval)"
        " WHERE external_id = 'ada'",
        more=timedelta(**more),
    )


async def waits(crowd: Crowd) -> dict[str, int]:
    """How many whole minutes messages wait, by recipient."""
    async with crowd.db.platform() as session:
        return {row.external_id: round(row.after.total_seconds() / 60) for row in (await session.execute(JOBS)).all()}


async def codes(crowd: Crowd, told: Any) -> dict[str, str | None]:
    return {row.external_id: row.code for row in await crowd.messages(told)}


async def tell_example(crowd: Crowd, declared: Any, **options: Any) -> Any:
    message = next(one for channel, one in declared.samples() if channel == "sms")
    told = await crowd.tell(message, EVERYBODY, channels=["sms"], **options)
    await crowd.decide(told)
    return told


async def test_a_message_waits_until_they_end_and_others_get_theirs(crowd: Crowd) -> None:
    told = await crowd.tell(PlainSms(text="Come on."), EVERYBODY)
    await crowd.decide(told)
    assert await codes(crowd, told) == {"ada": None, "bob": None}
    assert await waits(crowd) == {"ada": 120, "bob": 0}


async def test_what_is_dropped_and_what_is_kept_say_so(crowd: Crowd) -> None:
    assert await codes(crowd, await tell_example(crowd, CAMPAIGN)) == {"ada": "quiet_hours", "bob": None}
    assert await codes(crowd, await tell_example(crowd, NEW_REVIEW)) == {"ada": "digested", "bob": None}
    async with crowd.db.platform() as session:
        kept = (await session.execute(text("SELECT recipient_id, kind, channel FROM digest_items"))).all()
    assert [tuple(row) for row in kept] == [(crowd.ids["ada"], "new_review", "sms")]


async def test_what_presses_comes_at_any_hour(crowd: Crowd) -> None:
    await tell_example(crowd, PICKUP_REMINDER)
    assert await waits(crowd) == {"ada": 0, "bob": 0}
    await crowd.run("DELETE FROM messages")
    told = await crowd.tell(PlainSms(text="Now!"), [Target(recipient="ada")], priority=Priority.HIGH)
    await crowd.decide(told)
    assert await waits(crowd) == {"ada": 0}


async def test_what_is_of_no_use_any_more_when_they_end_says_so_at_once(crowd: Crowd) -> None:
    async with crowd.db.platform() as session:
        soon = await session.scalar(text("SELECT now() + interval '1 hour'"))
    told = await crowd.tell(PlainSms(text="Come on."), EVERYBODY, expires_at=soon)
    await crowd.decide(told)
    assert await codes(crowd, told) == {"ada": "expired", "bob": None}
    async with crowd.db.platform() as session:
        said = await session.scalar(text("SELECT error ->> 'message' FROM messages WHERE status = 'suppressed'"))
    assert said == "the recipient's quiet hours end after it was of use"


async def test_a_zone_that_is_gone_is_utc_and_keeps_nobody_waiting(crowd: Crowd) -> None:
    await crowd.run("UPDATE recipients SET time_zone = 'Mars/Olympus' WHERE external_id = 'ada'")
    told = await crowd.tell(PlainSms(text="Come on."), EVERYBODY)
    await crowd.decide(told)
    assert await codes(crowd, told) == {"ada": None, "bob": None}
    assert (await waits(crowd))["bob"] == 0


async def test_who_fell_asleep_since_is_not_woken_by_what_was_late(crowd: Crowd, bench: Any) -> None:
    await sleeps(crowd, hours=-1)  # awake for an hour
    plain = await crowd.tell(PlainSms(text="Come on."), [Target(recipient="ada")])
    await crowd.decide(plain)
    pressing = await crowd.tell(PlainSms(text="Now!"), [Target(recipient="ada")], priority=Priority.HIGH)
    await crowd.decide(pressing)
    dropped = await tell_example(crowd, CAMPAIGN)
    await sleeps(crowd, hours=2)

    async def sent(told: Any) -> Any:
        message = next(row for row in await crowd.messages(told) if row.external_id == "ada")
        return await bench.sender().send("sms", message.id, organization_id=crowd.organization, is_last_attempt=True)

    with pytest.raises(RetryLater) as held:
        await sent(plain)
    assert (held.value.code, round(held.value.after / 60)) == ("quiet_hours", 120)
    await sent(pressing)
    assert [one.message.text for one in bench.sms.sent] == ["Now!"]
    with pytest.raises(PermanentError):
        await sent(dropped)
    assert (await codes(crowd, dropped))["ada"] == "quiet_hours"


async def test_what_would_be_kept_waits_for_who_has_no_mail(crowd: Crowd) -> None:
    await crowd.run("UPDATE recipients SET email_hash = NULL, email_sealed = NULL, email_masked = NULL")
    kept = await tell_example(crowd, NEW_REVIEW)
    assert await codes(crowd, kept) == {"ada": None, "bob": None}
    assert await waits(crowd) == {"ada": 120, "bob": 0}
    assert (await explained(crowd, "new_review")).reasons[0].code == "quiet_hours"


async def test_what_passes_is_not_told_to_be_held(crowd: Crowd) -> None:
    pressing = await crowd.tell(PlainSms(text="Now!"), [Target(recipient="ada")], priority=Priority.HIGH)
    await crowd.decide(pressing)
    told = [await tell_example(crowd, PICKUP_REMINDER), pressing]
    await crowd.run("UPDATE jobs SET run_at = now() + interval '1 minute'")
    async with crowd.db.tenant(crowd.organization) as session:
        for one in told:
            row = next(row for row in await crowd.messages(one) if row.external_id == "ada")
            detail = await Deliveries(crowd.sealer).read(session, row.id)
            assert detail is not None
            assert (detail.decision.outcome, detail.decision.rule) == ("pending", None)


async def explained(crowd: Crowd, type_: str, name: str = "ada") -> Any:
    asked = Explainer(crowd.db, crowd.sealer, limits=LimitSettings(), email=["a"], sms=["a"], push=["a"])
    async with crowd.db.tenant(crowd.organization) as session:
        return await explain(session, type_, "sms", explainer=asked, recipient=name)


async def test_who_is_never_awake_in_time_is_told_so(crowd: Crowd) -> None:
    await crowd.run("UPDATE recipients SET quiet_from = '00:00', quiet_to = '00:00' WHERE external_id = 'ada'")
    told = await crowd.tell(PlainSms(text="Come on."), EVERYBODY)
    await crowd.decide(told)
    found = await explained(crowd, "plain")
    assert (found.outcome, found.provider) == ("stopped", None)
    assert [(one.code, one.decides) for one in found.reasons] == [("expired", True)]
    assert (await codes(crowd, told))["ada"] == "expired"


async def test_what_is_kept_says_when_the_digest_comes(crowd: Crowd) -> None:
    await tell_example(crowd, NEW_REVIEW)
    async with crowd.db.platform() as session:
        closes_at = await session.scalar(text("SELECT closes_at FROM digest_windows WHERE closed_at IS NULL"))
    assert (await explained(crowd, "new_review")).reasons[0].until == closes_at


async def test_what_waits_says_until_when(crowd: Crowd) -> None:
    told = await crowd.tell(PlainSms(text="Come on."), EVERYBODY)
    await crowd.decide(told)
    found = {}
    async with crowd.db.tenant(crowd.organization) as session:
        for row in await crowd.messages(told):
            detail = await Deliveries(crowd.sealer).read(session, row.id)
            assert detail is not None
            assert detail.request is not None
            found[row.external_id] = detail.decision
            assert detail.decision.until == (detail.request.due_at if row.external_id == "ada" else None)
    assert {name: (one.outcome, one.rule) for name, one in found.items()} == {
        "ada": ("held", "quiet_hours"),
        "bob": ("pending", None),
    }
    async with crowd.db.platform() as session:
        await session.execute(text("UPDATE notifications SET paused_at = now()"))
    async with crowd.db.tenant(crowd.organization) as session:
        for row in await crowd.messages(told):
            detail = await Deliveries(crowd.sealer).read(session, row.id)
            assert detail is not None
            assert (detail.decision.outcome, detail.decision.rule) == ("held", "paused")
            assert "is paused" in detail.decision.in_words


async def test_what_is_held_again_says_until_when_with_no_second_more(crowd: Crowd) -> None:
    told = await crowd.tell(PlainSms(text="Come on."), [Target(recipient="ada")])
    await crowd.decide(told)
    [row] = await crowd.messages(told)
    ends = "(SELECT quiet_until(now(), time_zone, quiet_from, quiet_to, quiet_days) FROM recipients WHERE id = :ada)"
    due = f"UPDATE jobs SET run_at = {ends} + interval '166 milliseconds', error = '{{\"code\": \"quiet_hours\"}}'"
    await crowd.run(f"{due} WHERE type = 'sms.send'", ada=crowd.ids["ada"])
    async with crowd.db.tenant(crowd.organization) as session:
        until = await session.scalar(text(f"SELECT {ends}"), {"ada": crowd.ids["ada"]})
        detail = await Deliveries(crowd.sealer).read(session, row.id)
    assert detail is not None
    assert (detail.decision.outcome, detail.decision.rule, detail.decision.until) == ("held", "quiet_hours", until)
    await sleeps(crowd, hours=-1)  # it is asked again as it is due, and not before
    async with crowd.db.tenant(crowd.organization) as session:
        detail = await Deliveries(crowd.sealer).read(session, row.id)
    assert detail is not None
    assert detail.request is not None
    assert (detail.decision.outcome, detail.decision.until) == ("held", detail.request.due_at)
    assert (await explained(crowd, "plain")).outcome == "sent"


async def test_explain_names_the_time_until_which_it_would_wait(crowd: Crowd) -> None:
    for type_ in ("plain", "new_review"):
        told = await explained(crowd, type_)
        [reason] = told.reasons
        assert f"{reason.until:%Y-%m-%d %H:%M} UTC." in told.in_words


@pytest.mark.parametrize(
    ("type_", "outcome", "code"),
    [
        ("plain", "waits", "quiet_hours"),
        ("new_review", "waits", "digested"),
        ("campaign", "stopped", "quiet_hours"),
        ("pickup_reminder", "sent", None),
    ],
)
async def test_it_is_explained_before_it_is_asked_for(crowd: Crowd, type_: str, outcome: str, code: str | None) -> None:
    told, awake = await explained(crowd, type_), await explained(crowd, type_, "bob")
    assert (told.outcome, next((one.code for one in told.reasons), None)) == (outcome, code)
    assert (awake.outcome, awake.reasons) == ("sent", ())


async def test_an_inbox_is_not_held(crowd: Crowd) -> None:
    told = await crowd.tell("plain", EVERYBODY, data={"title": "Now", "text": "Come on."}, channels=["inbox"])
    await crowd.decide(told)
    assert {row.status for row in await crowd.messages(told)} == {"delivered"}


async def test_what_is_of_no_use_when_quiet_hours_end_that_began_since_says_so_at_once(
    crowd: Crowd, bench: Any, clock: VirtualClock
) -> None:
    await sleeps(crowd, hours=-1)  # awake for an hour
    message, kept = [await tell_ada(crowd, expires_at=clock.now() + timedelta(hours=hours)) for hours in (1, 3)]
    await sleeps(crowd, hours=2)
    with pytest.raises(PermanentError, match="quiet hours end after it was of use"):
        await send(crowd, bench, message)
    with pytest.raises(RetryLater):
        await send(crowd, bench, kept)
    row = await bench.row(message)
    assert (row.status, row.error["code"], bytes(row.content_sealed)) == ("suppressed", "expired", b"")


async def test_time_in_quiet_hours_is_not_a_messages_time(crowd: Crowd, bench: Any, clock: VirtualClock) -> None:
    await sleeps(crowd, hours=-1)
    message = await tell_ada(crowd, expires_at=clock.now() + timedelta(days=3))
    await crowd.run("UPDATE messages SET held_since = now() - interval '23 hours'")  # an outage
    await sleeps(crowd, hours=2)
    with pytest.raises(RetryLater):
        await send(crowd, bench, message)
    clock.advance(hours=2, seconds=1)
    await send(crowd, bench, message)
    assert len(bench.sms.sent) == 1


async def tell_ada(crowd: Crowd, **options: Any) -> UUID:
    told = await crowd.tell(PlainSms(text="Come on."), [Target(recipient="ada")], **options)
    await crowd.decide(told)
    [row] = await crowd.messages(told)
    found: UUID = row.id
    return found


async def send(crowd: Crowd, bench: Any, message_id: UUID) -> None:
    await bench.sender().send("sms", message_id, organization_id=crowd.organization, is_last_attempt=True)
