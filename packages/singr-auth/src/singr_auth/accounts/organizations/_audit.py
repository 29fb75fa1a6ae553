"""An organization's part of the audit trail."""

import datetime as dt
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_auth.accounts.organizations._actor import AnySession
from singr_config.constants import PAGINATION
from singr_db import sql_text
from singr_db.pages import BEHIND, Page, decode_cursor, page_of

_PAGE: Final = sql_text(
    f"""
    SELECT id, kind, actor, user_id, address, device, detail, created_at FROM security_events
    WHERE organization_id = :organization_id AND id < {BEHIND}
    ORDER BY id DESC LIMIT :limit
    """,  # noqa: S608 - a constant
    roles=("platform", "tenant"),
)


class OrganizationEvent(msgspec.Struct, frozen=True):
    """An event concerning an organization's people, roles or credentials.

    Attributes:
        actor: who did it: "user:<id>", a credential's key id, or "system".
        user_id: the person concerned.
        address: the network address, as far as known.
    """

    id: UUID
    kind: str
    actor: str
    user_id: UUID | None
    address: str | None
    device: str | None
    detail: dict[str, Any]
    created_at: dt.datetime


async def organization_events(
    session: AnySession, organization_id: UUID, *, limit: int = PAGINATION.default, cursor: str | None = None
) -> Page[OrganizationEvent]:
    """Return some of an organization's security events, newest first.

    Raises:
        InvalidCursor: the cursor is malformed.
    """
    after = None if cursor is None else decode_cursor(cursor)
    found = await session.execute(_PAGE, {"organization_id": organization_id, "after": after, "limit": limit + 1})
    return page_of([OrganizationEvent(**row) for row in found.mappings()], limit=limit, row_id=lambda event: event.id)
