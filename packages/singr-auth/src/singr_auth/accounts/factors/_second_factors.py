"""A person's second factors: listed, added, confirmed and removed, and reset by an administrator."""

import datetime as dt
from typing import Final, Literal, get_args
from uuid import UUID

import msgspec

from singr_auth import new_totp_secret, provisioning_uri
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import (
    CodeRefusedError,
    ConflictError,
    NotAllowedError,
    NotFoundError,
    SessionEndedError,
)
from singr_auth.accounts.audit._events import noting_refusals, record_event
from singr_auth.accounts.factors._backup_codes import BackupCodes
from singr_auth.accounts.factors._reauthentication import Reauthentication
from singr_auth.accounts.factors._totp import Totp
from singr_auth.accounts.notices._sending import OwnerNotices
from singr_auth.accounts.proofs._challenges import Challenges
from singr_auth.accounts.proofs._presence import count_as_whole
from singr_auth.accounts.sessions._devices import distrust_devices
from singr_auth.accounts.sessions._sessions import Sessions
from singr_auth.accounts.sign_in._guard import VERIFY_LIMIT_NAME, SignInGuard
from singr_config import AuthSettings, HoldsSecrets, Secret
from singr_db import Database, PlatformSession, sql_text

SentMethod = Literal["sms", "email", "verify"]
FactorMethod = Literal["totp", "sms", "email", "verify"]

_LIST: Final = sql_text(
    """
    SELECT f.method, f.created_at, f.last_used_at,
           CASE f.method WHEN 'totp' THEN NULL WHEN 'email' THEN u.email ELSE u.phone_masked END AS target
    FROM second_factors f JOIN users u ON u.id = f.user_id
    WHERE f.user_id = :user_id AND f.confirmed_at IS NOT NULL ORDER BY f.created_at, f.method
    """
)
# Everything that changes a user's factors takes this lock first, so that "the first" and "the last" are decided once.
_LOCK: Final = sql_text(
    """
    SELECT email, email_verified_at IS NOT NULL AS email_verified, phone_verified_at IS NOT NULL AS phone_verified
    FROM users WHERE id = :user_id AND status = 'active' FOR NO KEY UPDATE
    """
)
_LOCK_ANY: Final = sql_text("SELECT id FROM users WHERE id = :user_id AND status <> 'deleted' FOR NO KEY UPDATE")
_COUNT: Final = sql_text("SELECT count(*) FROM second_factors WHERE user_id = :user_id AND confirmed_at IS NOT NULL")
_ADD: Final = sql_text(
    """
    INSERT INTO second_factors (user_id, method, confirmed_at) VALUES (:user_id, :method, now())
    ON CONFLICT (user_id, method) DO NOTHING RETURNING method
    """
)
_REMOVE: Final = sql_text("DELETE FROM second_factors WHERE user_id = :user_id AND method = :method RETURNING method")
_REMOVE_ALL: Final = sql_text("DELETE FROM second_factors WHERE user_id = :user_id RETURNING method")

_SHORT_PASSWORD: Final = sql_text("SELECT password_needs_second_factor FROM users WHERE id = :user_id")
_DROP_SHORT_PASSWORD: Final = sql_text(
    """
    UPDATE users SET password_hash = NULL, password_changed_at = NULL, password_needs_second_factor = false
     WHERE id = :user_id AND password_needs_second_factor RETURNING id
    """
)


class FactorView(msgspec.Struct, frozen=True):
    """A confirmed second factor.

    Attributes:
        target: where codes are sent, recognisable to the owner; null for an authenticator app.
    """

    method: FactorMethod
    created_at: dt.datetime
    last_used_at: dt.datetime | None
    target: str | None


class FactorList(msgspec.Struct, frozen=True):
    """A user's second factors; while there is one, no first factor alone is enough to sign in."""

    items: tuple[FactorView, ...]
    backup_codes_left: int


class TotpEnrolment(HoldsSecrets, frozen=True):
    """What an authenticator app needs; shown once, in force once a code confirms it.

    Attributes:
        secret: in base 32, for typing.
        uri: to be scanned as a QR code (see `qr_svg`).
    """

    secret: Secret
    uri: Secret


class SecondFactors:
    """Second factors of people who are signed in. Every change asks for a fresh proof of presence and is told.

    Args:
        db: opened.
        guard: counts tries; fails closed.
        challenges: keep an enrolment until it is confirmed.
        totp, backup_codes, sessions, owner_notices: the parts it is made of.
        reauthentication: knows how long ago somebody proved their presence.
        auth: gives the issuer's name in authenticator apps.
        verify: whether codes can be sent and checked by a service of its own.
    """

    def __init__(
        self,
        db: Database,
        *,
        guard: SignInGuard,
        challenges: Challenges,
        totp: Totp,
        backup_codes: BackupCodes,
        sessions: Sessions,
        reauthentication: Reauthentication,
        owner_notices: OwnerNotices,
        auth: AuthSettings,
        verify: bool,
    ) -> None:
        self._db = db
        self._guard = guard
        self._challenges = challenges
        self._totp = totp
        self._backup_codes = backup_codes
        self._sessions = sessions
        self._reauthentication = reauthentication
        self._owner_notices = owner_notices
        self._issuer = auth.two_factor_issuer
        self._verify = verify

    async def list(self, user_id: UUID) -> FactorList:
        """Return the confirmed factors, oldest first, and how many backup codes are left."""
        async with self._db.platform() as session:
            rows = (await session.execute(_LIST, {"user_id": user_id})).mappings()
            items = tuple(FactorView(**row) for row in rows)
            return FactorList(items, await self._backup_codes.left(session, user_id))

    async def begin_totp(self, user_id: UUID, session_id: UUID) -> TotpEnrolment:
        """Draw a secret for an authenticator app; good for ten minutes, five codes, and until the next is drawn.

        An app that is in force stays so until a code of the new one confirms its replacement.

        Raises:
            ReauthenticationRequiredError: the last proof of presence is too old.
        """
        await self._reauthentication.require_recent(session_id)
        secret = new_totp_secret()
        async with self._db.platform() as session:
            email = await self._locked(session, user_id)
            data = secret.reveal().encode()
            await self._challenges.replace_pending(session, "second_factor", user_id, "totp", data)
        return TotpEnrolment(secret, Secret(provisioning_uri(secret, account=email, issuer=self._issuer)))

    async def confirm_totp(self, user_id: UUID, session_id: UUID, code: str, client: ClientInfo) -> tuple[Secret, ...]:
        """Put the secret that was drawn last in force, proved by one of its codes.

        Returns:
            Ten backup codes, to be shown once, where this is the first factor; else nothing.

        Raises:
            ReauthenticationRequiredError: the last proof of presence is too old.
            CodeRefusedError: the code is wrong, or there is nothing to confirm.
            GuardLimitedError, GuardUnavailableError: too many tries, or they cannot be counted.
        """
        await self._reauthentication.require_recent(session_id)
        await self._guard.limit_of_user(
            VERIFY_LIMIT_NAME, user_id, client, self._guard.rates.two_factor_verify, session_id=session_id
        )
        async with self._db.platform() as session:
            pending = await self._challenges.pending(session, "second_factor", user_id, "totp")
        if pending is None:
            raise CodeRefusedError
        async with noting_refusals(self._db, "second_factor.failed", user_id, client, method="totp"):
            challenge = await self._challenges.count_attempt(pending.id)
            secret = Secret(self._challenges.data(challenge).decode())
            step = self._totp.match(secret, code, attempts_left=challenge.attempts_left)
        async with self._db.platform() as session:
            await self._locked(session, user_id)
            await self._challenges.consume_typed(session, challenge.id)
            first = await self._count(session, user_id) == 0
            await self._totp.keep(session, user_id, secret, step=step)
            return await self._added(session, user_id, session_id, "totp", client, first=first)

    async def add(self, user_id: UUID, session_id: UUID, method: SentMethod, client: ClientInfo) -> tuple[Secret, ...]:
        """Let codes that are sent to a verified address or number be a second factor; returns as `confirm_totp`.

        Raises:
            ReauthenticationRequiredError: the last proof of presence is too old.
            NotAllowedError: this installation has no such service.
            ConflictError: the address or the number is not verified yet, or the user has this factor.
        """
        await self._reauthentication.require_recent(session_id)
        if method == "verify" and not self._verify:
            raise NotAllowedError("No verification service is set up here: choose sms or email.")
        async with self._db.platform() as session:
            row = (await session.execute(_LOCK, {"user_id": user_id})).one_or_none()
            if row is None:
                raise SessionEndedError
            if method == "email" and not row.email_verified:
                raise ConflictError("Codes are sent to a verified address only: verify the e-mail address first.")
            if method != "email" and not row.phone_verified:
                raise ConflictError("Codes are sent to a verified number only: add a phone number and verify it.")
            first = await self._count(session, user_id) == 0
            if await session.scalar(_ADD, {"user_id": user_id, "method": method}) is None:
                raise ConflictError("This second factor is already active.")
            return await self._added(session, user_id, session_id, method, client, first=first)

    async def remove(self, user_id: UUID, session_id: UUID, method: FactorMethod, client: ClientInfo) -> None:
        """Take a factor away; with the last one, the backup codes go too.

        Raises:
            ReauthenticationRequiredError: the last proof of presence is too old.
            NotFoundError: the user has no such factor.
            ConflictError: it is the last one, and the password is too short to stand alone.
        """
        await self._reauthentication.require_recent(session_id)
        async with self._db.platform() as session:
            await self._locked(session, user_id)
            if await session.scalar(_REMOVE, {"user_id": user_id, "method": method}) is None:
                raise NotFoundError("second factor")
            if await self._count(session, user_id) == 0:
                if await session.scalar(_SHORT_PASSWORD, {"user_id": user_id}):
                    raise ConflictError("Your password is long enough only beside a second factor: change it first.")
                await self._backup_codes.drop(session, user_id)
            await distrust_devices(session, user_id)
            await record_event(
                session, "second_factor.removed", user_id=user_id, client=client, detail={"method": method}
            )
            await self._owner_notices.send(session, user_id, "second_factor_removed", client)

    async def replace_backup_codes(self, user_id: UUID, session_id: UUID, client: ClientInfo) -> tuple[Secret, ...]:
        """Make ten new backup codes, to be shown once; the earlier ones open nothing any more.

        Raises:
            ReauthenticationRequiredError: the last proof of presence is too old.
            ConflictError: there is no second factor that they could stand in for.
        """
        await self._reauthentication.require_recent(session_id)
        async with self._db.platform() as session:
            await self._locked(session, user_id)
            if await self._count(session, user_id) == 0:
                raise ConflictError("Backup codes replace a lost second factor: add one first.")
            codes = await self._backup_codes.replace(session, user_id)
            await record_event(session, "backup_codes.replaced", user_id=user_id, client=client)
            await self._owner_notices.send(session, user_id, "backup_codes_replaced", client)
            return codes

    async def reset(
        self, session: PlatformSession, user_id: UUID, *, actor: str, client: ClientInfo | None
    ) -> tuple[str, ...]:
        """Take all second factors and backup codes of a user away who has lost them, and end all their sessions.

        A password that is too short to stand alone goes too: its owner chooses another one by mail. For administrators
        who made sure, by other means, who asks. The user is told.

        Args:
            session: a platform session, which the caller commits.
            user_id: whose.
            actor: who does it, for the audit trail.
            client: from where.

        Returns:
            The methods that were removed.

        Raises:
            NotFoundError: there is no such user.
            NotAllowedError: it is the actor's own account.
        """
        if actor == f"user:{user_id}":
            raise NotAllowedError(
                "You cannot reset your own second factors: remove them, or ask another administrator."
            )
        if await session.scalar(_LOCK_ANY, {"user_id": user_id}) is None:
            raise NotFoundError("user")
        removed = tuple(sorted(await session.scalars(_REMOVE_ALL, {"user_id": user_id})))
        await self._backup_codes.drop(session, user_id)
        dropped = (await session.scalars(_DROP_SHORT_PASSWORD, {"user_id": user_id})).one_or_none() is not None
        ended = await self._sessions.revoke_all(session, user_id, reason="second_factors_reset")
        detail = {"methods": list(removed), "sessions_ended": ended, "password_dropped": dropped}
        await record_event(session, "second_factors.reset", user_id=user_id, actor=actor, client=client, detail=detail)
        if removed:
            await self._owner_notices.send(session, user_id, "second_factor_removed", None)
        if dropped:
            await self._owner_notices.send(session, user_id, "password_dropped", None)
        return removed

    async def _added(
        self,
        session: PlatformSession,
        user_id: UUID,
        session_id: UUID,
        method: FactorMethod,
        client: ClientInfo,
        *,
        first: bool,
    ) -> tuple[Secret, ...]:
        codes = await self._backup_codes.replace(session, user_id) if first else ()
        if first:
            await count_as_whole(session, session_id)
        await distrust_devices(session, user_id)
        await record_event(session, "second_factor.added", user_id=user_id, client=client, detail={"method": method})
        await self._owner_notices.send(session, user_id, "second_factor_added", client)
        return codes

    @staticmethod
    async def _locked(session: PlatformSession, user_id: UUID) -> str:
        row = (await session.execute(_LOCK, {"user_id": user_id})).one_or_none()
        if row is None:
            raise SessionEndedError
        email: str = row.email
        return email

    @staticmethod
    async def _count(session: PlatformSession, user_id: UUID) -> int:
        return int(await session.scalar(_COUNT, {"user_id": user_id}) or 0)


FACTOR_METHODS: Final = get_args(FactorMethod)
