"""How a session begins: with its first refresh token, its device and its line in the audit trail, in one statement.

Sign-in by password is as fast as its hash only if little is done beside it. So what every sign-in writes is one
statement. Where the account asks for nothing more than the right password, and nobody has to be told, that statement
runs on the plain driver in the same round trip as the lock before it; else it is part of the caller's transaction.
"""

import datetime as dt
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from singr_auth import TokenKind, new_token
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts.sessions._devices import KNOWN_DEVICE_SECONDS, device_of, presented_hash
from singr_config import HoldsSecrets, JwtSettings, Secret
from singr_db import Database, PlatformSession, new_id, sql
from singr_observability import correlation_id

Delivery = Literal["body", "cookie"]

# Whoever changes what sign-in depends on changes or locks the user's row first, so it cannot change under the lock. The
# statement after it must be one of its own: it sees what was committed while the lock was waited for.
_LOCK: Final = sql("SELECT 1 FROM users WHERE id = %(user_id)s FOR NO KEY UPDATE")

_OPEN: Final = """
    WITH known AS (
        SELECT id FROM devices
         WHERE token_hash = %(presented)s::bytea AND user_id = %(user_id)s AND revoked_at IS NULL AND expires_at > now()
    ), ready AS (
        SELECT users.id AS user_id, known.id AS device_id,
               users.last_sign_in_at IS NULL AS first_time
          FROM users LEFT JOIN known ON true
         WHERE users.id = %(user_id)s{condition}
    ), opened AS (
        INSERT INTO auth_sessions (id, user_id, methods, authenticated_at, idle_expires_at, expires_at,
                                   device, user_agent, address, delivery)
        SELECT %(session_id)s, user_id, %(methods)s, now(), now() + make_interval(secs => %(idle)s),
               now() + make_interval(secs => %(ttl)s), %(device)s, %(user_agent)s, %(address)s, %(delivery)s
          FROM ready
        RETURNING authenticated_at, expires_at
    ), token AS (
        INSERT INTO refresh_tokens (token_hash, session_id) SELECT %(refresh_hash)s, %(session_id)s FROM ready
    ), signed_in AS (
        UPDATE users SET last_sign_in_at = now() FROM ready WHERE users.id = ready.user_id
    ), used AS (
        UPDATE devices
           SET last_used_at = now(), address = %(address)s, device = %(device)s,
               expires_at = now() + make_interval(secs => %(known_ttl)s),
               trusted_until = CASE WHEN %(trust)s THEN now() + make_interval(secs => %(trust_ttl)s)
                                    ELSE trusted_until END
          FROM ready WHERE devices.id = ready.device_id
    ), added AS (
        INSERT INTO devices (id, user_id, token_hash, device, address, expires_at, trusted_until)
        SELECT %(device_id)s, user_id, %(device_hash)s, %(device)s, %(address)s,
               now() + make_interval(secs => %(known_ttl)s),
               CASE WHEN %(trust)s THEN now() + make_interval(secs => %(trust_ttl)s) END
          FROM ready WHERE device_id IS NULL
    ), event AS (
        INSERT INTO security_events (id, user_id, actor, kind, address, device, detail, correlation_id)
        SELECT %(event_id)s, user_id, 'user:' || user_id, 'sign_in.succeeded', %(address)s, %(device)s,
               %(detail)s::jsonb, %(correlation_id)s
          FROM ready
    ){more}
    SELECT authenticated_at, expires_at, device_id IS NULL AS new_device, first_time FROM opened, ready
"""
_WITHIN: Final = sql(_OPEN.format(condition="", more=""))
_AT_ONCE: Final = sql(
    _OPEN.format(
        condition="""
           AND users.status = 'active' AND users.password_hash = %(password_hash)s
           AND NOT EXISTS (SELECT FROM second_factors WHERE user_id = users.id AND confirmed_at IS NOT NULL)
           AND (known.id IS NOT NULL OR users.last_sign_in_at IS NULL)""",
        more=""", forgiven AS (
        DELETE FROM sign_in_failures USING ready WHERE subject_hash = %(subject_hash)s
    )""",
    )
)


class Proof(msgspec.Struct, frozen=True):
    """Who signs in, what was proved, and how it is handed over.

    Attributes:
        methods: how they proved it, as `amr` has it (RFC 8176).
        factors: the same in our words, for the audit trail.
        trust_device: this device skips the second factor from now on.
    """

    user_id: UUID
    methods: tuple[str, ...]
    factors: tuple[str, ...]
    client: ClientInfo
    delivery: Delivery
    trust_device: bool = False


class OpenedSession(HoldsSecrets, frozen=True):
    """A session that was just made.

    Attributes:
        refresh_token: its first one.
        refresh_expires_in: seconds until that expires unused.
        device_token: what this device is to present from now on; None where it was known already.
        stranger: the device is new, and its owner has signed in before: worth telling them.
    """

    session_id: UUID
    authenticated_at: dt.datetime
    expires_at: dt.datetime
    refresh_token: Secret
    refresh_expires_in: int
    device_token: Secret | None
    stranger: bool


class SessionOpening:
    """Opens sessions.

    Args:
        db: opened.
        jwt: gives the idle end of sessions.
        session_ttl: seconds after which a session ends however much it is used.
        trust_ttl: seconds for which a device skips the second factor, once its owner trusts it.
    """

    def __init__(self, db: Database, *, jwt: JwtSettings, session_ttl: int, trust_ttl: int) -> None:
        self._db = db
        self._idle = min(jwt.refresh_ttl, session_ttl)
        self._ttl = session_ttl
        self._trust_ttl = trust_ttl

    async def within(self, session: PlatformSession, proof: Proof) -> OpenedSession:
        """Open a session in the caller's transaction, which has locked the user's row."""
        new = _NewSession(proof)
        connection = await session.connection()
        row = tuple((await connection.exec_driver_sql(_WITHIN, self._parameters(new))).one())
        return self._opened(new, row)

    async def at_once(self, proof: Proof, *, password_hash: str, subject_hash: bytes) -> OpenedSession | None:
        """Open a session in a transaction of its own, and forget the failures of `subject_hash` in it.

        Returns:
            None where nothing was done, because more is to be asked or said: the account cannot be used, its password
            is not the one of `password_hash` any more, a second factor stands behind it, or the device is a stranger.
        """
        new = _NewSession(proof)
        parameters = self._parameters(new) | {"password_hash": password_hash, "subject_hash": subject_hash}
        # One pipeline is one transaction: it ends where the pipeline does.
        async with self._db.psycopg.connection() as connection:
            async with connection.pipeline():
                await connection.execute(_LOCK, {"user_id": proof.user_id})
                cursor = await connection.execute(_AT_ONCE, parameters)
            row = await cursor.fetchone()
        return None if row is None else self._opened(new, row)

    def _parameters(self, new: "_NewSession") -> dict[str, Any]:
        proof, client = new.proof, new.proof.client
        detail: dict[str, Any] = {"factors": proof.factors, "session_id": new.session_id}
        if proof.trust_device:
            detail["device_trusted"] = True
        return {
            "user_id": proof.user_id,
            "session_id": new.session_id,
            "refresh_hash": new.refresh.hash,
            "methods": list(proof.methods),
            "idle": self._idle,
            "ttl": self._ttl,
            "device": device_of(client),
            "user_agent": client.user_agent or None,
            "address": client.address,
            "delivery": proof.delivery,
            "presented": presented_hash(client),
            "device_id": new_id(),
            "device_hash": new.device.hash,
            "known_ttl": KNOWN_DEVICE_SECONDS,
            "trust_ttl": self._trust_ttl,
            "trust": proof.trust_device,
            "event_id": new_id(),
            "detail": msgspec.json.encode(detail).decode(),
            "correlation_id": correlation_id.get(None),
        }

    def _opened(self, new: "_NewSession", row: tuple[Any, ...]) -> OpenedSession:
        authenticated_at, expires_at, new_device, first_time = row
        return OpenedSession(
            session_id=new.session_id,
            authenticated_at=authenticated_at,
            expires_at=expires_at,
            refresh_token=new.refresh.secret,
            refresh_expires_in=self._idle,
            device_token=new.device.secret if new_device else None,
            stranger=new_device and not first_time,
        )


class _NewSession:
    """What is drawn at random for one session, before it is known whether all of it is needed."""

    def __init__(self, proof: Proof) -> None:
        self.proof = proof
        self.session_id = new_id()
        self.refresh = new_token(TokenKind.REFRESH)
        self.device = new_token(TokenKind.DEVICE)
