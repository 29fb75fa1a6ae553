"""An export that will never be written keeps nobody from asking for another."""

from pathlib import Path

import pytest
from comms_exports import NEWEST, kept_in
from comms_queueing import ORGANIZATION, SEALER
from sqlalchemy import text

from singr_comms.people import Exports, ExportStandsError, RecipientInput, ask_export, put_recipient
from singr_db import Database
from singr_db.tables import Organization


async def ask(db: Database) -> None:
    async with db.tenant(ORGANIZATION) as session:
        await ask_export(session, "u-1", sealer=SEALER)


@pytest.mark.parametrize("ended", ["failed", "cancelled"])
async def test_export_whose_job_has_ended_unwritten_stands_in_nobodys_way(
    db: Database, tmp_path: Path, ended: str
) -> None:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    async with db.tenant(ORGANIZATION) as session:
        await put_recipient(session, "u-1", RecipientInput(email="ada@example.org"), sealer=SEALER)
    await ask(db)
    with pytest.raises(ExportStandsError):
        await ask(db)
    async with db.platform() as session:
        first = await session.scalar(NEWEST)
        await session.execute(text(f"UPDATE jobs SET status = '{ended}' WHERE type = 'person.export'"))
    await ask(db)
    async with db.platform() as session:
        assert await session.scalar(NEWEST) != first
    with pytest.raises(ExportStandsError):
        await ask(db)
    folder = kept_in(tmp_path / "objects")
    outcome = await Exports(db, SEALER, folder).write(first, ORGANIZATION)
    assert outcome == "withdrawn", "an operator who has the former one tried again makes no second one of it"
