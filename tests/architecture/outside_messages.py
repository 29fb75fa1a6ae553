"""A service outside the workspace with message types of its own: singr-comms from its wheel, and the guide's package.

`python outside_messages.py` reads one JSON object from its input: a database's address and an organization. It queues,
sends and reads back one message of each of its types, and declares some wrong; it prints what came of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.metadata import distributions
from pathlib import Path
from uuid import UUID

from parcel_messages.parcel_ready import ParcelReady, ParcelReadySms
from parcel_messages.pickup_code import PickupCode

from singr_comms import (
    DeclarationError,
    EmailAddress,
    MemoryEmailProvider,
    MemoryPushProvider,
    MemorySmsProvider,
    Message,
    MessageType,
    message_types,
)
from singr_comms.notifications import Deliveries, EmailRequest, MessageSender, SmsRequest, queue_message
from singr_config import DatabaseSettings, LimitSettings, Secret
from singr_db import Database, Sealer
from singr_observability import build_metrics

LINK = "https://parcels.example/7"
REQUESTS = {
    "email": (
        EmailRequest(
            to=EmailAddress("jane@example.org"), message=ParcelReady(user_name="Jane", shop="Corner", link=LINK)
        ),
    ),
    "sms": (
        SmsRequest(to="+15555550100", message=ParcelReadySms(shop="Corner", link=LINK)),
        SmsRequest(to="+15555550100", message=PickupCode(code="042917", expiry_hours=24)),
    ),
}


class Taken(Message, tag="welcome", frozen=True, kw_only=True):
    """A type whose name Singr has already."""

    text: str


async def send(database: Database, organization_id: UUID) -> list[str]:
    """Queue and send each message; returns what the delivery log tells of them."""
    sealer = Sealer(Secret("an outside service's own secret, long enough"))
    email, sms = MemoryEmailProvider(), MemorySmsProvider()
    providers = {"email": email, "sms": sms, "push": MemoryPushProvider()}
    sender = MessageSender(database, sealer, limits=LimitSettings(), metrics=build_metrics(), **providers)
    for channel, requests in REQUESTS.items():
        for request in requests:
            async with database.tenant(organization_id) as session:
                queued = await queue_message(session, request, sealer=sealer, organization_id=organization_id)
            assert queued.message_id is not None
            await sender.send(channel, queued.message_id, organization_id=organization_id, is_last_attempt=True)
    asked = [request.message for requests in REQUESTS.values() for request in requests]
    assert [one.message for one in (*email.sent, *sms.sent)] == asked
    async with database.tenant(organization_id) as session:
        page = await Deliveries(sealer).list(session)
    return sorted(f"{one.channel} {one.kind} {one.status}" for one in page.items)


def refused(folder: Path) -> list[str]:
    """What is said of wrong declarations."""
    folder.mkdir()
    said = []
    for words in ((), ("sms.txt",)):
        for name in words:
            (folder / name).write_text("{{ text }}")
        try:
            message_types.add(
                MessageType(folder, when_unknown="settle", sms=Taken, examples=(lambda name: Taken(text=name),))
            )
        except DeclarationError as error:
            said.append(str(error))
    return said


async def main() -> None:
    """Be that service."""
    ours = {found.name for found in distributions() if found.name.startswith("singr")}
    assert not ours & {"singr-api", "singr-worker", "singr-dev", "singr-auth"}, ours
    message_types.add_installed()
    for one in message_types:
        one.try_out()
    given = json.load(sys.stdin)
    database = Database(DatabaseSettings(url=Secret(given["database_url"]), pool_size=2), application_name="parcels")
    async with database:
        log = await send(database, UUID(given["organization_id"]))
    repeated = [
        one.name
        for one in message_types
        if one.name in ("parcel_ready", "pickup_code") and one.when_unknown == "repeat"
    ]
    sys.stdout.write(json.dumps({"log": log, "refused": refused(Path("taken")), "repeated": repeated}))


if __name__ == "__main__":
    asyncio.run(main())
