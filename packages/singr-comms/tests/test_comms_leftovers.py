"""What lies in the object store and is nobody's any more goes, and nothing that somebody still wants."""

from pathlib import Path
from uuid import UUID

import pytest
from comms_exports import kept_in
from comms_queueing import ORGANIZATION, SEALER
from sqlalchemy import text

from singr_comms.notifications import BrandingInput, Picture, key_of_logo, put_branding, remove_branding
from singr_comms.people import Exports, RecipientInput, ask_export, put_recipient
from singr_comms.people.chores._find_leftovers import FindLeftovers
from singr_comms.people.exporting._job import key_of_export
from singr_config import ObjectStoreSettings
from singr_db import Database, FolderObjectStore, ObjectNotFoundError, ObjectStoreError, new_id, note_object
from singr_db.tables import Organization
from singr_dev.clock import VirtualClock

FARM = BrandingInput(name="R&B Farm", color="#0a6640")
WAITING = "SELECT count(*) FROM jobs WHERE type = 'objects.remove_leftovers' AND status = 'pending'"


@pytest.fixture
def settings(tmp_path: Path) -> ObjectStoreSettings:
    return kept_in(tmp_path / "objects")


@pytest.fixture
def store(settings: ObjectStoreSettings) -> FolderObjectStore:
    return FolderObjectStore(settings)


@pytest.fixture
def exports(db: Database, settings: ObjectStoreSettings) -> Exports:
    return Exports(db, SEALER, settings)


@pytest.fixture
async def organization(db: Database) -> UUID:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    return ORGANIZATION


async def logo(db: Database, store: FolderObjectStore, *, worn: bool = True) -> str:
    """Store one as the API does: its note, the object, then the brand, unless that fails."""
    logo_id = new_id()
    async with db.tenant(ORGANIZATION) as session:
        await note_object(session, "logo", logo_id, organization_id=ORGANIZATION)
    await store.put(key_of_logo(logo_id), b"picture")
    if worn:
        async with db.tenant(ORGANIZATION) as session:
            await put_branding(session, FARM, logo_id=logo_id, logo=Picture(b"picture", "image/png", 30, 20))
    return key_of_logo(logo_id)


async def exported(db: Database, store: FolderObjectStore) -> str:
    """One that is asked for and stored."""
    async with db.tenant(ORGANIZATION) as session:
        await put_recipient(session, "u-1", RecipientInput(email="jane@example.org"), sealer=SEALER)
        await ask_export(session, "u-1", sealer=SEALER)
    async with db.platform() as session:
        key = key_of_export(await session.scalar(text("SELECT id FROM data_exports")))
    await store.put(key, b"{}")
    return key


async def lies_there(store: FolderObjectStore, key: str) -> bool:
    try:
        await store.get(key)
    except ObjectNotFoundError:
        return False
    return True


async def hours(clock: VirtualClock, number: int) -> None:
    clock.advance(hours=number)
    await clock.settle()


async def delete(db: Database, organization_id: UUID) -> None:
    async with db.platform() as session:
        await session.execute(text("DELETE FROM organizations WHERE id = :id"), {"id": organization_id})


async def test_an_export_is_removed_at_its_time_though_its_organization_is_gone(
    db: Database, organization: UUID, exports: Exports, store: FolderObjectStore
) -> None:
    key = await exported(db, store)
    export_id = UUID(key.removeprefix("exports/").removesuffix(".json"))
    assert not await exports.remove(export_id, organization)
    await delete(db, organization)
    assert await exports.remove(export_id, organization)
    assert not await lies_there(store, key)


async def test_logos_and_exports_go_after_their_organization_once_the_store_is_there(
    db: Database, organization: UUID, exports: Exports, store: FolderObjectStore, clock: VirtualClock, tmp_path: Path
) -> None:
    keys = [await logo(db, store), await logo(db, store), await exported(db, store)]
    await delete(db, organization)
    chore = FindLeftovers(db)
    assert not await chore.work(), "what is being stored at this moment is left in peace"
    await hours(clock, 2)
    assert [await chore.work() for _ in range(2)] == [True, True]
    async with db.platform() as session:
        assert await session.scalar(text(WAITING)) == 1, "however many workers look"
    away = (tmp_path / "objects").rename(tmp_path / "away")
    (tmp_path / "objects").write_text("no folder")
    with pytest.raises(ObjectStoreError):
        await exports.remove_leftovers()
    (tmp_path / "objects").unlink()
    away.rename(tmp_path / "objects")
    assert [await lies_there(store, key) for key in keys] == [True, True, True]
    assert await exports.remove_leftovers() == 3
    assert [await lies_there(store, key) for key in keys] == [False, False, False]
    assert await exports.remove_leftovers() == 0
    assert not await chore.work()


async def test_what_is_still_wanted_stays_and_what_failed_requests_left_goes(
    db: Database, organization: UUID, exports: Exports, store: FolderObjectStore, clock: VirtualClock
) -> None:
    before, failed, newest = [await logo(db, store, worn=worn) for worn in (True, False, True)]
    async with db.tenant(organization) as session:
        await remove_branding(session)
    export = await exported(db, store)
    await hours(clock, 2)
    assert await FindLeftovers(db).work()
    assert await exports.remove_leftovers() == 1
    there = [await lies_there(store, key) for key in (before, failed, newest, export)]
    assert there == [True, False, True, True], "mails that were sent show logos of before"
    await hours(clock, 24)
    assert await exports.remove_leftovers() == 1
    assert not await lies_there(store, export), "its time is over, though the job that removes it was cancelled"


async def test_what_a_release_before_stored_is_noted_while_its_organization_is_there(
    db: Database, organization: UUID, exports: Exports, store: FolderObjectStore, clock: VirtualClock
) -> None:
    keys = [await logo(db, store), await exported(db, store)]
    async with db.platform() as session:
        await session.execute(text("DELETE FROM noted_objects"))
    assert not await FindLeftovers(db).work()
    await delete(db, organization)
    await hours(clock, 2)
    assert await exports.remove_leftovers() == 2
    assert [await lies_there(store, key) for key in keys] == [False, False]


async def test_where_the_store_is_switched_off_notes_are_kept(
    db: Database, organization: UUID, store: FolderObjectStore, clock: VirtualClock
) -> None:
    await logo(db, store)
    await delete(db, organization)
    await hours(clock, 2)
    assert await Exports(db, SEALER, ObjectStoreSettings()).remove_leftovers() == 0
    assert await FindLeftovers(db).work()
