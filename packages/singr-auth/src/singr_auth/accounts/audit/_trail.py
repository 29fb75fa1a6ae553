"""The audit trail of a person, read in pages: by themselves, and by operators, who see who did what."""

import datetime as dt
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_db import PlatformSession, sql_text
from singr_db.pages import BEHIND, Page, decode_cursor, page_of

_PAGE: Final = sql_text(
    f"""
    SELECT id, kind, actor, organization_id, address, device, detail, created_at FROM security_events
    WHERE user_id = :id AND id < {BEHIND}
    ORDER BY id DESC LIMIT :limit
    """  # noqa: S608 - a constant
)


class SecurityEventView(msgspec.Struct, frozen=True):
    """An event concerning an account.

    Attributes:
        kind: such as "sign_in.succeeded".
        actor: who did it. For the account's owner: "you", "anonymous" (not authenticated), "operator" or "system"; for
            operators: "user:<id>" or a credential's key id instead of "you" and "operator".
        address: the network address, as far as known; for an operator's action, shown to operators only.
        device: the device, such as "Firefox on Linux"; likewise.
        detail: further details, depending on the kind.
    """

    id: UUID
    kind: str
    actor: str
    organization_id: UUID | None
    address: str | None
    device: str | None
    detail: dict[str, Any]
    created_at: dt.datetime


async def trail(
    session: PlatformSession, user_id: UUID, *, limit: int, cursor: str | None, to_owner: bool
) -> Page[SecurityEventView]:
    """Return a page of an account's audit trail, newest first.

    Args:
        session: a platform session.
        user_id: whose.
        limit: how many at most.
        cursor: `next_cursor` of the page before.
        to_owner: it is shown to the account's owner, and not to an operator.

    Raises:
        InvalidCursor: the cursor is malformed.
    """
    after = None if cursor is None else decode_cursor(cursor)
    rows = await session.execute(_PAGE, {"id": user_id, "after": after, "limit": limit + 1})
    events = [SecurityEventView(**row) for row in rows.mappings()]
    page = page_of(events, limit=limit, row_id=lambda event: event.id)
    return Page(tuple(_to_owner(event, user_id) for event in page.items), page.next_cursor) if to_owner else page


def _to_owner(event: SecurityEventView, user_id: UUID) -> SecurityEventView:
    if event.actor == f"user:{user_id}":
        return msgspec.structs.replace(event, actor="you")
    if event.actor in {"anonymous", "system"}:
        return event
    # Who of the staff or of an organization it was, and from where, is not the owner's to know.
    return msgspec.structs.replace(event, actor="operator", address=None, device=None)
