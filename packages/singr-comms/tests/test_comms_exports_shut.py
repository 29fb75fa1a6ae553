"""An export tells everything or waits: a worker that lacks a secret leaves it to another, and writes nothing."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from comms_exports import NEWEST, kept_in
from comms_queueing import ORGANIZATION, SEALER, all_rows
from loguru import logger
from sqlalchemy import text

from singr_comms import EmailAddress
from singr_comms.messages.order_ready import OrderReadyPush
from singr_comms.people import Exports, ExportStandsError, RecipientInput, ask_export, put_recipient, recipient_named
from singr_comms.people.exporting._job import key_of_export
from singr_comms.people.inbox import InboxMessage, add_to_inboxes
from singr_config import ObjectStoreSettings, Secret
from singr_db import Database, FolderObjectStore, ObjectNotFoundError, Sealer, SealError
from singr_db.tables import Organization
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError, RetryLater

ELSEWHERE = Sealer(Secret("e" * 40))
PUSH = OrderReadyPush(farm_name="Hof", order_number="A-1", pickup_place="Markt", link="https://singr.example/requests")
_ALTER = "UPDATE inbox_items SET content_sealed = set_byte(content_sealed, 20, 255 - get_byte(content_sealed, 20))"


class Numbered:
    """An account whose number was sealed by a secret that this process does not have."""

    async def address(self, user_id: UUID) -> EmailAddress | None:
        raise SealError("sealed with a secret that is not known here")

    async def addresses(self, user_id: UUID) -> tuple[str, ...]:
        return ()

    async def rows(self, user_id: UUID) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        yield "profile", {"id": user_id}


@pytest.fixture
def store(tmp_path: Path) -> ObjectStoreSettings:
    return kept_in(tmp_path / "objects")


@pytest.fixture
async def export_id(db: Database) -> UUID:
    """One that was asked for of somebody with a name and an inbox."""
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    async with db.tenant(ORGANIZATION) as session:
        await put_recipient(session, "u-1", RecipientInput(email="ada@example.org", name="Ada"), sealer=SEALER)
        person = (await recipient_named(session, "u-1")).id
        await add_to_inboxes(session, SEALER, [InboxMessage(person, PUSH)], organization_id=ORGANIZATION)
    return await ask(db)


async def ask(db: Database) -> UUID:
    async with db.tenant(ORGANIZATION) as session:
        await ask_export(session, "u-1", sealer=SEALER)
    async with db.platform() as session:
        found = await session.scalar(NEWEST)
    assert isinstance(found, UUID)
    return found


async def told(store: ObjectStoreSettings, export_id: UUID) -> Any:
    return json.loads(await FolderObjectStore(store).get(key_of_export(export_id)))


async def left(db: Database, exports: Exports, store: ObjectStoreSettings, export_id: UUID) -> RetryLater:
    """Have it tried by a worker that cannot open all of it; nothing may come of that."""
    with pytest.raises(RetryLater) as caught:
        await exports.write(export_id, ORGANIZATION)
    with pytest.raises(ObjectNotFoundError):
        await told(store, export_id)
    assert [row for row in await all_rows(db) if row.kind == "data_export"] == []
    return caught.value


async def test_worker_that_lacks_a_secret_writes_nothing_and_another_one_all_of_it(
    db: Database, store: ObjectStoreSettings, export_id: UUID
) -> None:
    said: list[str] = []
    sink = logger.add(said.append, level="ERROR", format="{message}")
    without = Exports(db, ELSEWHERE, store)
    first, again = [await left(db, without, store, export_id) for _ in range(2)]
    logger.remove(sink)
    assert (first.code, first.counts, again.counts) == ("unreadable", False, False)
    assert 0 < first.after <= 60
    [line] = [one for one in said if "exports cannot be opened by this process" in one]
    assert str(export_id) in line
    assert await Exports(db, SEALER, store).write(export_id, ORGANIZATION) == "ready"
    whole = await told(store, export_id)
    assert (whole["recipient"][0]["name"], whole["inbox"][0]["data"]["farm_name"]) == ("Ada", "Hof")


async def test_what_the_secret_itself_sealed_is_waited_for_as_well(
    db: Database, store: ObjectStoreSettings, export_id: UUID
) -> None:
    async with db.tenant(ORGANIZATION) as session:
        person = (await recipient_named(session, "u-1")).id
        await add_to_inboxes(session, ELSEWHERE, [InboxMessage(person, PUSH)], organization_id=ORGANIZATION)
    assert (await left(db, Exports(db, SEALER, store), store, export_id)).code == "unreadable"


async def test_account_that_cannot_be_told_leaves_nothing_in_the_store(
    db: Database, store: ObjectStoreSettings, export_id: UUID
) -> None:
    async with db.platform() as session:
        await session.execute(text("UPDATE recipients SET user_id = gen_random_uuid()"))
    await left(db, Exports(db, SEALER, store, accounts=Numbered()), store, export_id)


async def test_what_was_altered_is_null_and_keeps_nobody_from_the_rest(
    db: Database, store: ObjectStoreSettings, export_id: UUID
) -> None:
    async with db.platform() as session:
        await session.execute(text(_ALTER))
    assert await Exports(db, SEALER, store).write(export_id, ORGANIZATION) == "ready"
    whole = await told(store, export_id)
    assert (whole["recipient"][0]["name"], whole["inbox"][0]["data"]) == ("Ada", None)


async def test_export_that_nobody_opens_within_its_day_fails_and_can_be_asked_for_again(
    db: Database, store: ObjectStoreSettings, export_id: UUID, clock: VirtualClock
) -> None:
    without = Exports(db, ELSEWHERE, store)
    clock.advance(hours=23, minutes=58)
    await clock.settle()
    assert (await left(db, without, store, export_id)).after == 60
    clock.advance(minutes=1, seconds=1)
    await clock.settle()
    with pytest.raises(PermanentError) as caught:
        await without.write(export_id, ORGANIZATION)
    assert caught.value.code == "unreadable"
    with pytest.raises(ExportStandsError):
        await ask(db)
    async with db.platform() as session:
        await session.execute(text("UPDATE jobs SET status = 'failed' WHERE type = 'person.export'"))
    assert await ask(db) != export_id
