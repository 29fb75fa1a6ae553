"""What a person who is signed in may see of invitations to them, and turn down; to accept takes the link.

An address that is not verified may be anybody's, so nothing that was sent to it is shown or taken back.
"""

import datetime as dt
from typing import Final
from uuid import UUID

import msgspec

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import NotFoundError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.organizations._invitations import STANDS
from singr_config.constants import PAGINATION
from singr_db import PlatformSession, sql_text
from singr_db.pages import BEHIND, Page, decode_cursor, page_of

_THEIRS: Final = f"""
    u.id = :user_id AND u.status = 'active' AND u.email_verified_at IS NOT NULL AND u.email_key = i.email_key
    AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now() AND {STANDS}
"""
_PAGE: Final = sql_text(
    f"""
    SELECT i.id, o.name AS organization_name, r.name AS role, i.created_at, i.expires_at,
           (SELECT name FROM users WHERE id = i.invited_by) AS inviter_name
    FROM invitations i JOIN users u ON u.email_key = i.email_key
    JOIN organizations o ON o.id = i.organization_id JOIN roles r ON r.id = i.role_id
    WHERE {_THEIRS} AND i.id < {BEHIND}
    ORDER BY i.id DESC LIMIT :limit
    """  # noqa: S608 — our own words
)
# One statement decides: of an acceptance and a refusal at once, one finds the row still open.
_DECLINE: Final = sql_text(
    f"UPDATE invitations i SET revoked_at = now() FROM users u WHERE i.id = :id AND {_THEIRS}"  # noqa: S608 — our own words
    " RETURNING i.organization_id"
)


class OwnInvitation(msgspec.Struct, frozen=True):
    """An open invitation as the invited person sees it.

    Attributes:
        inviter_name: the inviter; null if a program invited, or the person no longer exists.
    """

    id: UUID
    organization_name: str
    role: str
    inviter_name: str | None
    created_at: dt.datetime
    expires_at: dt.datetime


class OwnInvitations:
    """Lists and declines invitations to a person, in the caller's transaction, which the caller commits."""

    async def page(
        self, session: PlatformSession, user_id: UUID, *, limit: int = PAGINATION.default, cursor: str | None = None
    ) -> Page[OwnInvitation]:
        """Return some open invitations that were sent to a person's verified address, newest first.

        Raises:
            InvalidCursor: the cursor is malformed.
        """
        after = None if cursor is None else decode_cursor(cursor)
        found = await session.execute(_PAGE, {"user_id": user_id, "after": after, "limit": limit + 1})
        views = [OwnInvitation(**row) for row in found.mappings()]
        return page_of(views, limit=limit, row_id=lambda invitation: invitation.id)

    async def decline(
        self, session: PlatformSession, invitation_id: UUID, *, user_id: UUID, client: ClientInfo | None = None
    ) -> None:
        """Turn an invitation down: it is revoked, and its link is worth nothing any more.

        Raises:
            NotFoundError: none with this id is open and was sent to this person's verified address.
        """
        organization_id = await session.scalar(_DECLINE, {"id": invitation_id, "user_id": user_id})
        if organization_id is None:
            raise NotFoundError("invitation")
        await record_event(
            session,
            "invitation.declined",
            user_id=user_id,
            organization_id=organization_id,
            client=client,
            detail={"invitation": str(invitation_id)},
        )
