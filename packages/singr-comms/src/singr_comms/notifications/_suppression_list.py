"""Addresses that get nothing, as people see them; and how one is written to again."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, select

from singr_comms._errors import CommsError
from singr_comms.notifications._rows import prints_of
from singr_comms.notifications.sending._suppressions import OF_ALL
from singr_db import PLATFORM_ORGANIZATION_ID, PlatformSession, Sealer, TenantSession, sql_text
from singr_db.operation_log import actor_of, checked_reason, log_operation
from singr_db.pages import Page, search_page
from singr_db.tables import Suppression

_LIFT: Final = sql_text("""
UPDATE suppressions SET lifted_at = clock_timestamp(), lifted_by = :by, lifted_note = :note
 WHERE id = :id AND organization_id = :organization_id AND lifted_at IS NULL
RETURNING id
""")

Reason = Literal["bounced", "bounced_softly", "complained", "stopped", "unsubscribed"]


class SuppressionNotFoundError(CommsError, LookupError):
    """There is no such suppression that this caller may lift, or it is lifted already."""


class SuppressionView(msgspec.Struct, frozen=True, kw_only=True):
    """An address that gets no messages.

    Attributes:
        of_all: whether it applies to all organizations; only the platform can lift it.
        address: masked.
        scope: `all`; `marketing`: what organizations send in their own name; or one `category` of it.
        category: its name; null for other scopes.
        message_id: the message that caused it; null if it applies to all organizations.
        expires_at: when it expires; null if it is permanent.
        lifted_at: when it was lifted.
        lifted_by: `user:` and an id, a key id, or `recipient`: the holder of the address asked for it. Null, like the
            note, if it applies to all organizations and an organization reads it.
    """

    id: UUID
    channel: Literal["email", "sms", "push"]
    address: str
    of_all: bool
    scope: Literal["all", "marketing", "category"]
    category: str | None = None
    reason: Reason
    message_id: UUID | None
    created_at: datetime
    expires_at: datetime | None
    lifted_at: datetime | None
    lifted_by: str | None
    lifted_note: str | None


async def list_suppressions(
    session: TenantSession | PlatformSession,
    sealer: Sealer,
    *,
    channel: str | None = None,
    recipient: str | None = None,
    reason: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> Page[SuppressionView]:
    """One page of suppressions, newest first, of the session's organization.

    Those that hold for all are other organizations' people: they are shown to who names the address, as to who would
    write to it.

    Args:
        session: fences the query to its organization; the platform's own sees all.
        sealer: finds an address by its fingerprint.
        channel: the name of one, such as `push`.
        recipient: an address, a phone number or a device's token in full.
        reason: the reason given.
        limit: how many, 1 or more.
        cursor: `next_cursor` of the page before.

    Raises:
        singr_db.pages.InvalidCursor: The cursor is malformed.
    """
    statement = select(Suppression)
    if isinstance(session, TenantSession):
        ours = Suppression.organization_id == session.organization_id
        statement = statement.where(ours if recipient is None else holds_for(session.organization_id))
    if recipient is not None:
        prints = prints_of(sealer, recipient)
        statement = statement.where(Suppression.address_hash.in_(prints))

    def fits(one: Any) -> list[ColumnElement[bool]]:
        asked = ((one.channel, channel), (one.reason, reason))
        return [column == value for column, value in asked if value is not None]

    page = await search_page(session, statement, fits, entity=Suppression, limit=limit, cursor=cursor)
    return Page(tuple(suppression_view(row, session) for row in page.items), page.next_cursor, page.looked_back_to)


async def lift_suppression(
    session: PlatformSession, suppression_id: UUID, *, organization_id: UUID, note: str
) -> SuppressionView:
    """Lift a suppression.

    Args:
        session: the caller's transaction; who acts in it is put down.
        suppression_id: which.
        organization_id: whose it must be; those that hold for all are of the platform's own.
        note: why, in one line.

    Raises:
        SuppressionNotFoundError: there is none of this organization, or it is lifted already.
        singr_db.operation_log.ReasonError: the note cannot be kept.
    """
    values = {
        "id": suppression_id,
        "organization_id": organization_id,
        "by": actor_of(session) or "platform",
        "note": checked_reason(note),
    }
    if (await session.execute(_LIFT, values)).scalar() is None:
        raise SuppressionNotFoundError(
            "this organization has no such active suppression; platform-wide ones are lifted by the platform"
        )
    await log_operation(session, "suppression.lift", str(suppression_id), organization_id=organization_id, reason=note)
    row = await session.get_one(Suppression, suppression_id, populate_existing=True)
    return suppression_view(row, session)


def holds_for(organization_id: UUID) -> ColumnElement[bool]:
    """Those of an organization, and those that hold for all: what else readers said to the platform is its own."""
    of_all = (Suppression.organization_id == PLATFORM_ORGANIZATION_ID) & Suppression.reason.in_(OF_ALL)
    return (Suppression.organization_id == organization_id) | of_all


def suppression_view(row: Suppression, session: TenantSession | PlatformSession) -> SuppressionView:
    """A suppression as who asks in a session sees it: what the platform wrote down about it is the platform's."""
    of_all = row.organization_id == PLATFORM_ORGANIZATION_ID and row.reason in OF_ALL
    theirs = isinstance(session, TenantSession) and session.organization_id != row.organization_id
    scope, _, category = row.scope.partition(":")
    return SuppressionView(
        id=row.id,
        channel=row.channel,  # type: ignore[arg-type] # checked by the table
        address=row.address_masked,
        of_all=of_all,
        scope=scope,  # type: ignore[arg-type] # likewise
        category=category or None,
        reason=row.reason,  # type: ignore[arg-type] # likewise
        message_id=None if of_all else row.message_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        lifted_at=row.lifted_at,
        lifted_by=None if theirs else row.lifted_by,
        lifted_note=None if theirs else row.lifted_note,
    )
