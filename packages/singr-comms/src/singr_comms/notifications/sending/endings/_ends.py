"""How a message ends, or is left in doubt, without a provider's answer: in the transaction that looked at it."""

from typing import Any
from uuid import UUID

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.notifications.sending import _ledger_sql as sql
from singr_comms.notifications.sending._policy import SETTLED
from singr_comms.notifications.sending._try import FLAGGED, OVER, SETTLING, Refused
from singr_db import TenantSession


async def flag(session: TenantSession, message_id: UUID, row: Any) -> Refused:
    """Leave it to people to find out whether it was sent."""
    if row.status not in SETTLED and (row.error or {}).get("code") != FLAGGED.code:
        await end(session, message_id, row.kind, "unknown", FLAGGED)
    return FLAGGED


async def settle(session: TenantSession, message_id: UUID, row: Any) -> None:
    """Let it wait until its provider has told, or is asked, whether it was sent."""
    if row.status != "unknown":
        await end(session, message_id, row.kind, "unknown", SETTLING)


async def expire(session: TenantSession, message_id: UUID, row: Any, reason: str) -> Refused:
    """End what waited for longer than it is of use."""
    refused = Refused("expired", f"it waited until it was no longer of use: {reason}")
    values = {"id": message_id, "error": as_json(refused), "erase": message_types.carries_code(row.kind)}
    await session.execute(sql.EXPIRED, values)
    return refused


async def over(session: TenantSession, message_id: UUID, row: Any, waited_for: str | None) -> Refused:
    """End what is wanted by nobody any more, and tell what it waited for, where it did."""
    words = OVER.message if waited_for is None else f"{OVER.message}; it waited: {waited_for}"
    refused = Refused(OVER.code, words)
    await end(session, message_id, row.kind, "suppressed", refused)
    return refused


async def end(session: TenantSession, message_id: UUID, kind: str, status: str, refused: Refused) -> None:
    """Give it a status, and say why."""
    # What is suppressed is never tried again, so it keeps no words, as what a decision suppresses never has any.
    erase = status == "suppressed" or message_types.carries_code(kind)
    values = {"id": message_id, "status": status, "error": as_json(refused), "erase": erase}
    await session.execute(sql.STATUS, values)


def as_json(value: object) -> str | None:
    """What a column of JSON takes."""
    return None if value is None else msgspec.json.encode(value).decode()
