"""Addresses that get nothing more: who says so, what it holds back, and what passes all the same."""

import asyncio
import itertools
import time
from typing import Any
from uuid import UUID

import msgspec
import pytest
from comms_callbacks import mailjet, resend, sid, twilio
from comms_queueing import EMAIL, ORGANIZATION, SEALER, SMS, queued_for, sender_for
from comms_told import Desk, event

from singr_comms import EmailAddress, MemorySmsProvider, PermanentSendError, SecurityNotice
from singr_comms.notifications import EmailRequest
from singr_config import Secret
from singr_db import Database, Sealer
from singr_jobs import PermanentError

OTHER = UUID("01920000-0000-7000-8000-0000000000be")
DEAD = {"hard_bounce": True, "error_related_to": "recipient", "error": "user unknown"}
NOTICE = EmailRequest(
    to=EmailAddress("jane@example.org", "Jane"),
    message=SecurityNotice(user_name="Ada", event="new_device", occurred_at="today", link="https://singr.example/r"),
)


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


async def sends(desk: Desk, request: Any, organization: UUID = ORGANIZATION, sealer: Sealer = SEALER) -> str:
    """Queue a message and try it; returns "sent", or the code of what held it back."""
    [message_id] = await queued_for(desk.db, organization, [request])
    sender = sender_for(desk.db)
    sender._ledger._suppressions._sealer = sealer
    channel = "sms" if isinstance(request, type(SMS)) else "email"
    try:
        await sender.send(channel, message_id, organization_id=organization, is_last_attempt=True)
    except PermanentError as error:
        code = error.code
    else:
        return "sent"
    told = "SELECT status, error ->> 'code', attempts FROM messages WHERE id = :id"
    assert await desk.sql(told, id=message_id) == [("suppressed", code, 0)]
    return code


async def told(desk: Desk, name: str, number: int = 1, **more: Any) -> None:
    message_id = await desk.sending(named=str(number))
    await desk.tell("mailjet", mailjet(event(name, message_id, number=number, **more)))


async def test_dead_address_gets_nothing_of_anybody_not_even_notices_of_security(desk: Desk) -> None:
    assert await sends(desk, EMAIL) == "sent"
    await told(desk, "bounce", **DEAD)
    for request in (EMAIL, NOTICE):
        for organization in (ORGANIZATION, OTHER):
            assert await sends(desk, request, organization) == "bounced_before"


def bounce(kind: str, message: str, **more: Any) -> dict[str, Any]:
    return {"type": "email.bounced", "data": {"bounce": {"type": kind, "message": message, **more}}}


SPAM = "550 5.7.1 Message refused: its content looks like spam"
SUPPRESSED: dict[str, Any] = {
    "type": "email.suppressed",
    "data": {"suppressed": {"type": "OnAccountSuppressionList", "message": "no"}},
}


@pytest.mark.parametrize(
    "said",
    [bounce("Permanent", SPAM, subType="General"), SUPPRESSED, {"hard_bounce": True, "error": "spam content"}],
    ids=["content", "suppressed", "mailjet"],
)
async def test_refusal_that_says_nothing_of_the_mailbox_stops_one_organization_and_nothing_awaited(
    desk: Desk, said: dict[str, Any]
) -> None:
    if "hard_bounce" in said:
        await told(desk, "bounce", **said)
    else:
        message_id = await desk.sending("resend", named="r1")
        said = said | {"data": {"email_id": "r1", "tags": {"message_id": message_id.hex}, **said["data"]}}
        assert await desk.tell("resend", resend(said, event_id="m1", at=time.time())) == {"applied": 1}
        assert (await desk.read(message_id)).status == "bounced"
    assert await sends(desk, EMAIL) == "bounced_before"
    assert await sends(desk, NOTICE) == "sent"
    assert await sends(desk, EMAIL, OTHER) == "sent"
    [[days]] = await desk.sql("SELECT extract(day FROM expires_at - created_at) FROM suppressions")
    assert days == 7


@pytest.mark.parametrize(("name", "code"), [("spam", "complained_before"), ("unsub", "opt_out")])
async def test_who_complains_or_unsubscribes_gets_notices_of_security_and_what_others_send(
    desk: Desk, name: str, code: str
) -> None:
    await told(desk, name)
    assert await sends(desk, EMAIL) == code
    assert await sends(desk, NOTICE) == "sent"
    assert await sends(desk, EMAIL, OTHER) == "sent"


async def test_third_soft_bounce_of_a_week_holds_for_a_week(desk: Desk) -> None:
    for number in (1, 2):
        await told(desk, "bounce", number, hard_bounce=False)
    assert await sends(desk, EMAIL) == "sent"
    await told(desk, "bounce", 3, hard_bounce=False)
    assert await sends(desk, EMAIL) == "bounced_before"
    assert await sends(desk, NOTICE) == "sent"
    [[days]] = await desk.sql("SELECT extract(day FROM expires_at - created_at) FROM suppressions")
    assert days == 7
    await desk.sql("UPDATE suppressions SET expires_at = now()")
    assert await sends(desk, EMAIL) == "sent"


@pytest.mark.parametrize(
    ("to", "stopped"),
    [
        (["joe@example.org"], []),
        (["joe@example.org", "mary@example.org"], []),
        (["jane@example.org"], ["bounced"]),
        (["joe@example.org", '"Jane" <Jane@Example.org>'], ["bounced"]),
        ([], ["bounced"]),
        (None, ["bounced"]),
    ],
)
async def test_bounce_that_names_another_recipient_changes_the_message_and_suppresses_nobody(
    desk: Desk, to: Any, stopped: list[str]
) -> None:
    message_id = await desk.sending("resend", named="re_1")
    bounce = {"type": "Permanent", "subType": "General", "message": "no such mailbox"}
    data = {"email_id": "re_1", "bounce": bounce, "to": to}
    told = resend({"type": "email.bounced", "data": data}, event_id="msg_1", at=time.time())
    assert await desk.tell("resend", told) == {"applied": 1}
    assert (await desk.read(message_id)).status == "bounced"
    assert [one.reason for one in await desk.sql("SELECT reason FROM suppressions")] == stopped
    [[also]] = await desk.sql("SELECT outcome -> 'effects' -> 0 -> 'also' ->> 0 FROM webhooks_received")
    assert also.startswith("the address is suppressed" if stopped else "nobody is suppressed")


@pytest.mark.parametrize("name", ["spam", "unsub", "bounce"])
async def test_what_mailjet_tells_of_another_address_counts_for_nobody(desk: Desk, name: str) -> None:
    for number in range(1, 5):
        await told(desk, name, number, email="joe@example.org")
    assert await desk.sql("SELECT reason FROM suppressions") == []
    await told(desk, name, 5, hard_bounce=True)
    assert len(await desk.sql("SELECT reason FROM suppressions")) == 1


def said(body: str, named: str, *, sender: str = "+15555550177") -> Any:
    return twilio({"MessageSid": sid(named), "From": sender, "To": "+15555550100", "Body": body}, part="inbound")


async def test_stop_holds_for_all_until_start(desk: Desk) -> None:
    assert await desk.tell("twilio", said("Stop the music!", "SM0")) == {"unknown": 1}
    assert await sends(desk, SMS) == "sent"
    assert await desk.tell("twilio", said(" STOP ", "SM1")) == {"applied": 1}
    assert await sends(desk, SMS) == await sends(desk, SMS, OTHER) == "opt_out"
    assert await desk.tell("twilio", said("Unstop", "SM2")) == {"applied": 1}
    assert await sends(desk, SMS) == "sent"


@pytest.mark.parametrize(
    ("sender", "numbers"),
    [
        ("+5215512345678", ["+525512345678"]),
        ("+5491123456789", ["+5491123456789", "+541123456789"]),
        ("+541123456789", ["+541123456789", "+5491123456789"]),
        ("+4407911123456", ["+447911123456"]),
    ],
)
async def test_answer_from_another_form_of_a_number_holds_for_the_one_that_is_sent_to(
    desk: Desk, sender: str, numbers: list[str]
) -> None:
    requests = [msgspec.structs.replace(SMS, to=number) for number in numbers]
    assert await desk.tell("twilio", said("STOP", "SM1", sender=sender)) == {"applied": 1}
    assert {await sends(desk, one) for one in requests} == {"opt_out"}
    assert await desk.tell("twilio", said("START", "SM2", sender=numbers[-1])) == {"applied": 1}
    assert {await sends(desk, one) for one in requests} == {"sent"}


@pytest.mark.parametrize("last", ["STOP", "START"])
async def test_last_answer_to_come_holds_whatever_order_their_jobs_run_in(desk: Desk, last: str) -> None:
    words = ("STOP", "START", "STOP") if last == "STOP" else ("START", "STOP", "START")
    for number, order in enumerate(itertools.permutations(range(3))):
        await desk.sql("DELETE FROM suppressions")
        taken = [await desk.take("twilio", said(word, f"SM{number}{at}")) for at, word in enumerate(words)]
        assert None not in taken
        came = [await desk.webhooks.process(taken[at], is_last_attempt=True) for at in order]
        assert came[order.index(2)] == {"applied": 1}
        assert {*map(str, came)} <= {"{'applied': 1}", "{'noted': 1}"}
        [[stopped]] = await desk.sql("SELECT count(*) FROM suppressions WHERE lifted_at IS NULL")
        assert stopped == (last == "STOP")
    again = [await desk.webhooks.process(one, is_last_attempt=True) for one in reversed(taken)]
    assert again == [{"applied": 1}, {"noted": 1}, {"noted": 1}], "only the last one counts anew"


async def test_answers_applied_at_once_and_under_another_secret_end_as_the_last_one_says(desk: Desk) -> None:
    for number in range(5):
        taken = [await desk.take("twilio", said(word, f"SM{number}{word}")) for word in ("STOP", "START")]
        await asyncio.gather(*(desk.webhooks.process(one, is_last_attempt=True) for one in reversed(taken)))
        [[stopped]] = await desk.sql("SELECT count(*) FROM suppressions WHERE lifted_at IS NULL")
        assert stopped == 0
    stop, start = [await desk.take("twilio", said(word, f"SM-{word}")) for word in ("STOP", "START")]
    await desk.webhooks.process(start, is_last_attempt=True)
    desk.webhooks._sealer = Sealer(Secret("n" * 40), [Secret("s" * 40)])
    assert await desk.webhooks.process(stop, is_last_attempt=True) == {"noted": 1}


async def test_refusal_told_late_does_not_undo_the_start_that_came_after_it(desk: Desk) -> None:
    message_id = await desk.sending("twilio", named=sid("SM9"))
    fields = {"MessageSid": sid("SM9"), "MessageStatus": "failed", "ErrorCode": "21610", "To": "+15555550177"}
    late = await desk.take("twilio", twilio(fields, query=f"message_id={message_id.hex}"))
    assert await desk.tell("twilio", said("START", "SM10")) == {"applied": 1}
    assert await desk.webhooks.process(late, is_last_attempt=True) == {"applied": 1}
    assert await sends(desk, SMS) == "sent"


@pytest.mark.parametrize("sender", ["whatsapp:+15555550177", "messenger:4711", "72345", "Bank", ""])
async def test_answer_by_another_channel_than_ours_is_kept_without_effect_and_says_so(desk: Desk, sender: str) -> None:
    assert await desk.tell("twilio", said("STOP", "SM1", sender=sender)) == {"ignored": 1}
    [[reason]] = await desk.sql("SELECT outcome -> 'effects' -> 0 ->> 'reason' FROM webhooks_received")
    assert "by SMS or RCS" in reason
    assert await desk.sql("SELECT 1 FROM suppressions") == []


async def test_answer_by_rcs_is_one_of_the_number(desk: Desk) -> None:
    assert await desk.tell("twilio", said("STOP", "SM1", sender="rcs:+15555550177")) == {"applied": 1}
    assert await sends(desk, SMS) == "opt_out"


async def test_number_that_twilio_says_has_stopped_is_asked_no_more(desk: Desk) -> None:
    refusing = MemorySmsProvider()

    async def refuse(_: Any) -> Any:
        raise PermanentSendError("twilio_21610", "Attempt to send to unsubscribed recipient")

    refusing.send = refuse  # type: ignore[method-assign] # as a provider that refuses
    [message_id] = await queued_for(desk.db, ORGANIZATION, [SMS])
    with pytest.raises(PermanentError):
        await sender_for(desk.db, sms=refusing).send(
            "sms", message_id, organization_id=ORGANIZATION, is_last_attempt=True
        )
    assert await sends(desk, SMS) == "opt_out"


async def test_address_is_known_after_the_secret_changed(desk: Desk) -> None:
    await told(desk, "bounce", **DEAD)
    rotated = Sealer(Secret("n" * 40), [Secret("s" * 40)])
    assert await sends(desk, EMAIL, sealer=rotated) == "bounced_before"
