"""Digests that are to come keep to their reader's clock and wishes, also where these change."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from singr_comms.people.times._closing import closes_sql
from singr_db import PlatformSession, TenantSession, sql_text

# In one order, so that two that move many wait for each other, never in a circle. What is due is closed as it
# stands, and what is held is tried at its own pace.
_MOVE: Final = sql_text(
    f"""
WITH held AS MATERIALIZED (
    SELECT w.id, {closes_sql("now()", "r", "w.period")} AS closes_at
      FROM digest_windows AS w JOIN recipients AS r ON r.id = w.recipient_id
     WHERE r.organization_id = :organization_id AND r.external_id = ANY (CAST(:ids AS text[]))
       AND w.closed_at IS NULL AND w.held_since IS NULL AND w.closes_at > now()
     ORDER BY w.recipient_id, w.type, w.period FOR UPDATE OF w
)
UPDATE digest_windows AS w SET closes_at = held.closes_at
  FROM held WHERE w.id = held.id AND w.closes_at <> held.closes_at
""",  # noqa: S608 - constants
    roles=("platform", "tenant"),
)


async def move_digests(
    session: TenantSession | PlatformSession, external_ids: Sequence[str], *, organization_id: UUID
) -> None:
    """Let the digests of an organization's people come by their clocks and wishes as they are now."""
    await session.execute(_MOVE, {"organization_id": organization_id, "ids": list(external_ids)})
