"""Withdrawing exports of people who are erased: in the caller's transaction."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from singr_comms.people.exporting._job import RemoveExport
from singr_db import PlatformSession, TenantSession, sql_text
from singr_jobs import enqueue

# Longer than an attempt to write one may take: whatever one that was under way left behind is removed then.
_AGAIN: Final = timedelta(hours=1)

_WITHDRAW: Final = """
UPDATE data_exports SET state = 'withdrawn', expires_at = now() WHERE {whose}
RETURNING id, organization_id, expires_at
"""
_WITHDRAW_PEOPLE: Final = sql_text(
    _WITHDRAW.format(whose="organization_id = :organization_id AND recipient_id = ANY(CAST(:recipient_ids AS uuid[]))"),
    roles=("tenant",),
)
_WITHDRAW_ACCOUNT: Final = sql_text(_WITHDRAW.format(whose="user_id = :user_id AND subject_id = :user_id"))


async def withdraw_exports(session: TenantSession, recipient_ids: Collection[UUID]) -> None:
    """Let nobody fetch what was written out of people who are erased; what is being written is not finished."""
    values = {"organization_id": session.organization_id, "recipient_ids": list(recipient_ids)}
    await _removed(session, _WITHDRAW_PEOPLE, values)


async def withdraw_account_exports(session: PlatformSession, user_id: UUID) -> None:
    """The same of an account that ends, in all organizations."""
    await _removed(session, _WITHDRAW_ACCOUNT, {"user_id": user_id})


async def _removed(session: TenantSession | PlatformSession, statement: Any, values: dict[str, Any]) -> None:
    for row in (await session.execute(statement, values)).all():
        removal = RemoveExport(row.id)
        await enqueue(session, removal, organization_id=row.organization_id)
        await enqueue(session, removal, organization_id=row.organization_id, run_at=row.expires_at + _AGAIN)
