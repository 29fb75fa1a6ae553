"""How many rows an erasure looks at: as many for each message, however many there are of somebody."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from comms_queueing import ORGANIZATION
from sqlalchemy import text

from singr_comms.people import EraseByKey
from singr_comms.people.privacy import _blanking
from singr_comms.people.privacy._blanking import Blanking
from singr_db import Database, PlatformSession, TenantSession, new_id
from singr_db.tables import Organization

MANY, AT_ONCE = 400, 10
HER = EraseByKey(UUID("01920000-0000-7000-8000-0000000000c1"), UUID("01920000-0000-7000-8000-0000000000c2"))
WHICH = {"organization": ORGANIZATION, "recipient": HER.recipient_id, "key": HER.key_id, "print": b"her address"}
_MESSAGES = """
INSERT INTO messages (id, organization_id, channel, kind, status, recipient_sealed, recipient_hash, recipient_masked,
                      content_sealed, recipient_id, key_id)
SELECT id, :organization, 'email', 'x', 'sent', 'a', CASE number % 2 WHEN 0 THEN CAST(:print AS bytea) ELSE '' END, 'a',
       'words', CASE number % 2 WHEN 1 THEN CAST(:recipient AS uuid) END, :key
  FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS made (id, number)
"""
_TOLD = """
INSERT INTO message_events (message_id, key_hash, organization_id, provider, event, webhook_id, raised)
SELECT id, '', organization_id, 'mailjet', 'sent', id, true FROM messages
"""
_CALLBACKS = """
INSERT INTO webhooks_received (id, provider, event, events, callback_sealed, state)
SELECT id, 'mailjet', 'sent', 1, 'x', 'done' FROM messages
"""
_READ = """
SELECT substring(relname, '[a-z]+') AS of, sum(seq_tup_read + idx_tup_fetch)::int AS rows
  FROM pg_stat_xact_user_tables WHERE relname ~ '^(messages_|webhooks_received)' GROUP BY 1
"""


class Counted:
    """A database that counts which rows its transactions have looked at."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.read: Counter[str] = Counter()

    @asynccontextmanager
    async def tenant(self, organization_id: UUID) -> AsyncIterator[TenantSession]:
        async with self._db.tenant(organization_id) as session, self._counted(session):
            yield session

    @asynccontextmanager
    async def platform(self) -> AsyncIterator[PlatformSession]:
        async with self._db.platform() as session, self._counted(session):
            yield session

    @asynccontextmanager
    async def _counted(self, session: TenantSession | PlatformSession) -> AsyncIterator[None]:
        before = {row.of: row.rows for row in await session.execute(text(_READ))}
        yield
        self.read.update({row.of: row.rows - before.get(row.of, 0) for row in await session.execute(text(_READ))})


@pytest.fixture
async def erased(db: Database, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Somebody who is gone, but for hundreds of messages, and what was told of each in a callback of its own."""
    monkeypatch.setattr(_blanking, "_AT_ONCE", AT_ONCE)
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
        await session.flush()
        key = "INSERT INTO data_keys (id, organization_id, destroyed_at, prints) VALUES (:key, :organization, now(),"
        await session.execute(text(f"{key} ARRAY[CAST(:print AS bytea)])"), WHICH)
        await session.execute(text(_MESSAGES), WHICH | {"ids": [new_id() for _ in range(MANY)]})
        for statement in (_TOLD, _CALLBACKS):
            await session.execute(text(statement))
    return Counted(db)


async def test_no_bite_of_an_erasure_walks_past_what_was_blanked_before(erased: Counted) -> None:
    blanking = Blanking(cast("Any", erased))
    assert await blanking.run(HER, organization_id=ORGANIZATION) == MANY
    assert MANY <= erased.read["messages"] < 6 * MANY, erased.read
    assert MANY <= erased.read["webhooks"] < 3 * MANY, erased.read
    erased.read.clear()
    await blanking.run(msgspec.structs.replace(HER, is_last=True), organization_id=ORGANIZATION)
    assert MANY <= erased.read["messages"] < 6 * MANY, erased.read
