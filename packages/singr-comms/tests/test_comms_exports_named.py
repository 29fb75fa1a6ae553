"""The mail that says that data can be fetched comes from the platform: it carries no words of an organization."""

from pathlib import Path

import pytest
from comms_exports import NEWEST, kept_in
from comms_queueing import ORGANIZATION, SEALER, all_rows, sender_for

from singr_comms import MemoryEmailProvider, render_envelope
from singr_comms.people import Exports, RecipientInput, ask_export, put_recipient
from singr_db import Database
from singr_db.tables import Organization

HERS = "ada@example.org"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Blue Note", "Your data at Blue Note is ready"),
        ("You won 500 EUR: evil.example", "Your data at an organization on Singr is ready"),
        ("S1ngr Support", "Your data at an organization on Singr is ready"),
        ("Notes GmbH", "Your data at an organization on Singr is ready"),
    ],
)
async def test_export_says_no_name_that_a_brand_could_not_have(
    db: Database, tmp_path: Path, name: str, said: str
) -> None:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name=name, slug="blue-note"))
    async with db.tenant(ORGANIZATION) as session:
        await put_recipient(session, "a1", RecipientInput(email=HERS), sealer=SEALER)
        await ask_export(session, "a1", sealer=SEALER)
    async with db.platform() as session:
        export_id = await session.scalar(NEWEST)
    exports = Exports(db, SEALER, kept_in(tmp_path / "objects"), own_names=("Notes",))
    assert await exports.write(export_id, ORGANIZATION) == "ready"
    provider = MemoryEmailProvider()
    [row] = await all_rows(db)
    await sender_for(db, email=provider).send("email", row.id, organization_id=ORGANIZATION, is_last_attempt=False)
    [mail] = provider.sent
    content = render_envelope(mail)
    assert content.subject.startswith(said)
    assert "evil" not in f"{content.subject} {content.text} {content.html}"
