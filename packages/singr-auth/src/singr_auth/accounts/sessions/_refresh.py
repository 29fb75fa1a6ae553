"""Rotation of refresh tokens (RFC 9700, section 4.14.2): each is used once, and one that comes back ends its session.

A successor is derived from its parent under AUTH_SECRET, so that it can be handed out again without being stored: two
tabs that refresh at once, and a caller whose answer was lost, get the same successor within a short grace. Whoever used
the parent gets it later as well, from the same place and for as long as it is unused: their answer was lost, and they
noticed late. Else the parent can only be in wrong hands, or be the right hands' whose successor was stolen: the session
ends for both. (Handed out to whoever comes, thief and owner could go on side by side, each exchanging what the other
has not used yet.)
"""

import hmac
import time
from typing import Any, Final, Literal
from uuid import UUID

from singr_auth import AccessTokenIssuer, OpaqueToken, TokenError, TokenKind, derived_token, parse_token
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import RefreshReusedError, SessionEndedError, TemporarilyUnavailableError
from singr_auth.accounts._results import SignedIn
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.notices._sending import OwnerNotices
from singr_auth.accounts.sessions._access_feed import note_sessions_ended
from singr_auth.accounts.sessions._devices import device_of
from singr_config import HoldsSecrets, JwtSettings, Secret
from singr_db import Database, PlatformSession, Sealer, sql_text
from singr_observability import get_logger

_CONTEXT: Final = "refresh.successor"

# The lock comes first, in a statement of its own: what is read after it, is read as the winner before left it.
_LOCK: Final = sql_text(
    """
    SELECT id FROM auth_sessions WHERE id = (SELECT session_id FROM refresh_tokens WHERE token_hash = :hash) FOR UPDATE
    """
)
_READ: Final = sql_text(
    """
    SELECT s.id AS session_id, s.user_id, s.methods, s.authenticated_at, s.expires_at, s.revoked_at, u.status,
           least(s.idle_expires_at, s.expires_at) <= clock_timestamp() AS expired,
           t.used_at IS NOT NULL AS used,
           coalesce(t.used_at >= clock_timestamp() - make_interval(secs => :grace), false) AS within_grace,
           c.token_hash AS successor_hash,
           c.used_at IS NULL AND s.address = :address AND s.user_agent IS NOT DISTINCT FROM CAST(:user_agent AS text)
               AS lost
    FROM refresh_tokens t JOIN auth_sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id
    LEFT JOIN refresh_tokens c ON c.parent_hash = t.token_hash AND c.session_id = s.id
    WHERE t.token_hash = :hash LIMIT 1
    """
)
_USE: Final = sql_text(
    "UPDATE refresh_tokens SET used_at = clock_timestamp() WHERE token_hash = :hash AND used_at IS NULL"
)
_SUCCEED: Final = sql_text(
    "INSERT INTO refresh_tokens (token_hash, session_id, parent_hash) VALUES (:successor, :session_id, :hash)"
)
_TOUCH: Final = sql_text(
    """
    UPDATE auth_sessions
       SET last_used_at = now(), idle_expires_at = now() + make_interval(secs => :idle), address = :address,
           user_agent = coalesce(:user_agent, user_agent), device = coalesce(:device, device)
     WHERE id = :session_id
    RETURNING ceil(extract(epoch FROM least(idle_expires_at, expires_at) - now()))::int AS expires_in
    """
)
_KILL: Final = sql_text(
    """
    UPDATE auth_sessions SET revoked_at = now(), revoked_reason = 'refresh_token_reused'
     WHERE id = :session_id AND revoked_at IS NULL
    """
)
_log = get_logger("singr_auth.accounts")


class _Rotated(HoldsSecrets, frozen=True):
    row: Any
    successor: Secret
    expires_in: int


class RefreshRotation:
    """Exchanges refresh tokens.

    Args:
        db: opened.
        sealer: derives successors.
        issuer: makes access tokens.
        owner_notices: tells the owner that a token came twice.
        jwt: gives grace and idle end.
    """

    def __init__(
        self, db: Database, sealer: Sealer, issuer: AccessTokenIssuer, owner_notices: OwnerNotices, *, jwt: JwtSettings
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._issuer = issuer
        self._owner_notices = owner_notices
        self._grace = jwt.refresh_grace
        self._idle = jwt.refresh_ttl

    async def refresh(self, presented: Secret, client: ClientInfo) -> SignedIn:
        """Exchange a refresh token for an access token and the next refresh token.

        Raises:
            RefreshReusedError: the token was used before, its grace is over, and its successor was used too or it comes
                from elsewhere; the session has been ended.
            SessionEndedError: the token is none, or its session has ended or expired, or its owner may not sign in.
            TemporarilyUnavailableError: another process derived the successor under an AUTH_SECRET that is not known
                here yet.
        """
        try:
            token = parse_token(TokenKind.REFRESH, presented.reveal())
        except TokenError:
            raise SessionEndedError from None
        arrived = time.monotonic()
        # What is found out below is committed before it is raised: a family that was killed stays dead.
        async with self._db.platform() as session:
            outcome = await self._rotate(session, token, client, arrived)
        if outcome == "ended":
            raise SessionEndedError
        if outcome == "reused":
            raise RefreshReusedError
        row = outcome.row
        access = self._issuer.issue(
            row.user_id,
            row.session_id,
            methods=tuple(row.methods),
            authenticated_at=row.authenticated_at,
            expires_by=row.expires_at,
        )
        return SignedIn(
            user_id=row.user_id,
            session_id=row.session_id,
            access_token=access.token,
            expires_in=access.expires_in,
            refresh_token=outcome.successor,
            refresh_expires_in=outcome.expires_in,
        )

    async def _rotate(
        self, session: PlatformSession, token: OpaqueToken, client: ClientInfo, arrived: float
    ) -> _Rotated | Literal["ended", "reused"]:
        if await session.scalar(_LOCK, {"hash": token.hash}) is None:
            return "ended"
        # The grace is for when a request came, not for how long it then had to wait here.
        waited = time.monotonic() - arrived
        asked = {"hash": token.hash, "grace": self._grace + waited}
        asked |= {"address": client.address, "user_agent": client.user_agent or None}
        row = (await session.execute(_READ, asked)).one()
        if row.revoked_at is not None or row.expired or row.status != "active":
            return "ended"
        if row.used and not (self._grace and (row.within_grace or row.lost)):
            await self._kill(session, row, client)
            return "reused"
        if row.used:
            successor = self._known_successor(token, row.successor_hash)
        else:
            successor = self._successors(token)[0]
            await session.execute(_USE, {"hash": token.hash})
            await session.execute(
                _SUCCEED, {"successor": successor.hash, "session_id": row.session_id, "hash": token.hash}
            )
        touched = {
            "session_id": row.session_id,
            "idle": self._idle,
            "address": client.address,
            "user_agent": client.user_agent or None,
            "device": device_of(client),
        }
        expires_in = await session.scalar(_TOUCH, touched)
        return _Rotated(row, successor.secret, expires_in)

    def _successors(self, token: OpaqueToken) -> tuple[OpaqueToken, ...]:
        """What follows `token`: under the current AUTH_SECRET first, then under the previous ones."""
        entropies = self._sealer.fingerprints(token.secret.reveal(), context=_CONTEXT)
        return tuple(derived_token(TokenKind.REFRESH, entropy) for entropy in entropies)

    def _known_successor(self, token: OpaqueToken, stored: bytes | None) -> OpaqueToken:
        for successor in self._successors(token):
            if stored is not None and hmac.compare_digest(successor.hash, bytes(stored)):
                return successor
        _log.error("a refresh token's successor was derived with an AUTH_SECRET that is not known here")
        raise TemporarilyUnavailableError(
            "This token was exchanged by another process, which knows more than this one."
        )

    async def _kill(self, session: PlatformSession, row: Any, client: ClientInfo) -> None:
        user_id: UUID = row.user_id
        await session.execute(_KILL, {"session_id": row.session_id})
        await note_sessions_ended(session, [row.session_id])
        detail = {"session_id": str(row.session_id)}
        await record_event(
            session, "refresh_token.reused", user_id=user_id, actor="anonymous", client=client, detail=detail
        )
        await self._owner_notices.send_safely(session, user_id, "refresh_token_reused", client)
