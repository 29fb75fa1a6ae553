"""Organizations themselves: made by a person, who owns them; read, renamed, listed for their people, deleted."""

import datetime as dt
import re
import secrets
import unicodedata
from collections.abc import Collection, Iterable
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import ConflictError, InvalidValueError, NotAllowedError, NotFoundError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.organizations._actor import (
    ORGANIZATION_PERMISSIONS,
    OWNER,
    Actor,
    AnySession,
    admit,
    lock_organization,
    standing_of,
)
from singr_auth.accounts.people._users import checked_name
from singr_auth.accounts.sessions._access_feed import note_change
from singr_config.constants import RESERVED_SLUGS
from singr_config.names import PublicNameError, check_public_name
from singr_db import PLATFORM_ORGANIZATION_ID, PlatformSession, new_id, sql_text

MOST_OWNED: Final = 20
_SLUG_LENGTH: Final = 40
_SLUG_TRIES: Final = 5
_NOT_SLUG: Final = re.compile(r"[^a-z0-9]+")

_CREATOR: Final = sql_text(
    """
    SELECT account_type FROM users WHERE id = :user_id AND status = 'active' AND email_verified_at IS NOT NULL
    FOR NO KEY UPDATE
    """
)
_OWNED: Final = sql_text(
    """
    SELECT count(*) FROM memberships m JOIN roles r ON r.id = m.role_id
    WHERE m.user_id = :user_id AND r.is_system AND r.name = :owner
    """
)
_INSERT: Final = sql_text(
    """
    INSERT INTO organizations (id, name, slug) VALUES (:id, :name, :slug)
    ON CONFLICT (slug) DO NOTHING RETURNING id, name, slug, created_at
    """
)
_FOUND: Final = sql_text(
    """
    INSERT INTO memberships (organization_id, user_id, role_id)
    SELECT :organization_id, :user_id, id FROM roles WHERE is_system AND name = :owner
    RETURNING role_id
    """
)
_READ: Final = sql_text(
    "SELECT id, name, slug, created_at FROM organizations WHERE id = :organization_id", roles=("platform", "tenant")
)
_RENAME: Final = sql_text(
    "UPDATE organizations SET name = :name WHERE id = :organization_id RETURNING id, name, slug, created_at",
    roles=("platform", "tenant"),
)
_OTHERS: Final = sql_text(
    "SELECT count(*) FROM memberships WHERE organization_id = :organization_id AND user_id <> :user_id"
)
_UNFINISHED: Final = sql_text(
    """
    SELECT EXISTS (SELECT FROM jobs WHERE organization_id = :organization_id
                   AND status = 'pending' AND type <> ALL (CAST(:tidying AS text[])))
    """
)
_HAS_JOBS: Final = (
    "This organization has unfinished jobs, such as messages that wait: wait until they have ended, or cancel those of"
    " a queue (email, sms, push) at once with POST /v1/bulk-actions:"
    ' {"action": "cancel", "filter": {"queue": "email"}}.'
)
# Before the organization, whose roles its people and invitations refer to; its credentials and roles go with its row.
_EMPTY: Final = (
    sql_text("DELETE FROM invitations WHERE organization_id = :organization_id"),
    sql_text("DELETE FROM memberships WHERE organization_id = :organization_id"),
)
_DELETE: Final = sql_text("DELETE FROM organizations WHERE id = :organization_id")
_OF_USER: Final = sql_text(
    """
    SELECT o.id, o.name, o.slug, o.created_at, r.name AS role, m.created_at AS joined_at,
           ARRAY(SELECT permission FROM role_permissions WHERE role_id = r.id ORDER BY permission) AS permissions
    FROM memberships m JOIN organizations o ON o.id = m.organization_id JOIN roles r ON r.id = m.role_id
    WHERE m.user_id = :user_id AND o.id = coalesce(CAST(:organization_id AS uuid), o.id)
    ORDER BY o.name, o.id
    """
)


class OrganizationView(msgspec.Struct, frozen=True):
    """An organization.

    Attributes:
        slug: its name in URLs; unchanged when the organization is renamed.
    """

    id: UUID
    name: str
    slug: str
    created_at: dt.datetime


class Membership(msgspec.Struct, frozen=True):
    """A person's place in an organization, and what it lets them do."""

    organization: OrganizationView
    role: str
    permissions: tuple[str, ...]
    joined_at: dt.datetime


class Organizations:
    """Makes, reads, renames and deletes organizations, in the caller's transaction, which the caller commits.

    Args:
        tidying: the types of jobs that only take away what is over, and do so without their organization as well.
        own_names: what the platform itself writes as, which no organization may go by.
    """

    def __init__(self, tidying: Iterable[str] = (), own_names: Collection[str] = ()) -> None:
        self._tidying = sorted(tidying)
        self._own_names = own_names

    async def create(
        self, session: PlatformSession, *, user_id: UUID, name: str, client: ClientInfo | None = None
    ) -> Membership:
        """Make an organization that this person owns.

        Raises:
            NotAllowedError: the account is a singer's, or may not be used.
            ConflictError: the person owns 20 organizations already.
            InvalidValueError: the name is empty, too long, holds what nobody sees, or passes for the platform's.
        """
        name = self._checked_name(name)
        account_type = await session.scalar(_CREATOR, {"user_id": user_id})
        if account_type != "customer":
            raise NotAllowedError("Creating an organization requires a customer account with a verified address.")
        if (await session.scalar(_OWNED, {"user_id": user_id, "owner": OWNER}) or 0) >= MOST_OWNED:
            raise ConflictError(f"One person owns at most {MOST_OWNED} organizations: transfer or delete one.")
        organization = await _insert(session, name)
        founder = {"organization_id": organization.id, "user_id": user_id, "owner": OWNER}
        if await session.scalar(_FOUND, founder) is None:
            raise RuntimeError("the system roles are missing: run singr-db seed")  # a fault of ours: logged, and 500
        await note_change(session, "organization", organization.id)
        await record_event(
            session, "organization.created", user_id=user_id, organization_id=organization.id, client=client
        )
        return await self.membership(session, user_id=user_id, organization_id=organization.id)

    async def read(self, session: AnySession, organization_id: UUID) -> OrganizationView:
        """Return an organization.

        Raises:
            NotFoundError: there is none.
        """
        row = None
        if organization_id != PLATFORM_ORGANIZATION_ID:
            row = (await session.execute(_READ, {"organization_id": organization_id})).one_or_none()
        if row is None:
            raise NotFoundError("organization")
        return _view(row)

    async def rename(self, session: AnySession, organization_id: UUID, *, name: str, actor: Actor) -> OrganizationView:
        """Give an organization another name.

        Raises:
            InvalidValueError: as `create`.
            NotFoundError, OrganizationError, ScopeError: there is none, or the actor may not change it.
        """
        name = self._checked_name(name)
        await admit(session, organization_id, actor, "organization:write")
        row = (await session.execute(_RENAME, {"organization_id": organization_id, "name": name})).one()
        await record_event(
            session,
            "organization.renamed",
            organization_id=organization_id,
            actor=actor.name,
            client=actor.client,
            detail={"name": name},
        )
        return _view(row)

    async def delete(
        self, session: PlatformSession, organization_id: UUID, *, user_id: UUID, client: ClientInfo | None = None
    ) -> None:
        """Delete an organization at the will of its owner, once nobody else belongs to it and nothing is left to do.

        Its credentials are refused within a second, the links of its invitations are worth nothing, its roles are gone
        and its slug is free. Finished jobs and sent messages stay for as long as they are kept, the audit trail too.

        The caller has asked for a recent proof of presence before (`Reauthentication.require_recent`).

        Raises:
            NotAllowedError: the person does not own it.
            ConflictError: it has other members, or jobs that have not ended, other than those that tidy up.
            NotFoundError, OrganizationError: there is none; or the person is no member.
        """
        key = {"organization_id": organization_id}
        await lock_organization(session, organization_id)
        # by their membership alone: no role on the platform makes anybody an owner
        standing = await standing_of(session, organization_id, Actor(f"user:{user_id}", user_id=user_id))
        standing.require_owner(to="delete an organization")
        if await session.scalar(_OTHERS, key | {"user_id": user_id}):
            raise ConflictError("There are other members: remove them first, or transfer the ownership and leave.")
        if await session.scalar(_UNFINISHED, key | {"tidying": self._tidying}):
            # nobody would be left who could cancel them
            raise ConflictError(_HAS_JOBS)
        for statement in (*_EMPTY, _DELETE):
            await session.execute(statement, key)
        await note_change(session, "organization", organization_id)
        await record_event(
            session, "organization.deleted", user_id=user_id, organization_id=organization_id, client=client
        )

    async def of_user(self, session: PlatformSession, user_id: UUID) -> tuple[Membership, ...]:
        """Return a person's organizations by name, with role and permissions."""
        rows = await session.execute(_OF_USER, {"user_id": user_id, "organization_id": None})
        return tuple(_membership(row) for row in rows)

    async def membership(self, session: PlatformSession, *, user_id: UUID, organization_id: UUID) -> Membership:
        """Return a person's place in one organization.

        Raises:
            NotFoundError: they have none.
        """
        key = {"user_id": user_id, "organization_id": organization_id}
        row = (await session.execute(_OF_USER, key)).one_or_none()
        if row is None:
            raise NotFoundError("membership")
        return _membership(row)

    def _checked_name(self, name: str) -> str:
        name = checked_name(name)
        try:
            check_public_name(name, self._own_names)
        except PublicNameError as error:
            raise InvalidValueError("name", error.message, code=error.code) from None
        return name


async def _insert(session: PlatformSession, name: str) -> OrganizationView:
    slug = _slug(name)
    if slug in RESERVED_SLUGS:
        slug = f"{slug}-{secrets.token_hex(3)}"
    for _ in range(_SLUG_TRIES):
        row = (await session.execute(_INSERT, {"id": new_id(), "name": name, "slug": slug})).one_or_none()
        if row is not None:
            return _view(row)
        slug = f"{_slug(name)}-{secrets.token_hex(3)}"
    raise ConflictError("Too many organizations have this name: choose another one.", field="name")


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _NOT_SLUG.sub("-", plain).strip("-")[:_SLUG_LENGTH].rstrip("-") or "organization"


def _view(row: Any) -> OrganizationView:
    return OrganizationView(row.id, row.name, row.slug, row.created_at)


def _membership(row: Any) -> Membership:
    permissions = tuple(name for name in row.permissions if name in ORGANIZATION_PERMISSIONS)
    return Membership(_view(row), row.role, permissions, row.joined_at)
