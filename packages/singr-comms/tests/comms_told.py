"""What takes callbacks in and applies them as a worker does, and messages that they are about."""

from typing import Any
from uuid import UUID

from comms_callbacks import doors
from comms_queueing import EMAIL, ORGANIZATION, SEALER, SMS, queued_for
from sqlalchemy import text

from singr_comms.inbound import Callback
from singr_comms.notifications import Deliveries, DeliveryDetail, WebhookIntake, Webhooks
from singr_db import Database
from singr_observability import build_metrics

NUMBER = 1152921504606846976
DOORS = doors()


class Desk:
    """What takes callbacks in, and applies them as a worker does."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.metrics = build_metrics()
        self.intake = WebhookIntake(db, SEALER, self.metrics)
        self.webhooks = Webhooks(db, SEALER, DOORS, self.metrics)

    async def take(self, provider: str, callback: Callback) -> UUID | None:
        """Let a callback in; returns its id, or None for a copy."""
        if not await self.intake.take(DOORS.prove(provider, callback)):
            return None
        [[found]] = await self.sql("SELECT id FROM webhooks_received ORDER BY id DESC LIMIT 1")
        return UUID(str(found))

    async def tell(self, provider: str, callback: Callback, *, last: bool = False) -> dict[str, int]:
        """Let a callback in, and apply it."""
        webhook_id = await self.take(provider, callback)
        return await self.webhooks.process(webhook_id, is_last_attempt=last) if webhook_id else {}

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async with self.db.platform() as session:
            result = await session.execute(text(statement), values)
            return list(result.all()) if result.returns_rows else []

    async def sending(self, provider: str = "mailjet", status: str = "sent", named: str | None = str(NUMBER)) -> UUID:
        """A message that a provider was given, whose row and attempt stand as they are told."""
        [message_id] = await queued_for(self.db, ORGANIZATION, [SMS if provider == "twilio" else EMAIL])
        attempt = status if status in {"sent", "failed", "unknown", "dispatched"} else "sent"
        await self.sql(
            "INSERT INTO message_attempts (message_id, attempt, organization_id, provider, status,"
            " provider_message_id, idempotency_token) VALUES (:id, 1, :organization, :provider, :status, :named, 't')",
            id=message_id,
            organization=ORGANIZATION,
            provider=provider,
            status=attempt,
            named=named,
        )
        await self.sql(
            "UPDATE messages SET status = :status, attempts = 1, provider = :provider, provider_message_id = :named"
            " WHERE id = :id",
            id=message_id,
            status=status,
            provider=provider,
            named=named,
        )
        return message_id

    async def read(self, message_id: UUID) -> DeliveryDetail:
        async with self.db.tenant(ORGANIZATION) as session:
            found = await Deliveries(SEALER).read(session, message_id)
        assert found is not None
        return found


def event(name: str, message_id: UUID, *, number: int = NUMBER, at: int = 1_790_000_000, **more: Any) -> dict[str, Any]:
    """An event as Mailjet writes it."""
    return {
        "event": name,
        "time": at,
        "MessageID": number,
        "email": "jane@example.org",
        "CustomID": message_id.hex,
        **more,
    }
