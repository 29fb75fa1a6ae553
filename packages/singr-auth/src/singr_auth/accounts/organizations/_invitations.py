"""Invitations: somebody is asked by e-mail to join an organization, and does by the link's token, once.

Only the token's SHA-256 is kept. The link proves the address it was sent to, so whoever accepts must own that address.
"""

import datetime as dt
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping

from singr_auth._tokens._opaque_tokens import OpaqueToken, TokenError, TokenKind, new_token, parse_token
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import ConflictError, NotAllowedError, NotFoundError, TokenRefusedError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.credentials._credentials import BUILT_IN_KEY_ID
from singr_auth.accounts.notices._notices import EmailTarget, InvitePerson, Notifier
from singr_auth.accounts.organizations._actor import Actor, AnySession, lock_organization, standing_of
from singr_auth.accounts.organizations._organizations import Membership, Organizations
from singr_auth.accounts.organizations._roles import find_role, role_by_id
from singr_auth.accounts.people._users import checked_email
from singr_auth.accounts.sessions._access_feed import note_change
from singr_config.constants import PAGINATION, TOKEN_LIFETIMES
from singr_db import PlatformSession, new_id, sql_text
from singr_db.pages import BEHIND, Page, decode_cursor, page_of

MOST_OPEN: Final = 200
_OPEN: Final = "accepted_at IS NULL AND revoked_at IS NULL"
STANDS: Final = "invitation_stands(i.organization_id, i.invited_by, i.invited_with, i.role_id)"
"""Whether whoever answers for an invitation could send it at this moment."""
ENDED: Final = f"(i.expires_at <= now() OR NOT {STANDS})"
"""Whether an invitation that nobody closed is worth nothing any more: its time is over, or its sender's."""
_SELECT: Final = f"""
    SELECT i.id, i.organization_id, i.email, r.id AS role_id, r.name AS role, i.invited_by, i.created_at, i.sent_at,
           i.expires_at, i.accepted_at, i.revoked_at,
           CASE WHEN i.accepted_at IS NOT NULL THEN 'accepted' WHEN i.revoked_at IS NOT NULL THEN 'revoked'
                WHEN {ENDED} THEN 'expired' ELSE 'open' END AS status
    FROM invitations i JOIN roles r ON r.id = i.role_id
    WHERE i.organization_id = :organization_id
"""  # noqa: S608 — our own words
_PAGE: Final = sql_text(
    f"{_SELECT} AND i.id < {BEHIND} ORDER BY i.id DESC LIMIT :limit",
    roles=("platform", "tenant"),
)
_ONE: Final = sql_text(f"{_SELECT} AND i.id = :id", roles=("platform", "tenant"))
_MEMBER: Final = sql_text(
    """
    SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id
    WHERE m.organization_id = :organization_id AND lower(u.email) = :email_key
    """,
    roles=("platform", "tenant"),
)
_INVITER: Final = sql_text("SELECT name FROM users WHERE id = :user_id", roles=("platform", "tenant"))
_COUNT: Final = sql_text(
    f"SELECT count(*) FROM invitations i WHERE i.organization_id = :organization_id AND {_OPEN} AND NOT {ENDED}",  # noqa: S608 — our own words
    roles=("platform", "tenant"),
)
# What has expired still holds the address in the unique index, so it is closed when somebody asks anew.
_CLOSE_EXPIRED: Final = sql_text(
    f"""
    UPDATE invitations i SET revoked_at = now()
    WHERE i.organization_id = :organization_id AND i.email_key = :email_key AND {_OPEN} AND {ENDED}
    """,  # noqa: S608 — our own words
    roles=("platform", "tenant"),
)
_INSERT: Final = sql_text(
    f"""
    INSERT INTO invitations
        (id, organization_id, email, email_key, role_id, token_hash, invited_by, invited_with, created_at, sent_at,
         expires_at)
    VALUES (:id, :organization_id, :email, :email_key, :role_id, :token_hash, :invited_by, :invited_with, now(), now(),
            now() + :seconds * interval '1 second')
    ON CONFLICT (organization_id, email_key) WHERE {_OPEN} DO NOTHING
    RETURNING id
    """,  # noqa: S608 — our own words
    roles=("platform", "tenant"),
)
_RESEND: Final = sql_text(
    f"""
    UPDATE invitations
    SET token_hash = :token_hash, invited_by = :invited_by, invited_with = :invited_with, sent_at = now(),
        expires_at = now() + :seconds * interval '1 second'
    WHERE organization_id = :organization_id AND id = :id AND {_OPEN} RETURNING id
    """,  # noqa: S608 — our own words
    roles=("platform", "tenant"),
)
_REVOKE: Final = sql_text(
    f"""
    UPDATE invitations SET revoked_at = now()
    WHERE organization_id = :organization_id AND id = :id AND {_OPEN} RETURNING id
    """,  # noqa: S608 — our own words
    roles=("platform", "tenant"),
)
_PREVIEW: Final = sql_text(
    f"""
    SELECT i.organization_id, o.name AS organization_name, i.email, i.email_key, r.name AS role, i.expires_at,
           (SELECT u.name FROM users u WHERE u.id = i.invited_by) AS inviter_name,
           EXISTS (SELECT FROM users u WHERE u.email_key = i.email_key AND u.status <> 'pending') AS has_account
    FROM invitations i JOIN organizations o ON o.id = i.organization_id JOIN roles r ON r.id = i.role_id
    WHERE i.token_hash = :token_hash AND {_OPEN} AND i.expires_at > now() AND {STANDS}
    """  # noqa: S608 — our own words
)
_WHERE_TO: Final = sql_text("SELECT organization_id FROM invitations WHERE token_hash = :token_hash")
# An account that is being deleted or disabled joins nothing; first the person, then the organization, as everywhere.
_HOLD_PERSON: Final = sql_text("SELECT FROM users WHERE id = :user_id FOR NO KEY UPDATE")
# One statement decides: of any number at once, one finds the row still open.
_ACCEPT: Final = sql_text(
    f"""
    UPDATE invitations i SET accepted_at = now(), accepted_by = u.id
    FROM users u
    WHERE i.token_hash = :token_hash AND {_OPEN} AND i.expires_at > now() AND {STANDS}
      AND u.id = :user_id AND u.status = 'active' AND u.email_verified_at IS NOT NULL AND u.email_key = i.email_key
    RETURNING i.id, i.organization_id, i.role_id, i.invited_by
    """  # noqa: S608 — our own words
)
_JOIN: Final = sql_text(
    """
    INSERT INTO memberships (organization_id, user_id, role_id, invited_by)
    VALUES (:organization_id, :user_id, :role_id, :invited_by)
    ON CONFLICT (organization_id, user_id) DO NOTHING RETURNING role_id
    """
)


class InvitationView(msgspec.Struct, frozen=True):
    """An invitation as the organization sees it, without its token.

    Attributes:
        sent_at: when the last message was sent.
    """

    id: UUID
    organization_id: UUID
    email: str
    role: str
    role_id: UUID
    status: Literal["open", "accepted", "revoked", "expired"]
    invited_by: UUID | None
    created_at: dt.datetime
    sent_at: dt.datetime
    expires_at: dt.datetime
    accepted_at: dt.datetime | None
    revoked_at: dt.datetime | None


class InvitationPreview(msgspec.Struct, frozen=True):
    """What the link's page shows before anything is accepted.

    Attributes:
        email: the invited address, which has to accept.
        inviter_name: the inviter; null if a program invited, or the person no longer exists.
        has_account: whether to sign in with this address, or to register. Shown only to the holder of the link.
    """

    organization_name: str
    email: str
    role: str
    inviter_name: str | None
    expires_at: dt.datetime
    has_account: bool


class Invitations:
    """Sends, revokes and accepts invitations, in the caller's transaction, which the caller commits.

    Args:
        notifier: sends the link.
        lifetime: seconds for which a link can be used.
    """

    def __init__(self, notifier: Notifier, *, lifetime: int = TOKEN_LIFETIMES.invitation) -> None:
        self._notifier = notifier
        self._lifetime = lifetime
        self._organizations = Organizations()

    async def page(
        self, session: AnySession, organization_id: UUID, *, limit: int = PAGINATION.default, cursor: str | None = None
    ) -> Page[InvitationView]:
        """Return some invitations, newest first.

        Raises:
            InvalidCursor: the cursor is malformed.
        """
        after = None if cursor is None else decode_cursor(cursor)
        found = await session.execute(_PAGE, {"organization_id": organization_id, "after": after, "limit": limit + 1})
        return page_of([_view(row) for row in found.mappings()], limit=limit, row_id=lambda invitation: invitation.id)

    async def create(
        self, session: AnySession, organization_id: UUID, *, email: str, role: str, actor: Actor
    ) -> InvitationView:
        """Invite an address to a role that holds no more than the actor does; the link goes out with the commit.

        Raises:
            InvalidValueError: no address that mail can be sent to, or no such role.
            ConflictError: the address is a member's or has an open invitation; or 200 are open.
            NotAllowedError: the role holds permissions that the actor lacks, or is the owner's.
            ReauthenticationRequiredError: it is powerful, and the session proved less than the account asks for.
            NotFoundError, OrganizationError, ScopeError: no such organization; or the actor may not.
        """
        email = checked_email(email, self._notifier)
        key = {"organization_id": organization_id, "email_key": email.lower()}
        name = await lock_organization(session, organization_id)
        standing = await standing_of(session, organization_id, actor)
        standing.require("organization:write")
        offered = await find_role(session, organization_id, role)
        offered.grantable_by(standing)
        if await session.scalar(_MEMBER, key):
            raise ConflictError("This address already belongs to a member.", field="email")
        await session.execute(_CLOSE_EXPIRED, key)
        if (await session.scalar(_COUNT, {"organization_id": organization_id}) or 0) >= MOST_OPEN:
            raise ConflictError(f"At most {MOST_OPEN} invitations may be open: revoke some first.")
        token = new_token(TokenKind.INVITATION)
        row = key | {"id": new_id(), "email": email, "role_id": offered.id} | _answers_for(actor)
        row |= {"token_hash": token.hash, "seconds": self._lifetime}
        invitation_id = await session.scalar(_INSERT, row)
        if invitation_id is None:
            raise ConflictError("This address is already invited: resend that invitation, or revoke it.", field="email")
        invitation = await self._one(session, organization_id, invitation_id)
        await self._send(session, name, invitation, token, actor)
        await _recorded(session, "invitation.created", invitation, actor)
        return invitation

    async def resend(
        self, session: AnySession, organization_id: UUID, invitation_id: UUID, *, actor: Actor
    ) -> InvitationView:
        """Send a new link for an invitation, expired ones included; the link of before is worth nothing any more.

        Whoever sends it answers for it from now on.

        Raises:
            ConflictError: it was accepted or revoked.
            NotAllowedError: its role holds permissions that the actor lacks, or is the owner's.
            ReauthenticationRequiredError: it is powerful, and the session proved less than the account asks for.
            NotFoundError, OrganizationError, ScopeError: no such organization or invitation; or the actor may not.
        """
        name = await lock_organization(session, organization_id)
        standing = await standing_of(session, organization_id, actor)
        standing.require("organization:write")
        invitation = await self._one(session, organization_id, invitation_id)
        (await role_by_id(session, organization_id, invitation.role_id)).grantable_by(standing)
        token = new_token(TokenKind.INVITATION)
        key = {"organization_id": organization_id, "id": invitation_id} | _answers_for(actor)
        if await session.scalar(_RESEND, key | {"token_hash": token.hash, "seconds": self._lifetime}) is None:
            raise ConflictError("This invitation was accepted or revoked: create a new one.")
        invitation = await self._one(session, organization_id, invitation_id)
        await self._send(session, name, invitation, token, actor)
        await _recorded(session, "invitation.resent", invitation, actor)
        return invitation

    async def revoke(self, session: AnySession, organization_id: UUID, invitation_id: UUID, *, actor: Actor) -> None:
        """Take an invitation back; its link is worth nothing any more.

        Raises:
            ConflictError: it was accepted, or revoked before.
            NotFoundError, OrganizationError, ScopeError: no such organization or invitation; or the actor may not.
        """
        await lock_organization(session, organization_id)
        (await standing_of(session, organization_id, actor)).require("organization:write")
        invitation = await self._one(session, organization_id, invitation_id)
        if await session.scalar(_REVOKE, {"organization_id": organization_id, "id": invitation_id}) is None:
            raise ConflictError("This invitation was accepted or revoked before.")
        await _recorded(session, "invitation.revoked", invitation, actor)

    async def preview(self, session: PlatformSession, token: str) -> InvitationPreview:
        """Say what a link's token invites to; uses nothing up.

        Raises:
            TokenRefusedError: as `accept`.
        """
        row = (await session.execute(_PREVIEW, {"token_hash": invitation_hash(token)})).one_or_none()
        if row is None:
            raise TokenRefusedError
        return InvitationPreview(
            row.organization_name, row.email, row.role, row.inviter_name, row.expires_at, row.has_account
        )

    async def hold(self, session: PlatformSession, token: str) -> None:
        """Make changes of the people of a token's organization wait for this transaction, which accepts.

        Whoever leaves counts who is left, and must not count past somebody who is about to come.

        Raises:
            TokenRefusedError: there is no such invitation, or no such organization any more.
        """
        organization_id = await session.scalar(_WHERE_TO, {"token_hash": invitation_hash(token)})
        if organization_id is None:
            raise TokenRefusedError
        try:
            await lock_organization(session, organization_id)
        except NotFoundError:
            raise TokenRefusedError from None  # it was deleted, and its invitations with it

    async def accept(
        self, session: PlatformSession, token: str, *, user_id: UUID, client: ClientInfo | None = None
    ) -> Membership:
        """Make a signed-in person a member, by the link that was sent to their verified address.

        Raises:
            TokenRefusedError: unknown, used, revoked or expired; or whoever sent it could not send it any more. Of any
                number of tries at once, one succeeds.
            NotAllowedError: it was sent to another address than this person's verified one.
            ConflictError: they are a member already; the invitation stays open.
        """
        digest = invitation_hash(token)
        await session.execute(_HOLD_PERSON, {"user_id": user_id})
        await self.hold(session, token)
        row: Any = (await session.execute(_ACCEPT, {"token_hash": digest, "user_id": user_id})).one_or_none()
        if row is None:
            if (await session.execute(_PREVIEW, {"token_hash": digest})).one_or_none() is None:
                raise TokenRefusedError
            raise NotAllowedError("This invitation was sent to another address: sign in with that one, verified.")
        place = {"organization_id": row.organization_id, "user_id": user_id}
        if await session.scalar(_JOIN, place | {"role_id": row.role_id, "invited_by": row.invited_by}) is None:
            raise ConflictError("You are already a member of this organization.")
        await note_change(session, "organization", row.organization_id)
        detail = {"invitation": str(row.id)}
        await record_event(
            session,
            "member.joined",
            user_id=user_id,
            organization_id=row.organization_id,
            client=client,
            detail=detail,
        )
        return await self._organizations.membership(session, user_id=user_id, organization_id=row.organization_id)

    async def _one(self, session: AnySession, organization_id: UUID, invitation_id: UUID) -> InvitationView:
        found = await session.execute(_ONE, {"organization_id": organization_id, "id": invitation_id})
        row = found.mappings().one_or_none()
        if row is None:
            raise NotFoundError("invitation")
        return _view(row)

    async def _send(
        self, session: AnySession, organization: str, invitation: InvitationView, token: OpaqueToken, actor: Actor
    ) -> None:
        inviter = None
        if actor.user_id is not None:
            inviter = await session.scalar(_INVITER, {"user_id": actor.user_id})
        notice = InvitePerson(
            EmailTarget(invitation.email, ""),
            invitation.organization_id,
            organization,
            inviter or organization,
            token.secret,
            self._lifetime,
        )
        await self._notifier.notify(session, notice)


def _answers_for(actor: Actor) -> dict[str, Any]:
    # the environment's own credential has no row, and nobody's standing behind it
    program = actor.user_id is None and actor.name != BUILT_IN_KEY_ID
    return {"invited_by": actor.user_id, "invited_with": actor.name if program else None}


def invitation_hash(token: str) -> bytes:
    """Return what a link's token is looked up by.

    Raises:
        TokenRefusedError: it is none.
    """
    try:
        return parse_token(TokenKind.INVITATION, token).hash
    except TokenError:
        raise TokenRefusedError from None


def _view(row: RowMapping) -> InvitationView:
    return InvitationView(**row)


async def _recorded(session: AnySession, kind: str, invitation: InvitationView, actor: Actor) -> None:
    await record_event(
        session,
        kind,
        organization_id=invitation.organization_id,
        actor=actor.name,
        client=actor.client,
        detail={"invitation": str(invitation.id), "role": invitation.role},
    )
