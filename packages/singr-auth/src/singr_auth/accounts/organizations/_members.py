"""The people of an organization: who they are, what they may do, and how they go.

Changes of one organization's people wait for each other (its row is locked), so that two owners who leave at the same
moment cannot leave it without one.
"""

import datetime as dt
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import ConflictError, InvalidValueError, NotAllowedError, NotFoundError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.credentials._revocation import revoke_where
from singr_auth.accounts.notices._notices import EmailTarget, Notifier
from singr_auth.accounts.organizations._actor import (
    MANAGER,
    OWNER,
    Actor,
    AnySession,
    admit,
    lock_organization,
    standing_of,
)
from singr_auth.accounts.organizations._consequences import Consequences, held, settle
from singr_auth.accounts.organizations._owners import tell
from singr_auth.accounts.organizations._roles import RoleView, find_role, role_by_id
from singr_auth.accounts.sessions._access_feed import note_change
from singr_config.constants import PAGINATION
from singr_db import PlatformSession, sql_text
from singr_db.pages import BEHIND, Page, decode_cursor, page_of

_SELECT: Final = """
    SELECT u.id AS user_id, u.name, u.email, u.status, r.id AS role_id, r.name AS role, m.created_at AS joined_at,
           u.last_sign_in_at
    FROM memberships m JOIN users u ON u.id = m.user_id JOIN roles r ON r.id = m.role_id
    WHERE m.organization_id = :organization_id
"""
_PAGE: Final = sql_text(
    f"{_SELECT} AND m.user_id < {BEHIND} ORDER BY m.user_id DESC LIMIT :limit",
    roles=("platform", "tenant"),
)
_ONE: Final = sql_text(f"{_SELECT} AND m.user_id = :user_id", roles=("platform", "tenant"))
_OTHER_OWNERS: Final = sql_text(
    """
    SELECT count(*) FROM memberships m JOIN roles r ON r.id = m.role_id JOIN users u ON u.id = m.user_id
    WHERE m.organization_id = :organization_id AND r.is_system AND r.name = :owner AND u.status = 'active'
      AND m.user_id <> :user_id
    """,
    roles=("platform", "tenant"),
)
_OTHERS: Final = sql_text(
    "SELECT count(*) FROM memberships WHERE organization_id = :organization_id AND user_id <> :user_id"
)
_OF_USER: Final = sql_text("SELECT organization_id FROM memberships WHERE user_id = :user_id ORDER BY organization_id")
_SET_ROLE: Final = sql_text(
    "UPDATE memberships SET role_id = :role_id WHERE organization_id = :organization_id AND user_id = :user_id",
    roles=("platform", "tenant"),
)
_DELETE: Final = sql_text(
    "DELETE FROM memberships WHERE organization_id = :organization_id AND user_id = :user_id",
    roles=("platform", "tenant"),
)
_REVOKE_ALL_INVITATIONS: Final = sql_text(
    """
    UPDATE invitations SET revoked_at = now()
    WHERE organization_id = :organization_id AND accepted_at IS NULL AND revoked_at IS NULL
    """
)
_ALL_CREDENTIALS: Final = "organization_id = :organization_id AND revoked_at IS NULL"


class MemberView(msgspec.Struct, frozen=True):
    """A person as other members see them."""

    user_id: UUID
    name: str
    email: str | None
    status: Literal["pending", "active", "disabled", "deleted"]
    role: str
    role_id: UUID
    joined_at: dt.datetime
    last_sign_in_at: dt.datetime | None


class MemberChange(msgspec.Struct, frozen=True):
    """A member as they are after a change, and what it took from what people had set in motion."""

    member: MemberView
    consequences: Consequences


class Members:
    """Lists and changes an organization's people, in the caller's transaction, which the caller commits.

    Args:
        notifier: tells people about a change of ownership, and owners about credentials that were lost with somebody's
            standing.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    async def page(
        self, session: AnySession, organization_id: UUID, *, limit: int = PAGINATION.default, cursor: str | None = None
    ) -> Page[MemberView]:
        """Return some members, those with the youngest accounts first; 50 at most.

        Raises:
            InvalidCursor: the cursor is malformed.
        """
        limit = min(limit, PAGINATION.most_users)
        after = None if cursor is None else decode_cursor(cursor)
        found = await session.execute(_PAGE, {"organization_id": organization_id, "after": after, "limit": limit + 1})
        return page_of([_view(row) for row in found.mappings()], limit=limit, row_id=lambda member: member.user_id)

    async def change_role(
        self, session: AnySession, organization_id: UUID, user_id: UUID, *, role: str, actor: Actor
    ) -> MemberChange:
        """Give a member another role; they hold its permissions from their next request on.

        Credentials that they hold do no more than that from now on, and open invitations that they could not send any
        more are revoked.

        Raises:
            NotAllowedError: the old or the new role holds permissions that the actor lacks, or is the owner's.
            ReauthenticationRequiredError: the old or the new role is powerful, and the session proved less than the
                account asks for.
            ConflictError: they are the last owner.
            InvalidValueError: there is no such role.
            NotFoundError, OrganizationError, ScopeError: no such organization or member; or the actor may not.
        """
        standing = await admit(session, organization_id, actor, "organization:write")
        member = await self._member(session, organization_id, user_id)
        before = await role_by_id(session, organization_id, member.role_id)
        after = await find_role(session, organization_id, role)
        if after.id == before.id:
            return MemberChange(member, Consequences())
        before.grantable_by(standing)
        after.grantable_by(standing)
        await self._keep_an_owner(session, organization_id, user_id, before)
        had = await held(session, organization_id)
        await self._set_role(session, organization_id, user_id, after)
        await note_change(session, "organization", organization_id)
        detail = {"from": before.name, "to": after.name}
        await _recorded(session, organization_id, "member.role_changed", user_id=user_id, actor=actor, detail=detail)
        lost = await settle(session, organization_id, had, actor=actor, notifier=self._notifier)
        return MemberChange(await self._member(session, organization_id, user_id), lost)

    async def remove(self, session: AnySession, organization_id: UUID, user_id: UUID, *, actor: Actor) -> Consequences:
        """Remove a member; credentials that they hold and open invitations that they sent are revoked.

        Raises:
            NotAllowedError: their role holds permissions that the actor lacks, or is the owner's.
            ReauthenticationRequiredError: it is powerful, and the session proved less than the account asks for.
            ConflictError: they are the last owner.
            NotFoundError, OrganizationError, ScopeError: no such organization or member; or the actor may not.
        """
        standing = await admit(session, organization_id, actor, "organization:write")
        member = await self._member(session, organization_id, user_id)
        role = await role_by_id(session, organization_id, member.role_id)
        role.grantable_by(standing)
        await self._keep_an_owner(session, organization_id, user_id, role)
        return await self._delete(session, organization_id, member, "member.removed", actor)

    async def leave(self, session: AnySession, organization_id: UUID, *, actor: Actor) -> Consequences:
        """Let a person go by their own will; otherwise as `remove`.

        Raises:
            NotAllowedError: the actor is no person.
            ConflictError: they are the last owner.
            ReauthenticationRequiredError: as `remove`.
            NotFoundError, OrganizationError: no such organization; or they are no member.
        """
        user_id = _person(actor)
        await lock_organization(session, organization_id)
        standing = await standing_of(session, organization_id, _as_member(actor))
        member = await self._member(session, organization_id, user_id)
        role = await role_by_id(session, organization_id, member.role_id)
        if role.powerful:
            standing.require_whole()
        await self._keep_an_owner(session, organization_id, user_id, role)
        return await self._delete(session, organization_id, member, "member.left", actor)

    async def transfer_ownership(
        self, session: AnySession, organization_id: UUID, *, to: UUID, actor: Actor
    ) -> MemberChange:
        """Transfer ownership to another member; the one who was becomes a manager. Of two at once, one succeeds.

        Credentials that the former owner holds do no more than a manager may, and open invitations that they sent are
        revoked: a manager could not send them.

        The caller has asked for a recent proof of presence before (`Reauthentication.require_recent`).

        Raises:
            NotAllowedError: the actor is no owner of it.
            InvalidValueError: the other is no active member, or is the actor.
            ConflictError: the other is an owner already.
            NotFoundError, OrganizationError: no such organization; or the actor is no member.
        """
        user_id = _person(actor)
        await lock_organization(session, organization_id)
        standing = await standing_of(session, organization_id, _as_member(actor))
        standing.require_owner(to="hand an organization over")
        heir = await self._heir(session, organization_id, user_id, to)
        had = await held(session, organization_id)
        await self._set_role(session, organization_id, to, await find_role(session, organization_id, OWNER))
        await self._set_role(session, organization_id, user_id, await find_role(session, organization_id, MANAGER))
        await note_change(session, "organization", organization_id)
        detail = {"from": str(user_id), "to": str(to)}
        await _recorded(
            session, organization_id, "organization.ownership_transferred", user_id=to, actor=actor, detail=detail
        )
        giver = await self._member(session, organization_id, user_id)
        for person in (giver, heir):
            await self._tell(session, person, actor.client)
        lost = await settle(session, organization_id, had, actor=actor, notifier=self._notifier)
        return MemberChange(await self._member(session, organization_id, to), lost)

    async def leave_all(self, session: PlatformSession, user_id: UUID, *, client: ClientInfo | None = None) -> None:
        """Take a person out of all their organizations, as their account ends.

        Otherwise as `remove`; where nobody else is left, all invitations that the organization sent are revoked, and
        all of its credentials.

        Raises:
            ConflictError: they are the last owner of an organization that has other members.
        """
        actor = Actor(f"user:{user_id}", user_id=user_id, client=client)
        for organization_id in list(await session.scalars(_OF_USER, {"user_id": user_id})):
            key = {"organization_id": organization_id, "user_id": user_id}
            try:
                await lock_organization(session, organization_id)
                member = await self._member(session, organization_id, user_id)
            except NotFoundError:
                continue  # deleted, or they were removed, while this waited
            role = await role_by_id(session, organization_id, member.role_id)
            if await session.scalar(_OTHERS, key):
                await self._keep_an_owner(session, organization_id, user_id, role)
            else:
                await revoke_where(session, _ALL_CREDENTIALS, {"organization_id": organization_id})
                await session.execute(_REVOKE_ALL_INVITATIONS, {"organization_id": organization_id})
            await self._delete(session, organization_id, member, "member.left", actor)

    async def _member(self, session: AnySession, organization_id: UUID, user_id: UUID) -> MemberView:
        key = {"organization_id": organization_id, "user_id": user_id}
        row = (await session.execute(_ONE, key)).mappings().one_or_none()
        if row is None:
            raise NotFoundError("member")
        return _view(row)

    async def _heir(self, session: AnySession, organization_id: UUID, giver: UUID, to: UUID) -> MemberView:
        if to == giver:
            raise InvalidValueError("user_id", "must be another member's: you are the owner")
        try:
            heir = await self._member(session, organization_id, to)
        except NotFoundError:
            raise InvalidValueError("user_id", "must be a member's: invite them first", code="not_found") from None
        if heir.status != "active":
            raise InvalidValueError("user_id", "must be that of a member with an active account")
        if heir.role == OWNER:
            raise ConflictError("This member is already an owner.", field="user_id")
        return heir

    async def _keep_an_owner(self, session: AnySession, organization_id: UUID, user_id: UUID, role: RoleView) -> None:
        key = {"organization_id": organization_id, "user_id": user_id, "owner": OWNER}
        if role.owner and not await session.scalar(_OTHER_OWNERS, key):
            raise ConflictError("The last owner cannot leave: transfer the ownership first.")

    async def _set_role(self, session: AnySession, organization_id: UUID, user_id: UUID, role: RoleView) -> None:
        key = {"organization_id": organization_id, "user_id": user_id, "role_id": role.id}
        await session.execute(_SET_ROLE, key)

    async def _delete(
        self, session: AnySession, organization_id: UUID, member: MemberView, kind: str, actor: Actor
    ) -> Consequences:
        had = await held(session, organization_id)
        await session.execute(_DELETE, {"organization_id": organization_id, "user_id": member.user_id})
        await note_change(session, "organization", organization_id)
        detail = {"role": member.role}
        await _recorded(session, organization_id, kind, user_id=member.user_id, actor=actor, detail=detail)
        return await settle(session, organization_id, had, actor=actor, notifier=self._notifier)

    async def _tell(self, session: AnySession, person: MemberView, client: ClientInfo | None) -> None:
        if person.email is not None:
            target = EmailTarget(person.email, person.name, person.user_id)
            await tell(session, self._notifier, target, "ownership_transferred", client)


def _person(actor: Actor) -> UUID:
    if actor.user_id is None:
        raise NotAllowedError("Only a person can do this: a service's credential is no member.")
    return actor.user_id


def _as_member(actor: Actor) -> Actor:
    # the platform's own people act here by their membership alone, whatever else they may do
    return msgspec.structs.replace(actor, platform=False)


def _view(row: RowMapping) -> MemberView:
    return MemberView(**row)


async def _recorded(
    session: AnySession, organization_id: UUID, kind: str, *, user_id: UUID, actor: Actor, detail: dict[str, Any]
) -> None:
    await record_event(
        session,
        kind,
        user_id=user_id,
        organization_id=organization_id,
        actor=actor.name,
        client=actor.client,
        detail=detail,
    )
