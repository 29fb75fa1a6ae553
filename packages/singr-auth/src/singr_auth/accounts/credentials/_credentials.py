"""Look-up of service credentials on the path of every request, and their making and revoking."""

import datetime as dt
import hmac
import time
from collections.abc import Collection, Iterable
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

import msgspec
import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from singr_auth._brief_cache import BriefCache
from singr_auth._principal import Principal
from singr_auth._signing import new_signing_secret
from singr_auth._tokens import _base62
from singr_auth._tokens._api_keys import ApiKeyError, new_api_key, parse_api_key
from singr_auth.accounts._errors import InvalidValueError
from singr_auth.accounts.credentials import _rows as rows
from singr_auth.accounts.credentials._revocation import Revoked, revoke, revoke_late
from singr_auth.accounts.credentials._rows import CredentialSummary, Kind, NewCredential
from singr_auth.accounts.people._users import checked_name
from singr_config import HoldsSecrets, IngestionSettings, PortableError, Secret
from singr_config.clock import clock
from singr_config.constants import PAGINATION, PERMISSIONS
from singr_db import Database, Sealer, sql
from singr_db.pages import Page
from singr_observability import get_logger

BUILT_IN_KEY_ID: Final = "env"
"""Key id of the credentials that the environment gives (SIGNING_SECRET, X_API_KEY)."""
LONGEST_LIFE: Final = dt.timedelta(days=3653)
"""How far ahead a credential may expire: ten years. Further dates serve nobody, and the furthest fit no calendar."""

_CACHE_SECONDS: Final = 0.9  # revocation holds within a second: this, and the time of one look-up
_CACHE_SIZE: Final = 10_000
_USAGE_SECONDS: Final = 15.0
_LONGEST_KEY_ID: Final = 64
_NO_HASH: Final = bytes(32)

_LOAD = sql("""
    SELECT organization_id, kind, secret_hash, secret_sealed, effective_scopes(organization_id, holder_id, scopes),
           expires_at,
           CASE WHEN isfinite(expires_at) THEN extract(epoch FROM expires_at - now())::float8
                WHEN expires_at < now() THEN 0 END AS left_seconds
    FROM service_credentials WHERE key_id = %s AND revoked_at IS NULL
""")
# A date for people: it waits for no disk and no standby, and requests, which wait for it, do not either.
_USED = sql("""
    WITH unflushed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    UPDATE service_credentials SET last_used_at = now() FROM unflushed
    WHERE key_id = ANY(%s) AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
""")
_log = get_logger("singr_auth.accounts")


class CredentialError(PortableError):
    """The presented API key opens nothing: mistyped, unknown, revoked or expired.

    Attributes:
        code: `malformed` (the text cannot be a key) or `unknown`.
        message: fit for the caller; does not tell unknown, revoked and expired apart.
    """

    def __init__(self, code: Literal["malformed", "unknown"], message: str) -> None:
        super().__init__(message)
        self.code: Literal["malformed", "unknown"] = code
        self.message = message


class CredentialRecord(HoldsSecrets, frozen=True):
    """A signing credential in force: whose it is, and the secret to verify with."""

    key_id: str
    principal: Principal
    secret: Secret


class KeyIntrospection(msgspec.Struct, frozen=True, omit_defaults=True):
    """An API key's state and permissions, in the terms of RFC 7662; for an inactive key, only `active`.

    Attributes:
        scope: what it may currently do, separated by spaces.
        client_id: its key id, which is public and safe to log.
        token_type: always "api_key".
        exp: Unix seconds; left out if it is valid until revoked.
        organization_id: the organization that it acts for; left out for a key of the platform.
    """

    active: bool
    scope: str = ""
    client_id: str = ""
    token_type: str = ""
    exp: int | None = None
    organization_id: UUID | None = None


class _Stored(msgspec.Struct, frozen=True):
    record: CredentialRecord | None  # for kind "signing"
    principal: Principal
    secret_hash: bytes | None  # for kind "api_key"
    expires_at: float
    ends_at: float
    """When that is by this host's clock, which may be another than the database's."""

    def in_force(self) -> bool:
        return self.ends_at > clock.time()


class ServiceCredentials:
    """Credentials by which other services call.

    Look-ups are kept in memory for less than a second, so that a revoked credential is refused within a second in every
    process, and one whose holder lost a permission does no more than they may. Belongs to one event loop.

    Args:
        db: opened; look-ups use its `psycopg` pool.
        sealer: for signing secrets at rest.
        ingestion: the built-in credentials of the environment; empty secrets mean none.
    """

    REMEMBERED_SECONDS: ClassVar = 1.0
    """How long after the commit of its revocation some process may still take a credential."""

    def __init__(self, db: Database, sealer: Sealer, ingestion: IngestionSettings) -> None:
        self._db = db
        self._sealer = sealer
        self._cache: BriefCache[_Stored] = BriefCache(self._load, seconds=_CACHE_SECONDS, size=_CACHE_SIZE)
        self._built_in_key = ingestion.api_key.reveal().encode()
        self._built_in_api = _built_in_principal("api_key")
        self._built_in_signing = (
            CredentialRecord(BUILT_IN_KEY_ID, _built_in_principal("signature"), ingestion.signing_secret)
            if ingestion.signing_secret
            else None
        )
        self._used: set[str] = set()
        self._usage_written = 0.0

    async def signing_key(self, key_id: str) -> CredentialRecord | None:
        """Return the signing credential in force under `key_id`, or None.

        The signature is still to be verified; call `mark_used` once it is.
        """
        if key_id == BUILT_IN_KEY_ID:
            return self._built_in_signing
        if len(key_id) > _LONGEST_KEY_ID or not key_id.isascii() or not key_id.isprintable():
            return None
        stored = await self._cache.get(key_id)
        return stored.record if stored is not None and stored.in_force() else None

    async def api_key(self, presented: str) -> Principal:
        """Return whose API key this is.

        Raises:
            CredentialError: it is no key, or none in force.
        """
        stored = await self._presented(presented)
        self.mark_used(stored.principal.key_id)
        return stored.principal

    async def introspect(self, presented: str, *, asker: Principal) -> KeyIntrospection:
        """Say what an API key is worth that somebody presented to the asker (RFC 7662).

        What is no key, unknown, revoked, expired, without standing or of another organization than the asker's is
        answered alike: inactive, and nothing else. An asker of the platform is told of every organization's.
        """
        try:
            stored = await self._presented(presented)
        except CredentialError:
            return KeyIntrospection(active=False)
        found = stored.principal
        if asker.organization_id not in {None, found.organization_id}:
            return KeyIntrospection(active=False)
        self.mark_used(found.key_id)
        return KeyIntrospection(
            active=True,
            scope=" ".join(sorted(found.scopes)),
            client_id=found.key_id,
            token_type="api_key",  # noqa: S106 — says what kind of token it is
            exp=None if stored.expires_at == float("inf") else int(stored.expires_at),
            organization_id=found.organization_id,
        )

    async def _presented(self, presented: str) -> _Stored:
        given = presented.encode("utf-8", "surrogatepass")
        if self._built_in_key and hmac.compare_digest(given, self._built_in_key):
            return _Stored(None, self._built_in_api, None, float("inf"), float("inf"))
        try:
            key = parse_api_key(presented)
        except ApiKeyError as error:
            raise CredentialError("malformed", str(error)) from None
        stored = await self._cache.get(key.key_id)
        known = stored.secret_hash if stored is not None and stored.in_force() else None
        # compared also where there is nothing to compare with, so that the time does not tell which
        fits = hmac.compare_digest(known or _NO_HASH, key.hash)
        if stored is None or known is None or not fits:
            raise CredentialError("unknown", "This API key is unknown, revoked or expired.")
        return stored

    def mark_used(self, key_id: str) -> None:
        """Note that a request of this credential was verified; written to `last_used_at` with a later look-up."""
        if key_id != BUILT_IN_KEY_ID:
            self._used.add(key_id)

    async def create_signing_credential(
        self,
        session: AsyncSession,
        *,
        name: str,
        organization_id: UUID | None = None,
        scopes: Iterable[str],
        expires_at: dt.datetime | None = None,
        created_by: str | None = None,
        holder_id: UUID | None = None,
    ) -> NewCredential:
        """Make a credential for signed requests, in the caller's transaction.

        Args:
            session: a platform session; or a tenant session, for a credential of that organization.
            name: for people.
            organization_id: the one it may act for; None: any.
            scopes: permission names.
            expires_at: None: until revoked; else at most ten years ahead.
            created_by: who makes it, as in the audit trail: "user:<id>" or a key id.
            holder_id: the person beyond whose permissions it never goes; None: its scopes stand by themselves.

        Raises:
            InvalidValueError: the name cannot be taken, or `expires_at` is too far ahead.
            UnknownOrganizationError: there is no such organization.
            UnknownScopeError: a scope is none of the permission names.
        """
        key_id = _base62.random_token("sg_", 12, 17)
        until, secret = checked_expiry(expires_at), new_signing_secret()
        new = NewCredential(
            key_id, checked_name(name), "signing", secret, organization_id, frozenset(scopes), until, holder_id
        )
        sealed = self._sealer.seal(new.secret.reveal().encode(), context=signing_context(key_id))
        await rows.insert(session, new, created_by=created_by, secret_sealed=sealed)
        self._cache.forget(key_id)
        return new

    async def create_api_key(
        self,
        session: AsyncSession,
        *,
        name: str,
        organization_id: UUID | None = None,
        scopes: Iterable[str],
        expires_at: dt.datetime | None = None,
        created_by: str | None = None,
        holder_id: UUID | None = None,
    ) -> NewCredential:
        """Make an API key, in the caller's transaction; arguments and errors as `create_signing_credential`."""
        key, until = new_api_key(), checked_expiry(expires_at)
        new = NewCredential(
            key.key_id, checked_name(name), "api_key", key.secret, organization_id, frozenset(scopes), until, holder_id
        )
        await rows.insert(session, new, created_by=created_by, secret_hash=key.hash)
        self._cache.forget(key.key_id)
        return new

    async def retire(self, session: AsyncSession, key_id: str, *, successor: str, overlap_seconds: int) -> bool:
        """Let a credential expire after `overlap_seconds`, or earlier as it would have; in the caller's transaction.

        Returns:
            False where no such credential is in force, or it has a successor already.
        """
        done = await rows.retire(session, key_id, successor=successor, overlap_seconds=overlap_seconds)
        self._cache.forget(key_id)
        return done

    async def revoke(self, session: AsyncSession, key_id: str) -> Revoked:
        """Revoke, in the caller's transaction; refused everywhere a second after its commit.

        So are those whose place it took, what any of these made, and open invitations that they sent; but a successor
        that somebody else made stays. Jobs that wait for a later time are cancelled, unless a successor answers for
        them.

        Returns:
            What was; nothing where it was revoked before, or there is none.
        """
        gone = await revoke(session, key_id)
        for each in (key_id, *gone.key_ids):
            self._cache.forget(each)
        return gone

    async def revoke_late(self, session: AsyncSession, key_ids: Collection[str]) -> Revoked:
        """Revoke what revoked credentials made in the moment in which some process still took them.

        Call it `REMEMBERED_SECONDS` after their revocation was committed: then no process does any more.
        """
        return await revoke_late(session, key_ids)

    async def list(self, session: AsyncSession) -> list[CredentialSummary]:
        """Return the credentials that the session may see, oldest first, without secrets."""
        return await rows.list_all(session)

    async def find(
        self, session: AsyncSession, organization_id: UUID, kind: Kind, key_id: str
    ) -> CredentialSummary | None:
        """Return one of an organization's credentials, whatever its state; its last use as `page` gives it."""
        await self._write_usage()
        return await rows.find(session, organization_id, kind, key_id)

    async def page(
        self,
        session: AsyncSession,
        organization_id: UUID,
        kind: Kind,
        *,
        limit: int = PAGINATION.default,
        cursor: str | None = None,
    ) -> Page[CredentialSummary]:
        """Return some of an organization's credentials of one kind, newest first, without secrets.

        Their last use is right to the minute; uses in another process show up to 15 s later.

        Raises:
            InvalidCursor: the cursor is malformed.
        """
        await self._write_usage()
        return await rows.page(session, organization_id, kind, limit=limit, cursor=cursor)

    async def close(self) -> None:
        """Write down the last uses."""
        await self._write_usage()

    async def _load(self, key_id: str) -> _Stored | None:
        async with self._db.psycopg.connection() as connection:
            row = await (await connection.execute(_LOAD, (key_id,))).fetchone()
        if time.monotonic() - self._usage_written > _USAGE_SECONDS:
            await self._write_usage()
        return None if row is None else self._stored(key_id, tuple(row))

    def _stored(self, key_id: str, row: tuple[Any, ...]) -> _Stored | None:
        organization_id, kind, secret_hash, sealed, scopes, expires_at, left = row
        if scopes is None:
            return None  # its holder has no standing any more
        method: Literal["api_key", "signature"] = "signature" if kind == "signing" else "api_key"
        principal = Principal(key_id, organization_id, frozenset(scopes), method)
        record = None
        if sealed is not None:
            try:
                secret = Secret(self._sealer.open(bytes(sealed), context=signing_context(key_id)).decode())
            except Exception:  # noqa: BLE001 — whatever the reason, this credential cannot be used; others can
                _log.error("credential cannot be unsealed: was AUTH_SECRET changed without AUTH_SECRET_PREVIOUS?")
                return None
            record = CredentialRecord(key_id, principal, secret)
        until = float("inf") if expires_at is None else expires_at.timestamp()
        ends_at = float("inf") if left is None else clock.time() + left
        return _Stored(record, principal, None if secret_hash is None else bytes(secret_hash), until, ends_at)

    async def _write_usage(self) -> None:
        self._usage_written = time.monotonic()
        used, self._used = self._used, set()
        if not used:
            return
        try:
            async with self._db.psycopg.connection() as connection:
                await connection.execute(_USED, (list(used),))
        except psycopg.Error:
            self._used |= used  # a date for people is not worth failing a request: it is written next time


def checked_expiry(expires_at: dt.datetime | None) -> dt.datetime | None:
    """Return when a credential is to expire, in UTC.

    Raises:
        InvalidValueError: that is more than `LONGEST_LIFE` ahead, or fits no calendar.
    """
    if expires_at is None:
        return None
    latest = clock.now() + LONGEST_LIFE
    try:
        moment = expires_at.astimezone(dt.UTC)
    except OverflowError:  # the year 10000 in UTC, which PostgreSQL stores and Python cannot read
        moment = None
    if moment is None or moment > latest:
        message = f"must be {latest:%Y-%m-%d} at the latest, ten years from now"
        raise InvalidValueError("expires_at", message, code="out_of_range")
    return moment


def _built_in_principal(method: Literal["api_key", "signature"]) -> Principal:
    return Principal(BUILT_IN_KEY_ID, None, frozenset(PERMISSIONS), method)


def signing_context(key_id: str) -> str:
    """Return the context that `service_credentials.secret_sealed` is sealed for: its row's own."""
    return f"service_credentials.secret_sealed:{key_id}"
