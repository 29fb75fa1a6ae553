"""Addresses that get nothing more: who says so, what it holds back, and what passes all the same."""

from typing import Any
from uuid import UUID

import pytest
from comms_callbacks import mailjet, twilio
from comms_queueing import EMAIL, ORGANIZATION, SEALER, SMS, queued_for, sender_for
from comms_told import Desk, event

from singr_comms import EmailAddress, MemorySmsProvider, PermanentSendError, SecurityNotice
from singr_comms.notifications import EmailRequest
from singr_config import Secret
from singr_db import Database, Sealer
from singr_jobs import PermanentError

OTHER = UUID("01920000-0000-7000-8000-0000000000be")
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
    channel = "sms" if request is SMS else "email"
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
    await told(desk, "bounce", hard_bounce=True)
    for request in (EMAIL, NOTICE):
        for organization in (ORGANIZATION, OTHER):
            assert await sends(desk, request, organization) == "bounced_before"


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


async def test_stop_holds_for_all_until_start(desk: Desk) -> None:
    def said(body: str, sid: str) -> Any:
        return twilio({"MessageSid": sid, "From": "+15555550177", "To": "+15555550100", "Body": body}, part="inbound")

    assert await desk.tell("twilio", said("Stop the music!", "SM0")) == {"unknown": 1}
    assert await sends(desk, SMS) == "sent"
    assert await desk.tell("twilio", said(" STOP ", "SM1")) == {"applied": 1}
    assert await sends(desk, SMS) == await sends(desk, SMS, OTHER) == "opt_out"
    assert await desk.tell("twilio", said("Unstop", "SM2")) == {"applied": 1}
    assert await sends(desk, SMS) == "sent"


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
    await told(desk, "bounce", hard_bounce=True)
    rotated = Sealer(Secret("n" * 40), [Secret("s" * 40)])
    assert await sends(desk, EMAIL, sealer=rotated) == "bounced_before"
