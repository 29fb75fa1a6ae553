"""Messages that are queued and sent: what the tests of queueing and of the delivery log share."""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from singr_comms import EmailAddress, MemoryEmailProvider, MemoryPushProvider, MemorySmsProvider, PlainSms, SongRequest
from singr_comms.notifications import EmailRequest, MessageSender, SmsRequest, queue_email, queue_sms
from singr_config import LimitSettings, Secret
from singr_db import Database, Sealer
from singr_observability import build_metrics

ORGANIZATION = UUID("01920000-0000-7000-8000-00000000c0de")
SEALER = Sealer(Secret("s" * 40))
SONG = SongRequest(venue_name="Blue Note", artist="Abba", title="Waterloo", link="https://singr.example/requests")
EMAIL = EmailRequest(to=EmailAddress("jane@example.org", "Jane"), message=SONG)
SMS = SmsRequest(to="+15555550177", message=PlainSms(text="Hello"))


async def all_rows(db: Database, table: str = "messages") -> list[Any]:
    async with db.platform() as session:
        return list((await session.execute(text(f"SELECT * FROM {table} ORDER BY 1"))).all())


def sender_for(db: Database, email: Any = None, sms: Any = None, limits: LimitSettings | None = None) -> MessageSender:
    return MessageSender(
        db,
        SEALER,
        email=email or MemoryEmailProvider(),
        sms=sms or MemorySmsProvider(),
        push=MemoryPushProvider(),
        limits=limits or LimitSettings(),
        metrics=build_metrics(),
    )


async def queued_for(db: Database, organization: UUID, requests: list[EmailRequest | SmsRequest]) -> list[UUID]:
    made = []
    for request in requests:
        async with db.tenant(organization) as session:
            queue = queue_email if isinstance(request, EmailRequest) else queue_sms
            queued = await queue(session, request, sealer=SEALER, organization_id=organization)  # type: ignore[arg-type] # chosen by type
        assert queued.message_id is not None
        made.append(queued.message_id)
    return made
