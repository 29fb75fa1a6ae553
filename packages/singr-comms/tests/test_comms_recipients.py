"""Recipients: kept sealed under a key of their own, found by their fingerprints, and all faults told at once."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import pytest
from comms_queueing import EMAIL, ORGANIZATION, SEALER, SMS, queued_for, sender_for
from sqlalchemy import select, text

from singr_comms import EmailAddress, MemoryEmailProvider, MemorySmsProvider
from singr_comms.notifications._person_keys import open_sealed
from singr_comms.notifications._rows import RECIPIENT, recipient_hash
from singr_comms.people import (
    DigestTime,
    Member,
    NamedRecipient,
    PeopleError,
    QuietHours,
    RecipientInput,
    RecipientNotFoundError,
    import_recipients,
    list_recipients,
    put_recipient,
    read_recipient,
    remove_recipient,
)
from singr_db import Database, KeyDestroyedError, PersonKey, SealError, new_id
from singr_db.tables import DataKey, Organization, Recipient
from singr_jobs import PermanentError

ADA = UUID("01920000-0000-7000-8000-0000000000ad")
FULL = RecipientInput(
    name="Ada",
    email="Ada@example.org",
    phone="+15555550100",
    locale="de_at",
    time_zone="Europe/Berlin",
    tags=["b", "a", "b"],
    quiet_hours=QuietHours(starts="22:00", ends="07:30", days=[5, 1]),
    digest=DigestTime(at="08:00", weekday=1),
)


class Members:
    """A directory that knows Ada."""

    async def members(self, _session: Any, _organization: UUID, user_ids: Collection[UUID]) -> Mapping[UUID, Member]:
        return {one: Member(one, "Ada L.", "ada@example.org", None) for one in user_ids if one == ADA}


@pytest.fixture(autouse=True)
async def organization(db: Database) -> None:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))


async def put(db: Database, external_id: str, given: RecipientInput = FULL, **more: Any) -> Any:
    async with db.tenant(ORGANIZATION) as session:
        return await put_recipient(session, external_id, given, sealer=SEALER, **more)


async def row(db: Database, external_id: str) -> Any:
    async with db.platform() as session:
        asked = select(Recipient, DataKey.wrapped).join(DataKey, DataKey.id == Recipient.key_id)
        return (await session.execute(asked.where(Recipient.external_id == external_id))).one()


async def test_what_is_theirs_is_sealed_with_a_key_of_their_own(db: Database) -> None:
    view, is_new = await put(db, "u-1")
    assert is_new
    assert (view.name, view.email, view.phone, view.locale) == ("Ada", "A***@example.org", "+1******0100", "de-AT")
    assert (view.tags, view.quiet_hours.days, view.digest) == (("a", "b"), [1, 5], FULL.digest)
    stored, wrapped = await row(db, "u-1")
    assert stored.email_hash == recipient_hash(SEALER, "ada@example.org")
    opened = open_sealed(SEALER, stored.email_sealed, wrapped, context=RECIPIENT)
    assert opened == b'{"email":"Ada@example.org","name":"Ada"}'
    assert open_sealed(SEALER, stored.phone_sealed, wrapped, context=RECIPIENT) == b"+15555550100"
    async with db.platform() as session:
        dumped = await session.scalar(text("SELECT string_agg(r::text, '') FROM recipients r"))
    assert "example.org" not in dumped.replace(stored.email_masked, "")
    with pytest.raises(KeyDestroyedError):
        open_sealed(SEALER, stored.email_sealed, None, context=RECIPIENT)


def test_keys_of_two_people_open_nothing_of_each_other() -> None:
    one, other = PersonKey.made(), PersonKey.made()
    sealed = one.seal(b"x", context="c")
    assert PersonKey.unwrapped(SEALER, one.id, one.wrapped(SEALER)).open(sealed, context="c") == b"x"
    for wrong in (
        lambda: one.open(sealed, context="d"),
        lambda: one.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), context="c"),
        lambda: one.open(sealed[:20], context="c"),
        lambda: other.open(sealed, context="c"),
        lambda: PersonKey.unwrapped(SEALER, other.id, one.wrapped(SEALER)),
    ):
        with pytest.raises(SealError):
            wrong()


async def test_who_is_written_to_in_a_language_is_found_however_it_is_written(db: Database) -> None:
    await put(db, "u-1")
    async with db.tenant(ORGANIZATION) as session:
        found = [await list_recipients(session, sealer=SEALER, locale=one) for one in ("de-AT", "de_at", "fr")]
    assert [len(page.items) for page in found] == [1, 1, 0]


async def test_put_again_keeps_the_key_and_clears_what_is_left_out(db: Database) -> None:
    await put(db, "u-1")
    before, _ = await row(db, "u-1")
    view, is_new = await put(db, "u-1", RecipientInput(phone="+15555550100"))
    after, _ = await row(db, "u-1")
    assert not is_new
    assert (view.name, view.email, view.tags, view.quiet_hours, view.locale) == (None, None, (), None, None)
    assert (before.key_id, before.id) == (after.key_id, after.id)


async def test_all_faults_are_told_at_once_and_nothing_is_stored(db: Database) -> None:
    given = [
        NamedRecipient(external_id="u-1", email="a@nowhere.invalid", phone="+1555"),
        NamedRecipient(external_id="u-2", time_zone="Europe/Hamburg"),
        NamedRecipient(external_id="u-1", user_id=new_id(), time_zone="posixrules", name="\u200b"),
    ]
    with pytest.raises(PeopleError) as caught:
        async with db.tenant(ORGANIZATION) as session:
            await import_recipients(session, given, sealer=SEALER, directory=Members())
    assert {(one.field, one.code) for one in caught.value.faults} == {
        ("recipients[0].email", "malformed"),
        ("recipients[0].phone", "malformed"),
        ("recipients[1].time_zone", "unknown_value"),
        ("recipients[2].external_id", "repeated"),
        ("recipients[2].user_id", "not_found"),
        ("recipients[2].time_zone", "unknown_value"),
        ("recipients[2].name", "malformed"),
    }
    async with db.tenant(ORGANIZATION) as session:
        assert (await list_recipients(session, sealer=SEALER)).items == ()
        assert (await session.scalars(select(DataKey.id))).all() == []


async def test_a_thousand_are_imported_and_one_more_is_too_many(db: Database) -> None:
    many = [NamedRecipient(external_id=f"u-{n}", email=f"u{n}@example.org", tags=[f"t{n % 10}"]) for n in range(1000)]
    async with db.tenant(ORGANIZATION) as session:
        done = await import_recipients(session, many, sealer=SEALER)
        again = await import_recipients(session, many[:7], sealer=SEALER)
    assert (done.created, done.updated, again.created, again.updated) == (1000, 0, 0, 7)
    with pytest.raises(PeopleError, match="at most 1,000"):
        async with db.tenant(ORGANIZATION) as session:
            await import_recipients(session, [*many, many[0]], sealer=SEALER)
    async with db.tenant(ORGANIZATION) as session:
        found = await list_recipients(session, sealer=SEALER, tag="t3", limit=100)
        [one] = (await list_recipients(session, sealer=SEALER, address="U42@Example.org")).items
    assert len(found.items) == 100
    assert one.external_id == "u-42"


async def test_what_could_not_come_over_http_is_refused_in_python_too(db: Database) -> None:
    wrong = RecipientInput(
        name="Ada\r\nBcc: x@example.org",
        email="a@example.org\r\nBcc: x@example.org",
        phone="0171",
        locale="!!",
        tags=["a b"],
        quiet_hours=QuietHours(starts="99:99", ends="07:00"),
        user_id="u-1",  # type: ignore[arg-type]
    )
    with pytest.raises(PeopleError) as caught:
        await put(db, "a/b", wrong)
    assert {one.field for one in caught.value.faults} == {
        *("external_id", "user_id", "name", "email", "phone", "locale", "tags[0]", "quiet_hours.from"),
    }
    for external_id in ("", "a\0", "\u202eu-1", ".."):
        with pytest.raises(PeopleError, match=r"^external_id "):
            await put(db, external_id)


async def test_a_members_account_fills_what_is_left_out_and_is_one_recipients(db: Database) -> None:
    view, _ = await put(db, "u-1", RecipientInput(user_id=ADA, name="Countess"), directory=Members())
    assert (view.name, view.email, view.user_id) == ("Countess", "a***@example.org", ADA)
    with pytest.raises(PeopleError) as caught:
        await put(db, "u-2", RecipientInput(user_id=ADA), directory=Members())
    assert [(one.field, one.code) for one in caught.value.faults] == [("user_id", "taken")]
    with pytest.raises(PeopleError):
        await put(db, "u-3", RecipientInput(user_id=ADA))  # a service without accounts has no members


async def test_who_is_taken_off_is_gone_and_their_key_waits_for_the_log(db: Database) -> None:
    await put(db, "u-1")
    stored, _ = await row(db, "u-1")
    async with db.tenant(ORGANIZATION) as session:
        await remove_recipient(session, "u-1")
        with pytest.raises(RecipientNotFoundError):
            await read_recipient(session, "u-1", sealer=SEALER)
        with pytest.raises(RecipientNotFoundError):
            await remove_recipient(session, "u-1")
        [key] = (await session.scalars(select(DataKey).where(DataKey.id == stored.key_id))).all()
    assert key.released_at is not None
    assert key.wrapped is not None


async def message_to(db: Database, external_id: str, request: Any, channel: str) -> UUID:
    """A queued message whose address is the recipient's own, copied as it is sealed."""
    [message_id] = await queued_for(db, ORGANIZATION, [request])
    copied = f"""
        UPDATE messages m SET recipient_sealed = r.{channel}_sealed, key_id = r.key_id, recipient_id = r.id,
               recipient_hash = r.{channel}_hash FROM recipients r
         WHERE m.id = :id AND r.external_id = :external_id"""
    async with db.platform() as session:
        await session.execute(text(copied), {"id": message_id, "external_id": external_id})
    return message_id


@pytest.mark.parametrize(("request_", "channel"), [(EMAIL, "email"), (SMS, "phone")], ids=["email", "sms"])
async def test_a_copied_address_is_opened_to_send_and_never_once_its_key_is_gone(
    db: Database, request_: Any, channel: str
) -> None:
    await put(db, "u-1")
    sent, stopped = [await message_to(db, "u-1", request_, channel) for _ in range(2)]
    provider = MemoryEmailProvider() if channel == "email" else MemorySmsProvider()
    name = "email" if channel == "email" else "sms"
    sender = sender_for(db, **{name: provider})
    await sender.send(name, sent, organization_id=ORGANIZATION, is_last_attempt=True)
    [envelope] = provider.sent
    assert envelope.to in {EmailAddress("Ada@example.org", "Ada"), "+15555550100"}
    async with db.platform() as session:
        await session.execute(text("UPDATE data_keys SET wrapped = NULL, destroyed_at = now()"))
    with pytest.raises(PermanentError) as caught:
        await sender.send(name, stopped, organization_id=ORGANIZATION, is_last_attempt=True)
    assert caught.value.code == "erased"
    async with db.platform() as session:
        told = "SELECT status, error ->> 'code', attempts FROM messages WHERE id = :id"
        assert (await session.execute(text(told), {"id": stopped})).one() == ("suppressed", "erased", 0)
    assert len(provider.sent) == 1
