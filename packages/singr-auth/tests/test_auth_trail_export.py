"""The audit trail, exported to the object store before its rows are deleted."""

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text

from singr_auth._cli import main
from singr_auth.accounts.audit._export import ExportedPart, export_trail, last_whole_day
from singr_config import Settings
from singr_db import Database, FolderObjectStore, new_id

EARLIER = dt.date(2026, 3, 1)


@pytest.fixture
def stored(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with an object store in a folder."""
    objects = msgspec.structs.replace(settings.object_store, bucket="singr", folder=str(tmp_path))
    return msgspec.structs.replace(settings, object_store=objects)


@pytest.fixture
def objects(stored: Settings) -> FolderObjectStore:
    return FolderObjectStore(stored.object_store)


async def record(db: Database, day: dt.date, *, organization: UUID | None = None, kind: str = "test.event") -> UUID:
    event = new_id()
    async with db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO security_events (id, organization_id, actor, kind, created_at)"
                " VALUES (:id, :organization, 'system', :kind, :at)"
            ),
            {
                "id": event,
                "organization": organization,
                "kind": kind,
                "at": dt.datetime.combine(day, dt.time(23, 59, 59), dt.UTC),
            },
        )
    return event


async def exported(db: Database, objects: FolderObjectStore, **options: object) -> list[ExportedPart]:
    return [part async for part in export_trail(db, objects, **{"before": dt.date(2026, 4, 1), **options})]  # type: ignore[arg-type] # a test's own


async def lines(objects: FolderObjectStore, key: str) -> list[dict[str, object]]:
    return [msgspec.json.decode(line) for line in (await objects.get(key)).splitlines()]


async def test_every_event_is_in_one_part_in_order(db: Database, objects: FolderObjectStore):
    events = [str(await record(db, EARLIER)) for _ in range(5)]
    parts = await exported(db, objects, events_a_part=2)
    assert [part.events for part in parts] == [2, 2, 1]
    assert [part.key for part in parts] == [f"security-events/all/start_2026-04-01/0000{n}.jsonl" for n in (1, 2, 3)]
    assert [event["id"] for part in parts for event in await lines(objects, part.key)] == events


async def test_days_and_organization_bound_what_is_exported(db: Database, objects: FolderObjectStore):
    mine, other = new_id(), new_id()
    wanted = await record(db, dt.date(2026, 3, 31), organization=mine)
    await record(db, dt.date(2026, 4, 1), organization=mine)
    await record(db, dt.date(2026, 3, 30), organization=mine)
    await record(db, dt.date(2026, 3, 31), organization=other)
    [part] = await exported(db, objects, since=dt.date(2026, 3, 31), organization_id=mine)
    [event] = await lines(objects, part.key)
    assert event["id"] == str(wanted)
    assert event["created_at"] == "2026-03-31T23:59:59Z"


@pytest.mark.parametrize("since", [dt.date(2026, 4, 1), dt.date(2026, 4, 5)], ids=["the same day", "swapped"])
async def test_days_that_hold_nothing_between_them_are_refused(
    db: Database, objects: FolderObjectStore, since: dt.date
):
    with pytest.raises(ValueError, match="must be a day before"):
        await exported(db, objects, since=since)


async def test_exporting_again_replaces_the_same_objects(db: Database, objects: FolderObjectStore):
    await record(db, EARLIER)
    assert await exported(db, objects) == await exported(db, objects)


async def test_day_that_is_not_over_is_refused(db: Database, objects: FolderObjectStore):
    with pytest.raises(ValueError, match=f"at the latest {last_whole_day()}"):
        await exported(db, objects, before=last_whole_day() + dt.timedelta(days=1))


@pytest.fixture
def run(stored: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setattr("singr_auth._cli.load_settings", lambda: stored)
    return lambda *arguments: main(["audit", "export", *arguments])


def test_command_shows_where_the_parts_lie(
    run: Callable[..., int],
    settings: Settings,
    objects: FolderObjectStore,
    capsys: pytest.CaptureFixture[str],
):
    async def prepare() -> None:
        async with Database(settings.database, application_name="test") as db:
            await record(db, EARLIER)

    assert run("--before", "2026-03-02") == 0
    assert capsys.readouterr() == ("", "0 events exported.\n")
    asyncio.run(prepare())
    assert run("--before", "2026-03-02") == 0
    shown = capsys.readouterr()
    assert shown.out == "security-events/all/start_2026-03-02/00001.jsonl\n"
    assert shown.err == "1 event exported.\n"
    assert run("--before", "2026-03-02", "--link-hours", "1") == 0
    linked = asyncio.run(objects.linked(capsys.readouterr().out.strip()))
    assert linked is not None
    assert b"test.event" in linked.data


def test_command_without_an_object_store_says_what_to_set(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    nowhere = msgspec.structs.replace(settings.object_store, bucket="")
    without = msgspec.structs.replace(settings, object_store=nowhere)
    monkeypatch.setattr("singr_auth._cli.load_settings", lambda: without)
    assert main(["audit", "export"]) == 1
    assert "S3_BUCKET" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--before", "yesterday"], ["--link-hours", "169"], ["--organization", "x"]])
def test_command_refuses_what_it_does_not_understand(run: Callable[..., int], arguments: list[str]):
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2
