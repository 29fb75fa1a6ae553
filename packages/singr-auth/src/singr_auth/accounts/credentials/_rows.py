"""Statements on `service_credentials`. Nothing here commits: the caller's transaction does."""

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from singr_config import HoldsSecrets, PortableError, Secret
from singr_config.clock import clock
from singr_config.constants import PERMISSIONS
from singr_db import new_id, sql_text
from singr_db.pages import BEHIND, Page, decode_cursor, page_of

Kind = Literal["api_key", "signing"]


class UnknownScopeError(PortableError, ValueError):
    """A scope is none of the permission names; says which, and what there is."""

    def __init__(self, scopes: Iterable[str]) -> None:
        super().__init__(f"Unknown scope: {', '.join(sorted(scopes))}. Known: {', '.join(sorted(PERMISSIONS))}.")


class UnknownOrganizationError(PortableError, ValueError):
    """The credential shall be for an organization that does not exist, or that the session may not see."""

    def __init__(self, organization_id: UUID) -> None:
        super().__init__(f"There is no organization {organization_id}.")


class NewCredential(HoldsSecrets, frozen=True):
    """A credential just made. `secret` is not kept anywhere in clear: show it once.

    Attributes:
        key_id: goes into `x-singr-key` of signed requests; names the credential everywhere.
        kind: `signing`: the secret to sign with; `api_key`: the secret is the whole key, sent as `x-api-key`.
        expires_at: in UTC; None: it works until it is revoked.
        holder_id: the person whose permissions bound it at every moment; None: its scopes stand by themselves.
    """

    key_id: str
    name: str
    kind: Kind
    secret: Secret
    organization_id: UUID | None
    scopes: frozenset[str]
    expires_at: dt.datetime | None
    holder_id: UUID | None = None


class CredentialSummary(msgspec.Struct, frozen=True):
    """A credential as listed, without its secret.

    Attributes:
        scopes: what it was made for.
        holder_id: the person whose permissions bound it at every moment; None: its scopes stand by themselves.
        effective_scopes: what it may do at this moment; nothing, where its holder lost their standing.
    """

    key_id: str
    name: str
    kind: Kind
    organization_id: UUID | None
    scopes: tuple[str, ...]
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None
    last_used_at: dt.datetime | None
    created_by: str | None = None
    replaced_by: str | None = None
    holder_id: UUID | None = None
    effective_scopes: tuple[str, ...] = ()

    @property
    def status(self) -> Literal["in_force", "retiring", "expired", "revoked"]:
        """Where it stands: `retiring` while both it and its successor are taken."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= clock.now():
            return "expired"
        return "in_force" if self.replaced_by is None else "retiring"


_KEY_ID = re.compile(r"\w{1,64}", re.ASCII)
_FIELDS = CredentialSummary.__struct_fields__
_COLUMNS = """
    key_id, name, kind, organization_id, scopes, created_at, expires_at, revoked_at, last_used_at, created_by,
    replaced_by, holder_id,
    coalesce(effective_scopes(organization_id, holder_id, scopes), '{}') AS effective_scopes
"""
_INSERT = sql_text(
    """
    INSERT INTO service_credentials
        (id, organization_id, key_id, name, kind, secret_hash, secret_sealed, scopes, expires_at, created_by,
         holder_id)
    VALUES (:id, :organization_id, :key_id, :name, :kind, :secret_hash, :secret_sealed, :scopes, :expires_at,
            :created_by, :holder_id)
    """
)
_ORGANIZATION = sql_text("SELECT 1 FROM organizations WHERE id = :id")
_LIST = sql_text(f"SELECT {_COLUMNS} FROM service_credentials ORDER BY created_at, key_id")  # noqa: S608 — our own words
_PAGE = sql_text(
    f"""
    SELECT id, {_COLUMNS} FROM service_credentials
    WHERE organization_id = :organization_id AND kind = :kind AND id < {BEHIND}
    ORDER BY id DESC LIMIT :limit
    """  # noqa: S608 — our own words
)
_OWN = sql_text(
    f"""
    SELECT {_COLUMNS} FROM service_credentials
    WHERE organization_id = :organization_id AND kind = :kind AND key_id = :key_id
    """  # noqa: S608 — our own words
)
_IN_FORCE = sql_text(
    """
    SELECT count(*) FROM service_credentials
    WHERE organization_id = :organization_id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    """
)
_EXPIRY = sql_text("SELECT expires_at FROM service_credentials WHERE key_id = :key_id")
# One statement decides: of two rotations at once, the second finds a successor there already.
_RETIRE = sql_text(
    """
    UPDATE service_credentials
    SET replaced_by = :successor,
        expires_at = least(expires_at, now() + :overlap_seconds * interval '1 second')
    WHERE key_id = :key_id AND revoked_at IS NULL AND replaced_by IS NULL AND (expires_at IS NULL OR expires_at > now())
    RETURNING key_id
    """
)
_HOLDER = sql_text("SELECT holder_id FROM service_credentials WHERE key_id = :key_id")


async def insert(
    session: AsyncSession,
    credential: NewCredential,
    *,
    created_by: str | None = None,
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
        "name": credential.name,
        "kind": credential.kind,
        "secret_hash": secret_hash,
        "secret_sealed": secret_sealed,
        "scopes": sorted(credential.scopes),
        "expires_at": credential.expires_at,
        "created_by": created_by,
        "holder_id": credential.holder_id,
    }
    await session.execute(_INSERT, row)


async def list_all(session: AsyncSession) -> list[CredentialSummary]:
    """Return what the session may see, oldest first."""
    rows = (await session.execute(_LIST)).mappings()
    return [_summary(row) for row in rows]


async def page(
    session: AsyncSession, organization_id: UUID, kind: Kind, *, limit: int, cursor: str | None
) -> Page[CredentialSummary]:
    """Return some of an organization's credentials of one kind, newest first."""
    after = None if cursor is None else decode_cursor(cursor)
    key = {"organization_id": organization_id, "kind": kind, "after": after, "limit": limit + 1}
    rows = list((await session.execute(_PAGE, key)).mappings())
    shown = page_of(rows, limit=limit, row_id=lambda row: row["id"])
    return Page(tuple(_summary(row) for row in shown.items), shown.next_cursor)


async def find(session: AsyncSession, organization_id: UUID, kind: Kind, key_id: str) -> CredentialSummary | None:
    """Return one of an organization's credentials, whatever its state."""
    if not _KEY_ID.fullmatch(key_id):
        return None
    key = {"organization_id": organization_id, "kind": kind, "key_id": key_id}
    row = (await session.execute(_OWN, key)).mappings().one_or_none()
    return None if row is None else _summary(row)


async def count_in_force(session: AsyncSession, organization_id: UUID) -> int:
    """Return how many of an organization's credentials can be used."""
    return int(await session.scalar(_IN_FORCE, {"organization_id": organization_id}) or 0)


async def expiry_of(session: AsyncSession, key_id: str) -> dt.datetime | None:
    """Return when a credential expires; None: never, or there is none."""
    found: dt.datetime | None = await session.scalar(_EXPIRY, {"key_id": key_id})
    return found


async def retire(session: AsyncSession, key_id: str, *, successor: str, overlap_seconds: int) -> bool:
    """Let a credential expire in favour of its successor; False where it is not in force, or has one already."""
    key = {"key_id": key_id, "successor": successor, "overlap_seconds": overlap_seconds}
    return await session.scalar(_RETIRE, key) is not None


async def holder_of(session: AsyncSession, key_id: str) -> UUID | None:
    """Return who holds a credential; None: nobody does, or the session may not see it."""
    found: UUID | None = await session.scalar(_HOLDER, {"key_id": key_id})
    return found


def _summary(row: RowMapping) -> CredentialSummary:
    lists = {name: tuple(row[name]) for name in ("scopes", "effective_scopes")}
    return CredentialSummary(**{name: row[name] for name in _FIELDS} | lists)
