"""Proof of presence: what changes how an account is opened wants one that is at most 15 minutes old."""

import datetime as dt
from typing import Final
from uuid import UUID

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import InvalidCredentialsError, SessionEndedError
from singr_auth.accounts.audit._events import noting_refusals, record_event
from singr_auth.accounts.factors._backup_codes import BackupCodes
from singr_auth.accounts.factors._totp import Totp
from singr_auth.accounts.people._users import user_by_id
from singr_auth.accounts.proofs._presence import is_whole, require_recent
from singr_auth.accounts.sign_in._completion import METHODS
from singr_auth.accounts.sign_in._guard import VERIFY_LIMIT_NAME, SignInGuard
from singr_auth.accounts.sign_in._passwords import Passwords
from singr_config import Secret
from singr_db import Database, PlatformSession, sql_text

_PROVED: Final = sql_text(
    """
    UPDATE auth_sessions
       SET authenticated_at = clock_timestamp(),
           methods = methods || ARRAY(SELECT unnest(CAST(:methods AS text[])) EXCEPT SELECT unnest(methods))
     WHERE id = :session_id AND user_id = :user_id AND revoked_at IS NULL
       AND least(idle_expires_at, expires_at) > clock_timestamp()
    RETURNING authenticated_at
    """
)


class Reauthentication:
    """Lets people prove again who they are, and asks how long ago they did.

    Args:
        db: opened.
        passwords: checks passwords, behind the guard.
        guard: counts tries at codes; fails closed.
        totp, backup_codes: check codes.
    """

    def __init__(
        self, db: Database, *, passwords: Passwords, guard: SignInGuard, totp: Totp, backup_codes: BackupCodes
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._guard = guard
        self._totp = totp
        self._backup_codes = backup_codes

    async def require_recent(self, session_id: UUID) -> None:
        """Return where this session's owner proved their presence within the last 15 minutes.

        Where a second factor is on, the session must have proved one as well, at its beginning or since.

        Raises:
            ReauthenticationRequiredError: it is longer ago, or of one factor alone, or the session has ended.
        """
        async with self._db.platform() as session:
            await require_recent(session, session_id)

    async def is_whole(self, session_id: UUID) -> bool:
        """Tell whether this session proved, whenever, what its account asks for today: a second factor where one is on.

        What gives power away takes that (`Actor.whole`).
        """
        async with self._db.platform() as session:
            return await is_whole(session, session_id)

    async def by_password(self, user_id: UUID, session_id: UUID, password: Secret, client: ClientInfo) -> dt.datetime:
        """Prove presence by password; returns when.

        Raises:
            InvalidCredentialsError: it is wrong, or the account has none.
            GuardLimitedError, GuardUnavailableError, PasswordQueueFullError: as for a sign-in.
            SessionEndedError: the session ended meanwhile.
        """
        async with self._db.platform() as session:
            user = await user_by_id(session, user_id)
        if user is None:
            raise InvalidCredentialsError
        await self._passwords.check(user, password, client, failure="reauthentication.failed")
        async with self._db.platform() as session:
            return await self.proved(session, user_id, session_id, "password", client)

    async def by_totp(self, user_id: UUID, session_id: UUID, code: str, client: ClientInfo) -> dt.datetime:
        """Prove presence by a code of the authenticator app; returns when.

        Raises:
            CodeRefusedError: the code is wrong, or was used.
            GuardLimitedError, GuardUnavailableError: too many tries, or they cannot be counted.
            SessionEndedError: the session ended meanwhile.
        """
        await self._guard.limit_of_user(
            VERIFY_LIMIT_NAME, user_id, client, self._guard.rates.two_factor_verify, session_id=session_id
        )
        async with noting_refusals(self._db, "reauthentication.failed", user_id, client, factor="totp"):
            proof = await self._totp.check(user_id, code)
            async with self._db.platform() as session:
                await self._totp.use(session, proof)
                return await self.proved(session, user_id, session_id, "totp", client)

    async def by_backup_code(
        self, user_id: UUID, session_id: UUID, code: str, client: ClientInfo
    ) -> tuple[dt.datetime, int]:
        """Prove presence by a backup code; returns when, and how many codes are left. Errors as `by_totp`."""
        await self._guard.limit_of_user(
            VERIFY_LIMIT_NAME, user_id, client, self._guard.rates.two_factor_verify, session_id=session_id
        )
        async with (
            noting_refusals(self._db, "reauthentication.failed", user_id, client, factor="backup_code"),
            self._db.platform() as session,
        ):
            left = await self._backup_codes.use(session, user_id, code, client)
            return await self.proved(session, user_id, session_id, "backup_code", client), left

    async def proved(
        self, session: PlatformSession, user_id: UUID, session_id: UUID, factor: str, client: ClientInfo
    ) -> dt.datetime:
        """Note that presence was proved, in the transaction of the proof; returns when.

        Args:
            session: the transaction that uses the proof up.
            user_id: who proved it.
            session_id: their session.
            factor: one of `METHODS`; any but the password is a second one beside what the session began with.
            client: from where.

        Raises:
            SessionEndedError: the session has ended.
        """
        methods = METHODS[factor] if factor == "password" else (*METHODS[factor], "mfa")
        row = {"user_id": user_id, "session_id": session_id, "methods": list(methods)}
        at: dt.datetime | None = await session.scalar(_PROVED, row)
        if at is None:
            raise SessionEndedError
        detail = {"factor": factor, "session_id": str(session_id)}
        await record_event(session, "reauthentication.succeeded", user_id=user_id, client=client, detail=detail)
        return at
