"""Passwords forgotten and passwords changed. Neither signs in, so that no second factor is passed by."""

from typing import Any, Final
from uuid import UUID

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import ConflictError, InvalidCredentialsError, TokenRefusedError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.notices._notices import EmailTarget, Notifier, ResetPassword, ResetPasswordBySms
from singr_auth.accounts.notices._sending import evenly, send, send_security_notice
from singr_auth.accounts.people._email_verification import EmailVerification
from singr_auth.accounts.people._users import (
    User,
    checked_email,
    checked_phone,
    email_subject,
    user_by_email,
    user_by_id,
    user_by_phone,
)
from singr_auth.accounts.proofs._one_time import BY_SMS, NOBODY, OneTimeToken, OneTimeTokens
from singr_auth.accounts.proofs._presence import require_whole
from singr_auth.accounts.sessions._sessions import Sessions
from singr_auth.accounts.sign_in._guard import SignInGuard
from singr_auth.accounts.sign_in._passwords import Passwords, has_second_factor
from singr_config import Secret
from singr_config.constants import TOKEN_LIFETIMES
from singr_db import Database, PlatformSession, Sealer, sql_text

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

# A phone that gets the codes of the second factor and the link to the password would be both factors.
_PHONE_IS_A_FACTOR: Final = sql_text(
    "SELECT EXISTS (SELECT FROM second_factors WHERE user_id = :user_id AND method IN ('sms', 'verify'))"
)


class PasswordRecovery:
    """Resets and changes passwords.

    Args:
        db: where accounts are kept.
        sealer: finds accounts by phone.
        passwords: policy and hashing.
        guard: counts mails and tries; fails closed.
        one_time: the tokens.
        notifier: sends mails and text messages.
        sessions: ends them.
        verification: puts pending accounts in force: who reads the mail owns the address.
    """

    def __init__(
        self,
        db: Database,
        *,
        sealer: Sealer,
        passwords: Passwords,
        guard: SignInGuard,
        one_time: OneTimeTokens,
        notifier: Notifier,
        sessions: Sessions,
        verification: EmailVerification,
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._passwords = passwords
        self._guard = guard
        self._one_time = one_time
        self._notifier = notifier
        self._sessions = sessions
        self._verification = verification

    async def forgot(self, email: str, client: ClientInfo) -> None:
        """Send a link to choose a new password, where this is an account's address; says nothing about it.

        Raises:
            InvalidValueError: the text is no address, or none that mail can reach.
            GuardLimitedError: too many mails asked for.
            GuardUnavailableError: they cannot be counted.
        """
        email = checked_email(email, self._notifier)
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
            await _note_request(session, user, client, "email")

    async def forgot_by_sms(self, phone: str, client: ClientInfo) -> None:
        """Send a link to choose a new password to this phone, where an account has it verified; says nothing about it.

        Nothing goes to a phone that gets the codes of its account's second factor: it would be both factors.

        Raises:
            InvalidValueError: this is no number in E.164 form, or none that messages go to.
            GuardLimitedError: too many messages asked for.
            GuardUnavailableError: they cannot be counted.
        """
        phone = checked_phone(phone, self._notifier)
        await self._guard.limit_address("password_reset", client, self._guard.rates.password_reset)
        await self._guard.limit("password_reset.subject", f"phone:{phone}", self._guard.rates.password_reset)
        ttl = TOKEN_LIFETIMES.password_reset_sms
        async with evenly(), self._db.platform() as session:
            user = await user_by_phone(session, self._sealer, phone)
            opens = await self._phone_opens(session, user)
            owner = user if opens else None
            user_id = owner.id if owner else None
            token = await self._one_time.issue(session, "password_reset", user_id, ttl=ttl, data=BY_SMS)
            notice = ResetPasswordBySms(phone=phone, user_id=user_id or NOBODY, token=token.secret, expires_in=ttl)
            await send(session, self._notifier, notice, really=owner is not None)
            await _note_request(session, user, client, BY_SMS)

    async def reset(self, token: Secret, password: Secret, client: ClientInfo) -> None:
        """Set the password by the link of a message; ends all sessions, and no device skips the second factor any more.

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
            if user is None or not await self._opens(session, user, found):
                raise TokenRefusedError
        self._passwords.refuse_weak(password, second_factor=short, personal=(user.name, user.email))
        hashed = await self._passwords.hashed(password)
        async with self._db.platform() as session:
            user = await user_by_id(session, found.user_id, lock=True)
            await self._one_time.use(session, found)
            if user is None or not await self._opens(session, user, found):
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

    async def _opens(self, session: PlatformSession, user: User, token: OneTimeToken) -> bool:
        return await self._phone_opens(session, user) if token.data == BY_SMS else _may_reset(user)

    @staticmethod
    async def _phone_opens(session: PlatformSession, user: User | None) -> bool:
        """Whether a link on an account's phone may set its password; asks the same of nobody."""
        both = await session.scalar(_PHONE_IS_A_FACTOR, {"user_id": user.id if user else NOBODY})
        return user is not None and user.usable and user.phone_verified_at is not None and not both

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


async def _note_request(session: PlatformSession, user: User | None, client: ClientInfo, channel: str) -> None:
    await record_event(
        session,
        "password.reset_requested",
        user_id=user.id if user else None,
        actor="anonymous",
        client=client,
        detail={"channel": channel},
    )


def _may_reset(user: User) -> bool:
    return user.status in {"active", "pending"}
