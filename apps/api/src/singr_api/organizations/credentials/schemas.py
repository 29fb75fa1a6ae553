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
from singr_auth.accounts.organizations import DEFAULT_OVERLAP_SECONDS, LONGEST_OVERLAP_SECONDS, Holder, held_by
from singr_config.constants import PAGINATION


class CreateCredential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The purpose and permissions of the credential.

    Attributes:
        scopes: permissions; only ones that you hold yourself.
        expires_at: at most ten years from now; by default, the credential is valid until revoked.
        holder: `person`: the credential never does more than you currently may, and is revoked when you leave; if a
            credential creates it, the same applies to that credential's holder. `organization`: it outlives its
            creator; only owners can choose this.
    """

    name: Name
    scopes: Annotated[tuple[Permission, ...], Meta(min_length=1, max_length=100)]
    expires_at: Timestamp | None = None
    holder: Holder | None = None


class RotateCredential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old credential is still accepted."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=LONGEST_OVERLAP_SECONDS)] = DEFAULT_OVERLAP_SECONDS


class CredentialQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose, how many, and from where on."""

    organization_id: OrganizationId | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class CredentialView(msgspec.Struct, frozen=True):
    """A credential as listed, without its secret.

    Attributes:
        status: `retiring`: rotated, and still accepted until it expires.
        last_used_at: accurate to the minute, and up to 15 seconds late.
        created_by: "user:" and an id, or a key id.
        replaced_by: the key id of its successor after a rotation.
        scopes: the scopes that it was created with.
        holder: `person`: it does no more than its holder may at that moment. `organization`: its scopes apply as they
            are.
        holder_id: the person who holds it, if any.
        effective_scopes: what it may currently do.
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
    """A new credential. Store `secret` now: it is never shown again.

    Attributes:
        key_id: its public id; the `x-singr-key` of signed requests.
        secret: the API key itself (`x-api-key`), or the secret to sign requests with.
        expires_at: null if it is valid until revoked.
        replaces: the key id of its predecessor.
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
