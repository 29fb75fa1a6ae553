"""An organization's API keys and signing credentials: made, rotated and revoked by its own people and programs."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Final, Literal
from uuid import UUID

import msgspec

from singr_auth.accounts._errors import ConflictError, InvalidValueError, NotFoundError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.credentials import _rows as rows
from singr_auth.accounts.credentials._credentials import LONGEST_LIFE, ServiceCredentials, checked_expiry
from singr_auth.accounts.credentials._revocation import Revoked
from singr_auth.accounts.credentials._rows import CredentialSummary, Kind, NewCredential
from singr_auth.accounts.notices._notices import Notifier, SecurityEventName
from singr_auth.accounts.organizations._actor import ORGANIZATION_PERMISSIONS, Actor, AnySession, Standing, admit
from singr_auth.accounts.organizations._owners import tell_owners
from singr_auth.accounts.people._users import checked_name
from singr_config.clock import clock
from singr_config.constants import PAGINATION
from singr_db.pages import Page

MOST_IN_FORCE: Final = 100
LONGEST_OVERLAP_SECONDS: Final = 7 * 86_400
DEFAULT_OVERLAP_SECONDS: Final = 86_400
_NAMES: Final[dict[Kind, str]] = {"api_key": "api_key", "signing": "service_credential"}


Holder = Literal["person", "organization"]


class _Form(msgspec.Struct, frozen=True):
    organization_id: UUID
    kind: Kind
    name: str
    scopes: frozenset[str]
    expires_at: dt.datetime | None
    holder_id: UUID | None


class OrganizationCredentials:
    """Manages the credentials by which programs act for an organization.

    Works in the caller's transaction, which the caller commits. Owners, and the member who did it, are told of every
    change, and it is in the audit trail.

    Args:
        credentials: makes, finds and revokes them.
        notifier: tells the owners.
    """

    def __init__(self, credentials: ServiceCredentials, notifier: Notifier) -> None:
        self._credentials = credentials
        self._notifier = notifier

    async def page(
        self,
        session: AnySession,
        organization_id: UUID,
        kind: Kind,
        *,
        limit: int = PAGINATION.default,
        cursor: str | None = None,
    ) -> Page[CredentialSummary]:
        """Return some credentials of one kind, newest first, whatever their state; never a secret.

        Raises:
            InvalidCursor: the cursor is malformed.
        """
        return await self._credentials.page(session, organization_id, kind, limit=limit, cursor=cursor)

    async def read(self, session: AnySession, organization_id: UUID, kind: Kind, key_id: str) -> CredentialSummary:
        """Return one credential, whatever its state; never its secret.

        Raises:
            NotFoundError: the organization has none of this kind with this key id.
        """
        found = await self._credentials.find(session, organization_id, kind, key_id)
        if found is None:
            raise NotFoundError("credential")
        return found

    async def create(
        self,
        session: AnySession,
        organization_id: UUID,
        kind: Kind,
        *,
        name: str,
        scopes: Iterable[str],
        expires_at: dt.datetime | None = None,
        holder: Holder | None = None,
        actor: Actor,
    ) -> NewCredential:
        """Make a credential that may do no more than its maker, and lives no longer where that is a credential.

        It is held by the person who makes it, or who holds the credential that does: at no moment may it do more than
        they may then, and it is revoked when they leave. One that is to outlive people is held by the organization
        itself, if an owner says so.

        Args:
            session: the caller's transaction.
            organization_id: whose it is.
            kind: of which kind.
            name: for people.
            scopes: what it may do.
            expires_at: None: until revoked.
            holder: "organization": none but an owner may say so, the platform, or a credential of the organization
                itself, whose own credentials are of the same kind; None: as its maker.
            actor: who makes it.

        Raises:
            InvalidValueError: a scope is unknown or the platform's own, the name is unfit, or `expires_at` is past or
                more than ten years ahead.
            NotAllowedError: a scope that the actor does not hold; or the organization is to hold it, and they are no
                owner.
            ReauthenticationRequiredError: the session of the person proved less than their account asks for.
            ConflictError: 100 credentials are in force.
            NotFoundError, OrganizationError, ScopeError: no such organization; or the actor may not.
        """
        standing = await admit(session, organization_id, actor, "api_keys:write")
        wanted = _checked(scopes)
        standing.require_all(wanted, to="make a credential with these scopes")
        standing.require_whole()  # whatever it may do, it outlives the session
        limit = await self._latest(session, actor)
        if expires_at is not None and expires_at <= clock.now():
            raise InvalidValueError("expires_at", "must be in the future", code="out_of_range")
        expires_at = checked_expiry(expires_at)
        if limit is not None and (expires_at is None or expires_at > limit):
            message = f"must be at the latest {limit.isoformat()}, when this credential expires"
            raise InvalidValueError("expires_at", message, code="out_of_range")
        holder_id = await self._holder(session, actor, standing, holder)
        form = _Form(organization_id, kind, checked_name(name), wanted, expires_at, holder_id)
        new = await self._make(session, form, actor)
        await self._tell(session, organization_id, "api_key_created", actor)
        detail = {"key_id": new.key_id, "scopes": sorted(wanted), "holder": held_by(new.holder_id)}
        await self._recorded(session, organization_id, f"{_NAMES[kind]}.created", actor, detail)
        return new

    async def rotate(
        self,
        session: AnySession,
        organization_id: UUID,
        kind: Kind,
        key_id: str,
        *,
        overlap_seconds: int = DEFAULT_OVERLAP_SECONDS,
        actor: Actor,
    ) -> NewCredential:
        """Make a successor with the same name, scopes and length of life; the old one expires after the overlap.

        The successor lives for ten years at most, also where the old one was made to live longer. Whoever is given its
        secret holds it; that of the organization itself is given to owners, and to credentials of its kind, alone.

        Args:
            session: the caller's transaction.
            organization_id: whose it is.
            kind: of which kind.
            key_id: the one to be replaced.
            overlap_seconds: for which both are taken, 0 to 7 days.
            actor: who asks; gets the new secret, so has to hold all its scopes.

        Raises:
            ReauthenticationRequiredError: the session of the person proved less than their account asks for.
            ConflictError: it is not in force, or was rotated before.
            InvalidValueError: the overlap is out of range.
            NotAllowedError: a scope that the actor does not hold; or the organization holds it, and they are no owner.
            NotFoundError, OrganizationError, ScopeError: no such organization or credential; or the actor may not.
        """
        standing = await admit(session, organization_id, actor, "api_keys:write")
        if not 0 <= overlap_seconds <= LONGEST_OVERLAP_SECONDS:
            message = f"must be 0 to {LONGEST_OVERLAP_SECONDS}"
            raise InvalidValueError("overlap_seconds", message, code="out_of_range")
        old = await self._rotatable(session, organization_id, kind, key_id, standing)
        standing.require_whole()  # a secret is handed out
        expires_at = await self._next_expiry(session, old, actor)
        holder_id = await self._next_holder(session, old, actor, standing)
        form = _Form(organization_id, kind, old.name, frozenset(old.scopes), expires_at, holder_id)
        new = await self._make(session, form, actor)
        if not await self._credentials.retire(session, key_id, successor=new.key_id, overlap_seconds=overlap_seconds):
            raise ConflictError("This credential is no longer valid: create a new one.")
        await self._tell(session, organization_id, "api_key_rotated", actor)
        detail = {"key_id": key_id, "replaced_by": new.key_id, "overlap_seconds": overlap_seconds}
        await self._recorded(session, organization_id, f"{_NAMES[kind]}.rotated", actor, detail)
        return new

    async def revoke(
        self, session: AnySession, organization_id: UUID, kind: Kind, key_id: str, *, actor: Actor
    ) -> Revoked:
        """Revoke a credential; it is refused everywhere within a second of the commit.

        So are those whose place it took, those that any of these made, and open invitations that they sent: but for
        successors that somebody else made. Jobs that these asked for, and that wait for a later time, are cancelled,
        unless a successor answers for them. Returns what went, and which successors stay.

        Raises:
            ConflictError: it was revoked before.
            NotFoundError, OrganizationError, ScopeError: no such organization or credential; or the actor may not.
        """
        await admit(session, organization_id, actor, "api_keys:revoke")
        if await rows.find(session, organization_id, kind, key_id) is None:
            raise NotFoundError("credential")
        revoked = await self._credentials.revoke(session, key_id)
        if not revoked:
            raise ConflictError("This credential was revoked before.")
        await self._tell(session, organization_id, "api_key_revoked", actor)
        detail = {
            "key_id": key_id,
            "also_revoked": sorted({*revoked.key_ids} - {key_id}),
            "kept": [each.key_id for each in revoked.kept_credentials],
            "revoked_invitations": [str(each.id) for each in revoked.revoked_invitations],
            "cancelled_jobs": revoked.cancelled_jobs,
        }
        await self._recorded(session, organization_id, f"{_NAMES[kind]}.revoked", actor, detail)
        return revoked

    async def _rotatable(
        self, session: AnySession, organization_id: UUID, kind: Kind, key_id: str, standing: Standing
    ) -> CredentialSummary:
        old = await rows.find(session, organization_id, kind, key_id)
        if old is None:
            raise NotFoundError("credential")
        standing.require_all(frozenset(old.scopes), to="rotate this credential")
        if old.status == "retiring":
            raise ConflictError("This credential was rotated before: rotate its successor.")
        if old.status != "in_force":
            raise ConflictError("This credential is no longer valid: create a new one.")
        return old

    async def _make(self, session: AnySession, form: _Form, actor: Actor) -> NewCredential:
        if await rows.count_in_force(session, form.organization_id) >= MOST_IN_FORCE:
            raise ConflictError(f"At most {MOST_IN_FORCE} credentials may be in force: revoke some first.")
        make = self._credentials
        create = make.create_signing_credential if form.kind == "signing" else make.create_api_key
        return await create(
            session,
            name=form.name,
            organization_id=form.organization_id,
            scopes=form.scopes,
            expires_at=form.expires_at,
            created_by=actor.name,
            holder_id=form.holder_id,
        )

    async def _holder(
        self, session: AnySession, actor: Actor, standing: Standing, wanted: Holder | None
    ) -> UUID | None:
        own = actor.user_id or await rows.holder_of(session, actor.name)
        if wanted == "person" and own is None:
            raise InvalidValueError(
                "holder", "must be organization: the caller has no person behind it", code="invalid"
            )
        if wanted == "organization" and own is not None:
            standing.require_owner(to="make a credential of the organization itself, which outlives its people")
            return None
        return own

    async def _next_holder(
        self, session: AnySession, old: CredentialSummary, actor: Actor, standing: Standing
    ) -> UUID | None:
        own = actor.user_id or await rows.holder_of(session, actor.name)
        if old.holder_id is None and own is not None:
            standing.require_owner(to="rotate a credential of the organization itself")
            return None
        return own or old.holder_id

    async def _tell(self, session: AnySession, organization_id: UUID, event: SecurityEventName, actor: Actor) -> None:
        also = actor.user_id
        await tell_owners(session, self._notifier, organization_id, event, client=actor.client, also=also)

    async def _latest(self, session: AnySession, actor: Actor) -> dt.datetime | None:
        # A credential that ends must not go on in one that it made.
        return None if actor.user_id is not None else await rows.expiry_of(session, actor.name)

    async def _next_expiry(self, session: AnySession, old: CredentialSummary, actor: Actor) -> dt.datetime | None:
        limit, now = await self._latest(session, actor), clock.now()
        # credentials from before there was a longest life may end far beyond it, the actor's own among them
        ends = [] if limit is None else [limit, now + LONGEST_LIFE]
        if old.expires_at is not None:
            ends.append(now + min(old.expires_at - old.created_at, LONGEST_LIFE))
        return min(ends, default=None)

    async def _recorded(
        self, session: AnySession, organization_id: UUID, kind: str, actor: Actor, detail: Mapping[str, object]
    ) -> None:
        await record_event(
            session, kind, organization_id=organization_id, actor=actor.name, client=actor.client, detail=dict(detail)
        )


def held_by(holder_id: UUID | None) -> Holder:
    """Say in a word who holds a credential."""
    return "organization" if holder_id is None else "person"


def _checked(scopes: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(scopes)
    unknown = wanted - ORGANIZATION_PERMISSIONS
    if unknown:
        known = ", ".join(sorted(ORGANIZATION_PERMISSIONS))
        message = f"cannot hold {', '.join(sorted(unknown))}; can hold {known}"
        raise InvalidValueError("scopes", message, code="unknown_value")
    return wanted
