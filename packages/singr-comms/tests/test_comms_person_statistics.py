"""How many messages to one person came to what: theirs alone, by name and by address, and bounded."""

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from comms_queueing import ORGANIZATION, SEALER
from sqlalchemy import text

from singr_comms.notifications import DeliveryStatistics, QuestionError
from singr_comms.notifications._rows import recipient_hash
from singr_comms.people import (
    RecipientInput,
    RecipientNotFoundError,
    erase_recipient,
    put_recipient,
    recipient_statistics,
)
from singr_comms.people.recipients import _statistics
from singr_config import Secret
from singr_config.clock import clock as time_of_day
from singr_db import Database, Sealer, first_id
from singr_db.tables import Organization

OTHER = UUID("01920000-0000-7000-8000-0000000000be")
ADDRESS = "ada@example.org"
ROTATED = Sealer(Secret("n" * 40), [Secret("s" * 40)])
_ADD = text(
    "INSERT INTO messages (id, organization_id, recipient_id, channel, kind, status, provider, error, recipient_sealed,"
    " recipient_hash, recipient_masked, content_sealed, created_at, delivered_at) VALUES (:id, :organization, :person,"
    " :channel, 'song_request', :status, 'mailjet', CAST(:error AS jsonb), '', :hash, '***', '', :at, :delivered)"
)

_MANY = text(
    "INSERT INTO messages (id, organization_id, recipient_id, channel, kind, status, recipient_sealed, recipient_hash,"
    " recipient_masked, content_sealed) SELECT CAST(left(CAST(CAST(:first AS uuid) AS text), 24) ||"
    " lpad(CAST(n AS text), 12, '0') AS uuid), :organization, CASE WHEN n % 2 = 0 THEN gen_random_uuid() END, 'email',"
    " 'k', 'sent', '', decode(md5(CAST(n AS text)), 'hex'), '', '' FROM generate_series(1, 4000) AS n"
)


@pytest.fixture(autouse=True)
async def organizations(db: Database) -> None:
    async with db.platform() as session:
        for number, one in enumerate((ORGANIZATION, OTHER)):
            session.add(Organization(id=one, name="Blue Note", slug=f"blue-note-{number}"))


async def person(db: Database, external_id: str = "u-17", *, organization: UUID = ORGANIZATION) -> UUID:
    async with db.tenant(organization) as session:
        given = RecipientInput(email=ADDRESS)
        view, _ = await put_recipient(session, external_id, given, sealer=SEALER)
        return view.id


async def made(
    db: Database,
    status: str,
    *,
    count: int = 1,
    channel: str = "email",
    to: UUID | None = None,
    at: datetime | None = None,
    address: bytes = b"",
    code: str | None = None,
    organization: UUID = ORGANIZATION,
) -> None:
    """Messages, asked for at a moment, that came to this."""
    at = at or time_of_day.now()
    row: dict[str, Any] = {
        "organization": organization,
        "person": to,
        "channel": channel,
        "status": status,
        "error": None if code is None else f'{{"code": "{code}"}}',
        "hash": address,
        "at": at,
        "delivered": at + timedelta(seconds=2) if status == "delivered" else None,
    }
    ids = [UUID(int=first_id(at).int | random.getrandbits(62)) for _ in range(count)]
    async with db.platform() as session:
        await session.execute(_ADD, [row | {"id": one} for one in ids])


async def told(
    db: Database, *, days: float = 30, organization: UUID = ORGANIZATION, **asked: Any
) -> DeliveryStatistics:
    now = time_of_day.now()
    async with db.tenant(organization) as session:
        since = now - timedelta(days=days)
        given = {"sealer": SEALER, "since": since, "until": now, **asked}
        return await recipient_statistics(session, "u-17", **given)


async def test_messages_to_a_person_and_to_their_address_alone_are_counted_by_channel_and_outcome(db: Database) -> None:
    ada, twin, theirs = await person(db), await person(db, "u-18"), recipient_hash(SEALER, ADDRESS)
    await made(db, "delivered", count=3, to=ada, address=theirs)
    await made(db, "suppressed", to=ada, code="preference")
    await made(db, "delivered", count=2, channel="inbox", to=ada)
    await made(db, "bounced", address=theirs, code="mailjet_bounce")
    await made(db, "sent", to=twin, address=theirs)
    await made(db, "sent", address=b"somebody else's")
    await made(db, "sent", count=9, to=ada, at=time_of_day.now() - timedelta(days=31))
    foreign = await person(db, organization=OTHER)
    await made(db, "sent", count=4, to=foreign, address=theirs, organization=OTHER)
    found = await told(db)
    assert [(one.channel, one.messages) for one in found.items] == [("email", 5), ("inbox", 2)]
    mails = found.items[0]
    assert (mails.states.delivered, mails.states.bounced, mails.states.suppressed) == (3, 1, 1)
    assert [(one.status, one.code) for one in mails.reasons] == [
        ("bounced", "mailjet_bounce"),
        ("suppressed", "preference"),
    ]
    assert mails.rates is not None
    assert mails.seconds_to_delivered is not None
    assert (mails.rates.delivered, found.since) == (0.75, found.from_time)
    assert [one.messages for one in (await told(db, by=())).items] == [7]
    assert [one.messages for one in (await told(db, organization=OTHER)).items] == [4]


async def test_what_was_sent_before_the_secret_was_changed_is_counted_too(db: Database) -> None:
    await person(db)
    for sealer in (SEALER, ROTATED):
        await made(db, "sent", address=recipient_hash(sealer, ADDRESS))
    assert (await told(db)).items[0].messages == 1
    assert (await told(db, sealer=ROTATED)).items[0].messages == 2


async def test_only_the_newest_are_looked_through_and_it_is_said_how_far_that_led(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, now = await person(db), time_of_day.now()
    await made(db, "sent", count=2, to=ada, at=now - timedelta(hours=2))
    await made(db, "sent", count=3, to=ada, at=now - timedelta(hours=9))
    assert (await told(db)).items[0].messages == 5
    narrow = text(_statistics.PERSON.text.replace("LIMIT 10000", "LIMIT 2"))
    monkeypatch.setattr(_statistics, "PERSON", narrow)
    monkeypatch.setattr(_statistics, "MOST_OF_PERSON", 2)
    found = await told(db)
    assert found.since is not None
    assert found.items[0].messages == 2
    assert now - timedelta(hours=3) < found.since <= now - timedelta(hours=2)


async def test_who_was_erased_or_never_was_is_found_by_nobody_and_faults_are_told_at_once(db: Database) -> None:
    ada, now = await person(db), time_of_day.now()
    await made(db, "sent", to=ada)
    async with db.tenant(ORGANIZATION) as session:
        with pytest.raises(QuestionError) as caught:
            await recipient_statistics(session, "u-17", sealer=SEALER, by=["user"], since=now, until=now)
        assert [one.field for one in caught.value.faults] == ["by", "from"]
        await erase_recipient(session, "u-17", sealer=SEALER)
    with pytest.raises(RecipientNotFoundError):
        await told(db)


async def test_they_are_found_by_index(db: Database) -> None:
    values = {
        "organization_id": ORGANIZATION,
        "recipient_id": ORGANIZATION,
        "hashes": [b"."],
        "first": first_id(time_of_day.now() - timedelta(days=30)),
        "last": first_id(time_of_day.now()),
        **{f"by_{name}": True for name in _statistics.BY_OF_PERSON},
    }
    async with db.platform() as session:
        await session.execute(_MANY, {"organization": ORGANIZATION, "first": values["first"]})
    async with db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE messages"))
    async with db.tenant(ORGANIZATION) as session:
        plan = "\n".join((await session.scalars(text(f"EXPLAIN {_statistics.PERSON.text}"), values)).all())
    # Of each week its own, whose name its columns give.
    assert "organization_id_recipient_id_id_idx" in plan
    assert "recipient_hash_idx" in plan
