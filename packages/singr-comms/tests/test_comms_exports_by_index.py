"""Exports look for one person in tables of everybody's by index."""

from comms_queueing import ORGANIZATION
from sqlalchemy import text

from singr_comms.people.exporting._tables import LISTS
from singr_db import Database


async def test_whom_notifications_named_is_found_by_index(db: Database) -> None:
    [listed] = [one for one in LISTS if one.name == "notifications"]
    values = {
        "organization_id": ORGANIZATION,
        "recipient_ids": [ORGANIZATION],
        "hashes": [b"."],
        "account": ORGANIZATION,
        "after": ORGANIZATION,
        "limit": 9,
    }
    async with db.tenant(ORGANIZATION) as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join((await session.scalars(text(f"EXPLAIN {listed.statement.text}"), values)).all())
    assert "notification_targets_by_recipient" in plan
    assert "notification_targets_by_address" in plan
