"""The whole chain behind a message: who asked, what decided, who was called, what they said, who settled doubt."""

from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from comms_callbacks import mailjet
from comms_queueing import EMAIL, ORGANIZATION, SEALER, queued_for, sender_for
from comms_told import NUMBER, Desk, event
from sqlalchemy import text

from singr_comms.notifications import Deliveries, DeliveryDetail, lift_suppression, message_sender, resolve_delivery
from singr_config import Settings
from singr_db import Database
from singr_db.operation_log import act_as
from singr_dev.clock import VirtualClock
from singr_dev.simulators.mailjet import MailjetSimulator
from singr_jobs import PermanentError, RetryLater
from singr_observability import build_metrics

OTHER = UUID("01920000-0000-7000-8000-0000000000be")


async def story(db: Database, message_id: UUID, organization: UUID = ORGANIZATION) -> DeliveryDetail | None:
    async with db.tenant(organization) as session:
        return await Deliveries(SEALER).read(session, message_id)


async def told(db: Database, message_id: UUID) -> DeliveryDetail:
    found = await story(db, message_id)
    assert found is not None
    return found


async def test_story_names_the_job_and_says_that_nothing_is_decided_yet(db: Database) -> None:
    [message_id] = await queued_for(db, ORGANIZATION, [EMAIL])
    async with db.platform() as session:
        await session.execute(text("UPDATE jobs SET created_by = 'ak_tills', reference = 'order 7'"))
    found = await told(db, message_id)
    assert found.request is not None
    asked = (found.request.job_id, found.request.type, found.request.queue)
    assert asked == (found.job_id, "email.send", "email")
    assert (found.request.asked_by, found.request.reference, found.request.tries) == ("ak_tills", "order 7", 0)
    assert (found.decision.outcome, found.decision.rule) == ("pending", None)
    assert await story(db, message_id, OTHER) is None


async def test_story_names_the_suppression_that_stopped_it_and_what_became_of_that(db: Database) -> None:
    desk = Desk(db)
    first = await desk.sending()
    assert await desk.tell("mailjet", mailjet(event("spam", first))) == {"applied": 1}
    [second] = await queued_for(db, ORGANIZATION, [EMAIL])
    with pytest.raises(PermanentError):
        await sender_for(db).send("email", second, organization_id=ORGANIZATION, is_last_attempt=False)
    decision = (await told(db, second)).decision
    assert (decision.outcome, decision.rule) == ("stopped", "complained_before")
    assert decision.suppression is not None
    assert (decision.suppression.reason, decision.suppression.message_id) == ("complained", first)
    async with db.platform() as session:
        await lift_suppression(session, decision.suppression.id, organization_id=ORGANIZATION, note="they asked")
    lifted = (await told(db, second)).decision.suppression
    assert lifted is not None
    assert lifted.lifted_at is not None
    assert (await told(db, first)).decision.outcome == "let_go"


async def test_another_organizations_suppression_of_the_same_address_is_not_told(db: Database) -> None:
    [message_id] = await queued_for(db, ORGANIZATION, [EMAIL])
    async with db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO suppressions (id, organization_id, channel, address_hash, address_masked, scope, reason)"
                " SELECT gen_random_uuid(), :other, channel, recipient_hash, recipient_masked, 'all', 'complained'"
                " FROM messages"
            ),
            {"other": OTHER},
        )
        await session.execute(
            text(
                "UPDATE messages SET status = 'suppressed', updated_at = now(),"
                ' error = \'{"code": "complained_before", "message": "m"}\''
            )
        )
        seen = await Deliveries(SEALER).read(session, message_id)
    assert seen is not None
    assert (seen.decision.rule, seen.decision.suppression) == ("complained_before", None)


async def test_story_tells_of_doubt_of_each_look_up_and_of_who_ended_it(
    clock: VirtualClock, db: Database, settings: Settings, mailjet: MailjetSimulator
) -> None:
    mailjet.accept_then_drop_next()
    [message_id] = await queued_for(db, ORGANIZATION, [EMAIL])
    async with httpx.AsyncClient() as http:
        sender = message_sender(settings, db=db, sealer=SEALER, http=http, metrics=build_metrics())

        async def tries() -> Any:
            return await sender.send("email", message_id, organization_id=ORGANIZATION, is_last_attempt=True)

        with pytest.raises(RetryLater):
            await tries()
        [attempt] = (await told(db, message_id)).attempts
        assert (attempt.status, attempt.in_doubt) == ("unknown", True)
        clock.advance(minutes=10)
        for _ in range(2):
            mailjet.fail_look_ups(status=503)
            with pytest.raises(RetryLater):
                await tries()
        clock.advance(minutes=1)
        assert (await tries()).provider == "mailjet"
    found = await told(db, message_id)
    assert [(one.source, one.event, one.status, one.applied) for one in found.events] == [
        ("look_up", "no_answer", None, False),
        ("look_up", "found", "sent", True),
    ], "asked to the same effect again it is one line"
    assert found.events[0].error is not None
    [attempt] = found.attempts
    assert (attempt.status, attempt.in_doubt, found.is_whole) == ("sent", False, True)


async def test_story_says_who_declared_a_message_sent_and_how_they_knew(db: Database) -> None:
    desk = Desk(db)
    message_id = await desk.sending(status="unknown", named=None)
    async with db.platform() as session:
        act_as(session, "user:01920000-0000-7000-8000-0000000000a1")
        await resolve_delivery(
            session, message_id, organization_id=ORGANIZATION, outcome="sent", reason="Mailjet lists it."
        )
    [resolution] = (await desk.read(message_id)).resolutions
    by = "user:01920000-0000-7000-8000-0000000000a1"
    assert (resolution.outcome, resolution.by, resolution.reason) == ("sent", by, "Mailjet lists it.")


async def test_story_of_a_thousand_events_is_bounded_and_says_so(db: Database) -> None:
    desk = Desk(db)
    message_id = await desk.sending()
    many = [event("sent", message_id, at=1_790_000_000 + second) for second in range(101)]
    assert await desk.tell("mailjet", mailjet(many)) == {"applied": 1, "noted": 100}
    found = await desk.read(message_id)
    assert (len(found.events), found.is_whole) == (100, False)
    assert {(one.source, one.webhook_id is not None) for one in found.events} == {("callback", True)}
    shown = msgspec.json.encode(found)
    assert b"jane" not in shown
    assert str(NUMBER).encode() in shown
