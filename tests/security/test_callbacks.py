"""S24: callbacks in arrays, shuffled and doubled, that several workers apply at once."""

import asyncio
import json
import random
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from singr_comms.inbound import Callback, Doors
from singr_comms.notifications import WebhookIntake, Webhooks
from singr_config import Secret, Settings, WebhookSettings
from singr_db import Database, Sealer, new_id
from singr_observability import build_metrics

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

ORGANIZATION = UUID("01920000-0000-7000-8000-00000000c0de")
SECRET = "a-secret-of-mailjet-0123456789"
TOLD = {"sent": "delivered", "bounce": "bounced", "spam": "complained", "open": ""}
ORDER = ("", "delivered", "bounced", "complained")


async def sending(db: Database, number: int) -> UUID:
    """A message that Mailjet took under this number."""
    message_id, values = new_id(), {"organization": ORGANIZATION, "named": str(number)}
    async with db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO messages (id, organization_id, channel, kind, status, recipient_sealed, recipient_hash,"
                " recipient_masked, content_sealed, provider, provider_message_id, attempts)"
                " VALUES (:id, :organization, 'email', 'song_request', 'sent', '', '', '', '', 'mailjet', :named, 1)"
            ),
            values | {"id": message_id},
        )
        await session.execute(
            text(
                "INSERT INTO message_attempts (message_id, attempt, organization_id, provider, status,"
                " provider_message_id, idempotency_token)"
                " VALUES (:id, 1, :organization, 'mailjet', 'sent', :named, 't')"
            ),
            values | {"id": message_id},
        )
    return message_id


async def test_arrays_shuffled_and_doubled_over_workers_end_in_the_highest_state(
    db: Database, settings: Settings
) -> None:
    doors = Doors(replace(settings, webhooks=WebhookSettings(mailjet_secret=Secret(SECRET))))
    sealer, metrics, draw = Sealer(settings.auth.secret), build_metrics(), random.Random(5)
    intake, webhooks = WebhookIntake(db, sealer, metrics), Webhooks(db, sealer, doors, metrics)
    told: list[dict[str, Any]] = []
    highest: dict[UUID, str] = {}
    for number in range(1, 51):
        message_id = await sending(db, number)
        names = draw.sample(sorted(TOLD), draw.randint(1, 4))
        highest[message_id] = max((TOLD[name] for name in names), key=ORDER.index) or "sent"
        told += [
            {"event": name, "time": 1_790_000_000, "MessageID": number, "CustomID": message_id.hex} for name in names
        ]
    for _ in range(20):
        draw.shuffle(told)
        for start in range(0, len(told), 30):
            body = json.dumps([*told[start : start + 30], *told[start : start + 5]]).encode()
            await intake.take(doors.prove("mailjet", Callback(body=body, part=SECRET)))
    async with db.platform() as session:
        stored = list(await session.scalars(text("SELECT id FROM webhooks_received")))
    applying = [webhooks.process(one, is_last_attempt=True) for one in stored * 2]
    await asyncio.gather(*draw.sample(applying, len(applying)))
    async with db.platform() as session:
        found = dict((await session.execute(text("SELECT id, status FROM messages"))).all())
    assert found == highest
