"""Statements on `service_credentials`. Nothing here commits: the caller's transaction does."""

import datetime as dt
from collections.abc import Iterable
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from singr_config import Secret
from singr_config.constants import PERMISSIONS
from singr_db import new_id

Kind = Literal["api_key", "signing"]


class UnknownScopeError(ValueError):
    """A scope is none of the permission names; says which, and what there is."""

    def __init__(self, scopes: Iterable[str]) -> None:
        super().__init__(f"Unknown scope: {', '.join(sorted(scopes))}. Known: {', '.join(sorted(PERMISSIONS))}.")


class UnknownOrganizationError(ValueError):
    """The credential shall be for an organization that does not exist, or that the session may not see."""

    def __init__(self, organization_id: UUID) -> None:
        super().__init__(f"There is no organization {organization_id}.")


class NewCredential(msgspec.Struct, frozen=True):
    """A credential just made. `secret` is not kept anywhere in clear: show it once.

    Attributes:
        key_id: goes into `x-singr-key` of signed requests; names the credential everywhere.
        kind: `signing`: the secret to sign with; `api_key`: the secret is the whole key, sent as `x-api-key`.
    """

    key_id: str
    kind: Kind
    secret: Secret
    organization_id: UUID | None
    scopes: frozenset[str]


class CredentialSummary(msgspec.Struct, frozen=True):
    """A credential as listed: never its secret."""

    key_id: str
    name: str
    kind: Kind
    organization_id: UUID | None
    scopes: tuple[str, ...]
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None
    last_used_at: dt.datetime | None


_INSERT = text(
    """
    INSERT INTO service_credentials
        (id, organization_id, key_id, name, kind, secret_hash, secret_sealed, scopes, expires_at)
    VALUES (:id, :organization_id, :key_id, :name, :kind, :secret_hash, :secret_sealed, :scopes, :expires_at)
    """
)
_ORGANIZATION = text("SELECT 1 FROM organizations WHERE id = :id")
_LIST = text(
    """
    SELECT key_id, name, kind, organization_id, scopes, created_at, expires_at, revoked_at, last_used_at
    FROM service_credentials ORDER BY created_at, key_id
    """
)
_REVOKE = text("UPDATE service_credentials SET revoked_at = now() WHERE key_id = :key_id AND revoked_at IS NULL")


async def insert(
    session: AsyncSession,
    credential: NewCredential,
    *,
    name: str,
    expires_at: dt.datetime | None,
    secret_hash: bytes | None = None,
    secret_sealed: bytes | None = None,
) -> None:
    """Add the row."""
    organization_id = credential.organization_id
    if organization_id is not None and await session.scalar(_ORGANIZATION, {"id": organization_id}) is None:
        raise UnknownOrganizationError(organization_id)
    unknown = credential.scopes - frozenset(PERMISSIONS)
    if unknown:
        raise UnknownScopeError(unknown)
    row: dict[str, Any] = {
        "id": new_id(),
        "organization_id": credential.organization_id,
        "key_id": credential.key_id,
        "name": name,
        "kind": credential.kind,
        "secret_hash": secret_hash,
        "secret_sealed": secret_sealed,
        "scopes": sorted(credential.scopes),
        "expires_at": expires_at,
    }
    await session.execute(_INSERT, row)


async def list_all(session: AsyncSession) -> list[CredentialSummary]:
    """Return what the session may see, oldest first."""
    rows = (await session.execute(_LIST)).mappings()
    return [CredentialSummary(**{**row, "scopes": tuple(row["scopes"])}) for row in rows]


async def revoke(session: AsyncSession, key_id: str) -> bool:
    """Mark revoked; False where there is no such credential in force."""
    result = await session.execute(_REVOKE, {"key_id": key_id})
    return bool(result.rowcount)  # type: ignore[attr-defined] # an UPDATE gives a CursorResult, which the signature hides
