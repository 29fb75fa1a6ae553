"""The e-mail address: verify it by link or by code, ask for another mail, change it."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from singr_auth import CodeError, check_code_form, new_code
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import (
    CodeRefusedError,
    ConflictError,
    InvalidValueError,
    NotFoundError,
    TokenRefusedError,
)
from singr_auth.accounts._events import record_event
from singr_auth.accounts._failures import SignInGuard
from singr_auth.accounts._notices import EmailTarget, Notifier, ResetPassword, VerifyEmail, WelcomeUser
from singr_auth.accounts._one_time import CodeTry, OneTimeToken, OneTimeTokens, Purpose
from singr_auth.accounts._reauthentication import Reauthentication
from singr_auth.accounts._telling import evenly, tell, tell_of_change
from singr_auth.accounts._users import (
    User,
    checked_email,
    email_key,
    email_subject,
    user_by_email,
    user_by_id,
)
from singr_config import Secret
from singr_config.constants import RATE_LIMITS, TOKEN_LIFETIMES, RateLimit
from singr_db import Database, PlatformSession

CODE_TRIES_A_DAY: Final = RateLimit(20, 86_400)
"""Codes that may be tried for one address: five for each mail, and this in all, however many mails are asked for."""

_VERIFY: Final = text("UPDATE users SET status = 'active', email_verified_at = now() WHERE id = :id")
_DROP_PASSWORD: Final = text(
    "UPDATE users SET password_hash = NULL, password_changed_at = NULL WHERE id = :id AND password_hash IS NOT NULL"
    " RETURNING id"
)
_MAKE_ROOM: Final = text("DELETE FROM users WHERE email_key = :key AND status = 'pending' AND id <> :id")
_CHANGE: Final = text(
    "UPDATE users SET email = :email, email_key = :key, email_verified_at = now() WHERE id = :id AND status = 'active'"
)

# Whoever signs out by themselves may still follow the link; a session that was ended by others takes its wishes along.
_TAKEN_AWAY: Final = text(
    """
    SELECT EXISTS (SELECT FROM auth_sessions WHERE id = CAST(:session_id AS uuid) AND revoked_reason <> 'sign_out')
    """
)
_VOID_CODES: Final = text(
    """
    UPDATE auth_challenges SET code_hash = NULL
     WHERE user_id = :user_id AND kind = 'second_factor' AND method = 'email' AND used_at IS NULL
    """
)


class EmailVerification:
    """Proves that an address is its owner's.

    Args:
        db: where accounts are kept.
        guard: counts tries at codes, and mails; fails closed.
        one_time: the tokens.
        notifier: sends mails.
    """

    def __init__(self, db: Database, *, guard: SignInGuard, one_time: OneTimeTokens, notifier: Notifier) -> None:
        self._db = db
        self._guard = guard
        self._one_time = one_time
        self._notifier = notifier

    async def verify_link(self, token: Secret, client: ClientInfo) -> bool:
        """Use up a mail's link: verifies the address of a registration, or puts a new address in force.

        Where an address was registered with several passwords before it was verified, nobody knows whose the last one
        is: it is dropped, and the address's owner is sent a link to choose one.

        Returns:
            Whether the account's password was kept.

        Raises:
            TokenRefusedError: unknown, expired or used.
            ConflictError: the new address has become somebody else's meanwhile.
        """
        async with self._db.platform() as session:
            found = await self._one_time.find(session, token, "email_verification", "email_change")
            return await self._apply(session, found, client)

    async def verify_code(self, email: str, code: str, client: ClientInfo) -> bool:
        """Verify the address of a registration by the six digits beside the link; returns as `verify_link`.

        Raises:
            CodeRefusedError: wrong, expired, used, tried too often, or there is nothing to verify.
            GuardLimitedError: too many tries.
            GuardUnavailableError: they cannot be counted.
        """
        await self._guard.limit("email_code.address", client.address, RATE_LIMITS.two_factor_verify)
        await self._guard.limit("email_code.subject", email_subject(email), CODE_TRIES_A_DAY)
        async with evenly():
            async with self._db.platform() as session:
                user = await user_by_email(session, email)
                tried = await self._one_time.count_try(session, user.id if user else None, "email_verification")
            return await self.finish_code(tried, code, client)

    async def resend(self, email: str, client: ClientInfo) -> None:
        """Send link and code once more, where this is a pending account's address; says nothing about it.

        Raises:
            GuardLimitedError: too many mails asked for.
            GuardUnavailableError: they cannot be counted.
        """
        await self._guard.limit("email_resend.address", client.address, RATE_LIMITS.magic_link)
        await self._guard.limit("email_resend.subject", email_subject(email), RATE_LIMITS.magic_link)
        async with evenly(), self._db.platform() as session:
            user = await user_by_email(session, email)
            pending = user if user is not None and user.status == "pending" else None
            to = pending.target if pending else EmailTarget(email_key(email) or "nobody@singrkaraoke.com", "Nobody")
            await self._send(session, to, "email_verification", really=pending is not None)
            about = user.id if user else None
            await record_event(session, "email.resend_requested", user_id=about, actor="anonymous", client=client)

    async def remind(self, user: User, client: ClientInfo) -> None:
        """Send a pending account's owner, who knew the password, another mail; not more often than `resend` would."""
        room = await self._guard.has_room("email_resend.subject", email_subject(user.email), RATE_LIMITS.magic_link)
        async with self._db.platform() as session:
            await record_event(session, "sign_in.unverified", user_id=user.id, actor="anonymous", client=client)
            if room:
                await self._send(session, user.target, "email_verification")

    async def proved(self, session: PlatformSession, user: User, client: ClientInfo) -> None:
        """Put a pending account in force, whose owner has just read a mail of ours; in the caller's transaction."""
        await session.execute(_VERIFY, {"id": user.id})
        await self._one_time.kill(session, user.id, "email_verification")
        await record_event(session, "email.verified", user_id=user.id, client=client)
        await self._notifier.notify(session, WelcomeUser(to=user.target, account_type=user.account_type))

    async def finish_code(self, tried: CodeTry | None, code: str, client: ClientInfo) -> bool:
        """Compare a code whose try was counted and committed, and do what its token is for; returns as `verify_link`.

        Raises:
            CodeRefusedError: it does not fit, or somebody else was first.
            ConflictError: the new address has become somebody else's meanwhile.
        """
        try:
            code = check_code_form(code)
        except CodeError:
            code = ""  # fits nothing; the try is counted all the same
        if not self._one_time.fits(tried, code) or tried is None:
            async with self._db.platform() as session:
                about = tried.token.user_id if tried else None
                await record_event(session, "email.code_refused", user_id=about, actor="anonymous", client=client)
            raise CodeRefusedError(None)
        try:
            async with self._db.platform() as session:
                return await self._apply(session, tried.token, client)
        except TokenRefusedError:
            raise CodeRefusedError(None) from None

    async def _apply(self, session: PlatformSession, token: OneTimeToken, client: ClientInfo) -> bool:
        user = await user_by_id(session, token.user_id, lock=True)
        await self._one_time.use(session, token)
        if user is None or user.status not in {"pending", "active"}:
            raise TokenRefusedError
        if token.purpose == "email_verification":
            return user.status == "active" or await self._begin(session, user, client)
        await self._change(session, user, token.data, client)
        return True

    async def _begin(self, session: PlatformSession, user: User, client: ClientInfo) -> bool:
        await self.proved(session, user, client)
        # A later registration overwrites the password, and with it the time at which it was set.
        if user.password_changed_at in {None, user.created_at}:
            return True
        await drop_password(session, user, client)
        ttl = TOKEN_LIFETIMES.password_reset
        token = await self._one_time.issue(session, "password_reset", user.id, ttl=ttl)
        await self._notifier.notify(session, ResetPassword(to=user.target, token=token.secret, expires_in=ttl))
        return False

    async def _change(self, session: PlatformSession, user: User, asked: str, client: ClientInfo) -> None:
        session_id, _, email = asked.rpartition(" ")
        if session_id and await session.scalar(_TAKEN_AWAY, {"session_id": session_id}):
            raise TokenRefusedError  # whoever asked for it was thrown out since
        row = {"id": user.id, "email": email, "key": email_key(email)}
        # Somebody may have registered with the address but never verified it; its owner has just done so.
        await session.execute(_MAKE_ROOM, row)
        try:
            await session.execute(_CHANGE, row)
        except IntegrityError:
            raise ConflictError("This address belongs to another account now.", field="email") from None
        # What was sent to the old address opens nothing any more.
        await self._one_time.kill(session, user.id)
        await session.execute(_VOID_CODES, {"user_id": user.id})
        await record_event(session, "email.changed", user_id=user.id, client=client)
        await tell_of_change(session, self._notifier, user.target, "email_changed", client)

    async def _send(self, session: PlatformSession, to: EmailTarget, purpose: Purpose, *, really: bool = True) -> None:
        code, ttl = new_code(), TOKEN_LIFETIMES.email_verification
        token = await self._one_time.issue(session, purpose, to.user_id, ttl=ttl, code=code)
        notice = VerifyEmail(to=to, token=token.secret, code=code, expires_in=ttl)
        await tell(session, self._notifier, notice, really=really)


async def drop_password(session: PlatformSession, user: User, client: ClientInfo) -> bool:
    """Take the password away whose chooser has not proved to own the address; tells whether there was one."""
    if await session.scalar(_DROP_PASSWORD, {"id": user.id}) is None:
        return False
    await record_event(session, "password.dropped", user_id=user.id, client=client)
    return True


class EmailChange:
    """Moves an account to another address: the old one stays in force until the new one is verified.

    Args:
        db: where accounts are kept.
        guard: counts tries at codes, and mails; fails closed.
        one_time: the tokens.
        notifier: sends mails.
        verification: puts the new address in force.
        reauthentication: asks for a recent proof of presence.
    """

    def __init__(
        self,
        db: Database,
        *,
        guard: SignInGuard,
        one_time: OneTimeTokens,
        notifier: Notifier,
        verification: EmailVerification,
        reauthentication: Reauthentication,
    ) -> None:
        self._db = db
        self._guard = guard
        self._one_time = one_time
        self._notifier = notifier
        self._verification = verification
        self._reauthentication = reauthentication

    async def request(self, user_id: UUID, session_id: UUID, email: str, client: ClientInfo) -> None:
        """Send link and code to the new address, and word of it to the old one.

        Says nothing about whether the new address belongs to another account: then no mail goes there.

        Raises:
            InvalidValueError: no usable address, or the one that the account has.
            ReauthenticationRequiredError: the last proof of presence is too old.
            GuardLimitedError: too many changes asked for.
            GuardUnavailableError: they cannot be counted.
        """
        email = checked_email(email)
        await self._reauthentication.require_recent(session_id)
        await self._guard.limit("email_change.user", str(user_id), RATE_LIMITS.magic_link)
        await self._guard.limit("email_change.subject", email_subject(email), RATE_LIMITS.magic_link)
        async with evenly(), self._db.platform() as session:
            user = await _active(session, user_id)
            if email_key(email) == user.email_key:
                raise InvalidValueError("email", "is the address that the account has", code="unchanged")
            taken = await user_by_email(session, email)
            free = taken is None or taken.status == "pending"
            await self._one_time.kill(session, user_id, "email_change")
            code, ttl = new_code(), TOKEN_LIFETIMES.email_verification
            token = await self._one_time.issue(
                session, "email_change", user_id if free else None, ttl=ttl, code=code, data=f"{session_id} {email}"
            )
            to = EmailTarget(email, user.name, user_id)
            notice = VerifyEmail(to=to, token=token.secret, code=code, expires_in=ttl)
            await tell(session, self._notifier, notice, really=free)
            await record_event(session, "email.change_requested", user_id=user_id, client=client)
            await tell_of_change(session, self._notifier, user.target, "email_change_requested", client)

    async def confirm(self, user_id: UUID, code: str, client: ClientInfo) -> None:
        """Put the new address in force by the six digits that were sent to it.

        Raises:
            CodeRefusedError: wrong, expired, used, or tried too often.
            ConflictError: the address has become somebody else's meanwhile.
            GuardLimitedError: too many tries.
            GuardUnavailableError: they cannot be counted.
        """
        await self._guard.limit("email_code.user", str(user_id), RATE_LIMITS.two_factor_verify)
        await self._guard.limit("email_code.user_day", str(user_id), CODE_TRIES_A_DAY)
        async with self._db.platform() as session:
            tried = await self._one_time.count_try(session, user_id, "email_change")
        await self._verification.finish_code(tried, code, client)


async def _active(session: PlatformSession, user_id: UUID) -> User:
    user = await user_by_id(session, user_id, lock=True)
    if user is None or not user.usable:
        raise NotFoundError("account")
    return user
