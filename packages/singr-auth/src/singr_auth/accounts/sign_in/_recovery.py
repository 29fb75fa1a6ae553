"""Passwords forgotten and passwords changed. Neither signs in, so that no second factor is passed by."""

from typing import Any, Final
from uuid import UUID

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import ConflictError, InvalidCredentialsError, TokenRefusedError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.notices._notices import EmailTarget, Notifier, ResetPassword
from singr_auth.accounts.notices._sending import evenly, send, send_security_notice
from singr_auth.accounts.people._email_verification import EmailVerification
from singr_auth.accounts.people._users import User, checked_email, email_subject, user_by_email, user_by_id
from singr_auth.accounts.proofs._one_time import OneTimeTokens
from singr_auth.accounts.proofs._presence import require_whole
from singr_auth.accounts.sessions._sessions import Sessions
from singr_auth.accounts.sign_in._guard import SignInGuard
from singr_auth.accounts.sign_in._passwords import Passwords, has_second_factor
from singr_config import Secret
from singr_config.constants import TOKEN_LIFETIMES
from singr_db import Database, PlatformSession, sql_text

_SET: Final = sql_text(
    "UPDATE users SET password_hash = :hash, password_changed_at = now(), password_needs_second_factor = :short"
    " WHERE id = :id"
)
_REPLACE: Final = sql_text(
    """
    UPDATE users SET password_hash = :hash, password_changed_at = now(), password_needs_second_factor = :short
    WHERE id = :id AND status = 'active' AND password_hash = :old RETURNING id
    """
)


class PasswordRecovery:
    """Resets and changes passwords.

    Args:
        db: where accounts are kept.
        passwords: policy and hashing.
        guard: counts mails and tries; fails closed.
        one_time: the tokens.
        notifier: sends mails.
        sessions: ends them.
        verification: puts pending accounts in force: who reads the mail owns the address.
    """

    def __init__(
        self,
        db: Database,
        *,
        passwords: Passwords,
        guard: SignInGuard,
        one_time: OneTimeTokens,
        notifier: Notifier,
        sessions: Sessions,
        verification: EmailVerification,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._guard = guard
        self._one_time = one_time
        self._notifier = notifier
        self._sessions = sessions
        self._verification = verification

    async def forgot(self, email: str, client: ClientInfo) -> None:
        """Send a link to choose a new password, where this is an account's address; says nothing about it.

        Raises:
            InvalidValueError: the text is no address.
            GuardLimitedError: too many mails asked for.
            GuardUnavailableError: they cannot be counted.
        """
        email = checked_email(email)
        await self._guard.limit_address("password_reset", client, self._guard.rates.password_reset)
        await self._guard.limit("password_reset.subject", email_subject(email), self._guard.rates.password_reset)
        ttl = TOKEN_LIFETIMES.password_reset
        async with evenly(), self._db.platform() as session:
            user = await user_by_email(session, email)
            owner = user if user is not None and _may_reset(user) else None
            token = await self._one_time.issue(session, "password_reset", owner.id if owner else None, ttl=ttl)
            to = owner.target if owner else EmailTarget(email, "Nobody")
            notice = ResetPassword(to=to, token=token.secret, expires_in=ttl)
            await send(session, self._notifier, notice, really=owner is not None)
            about = user.id if user else None
            await record_event(session, "password.reset_requested", user_id=about, actor="anonymous", client=client)

    async def reset(self, token: Secret, password: Secret, client: ClientInfo) -> None:
        """Set the password by the link of a mail; ends all sessions, and no device skips the second factor any more.

        A refused password leaves the link in force. A pending account becomes active: its owner has read our mail.

        Raises:
            WeakPasswordError: the password is against the policy.
            TokenRefusedError: the token is unknown, expired or used, or its account is not in force.
            PasswordQueueFullError: too many passwords are being hashed at this moment.
        """
        self._passwords.refuse_weak(password, second_factor=True)  # too weak for anybody: no need to look further
        async with self._db.platform() as session:
            found = await self._one_time.find(session, token, "password_reset")
            user = await user_by_id(session, found.user_id)
            short = await has_second_factor(session, found.user_id)
        if user is None or not _may_reset(user):
            raise TokenRefusedError
        self._passwords.refuse_weak(password, second_factor=short, personal=(user.name, user.email))
        hashed = await self._passwords.hashed(password)
        async with self._db.platform() as session:
            user = await user_by_id(session, found.user_id, lock=True)
            await self._one_time.use(session, found)
            if user is None or not _may_reset(user):
                raise TokenRefusedError
            short = await self._short(session, user.id, password)
            await session.execute(_SET, {"id": user.id, "hash": hashed, "short": short})
            if user.status == "pending":
                await self._verification.proved(session, user, client)
            await self._guard.forgive(session, email_subject(user.email))
            await self._after(session, user, client, "password.reset")

    async def change(
        self, user_id: UUID, session_id: UUID, *, current: Secret, new: Secret, client: ClientInfo
    ) -> None:
        """Change the password of somebody who is signed in; this session stays, all others end.

        Raises:
            ReauthenticationRequiredError: this session has not proved the second factor that is on.
            WeakPasswordError: the new password is against the policy.
            InvalidCredentialsError: the current one is wrong, or there is none (a reset sets one).
            ConflictError: it was changed by somebody else meanwhile.
            GuardLimitedError: too many tries.
            GuardUnavailableError: they cannot be counted.
            PasswordQueueFullError: too many passwords are being hashed at this moment.
        """
        async with self._db.platform() as session:
            user = await user_by_id(session, user_id)
            short = await has_second_factor(session, user_id)
            if user is None or not user.usable:
                raise InvalidCredentialsError
            await require_whole(session, session_id)
        self._passwords.refuse_weak(new, second_factor=short, personal=(user.name, user.email))
        await self._passwords.check(user, current, client, failure="password.change_refused")
        hashed = await self._passwords.hashed(new)
        async with self._db.platform() as session:
            before = await user_by_id(session, user_id, lock=True)
            # The row as it is now: the check may have hashed the current password anew. A change since then shows.
            same = before is not None and before.password_changed_at == user.password_changed_at
            row: dict[str, Any] = {"id": user_id, "hash": hashed, "old": before.password_hash if before else None}
            row["short"] = await self._short(session, user_id, new)
            if not same or await session.scalar(_REPLACE, row) is None:
                raise ConflictError("The password was changed meanwhile. Sign in again.")
            await self._after(session, user, client, "password.changed", keep=session_id)

    async def _short(self, session: PlatformSession, user_id: UUID, password: Secret) -> bool:
        """Tell whether the password needs its second factor, which may have gone since it was looked for."""
        short = self._passwords.needs_second_factor(password)
        if short and not await has_second_factor(session, user_id):
            self._passwords.refuse_weak(password)
        return short

    async def _after(
        self, session: PlatformSession, user: User, client: ClientInfo, kind: str, keep: UUID | None = None
    ) -> None:
        # Links and devices of before may be in the hands of whoever made the change necessary.
        spared = client if keep else None
        await self._sessions.revoke_all(session, user.id, reason=kind, keep=keep, spared=spared)
        await record_event(session, kind, user_id=user.id, client=client)
        await send_security_notice(session, self._notifier, user.target, "password_changed", client)


def _may_reset(user: User) -> bool:
    return user.status in {"active", "pending"}
