"""People as they are kept are reached: from a recipient through the fan-out to a provider, by keys of their own."""

from typing import Any

import pytest
from comms_crowds import Crowd
from comms_queueing import ORGANIZATION, SEALER
from sqlalchemy import text

from singr_comms import (
    EmailAddress,
    MemoryEmailProvider,
    MemoryPushProvider,
    MemorySmsProvider,
    PlainPush,
    PlainSms,
)
from singr_comms.messages.plain import PlainEmail
from singr_comms.notifications import MessageSender
from singr_comms.notifying import Audience
from singr_comms.people import (
    DeviceInput,
    RecipientInput,
    TopicChange,
    change_topic,
    erase_recipient,
    put_recipient,
    recipient_named,
    register_device,
)
from singr_config import LimitSettings
from singr_db import Database
from singr_db.tables import Organization
from singr_jobs import PermanentError
from singr_observability import build_metrics

TOKEN = "device-token:0123456789"
WAYS: list[tuple[str, Any, Any]] = [
    ("email", PlainEmail(title="Open", text="Come on."), EmailAddress("ada@example.org", "Ada")),
    ("sms", PlainSms(text="Come on."), "+15555550100"),
    ("push", PlainPush(title="Open", text="Come on."), TOKEN),
]


@pytest.fixture
async def crowd(db: Database) -> Crowd:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Farms", slug="farms"))
    async with db.tenant(ORGANIZATION) as session:
        given = RecipientInput(name="Ada", email="ada@example.org", phone="+15555550100")
        await put_recipient(session, "u-1", given, sealer=SEALER)
        device = DeviceInput(token=TOKEN, platform="web")
        await register_device(session, await recipient_named(session, "u-1"), device, sealer=SEALER)
        await change_topic(session, "farm-9", TopicChange(add=["u-1"]))
    return Crowd(db, SEALER, ORGANIZATION)


@pytest.mark.parametrize(("channel", "what", "to"), WAYS, ids=["email", "sms", "push"])
async def test_a_person_is_reached_and_who_is_erased_between_queue_and_call_is_not(
    crowd: Crowd, channel: str, what: Any, to: Any
) -> None:
    providers: dict[str, Any] = {
        "email": MemoryEmailProvider(),
        "sms": MemorySmsProvider(),
        "push": MemoryPushProvider(),
    }
    sender = MessageSender(crowd.db, SEALER, limits=LimitSettings(), metrics=build_metrics(), **providers)

    async def queued() -> Any:
        told = await crowd.tell(what, Audience(topic="farm-9"))
        await crowd.decide(told)
        [message] = await crowd.messages(told)
        assert (message.channel, message.status, message.external_id) == (channel, "queued", "u-1")
        return message.id

    sent, stopped = await queued(), await queued()
    await sender.send(channel, sent, organization_id=ORGANIZATION, is_last_attempt=True)
    assert [envelope.to for envelope in providers[channel].sent] == [to]
    async with crowd.db.tenant(ORGANIZATION) as session:
        await erase_recipient(session, "u-1", sealer=SEALER)
    with pytest.raises(PermanentError) as caught:
        await sender.send(channel, stopped, organization_id=ORGANIZATION, is_last_attempt=True)
    assert (caught.value.code, len(providers[channel].sent)) == ("erased", 1)
    async with crowd.db.platform() as session:
        row = (await session.execute(text("SELECT status FROM messages WHERE id = :id"), {"id": stopped})).one()
    assert row.status == "suppressed"
