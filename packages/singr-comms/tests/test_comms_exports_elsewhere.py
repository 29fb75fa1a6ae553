"""Who asks for an export of somebody cannot read it: its link goes nowhere that the organization has just chosen."""

import json
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from comms_exports import NEWEST, kept_in
from comms_members import Everybody
from comms_queueing import ORGANIZATION, SEALER, SONG, all_rows, queued_for
from sqlalchemy import text

from singr_comms import EmailAddress, PlainSms
from singr_comms.notifications import EmailRequest, SmsRequest
from singr_comms.people import (
    AddressChangedError,
    Exports,
    ExportStandsError,
    RecipientInput,
    ask_export,
    ask_my_export,
    erase_recipient,
    put_recipient,
    remove_recipient,
)
from singr_comms.people.exporting._job import key_of_export
from singr_config import ObjectStoreSettings
from singr_db import Database, FolderObjectStore, new_id
from singr_db.tables import Organization
from singr_dev.clock import VirtualClock

HERS, THEIRS = "ada@example.org", "owner@example.org"
PHONE, PROVED = "+15555550177", "+15555550178"
ACCOUNT = UUID(int=7)


class Accounts:
    """Every account has an address of its own, and a number."""

    async def address(self, user_id: UUID) -> EmailAddress | None:
        return EmailAddress(f"{user_id}@example.org")

    async def addresses(self, user_id: UUID) -> tuple[str, ...]:
        return (f"{user_id}@example.org", PROVED)

    async def rows(self, user_id: UUID) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        for name in ("profile",):
            yield name, {"id": user_id}


@pytest.fixture
def folder(tmp_path: Path) -> ObjectStoreSettings:
    return kept_in(tmp_path / "objects")


@pytest.fixture
async def exports(db: Database, folder: ObjectStoreSettings) -> Exports:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    await put(db, email=HERS)
    return Exports(db, SEALER, folder, accounts=Accounts())


async def put(db: Database, **given: Any) -> None:
    async with db.tenant(ORGANIZATION) as session:
        await put_recipient(session, "u-1", RecipientInput(**given), sealer=SEALER, directory=Everybody())


async def ask(db: Database) -> UUID:
    async with db.tenant(ORGANIZATION) as session:
        await ask_export(session, "u-1", sealer=SEALER)
    async with db.platform() as session:
        found = await session.scalar(NEWEST)
    assert isinstance(found, UUID)
    return found


async def stored(exports: Exports, folder: ObjectStoreSettings, export_id: UUID) -> Any:
    """Write it; what is in it."""
    assert await exports.write(export_id, ORGANIZATION) == "ready"
    return json.loads(await FolderObjectStore(folder).get(key_of_export(export_id)))


async def to(db: Database) -> list[str | None]:
    return [row.recipient_masked for row in await all_rows(db) if row.kind == "data_export"]


@pytest.mark.parametrize("between", [(), ({},), ({"phone": "+15555550100"},)])
async def test_nothing_goes_to_an_address_for_a_day_after_the_organization_chose_it(
    db: Database, exports: Exports, clock: VirtualClock, between: tuple[Any, ...]
) -> None:
    for given in (*between, {"email": THEIRS}):
        await put(db, **given)
    with pytest.raises(AddressChangedError) as refused:
        await ask(db)
    assert 86_000 < refused.value.retry_after <= 86_400
    await put(db, email=THEIRS, name="Ada")
    clock.advance(hours=23)
    await clock.settle()
    with pytest.raises(AddressChangedError):
        await ask(db)
    clock.advance(hours=1, seconds=1)
    await clock.settle()
    await ask(db)


@pytest.mark.parametrize("changed", [False, True], ids=["the same", "changed before"])
@pytest.mark.parametrize("linked", [False, True], ids=["address", "account"])
async def test_who_was_taken_off_the_list_and_comes_back_waits_for_a_day(
    db: Database, exports: Exports, clock: VirtualClock, *, changed: bool, linked: bool
) -> None:
    given = {"user_id": new_id()} if linked else {"email": THEIRS if changed else HERS}
    await put(db, **given)
    if not changed:
        clock.advance(hours=25)
        await clock.settle()
    async with db.tenant(ORGANIZATION) as session:
        await remove_recipient(session, "u-1")
    await put(db, **given)
    with pytest.raises(AddressChangedError):
        await ask(db)
    clock.advance(hours=24, seconds=1)
    await clock.settle()
    await ask(db)


async def test_who_comes_under_the_id_of_somebody_else_is_new(db: Database, exports: Exports) -> None:
    async with db.tenant(ORGANIZATION) as session:
        await remove_recipient(session, "u-1")
    await put(db, user_id=new_id())
    await ask(db)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"email": THEIRS, "phone": PHONE}, {THEIRS}),
        ({"user_id": ACCOUNT, "email": HERS}, {f"{ACCOUNT}@example.org", PROVED}),
        ({"user_id": ACCOUNT, "phone": PHONE}, {f"{ACCOUNT}@example.org", PROVED}),
    ],
)
@pytest.mark.parametrize("by", ["the organization", "the account"])
async def test_bare_addresses_are_told_of_where_the_link_goes_and_what_the_account_has_proved_alone(
    db: Database, exports: Exports, folder: ObjectStoreSettings, given: dict[str, Any], told: set[str], by: str
) -> None:
    async with db.tenant(ORGANIZATION) as session:
        await erase_recipient(session, "u-1", sealer=SEALER)
    await put(db, **given)
    mails = [HERS, THEIRS, f"{ACCOUNT}@example.org"]
    asked = [EmailRequest(to=EmailAddress(to), message=SONG) for to in mails]
    asked += [SmsRequest(to=to, message=PlainSms(text="Hello")) for to in (PHONE, PROVED)]
    sent = dict(zip(map(str, await queued_for(db, ORGANIZATION, asked)), (*mails, PHONE, PROVED), strict=True))
    if by == "the organization" or "user_id" not in given:
        export_id = await ask(db)
    else:
        async with db.tenant(ORGANIZATION) as session:
            await ask_my_export(session, ACCOUNT)
        async with db.platform() as session:
            export_id = await session.scalar(NEWEST)
    written = await stored(exports, folder, export_id)
    assert {sent[one["id"]] for one in written["messages_to_address"]} == told


async def test_next_person_of_an_id_gets_nothing_of_the_former_one(
    db: Database, exports: Exports, folder: ObjectStoreSettings, clock: VirtualClock
) -> None:
    ada, eve = new_id(), new_id()
    [sent] = await queued_for(db, ORGANIZATION, [EmailRequest(to=EmailAddress(HERS), message=SONG)])
    async with db.platform() as session:
        linked = text("UPDATE recipients SET user_id = :user")  # as before `last_user_id`
        await session.execute(linked, {"user": ada})
        theirs = text("UPDATE messages SET recipient_id = (SELECT id FROM recipients), user_id = :user")
        await session.execute(theirs, {"user": ada})
    told = []
    for account in (eve, ada):
        await put(db, user_id=account, email=f"{account}@example.org")
        clock.advance(hours=25)
        await clock.settle()
        told.append(await stored(exports, folder, await ask(db)))
    assert "messages" not in told[0]
    assert HERS not in json.dumps(told[0])
    assert [one["id"] for one in told[1]["messages"]] == [str(sent)], "who has their id back has what they were sent"


async def test_account_is_told_what_was_for_it_and_not_what_its_recipient_was_sent_before(
    db: Database, exports: Exports, folder: ObjectStoreSettings, clock: VirtualClock
) -> None:
    mine = new_id()
    [_, proved, since] = [
        (await queued_for(db, ORGANIZATION, [EmailRequest(to=EmailAddress(to), message=SONG)]))[0]
        for to in (HERS, f"{mine}@example.org", THEIRS)
    ]
    async with db.platform() as session:
        await session.execute(text("UPDATE messages SET recipient_id = (SELECT id FROM recipients)"))
        await session.execute(text("UPDATE messages SET user_id = :mine WHERE id = :id"), {"mine": mine, "id": since})
    await put(db, user_id=mine, email=HERS)
    clock.advance(hours=25)
    told = await stored(exports, folder, await ask(db))
    assert [one["id"] for one in told["messages"]] == [str(proved), str(since)]


async def test_address_that_is_changed_after_it_was_asked_gets_nothing(db: Database, exports: Exports) -> None:
    export_id = await ask(db)
    await put(db, email=THEIRS)
    assert await exports.write(export_id, ORGANIZATION) == "address_changed"
    assert await to(db) == []
    with pytest.raises(AddressChangedError):
        await ask(db)


async def test_there_is_one_at_a_time_whatever_the_address(db: Database, exports: Exports, clock: VirtualClock) -> None:
    first = await ask(db)
    assert await exports.write(first, ORGANIZATION) == "ready"
    user = new_id()
    await put(db, user_id=user, email=HERS)
    clock.advance(hours=25)
    await clock.settle()
    linked = await ask(db)
    assert linked != first, "it was not at the account's address"
    assert await exports.write(linked, ORGANIZATION) == "ready"
    for number in range(3):
        await put(db, user_id=user, email=f"{number}@example.org")
        with pytest.raises(ExportStandsError):
            await ask(db)


async def test_link_of_somebody_with_an_account_goes_to_its_own_address(db: Database, exports: Exports) -> None:
    user = new_id()
    async with db.platform() as session:
        await session.execute(text("UPDATE recipients SET user_id = :user, last_user_id = :user"), {"user": user})
    await put(db, user_id=user, email=THEIRS)
    assert await exports.write(await ask(db), ORGANIZATION) == "ready"
    [at] = await to(db)
    assert str(at).startswith(str(user)[0])
    assert not str(at).startswith(THEIRS[0]) or str(user).startswith(THEIRS[0])


async def test_account_that_was_made_somebodys_gets_nothing_of_them_for_a_day(db: Database, exports: Exports) -> None:
    mine = new_id()
    await put(db, user_id=mine, email=HERS)
    for asked in (partial(ask_export, external_id="u-1", sealer=SEALER), partial(ask_my_export, user_id=mine)):
        async with db.tenant(ORGANIZATION) as session:
            with pytest.raises(AddressChangedError):
                await asked(session)
