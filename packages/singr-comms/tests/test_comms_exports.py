"""Everything that is kept about a person is in their export, and of who is erased nothing is left of it."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from comms_exports import NEWEST, kept_in
from comms_queueing import ORGANIZATION, SEALER, SONG, all_rows, queued_for, sender_for
from sqlalchemy import text

from singr_comms import EmailAddress, MemoryEmailProvider, PlainSms, TwoFactorCode
from singr_comms.messages.order_ready import OrderReadyPush
from singr_comms.notifications import Brands, EmailRequest, OverrideInput, SmsRequest, put_override
from singr_comms.notifications._rows import CONTENT
from singr_comms.people import (
    DeviceInput,
    Exports,
    ExportStandsError,
    NoAddressError,
    PreferenceChoice,
    PreferencesHolder,
    RecipientInput,
    RemoveExport,
    TopicChange,
    WriteExport,
    ask_export,
    ask_my_export,
    change_preferences,
    change_topic,
    erase_recipient,
    put_recipient,
    recipient_named,
    register_device,
    withdraw_account_exports,
)
from singr_comms.people.exporting._job import key_of_export
from singr_comms.people.exporting._opening import WITHHELD
from singr_comms.people.inbox import InboxMessage, add_to_inboxes
from singr_config import BrandSettings, ObjectStoreSettings
from singr_db import PLATFORM_ORGANIZATION_ID, Database, FolderObjectStore, ObjectNotFoundError, new_id
from singr_db.tables import Organization
from singr_dev._serving import listen
from singr_dev.clock import VirtualClock
from singr_dev.objects import application, serving
from singr_jobs import RetryLater

HERS, PHONE, NAME = "canary@example.org", "+15555550177", "Canary Jones"
OTHER = "somebody@example.org"
JOBS = "SELECT payload FROM jobs WHERE type LIKE 'person.export%' ORDER BY created_at, id"
_KEPT = """
WITH kept AS (
    INSERT INTO digest_windows (id, organization_id, recipient_id, type, period, closes_at)
    VALUES (gen_random_uuid(), :organization, :recipient, 'plain', 'daily', now()) RETURNING id
)
INSERT INTO digest_items (id, organization_id, recipient_id, window_id, kind, channel, content_sealed)
SELECT CAST('019' || substr(gen_random_uuid()::text, 4) AS uuid), :organization, :recipient, id, 'plain', 'sms', :sealed
  FROM kept
"""
_TO_HER = "UPDATE messages SET recipient_id = :recipient, locale = 'de' WHERE id = :id"


class Account:
    """One account: of a service whose accounts have an address and a session."""

    def __init__(self) -> None:
        self.email: str | None = HERS

    async def address(self, user_id: UUID) -> EmailAddress | None:
        return None if self.email is None else EmailAddress(self.email)

    async def addresses(self, user_id: UUID) -> tuple[str, ...]:
        return () if self.email is None else (self.email,)

    async def rows(self, user_id: UUID) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        yield "profile", {"id": user_id, "email": self.email}


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ObjectStoreSettings]:
    listener = listen()
    wanted = kept_in(tmp_path / "objects", endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}")
    with serving(application(FolderObjectStore(wanted)), listener=listener):
        yield wanted


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def exports(db: Database, settings: ObjectStoreSettings, account: Account) -> Exports:
    return Exports(db, SEALER, settings, accounts=account)


@pytest.fixture
async def person(db: Database) -> UUID:
    """Somebody with everything that can be kept about them; returns their id."""
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    async with db.tenant(ORGANIZATION) as session:
        given = RecipientInput(email=HERS, name=NAME, phone=PHONE, locale="de", tags=["vip"])
        await put_recipient(session, "u-1", given, sealer=SEALER)
        await put_recipient(session, "u-2", RecipientInput(email=OTHER), sealer=SEALER)
        row = await recipient_named(session, "u-1")
        await register_device(session, row, DeviceInput(token="canary-token:0123456789", platform="ios"), sealer=SEALER)
        await change_topic(session, "farm-9", TopicChange(add=["u-1", "u-2"]))
        choice = PreferenceChoice(scope="category", name="orders", channel="sms", allowed=False)
        holder = PreferencesHolder(organization_id=ORGANIZATION, recipient_id=row.id, external_id="u-1")
        await change_preferences(session, holder, [choice], source="recipient")
        push = OrderReadyPush(farm_name="Hof Canary", order_number="A-1", pickup_place="Markthalle", link=SONG.link)
        await add_to_inboxes(session, SEALER, [InboxMessage(row.id, push)], organization_id=ORGANIZATION)
    return row.id


async def ask(db: Database, external_id: str = "u-1") -> UUID:
    async with db.tenant(ORGANIZATION) as session:
        await ask_export(session, external_id, sealer=SEALER)
    return await newest(db)


async def newest(db: Database) -> UUID:
    async with db.platform() as session:
        found = await session.scalar(NEWEST)
    assert isinstance(found, UUID)
    return found


async def mailed(db: Database) -> list[str]:
    """Send what waits; the texts of the mails that say that data can be fetched."""
    provider = MemoryEmailProvider()
    sender = sender_for(db, email=provider)
    for row in await all_rows(db):
        if row.kind == "data_export":
            await sender.send("email", row.id, organization_id=ORGANIZATION, is_last_attempt=False)
    return [f"{one.to.email} {one.message.download_link}" for one in provider.sent]


async def stored(settings: ObjectStoreSettings, export_id: UUID) -> Any:
    return json.loads(await FolderObjectStore(settings).get(key_of_export(export_id)))


async def test_everything_is_there_in_clear_and_nothing_of_anybody_else(
    db: Database, exports: Exports, settings: ObjectStoreSettings, person: UUID
) -> None:
    code = EmailRequest(
        to=EmailAddress(HERS), message=TwoFactorCode(user_name="Canary", code="042917", expiry_minutes=5)
    )
    theirs = await queued_for(
        db,
        ORGANIZATION,
        [
            EmailRequest(to=EmailAddress(HERS), message=SONG),
            EmailRequest(to=EmailAddress(HERS.upper()), message=SONG),
            SmsRequest(to=PHONE, message=PlainSms(text="Hello Canary")),
            code,
        ],
    )
    await queued_for(db, ORGANIZATION, [EmailRequest(to=EmailAddress(OTHER), message=SONG)])
    async with db.platform() as session:
        await session.execute(text(_TO_HER), {"id": theirs[0], "recipient": person})
    assert await exports.write(await ask(db), ORGANIZATION) == "ready"
    told = await stored(settings, await newest(db))
    assert (told["format"], told["organization_id"]) == (1, str(ORGANIZATION))
    [her] = told["recipient"]
    assert (her["name"], her["email"], her["phone"], her["tags"]) == (NAME, HERS, PHONE, ["vip"])
    assert [one["token_masked"] for one in told["push_devices"]] == ["device …6789"]
    assert [one["key"] for one in told["topics"]] == ["farm-9"]
    assert [(one["name"], one["allowed"]) for one in told["preferences"]] == [("orders", False)]
    assert "Bestellung A-1 von Hof Canary" in told["inbox"][0]["text"]
    [named] = told["messages"]
    assert (named["id"], named["to"], named["data"]["artist"]) == (str(theirs[0]), HERS, "Abba")
    assert "Waterloo" in named["text"]
    by_address = {one["id"]: one for one in told["messages_to_address"]}
    assert set(by_address) == {str(theirs[1]), str(theirs[3])}, "the organization alone says whose a number is"
    assert by_address[str(theirs[3])]["data"] == WITHHELD
    whole = json.dumps(told)
    assert OTHER not in whole
    assert "042917" not in whole
    assert "canary-token" not in whole


async def test_link_goes_to_the_person_alone_and_ends(
    db: Database, exports: Exports, settings: ObjectStoreSettings, person: UUID, clock: VirtualClock
) -> None:
    export_id = await ask(db)
    assert [await exports.write(export_id, ORGANIZATION) for _ in range(2)] == ["ready", "ready"]
    [mail] = await mailed(db)
    to, _, link = mail.partition(" ")
    assert to == HERS
    async with httpx.AsyncClient() as client:
        fetched = await client.get(link)
        assert (fetched.headers["content-type"], fetched.json()["recipient"][0]["name"]) == ("application/json", NAME)
        assert not await exports.remove(export_id, ORGANIZATION)
        clock.advance(hours=73)
        await clock.settle()
        assert (await client.get(link)).status_code == 403
    assert await exports.remove(export_id, ORGANIZATION)
    with pytest.raises(ObjectNotFoundError):
        await stored(settings, export_id)
    assert await ask(db) != export_id


async def test_one_at_a_time_and_nobody_without_an_address(db: Database, person: UUID) -> None:
    await ask(db)
    with pytest.raises(ExportStandsError) as refused:
        await ask(db)
    assert 80_000 < refused.value.retry_after <= 86_400
    async with db.tenant(ORGANIZATION) as session:
        await put_recipient(session, "u-3", RecipientInput(phone="+15555550178"), sealer=SEALER)
    with pytest.raises(NoAddressError):
        await ask(db, "u-3")


async def test_link_that_did_not_come_stands_in_nobodys_way(
    db: Database, exports: Exports, settings: ObjectStoreSettings, person: UUID, clock: VirtualClock
) -> None:
    bounced = await ask(db)
    await exports.write(bounced, ORGANIZATION)
    with pytest.raises(ExportStandsError):
        await ask(db)
    async with db.platform() as session:
        await session.execute(text("UPDATE messages SET status = 'suppressed'"))
    misdirected = await ask(db)
    assert await exports.remove(bounced, ORGANIZATION)
    with pytest.raises(ObjectNotFoundError):
        await stored(settings, bounced)
    await exports.write(misdirected, ORGANIZATION)
    async with db.tenant(ORGANIZATION) as session:
        await put_recipient(session, "u-1", RecipientInput(email="right@example.org"), sealer=SEALER)
    clock.advance(hours=25)
    await clock.settle()
    assert len({bounced, misdirected, await ask(db)}) == 3
    assert str(misdirected) in [job["export_id"] for job in await jobs(db)][-3:], "nobody fetches it at the other one"


async def test_export_is_remembered_while_its_store_is_switched_off(
    db: Database, exports: Exports, settings: ObjectStoreSettings, person: UUID, clock: VirtualClock
) -> None:
    export_id = await ask(db)
    await exports.write(export_id, ORGANIZATION)
    clock.advance(hours=73)
    await clock.settle()
    without = Exports(db, SEALER, ObjectStoreSettings())
    with pytest.raises(RetryLater) as held:
        await without.remove(export_id, ORGANIZATION)
    assert not held.value.counts
    assert await ask(db) != export_id, "and stands in nobody's way"
    assert await exports.remove(export_id, ORGANIZATION)
    with pytest.raises(ObjectNotFoundError):
        await stored(settings, export_id)
    clock.advance(hours=24 * 90)
    await clock.settle()
    assert await without.remove(export_id, ORGANIZATION), "an hourly job is not for ever"


async def test_digest_tells_what_is_kept_by_the_channel_that_it_was_for(
    db: Database, exports: Exports, settings: ObjectStoreSettings, person: UUID
) -> None:
    sealed = SEALER.seal(msgspec.json.encode(PlainSms(text="Kept for later")), context=CONTENT)
    async with db.platform() as session:
        await session.execute(text(_KEPT), {"organization": ORGANIZATION, "recipient": person, "sealed": sealed})
    assert await exports.write(await ask(db), ORGANIZATION) == "ready"
    [kept] = (await stored(settings, await newest(db)))["digests"]
    assert (kept["channel"], kept["text"].endswith("Kept for later")) == ("sms", True)


async def test_messages_say_what_they_said_in_their_organizations_own_words(
    db: Database, settings: ObjectStoreSettings, person: UUID, clock: VirtualClock
) -> None:
    exports = Exports(db, SEALER, settings, brands=Brands(db, brand=BrandSettings(), api_url="https://api.example"))
    before = await queued_for(db, ORGANIZATION, [EmailRequest(to=EmailAddress(HERS), message=SONG)])
    async with db.tenant(ORGANIZATION) as session:
        await put_override(session, "song_request", "email", "en", OverrideInput(text="Sing {title}!"))
    clock.advance(seconds=11)
    await clock.settle()
    await queued_for(db, ORGANIZATION, [EmailRequest(to=EmailAddress(HERS), message=SONG)])
    assert await exports.write(await ask(db), ORGANIZATION) == "ready"
    told = (await stored(settings, await newest(db)))["messages_to_address"]
    assert len(told) == 2
    assert all(("Sing Waterloo!" in one["text"]) is (one["id"] != str(before[0])) for one in told)


async def test_who_is_erased_before_it_is_written_has_none(
    db: Database, exports: Exports, settings: ObjectStoreSettings, person: UUID
) -> None:
    export_id = await ask(db)
    await erased(db)
    assert await exports.write(export_id, ORGANIZATION) == "withdrawn"
    with pytest.raises(ObjectNotFoundError):
        await stored(settings, export_id)
    assert await mailed(db) == []


async def test_who_is_erased_while_it_is_written_has_none(
    db: Database, exports: Exports, settings: ObjectStoreSettings, person: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = await ask(db)
    whole = FolderObjectStore.presign

    async def erased_first(store: FolderObjectStore, key: str, expires_in: int) -> str:
        await erased(db)  # its object lies there by now
        return await whole(store, key, expires_in)

    monkeypatch.setattr(FolderObjectStore, "presign", erased_first)
    assert await exports.write(export_id, ORGANIZATION) == "withdrawn"
    with pytest.raises(ObjectNotFoundError):
        await stored(settings, export_id)
    assert await mailed(db) == []


async def test_erasure_deletes_what_was_written(
    db: Database, exports: Exports, settings: ObjectStoreSettings, person: UUID
) -> None:
    export_id = await ask(db)
    await exports.write(export_id, ORGANIZATION)
    await erased(db)
    removals = [job for job in await jobs(db) if job["export_id"] == str(export_id)]
    assert len(removals) == 5  # written, its end as asked for and as written, and twice at the erasure
    assert await exports.remove(export_id, ORGANIZATION)
    with pytest.raises(ObjectNotFoundError):
        await stored(settings, export_id)


async def test_jobs_say_nothing_of_anybody(db: Database, exports: Exports, person: UUID) -> None:
    await exports.write(await ask(db), ORGANIZATION)
    assert [job for job in await jobs(db) if set(job) - {"type", "export_id"}] == []
    assert {type(one).__struct_fields__ for one in (WriteExport(new_id()), RemoveExport(new_id()))} == {("export_id",)}


async def test_person_gets_their_account_too_until_it_ends(
    db: Database, exports: Exports, settings: ObjectStoreSettings, person: UUID, account: Account
) -> None:
    user = new_id()
    async with db.platform() as session:
        linked = text("UPDATE recipients SET user_id = :user WHERE id = :id")
        await session.execute(linked, {"user": user, "id": person})
    await queued_for(db, PLATFORM_ORGANIZATION_ID, [EmailRequest(to=EmailAddress(HERS), message=SONG)])
    async with db.tenant(ORGANIZATION) as session:
        await ask_my_export(session, user)
    export_id = await newest(db)
    assert await exports.write(export_id, ORGANIZATION) == "ready"
    told = await stored(settings, export_id)
    assert told["recipient"][0]["email"] == HERS
    assert told["account_profile"] == [{"id": str(user), "email": HERS}]
    assert [one["data"]["artist"] for one in told["account_messages"]] == ["Abba"]
    account.email = None
    async with db.platform() as session:
        await withdraw_account_exports(session, user)
    assert await exports.remove(export_id, ORGANIZATION)
    async with db.tenant(PLATFORM_ORGANIZATION_ID) as session:
        await ask_my_export(session, user)
    assert await exports.write(await newest(db), PLATFORM_ORGANIZATION_ID) == "withdrawn"


async def erased(db: Database) -> None:
    async with db.tenant(ORGANIZATION) as session:
        await erase_recipient(session, "u-1", sealer=SEALER)


async def jobs(db: Database) -> list[Any]:
    async with db.platform() as session:
        return list((await session.scalars(text(JOBS))).all())
