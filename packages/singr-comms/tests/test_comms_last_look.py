"""What became of people is looked at as each attempt begins: an opt-out that is committed stops what was queued."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, text, update

from singr_comms import PlainPush, SecurityNotice, SongRequest, TransientError
from singr_comms.catalogue import message_types
from singr_comms.notifications import PushRequest, queue_message
from singr_comms.people import (
    DeviceInput,
    PreferenceChoice,
    PreferencesHolder,
    RecipientInput,
    change_preferences,
    put_recipient,
    recipient_named,
    register_device,
    remove_device,
)
from singr_config import Secret
from singr_db import Sealer, new_id
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


async def test_what_is_opt_in_is_stopped_unless_it_was_chosen(
    bench: Any, people: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_types.named("song_request"), "opt_in", True)
    assert await end_of(bench, await queued(bench, people[0])) == "preference"
    await chooses(bench, people[0], REQUESTS_ON)
    assert await end_of(bench, await queued(bench, people[0])) == "sent"


async def test_who_was_taken_off_gets_nothing_that_waits_whatever_they_had_chosen(
    bench: Any, people: list[UUID]
) -> None:
    first, again, of_joe = [await queued(bench, one) for one in (people[0], people[0], people[1])]
    bench.email.fail_next(TransientError("connection", "refused"))
    with pytest.raises(RetryLater):
        await bench.send(again)
    await chooses(bench, people[0], OFF)
    async with bench.db.tenant(bench.organization) as session:
        await session.execute(text("DELETE FROM recipients WHERE id = :id"), {"id": people[0]})
    assert [await end_of(bench, one) for one in (first, again, of_joe)] == ["erased", "erased", "sent"]
    assert (await bench.row(first)).error["message"] == "its recipient was taken off the list or erased"


PHONE = DeviceInput(token="device-token:0123456789", platform="android")


async def registers(bench: Any, name: str) -> UUID:
    """Let somebody register the one phone; returns its id."""
    async with bench.db.tenant(bench.organization) as session:
        await put_recipient(session, name, RecipientInput(), sealer=bench.sealer)
        view, _ = await register_device(session, await recipient_named(session, name), PHONE, sealer=bench.sealer)
    return view.id


async def pushed(bench: Any, name: str | None) -> UUID:
    request = PushRequest(to=PHONE.token, message=PlainPush(title="Your farm", text="For your eyes"))
    async with bench.db.tenant(bench.organization) as session:
        made = await queue_message(session, request, sealer=bench.sealer, organization_id=bench.organization)
        whose = "(SELECT id FROM recipients WHERE external_id = :name)"
        values = {"id": made.message_id, "name": name}
        await session.execute(text(f"UPDATE messages SET recipient_id = {whose} WHERE id = :id"), values)
    assert made.message_id is not None
    return made.message_id


async def push_ends(bench: Any, *messages: UUID) -> list[str]:
    ends = []
    for one in messages:
        try:
            await bench.sender().send("push", one, organization_id=bench.organization, is_last_attempt=False)
            ends.append("sent")
        except PermanentError as error:
            assert (await bench.row(one)).status == "suppressed"
            ends.append(error.code)
        except RetryLater as error:
            ends.append(error.code)
    return ends


@pytest.mark.usefixtures("people")
async def test_a_push_goes_to_no_device_that_is_its_recipients_no_more(bench: Any) -> None:
    await registers(bench, "u-1")
    first, again, for_all = [await pushed(bench, one) for one in ("u-1", "u-1", None)]
    bench.push.fail_next(TransientError("connection", "refused"))
    assert await push_ends(bench, again) == ["connection"]
    device = await registers(bench, "u-2")
    of_new = await pushed(bench, "u-2")
    ends = ["no_device", "no_device", "sent", "sent"]
    assert await push_ends(bench, first, again, for_all, of_new) == ends
    late = await pushed(bench, "u-2")
    async with bench.db.tenant(bench.organization) as session:
        await remove_device(session, await recipient_named(session, "u-2"), device)
    assert await push_ends(bench, late) == ["no_device"]
    assert len(bench.push.sent) == 2


@pytest.mark.usefixtures("people")
async def test_a_device_that_is_registered_under_a_new_secret_gets_what_waits_from_before(bench: Any) -> None:
    async with bench.db.tenant(bench.organization) as session:
        await put_recipient(session, "u-1", RecipientInput(), sealer=bench.sealer)
    first, again = [await pushed(bench, "u-1") for _ in range(2)]
    bench.sealer = Sealer(Secret("n" * 40), [Secret("o" * 40)])
    await registers(bench, "u-1")
    assert await push_ends(bench, first) == ["sent"]
    async with bench.db.platform() as session:
        await session.execute(text("UPDATE messages SET attempts = 1 WHERE id = :id"), {"id": again})
    assert await push_ends(bench, again) == ["sent"]
