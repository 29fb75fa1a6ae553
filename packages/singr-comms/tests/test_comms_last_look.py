"""What people chose is looked at again as each attempt begins: an opt-out that is committed stops what was queued."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from singr_comms import SecurityNotice, SongRequest, TransientError
from singr_comms.people import PreferenceChoice, PreferencesHolder, change_preferences
from singr_db import new_id
from singr_db.tables import Message, Organization, Recipient
from singr_jobs import PermanentError, RetryLater

SONG = SongRequest(venue_name="Blue Note", artist="Abba", title="Waterloo", link="https://singr.example/requests")
NOTICE = SecurityNotice(user_name="Ada", event="new_device", occurred_at="today", link="https://singr.example/r")
OFF = PreferenceChoice(scope="all", allowed=False)
REQUESTS_ON = PreferenceChoice(scope="category", name="requests", channel="email", allowed=True)


@pytest.fixture
async def people(bench: Any) -> list[UUID]:
    """Recipients of the bench's organization, two of them."""
    async with bench.db.platform() as session:
        session.add(Organization(id=bench.organization, name="Farm", slug="farm"))
        await session.flush()
        ids = [new_id() for _ in range(2)]
        rows = [
            {"id": one, "external_id": one.hex, "key_id": one, "organization_id": bench.organization} for one in ids
        ]
        await session.execute(insert(Recipient), rows)
    return ids


async def queued(bench: Any, person: UUID | None, message: Any = SONG, *, to: str = "jane@example.org") -> UUID:
    message_id: UUID = await bench.queue(message, to=to)
    async with bench.db.platform() as session:
        await session.execute(update(Message).where(Message.id == message_id).values(recipient_id=person))
    return message_id


async def chooses(bench: Any, person: UUID | None, *choices: PreferenceChoice) -> None:
    holder = PreferencesHolder(organization_id=bench.organization, recipient_id=person)
    async with bench.db.platform() as session:
        await change_preferences(session, holder, choices, source="recipient")


async def end_of(bench: Any, message_id: UUID) -> str:
    """`sent`, or the code of what stopped it."""
    try:
        await bench.send(message_id)
    except PermanentError:
        row = await bench.row(message_id)
        return str(row.error["code"]) if row.status == "suppressed" else str(row.status)
    return "sent"


async def test_opt_out_before_the_first_attempt_stops_it_and_calls_nobody(bench: Any, people: list[UUID]) -> None:
    jane, joe = people[:2]
    of_jane, of_joe, of_nobody = [await queued(bench, one) for one in (jane, joe, None)]
    await chooses(bench, jane, OFF)
    assert [await end_of(bench, one) for one in (of_jane, of_joe, of_nobody)] == ["preference", "sent", "sent"]
    row = await bench.row(of_jane)
    assert (row.attempts, row.error["message"]) == (0, "its recipient does not want it: recipient:all is off")
    assert bench.email.calls == 2


async def test_opt_out_between_two_attempts_stops_the_second(bench: Any, people: list[UUID]) -> None:
    message_id = await queued(bench, people[0])
    bench.email.fail_next(TransientError("connection", "refused"))
    with pytest.raises(RetryLater):
        await bench.send(message_id)
    await chooses(bench, people[0], OFF)
    assert await end_of(bench, message_id) == "preference"
    assert await bench.story(message_id) == ("suppressed", ["failed"])


async def test_mandatory_messages_and_narrower_choices_pass(bench: Any, people: list[UUID]) -> None:
    jane = people[0]
    await chooses(bench, jane, OFF, REQUESTS_ON)
    await chooses(bench, None, OFF)
    assert await end_of(bench, await queued(bench, jane)) == "sent"
    assert await end_of(bench, await queued(bench, people[1], NOTICE)) == "sent"
    assert await end_of(bench, await queued(bench, people[1])) == "preference"
