"""What providers told of who is erased goes, and what they told of others stays."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import pytest
from comms_callbacks import mailjet
from comms_queueing import EMAIL, ORGANIZATION, SEALER, queued_for
from comms_told import Desk, event
from sqlalchemy import text

from singr_comms import EmailAddress
from singr_comms.notifications import EmailRequest
from singr_comms.people import EraseByKey, RecipientInput, erase_recipient, put_recipient
from singr_comms.people.privacy import _blanking
from singr_comms.people.privacy._blanking import Blanking
from singr_db import Database
from singr_db.tables import Organization

CANARY = "canary@example.org"
TO_HER = EmailRequest(to=EmailAddress(CANARY, "Canary"), message=EMAIL.message)
OTHERS = UUID("01920000-0000-7000-8000-0000000000f1")


@pytest.fixture
async def desk(db: Database) -> Desk:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
        session.add(Organization(id=OTHERS, name="Village Vanguard", slug="vanguard"))
    async with db.tenant(ORGANIZATION) as session:
        await put_recipient(session, "u-1", RecipientInput(email=CANARY), sealer=SEALER)
    return Desk(db)


async def sent(desk: Desk, request: EmailRequest = TO_HER, organization_id: UUID = ORGANIZATION) -> UUID:
    """A message to a bare address, which Mailjet was given."""
    [message_id] = await queued_for(desk.db, organization_id, [request])
    await desk.sql("UPDATE messages SET status = 'sent', provider = 'mailjet' WHERE id = :id", id=message_id)
    await desk.sql(
        "INSERT INTO message_attempts (message_id, attempt, organization_id, provider, status, idempotency_token)"
        " VALUES (:id, 1, :organization, 'mailjet', 'sent', 't')",
        id=message_id,
        organization=organization_id,
    )
    return message_id


def told(message_id: UUID, number: int, **more: Any) -> dict[str, Any]:
    return event("sent", message_id, number=number) | {"email": CANARY} | more


async def erased(desk: Desk) -> EraseByKey:
    async with desk.db.tenant(ORGANIZATION) as session:
        await erase_recipient(session, "u-1", sealer=SEALER)
    [[payload]] = await desk.sql("SELECT payload FROM jobs WHERE type = 'recipient.erase_by_key'")
    return msgspec.convert(payload | {"type": "recipient.erase_by_key"}, EraseByKey)


async def kept(desk: Desk) -> int:
    [[count]] = await desk.sql("SELECT count(*) FROM webhooks_received")
    return int(count)


async def test_what_was_told_of_others_in_one_callback_stays_with_their_proof(desk: Desk) -> None:
    hers, second = await sent(desk), await sent(desk)
    theirs = await sent(desk, EMAIL, OTHERS)
    both = mailjet([told(hers, 1), told(theirs, 2, email="jane@example.org")])
    assert await desk.tell("mailjet", both) == {"applied": 2}
    [[shared]] = await desk.sql("SELECT id FROM webhooks_received")
    assert await desk.tell("mailjet", mailjet([told(second, 3), told(hers, 4, time=1_790_000_001)])) != {}
    await Blanking(desk.db).run(await erased(desk), organization_id=ORGANIZATION)
    assert [one for [one] in await desk.sql("SELECT id FROM webhooks_received")] == [shared]
    assert await desk.webhooks.rehearse(shared) is not None


async def test_what_waits_while_a_message_is_blanked_goes_with_the_second_look(desk: Desk) -> None:
    waiting = await desk.take("mailjet", mailjet([told(await sent(desk), 1)]))
    assert waiting is not None
    job = await erased(desk)
    await Blanking(desk.db).run(job, organization_id=ORGANIZATION)
    assert await kept(desk) == 1
    await desk.webhooks.process(waiting, is_last_attempt=True)
    last = msgspec.structs.replace(job, is_last=True)
    await Blanking(desk.db).run(last, organization_id=ORGANIZATION)
    assert await kept(desk) == 0
    assert await desk.sql("SELECT DISTINCT recipient_hash FROM messages") == [(b"",)]


async def test_callbacks_go_in_bites_after_all_else(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        await desk.tell("mailjet", mailjet([told(await sent(desk), number)]))
    job = await erased(desk)
    monkeypatch.setattr(_blanking, "_AT_ONCE", 2)
    blanking = Blanking(desk.db)
    async with desk.db.platform() as session:
        await session.execute(text("LOCK webhooks_received IN ACCESS EXCLUSIVE MODE"))
        run = asyncio.create_task(blanking.run(job, organization_id=ORGANIZATION))
        held = "SELECT count(*) FROM pg_locks WHERE relation = 'webhooks_received'::regclass AND NOT granted"
        async with asyncio.timeout(10):
            while await desk.sql(held) == [(0,)]:  # noqa: ASYNC110 - PostgreSQL sets no event
                await asyncio.sleep(0.01)
        assert await desk.sql("SELECT DISTINCT recipient_masked FROM messages") == [("erased",)]
    assert await run == 3
    assert await kept(desk) == 0
