"""R19: Stripe goes on changing subscriptions while their events come ten times, shuffled, and are applied at once."""

import asyncio
import hmac
import json
import random
import time
from uuid import UUID

import httpx
import pytest
from msgspec.structs import replace
from sqlalchemy import text

from singr_comms.inbound import Callback, Doors
from singr_comms.notifications import StripeSubscriptions, WebhookIntake, Webhooks
from singr_config import Secret, Settings, StripeSettings, WebhookSettings
from singr_db import Database, Sealer
from singr_db.tables import Organization
from singr_dev.simulators import stripe
from singr_observability import build_metrics

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

ORGANIZATION = UUID("01920000-0000-7000-8000-00000000c0de")
SECRET = "whsec_stripe0123456789"
STATES = ("incomplete", "trialing", "active", "past_due", "unpaid", "paused")


def told(event: object) -> Callback:
    body, stamp = json.dumps(event).encode(), str(int(time.time()))
    signature = hmac.digest(SECRET.encode(), f"{stamp}.".encode() + body, "sha256").hex()
    return Callback(body=body, headers={"stripe-signature": f"t={stamp},v1={signature}"})


async def test_events_of_subscriptions_that_go_on_changing_end_as_stripe_has_them(
    db: Database, settings: Settings
) -> None:
    doors = Doors(replace(settings, webhooks=WebhookSettings(stripe_secret=Secret(SECRET))))
    sealer, metrics, draw = Sealer(settings.auth.secret), build_metrics(), random.Random(19)
    intake = WebhookIntake(db, sealer, metrics)
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    wanted: dict[str, str] = {}
    with stripe.serve() as simulator:
        async with httpx.AsyncClient() as http:
            asking = StripeSettings(secret_key=Secret(simulator.secret_key), base_url=simulator.base_url)
            subscriptions = StripeSubscriptions(db, asking, http)
            webhooks = Webhooks(db, sealer, doors, metrics, subscriptions=subscriptions)
            for number in range(30):
                name = f"sub_{number}"
                simulator.subscribe(name, metadata={"organization_id": str(ORGANIZATION)})
            seen: set[UUID] = set()
            places = asyncio.Semaphore(8)

            async def apply(webhook_id: UUID) -> None:
                async with places:
                    await webhooks.process(webhook_id, is_last_attempt=True)

            async with asyncio.TaskGroup() as applied:
                for step in range(10):
                    events = []
                    for number in range(30):
                        name = f"sub_{number}"
                        wanted[name] = draw.choice(STATES) if step < 9 else draw.choice(("active", "canceled"))
                        shown = simulator.change(name, status=wanted[name])
                        body = {"id": f"evt_{name}_{step}", "type": "customer.subscription.updated"}
                        events += [body | {"created": int(time.time()), "data": {"object": shown}}] * 10
                    draw.shuffle(events)
                    for event in events:
                        await intake.take(doors.prove("stripe", told(event)))
                    async with db.platform() as session:
                        stored = set(await session.scalars(text("SELECT id FROM webhooks_received")))
                    # Each by two workers, and while Stripe changes further.
                    for one in draw.sample(sorted(stored - seen), len(stored - seen)) * 2:
                        applied.create_task(apply(one))
                    seen = stored
    async with db.platform() as session:
        found = dict((await session.execute(text("SELECT subscription, status FROM subscriptions"))).all())
    assert len(seen) == 300, "of ten copies one is stored"
    assert found == wanted
