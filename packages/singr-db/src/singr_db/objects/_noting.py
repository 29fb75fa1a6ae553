"""Noting what is stored before it is: whatever happens then, the object is found again by its row, and removed."""

from typing import Final, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from singr_db._statements import sql_text

_NOTE: Final = sql_text(
    "INSERT INTO noted_objects (kind, id, organization_id) VALUES (:kind, :id, :organization_id)"
    " ON CONFLICT (kind, id) DO NOTHING",
    roles=("tenant",),
)


async def note_object(
    session: AsyncSession, kind: Literal["logo", "export"], object_id: UUID, *, organization_id: UUID
) -> None:
    """Note an object of an organization, whose session this is; commit that before the object is stored."""
    await session.execute(_NOTE, {"kind": kind, "id": object_id, "organization_id": organization_id})
