"""R31: readers opt out of what is queued for them already."""

from __future__ import annotations

import itertools
from uuid import UUID

import pytest
from sqlalchemy import insert, text, update

from singr_comms import (
    EmailAddress,
    EmailEnvelope,
    MemoryEmailProvider,
    MemoryPushProvider,
    MemorySmsProvider,
    SendReceipt,
    SongRequest,
)
from singr_comms.notifications import EmailRequest, MessageSender, queue_message
from singr_comms.people import PreferenceChoice, PreferencesHolder, PreferencesLook, change_preferences
from singr_config import LimitSettings, Secret
from singr_db import Database, Sealer, new_id
from singr_db.tables import Message, Organization, Recipient
from singr_jobs import PermanentError
from singr_observability import build_metrics

SONG = SongRequest(venue_name="Blue Note", artist="Abba", title="Waterloo", link="https://singr.example/requests")
WAYS = (
    PreferenceChoice(scope="all", allowed=False),
    PreferenceChoice(scope="all", channel="email", allowed=False),
    PreferenceChoice(scope="category", name="requests", allowed=False),
    PreferenceChoice(scope="type", name="song_request", channel="email", allowed=False),
)


@pytest.mark.parametrize("many", [12, pytest.param(1000, marks=pytest.mark.full)])
async def test_of_many_that_are_queued_those_whose_readers_opted_out_stop(db: Database, many: int) -> None:
    farm, people, sealer, provider = new_id(), [new_id() for _ in range(many)], Sealer(Secret("o" * 40)), _Counting()
    sender = MessageSender(
        db,
        sealer,
        email=provider,
        sms=MemorySmsProvider(),
        push=MemoryPushProvider(),
        limits=LimitSettings(email_per_day=10_000),
        metrics=build_metrics(),
        last_look=PreferencesLook(),
    )
    async with db.platform() as session:
        session.add(Organization(id=farm, name="Farm", slug="farm"))
        await session.flush()
        rows = [{"id": one, "external_id": one.hex, "key_id": one} for one in people]
        await session.execute(insert(Recipient).values(organization_id=farm), rows)
    messages = [await _queued(db, sealer, farm, one) for one in people]
    ways = itertools.cycle(WAYS)
    ends = []
    for place, (person, message_id) in enumerate(zip(people, messages, strict=True)):
        if place % 2:  # while others are being sent
            async with db.platform() as session:
                holder = PreferencesHolder(organization_id=farm, recipient_id=person)
                await change_preferences(session, holder, [next(ways)], source="recipient")
        try:
            await sender.send("email", message_id, organization_id=farm, is_last_attempt=True)
            ends.append("sent")
        except PermanentError as error:
            ends.append(error.code)
    assert ends == ["sent", "preference"] * (many // 2)
    assert provider.calls == many // 2
    async with db.platform() as session:
        told = "SELECT status, error ->> 'code', count(*) FROM messages GROUP BY 1, 2 ORDER BY 1"
        found = [tuple(row) for row in await session.execute(text(told))]
    assert found == [("sent", None, many // 2), ("suppressed", "preference", many // 2)]


class _Counting(MemoryEmailProvider):
    """Counts how often it was called."""

    calls = 0

    async def send(self, envelope: EmailEnvelope) -> SendReceipt:
        self.calls += 1
        return await super().send(envelope)


async def _queued(db: Database, sealer: Sealer, farm: UUID, person: UUID) -> UUID:
    request = EmailRequest(to=EmailAddress(f"{person.hex}@example.org"), message=SONG)
    async with db.platform() as session:
        queued = await queue_message(session, request, sealer=sealer, organization_id=farm)
        assert queued.message_id is not None
        await session.execute(update(Message).where(Message.id == queued.message_id).values(recipient_id=person))
    return queued.message_id
