"""What callers send and get for API keys and service credentials."""

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from singr_api.http.fields import Cursor, Limit, OrganizationId, Timestamp
from singr_api.http.pages import PageOf
from singr_api.organizations.shared import Name, Permission
from singr_auth.accounts import CredentialSummary, NewCredential
from singr_auth.accounts.organizations import Holder, held_by
from singr_config.constants import PAGINATION

LONGEST_OVERLAP_SECONDS = 7 * 86_400


class CreateCredential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the credential is for, and what it may do.

    Attributes:
        scopes: permissions, none that you do not hold yourself.
        expires_at: until revoked, unless given; ten years from now at the latest.
        holder: `person`: it never does more than you may at that moment, and is revoked when you leave; through a
            credential, than whoever holds that one. `organization`: it outlives people; owners alone say so.
    """

    name: Name
    scopes: Annotated[tuple[Permission, ...], Meta(min_length=1, max_length=100)]
    expires_at: Timestamp | None = None
    holder: Holder | None = None


class RotateCredential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old credential is still taken."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=LONGEST_OVERLAP_SECONDS)] = 86_400


class CredentialQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose, how many, and from where on."""

    organization_id: OrganizationId | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class CredentialView(msgspec.Struct, frozen=True):
    """A credential as listed: never its secret.

    Attributes:
        status: `retiring`: rotated, and still taken until it expires.
        last_used_at: right to the minute, and up to 15 seconds late.
        created_by: "user:" and an id, or a key id.
        replaced_by: key id of the credential that it was rotated to.
        scopes: what it was made for.
        holder: `person`: it does no more than its holder may at that moment. `organization`: its scopes stand.
        holder_id: the person, where one holds it.
        effective_scopes: what it may do right now.
    """

    key_id: str
    name: str
    organization_id: UUID
    scopes: tuple[str, ...]
    status: Literal["in_force", "retiring", "expired", "revoked"]
    created_at: dt.datetime
    created_by: str | None
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None
    last_used_at: dt.datetime | None
    replaced_by: str | None
    holder: Holder
    holder_id: UUID | None
    effective_scopes: tuple[str, ...]


class CredentialPage(PageOf[CredentialView], frozen=True):
    """Some credentials, newest first."""


class NewCredentialView(msgspec.Struct, frozen=True):
    """A credential that was just made. Keep `secret` now: it is never shown again.

    Attributes:
        key_id: its public name; the `x-singr-key` of signed requests.
        secret: the API key itself (`x-api-key`), or the secret to sign requests with.
        expires_at: null: it works until it is revoked.
        replaces: key id of the credential that it takes the place of.
    """

    key_id: str
    name: str
    secret: str
    organization_id: UUID
    scopes: tuple[str, ...]
    expires_at: dt.datetime | None
    replaces: str | None = None
    holder: Holder = "person"

    def __repr__(self) -> str:
        return f"NewCredentialView({self.key_id!r})"  # the secret goes to the caller, and nowhere else


def shown(summary: CredentialSummary, organization_id: UUID) -> CredentialView:
    """Return a credential as it is listed."""
    status = summary.status
    told: dict[str, Any] = {"organization_id": organization_id, "status": status, "holder": held_by(summary.holder_id)}
    if status not in {"in_force", "retiring"}:
        told["effective_scopes"] = ()
    return msgspec.convert(asdict(summary) | told, CredentialView)


def made(new: NewCredential, organization_id: UUID, *, replaces: str | None = None) -> NewCredentialView:
    """Return a new credential, with its secret."""
    return NewCredentialView(
        key_id=new.key_id,
        name=new.name,
        secret=new.secret.reveal(),
        organization_id=organization_id,
        scopes=tuple(sorted(new.scopes)),
        expires_at=new.expires_at,
        replaces=replaces,
        holder=held_by(new.holder_id),
    )
