"""The address of a registration: verify it by link or by code, ask for another mail."""

from typing import Final

from singr_auth import CodeError, TokenError, TokenKind, check_code_form, new_code, parse_token
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import CodeRefusedError, TokenRefusedError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.notices._notices import EmailTarget, Notifier, ResetPassword, VerifyEmail, WelcomeUser
from singr_auth.accounts.notices._sending import evenly, send
from singr_auth.accounts.people._users import User, email_key, email_subject, mailbox_subject, user_by_email, user_by_id
from singr_auth.accounts.proofs._one_time import CodeTry, OneTimeToken, OneTimeTokens, Purpose
from singr_auth.accounts.sign_in._guard import SignInGuard
from singr_config import Secret
from singr_config.constants import TOKEN_LIFETIMES, RateLimit
from singr_db import Database, PlatformSession, sql_text

CODE_TRIES_A_DAY: Final = RateLimit(20, 86_400)
"""Codes that may be tried for one address: five for each mail, and this in all, however many mails are asked for."""

_VERIFY: Final = sql_text("UPDATE users SET status = 'active', email_verified_at = now() WHERE id = :id")
_DROP_PASSWORD: Final = sql_text(
    "UPDATE users SET password_hash = NULL, password_changed_at = NULL WHERE id = :id AND password_hash IS NOT NULL"
    " RETURNING id"
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
        """Use up a mail's link: verifies the address of a registration, and does nothing else.

        Where an address was registered with several passwords before it was verified, nobody knows whose the last one
        is: it is dropped, and the address's owner is sent a link to choose one.

        Returns:
            Whether the account's password was kept.

        Raises:
            TokenRefusedError: unknown, expired, used, or for another purpose.
        """
        _refuse_change(token)
        async with self._db.platform() as session:
            found = await self._one_time.find(session, token, "email_verification")
            return await self._apply(session, found, client)

    async def verify_code(self, email: str, code: str, client: ClientInfo) -> bool:
        """Verify the address of a registration by the six digits beside the link; returns as `verify_link`.

        Raises:
            CodeRefusedError: wrong, expired, used, tried too often, or there is nothing to verify.
            GuardLimitedError: too many tries.
            GuardUnavailableError: they cannot be counted.
        """
        await self._guard.limit_address("email_code", client, self._guard.rates.two_factor_verify)
        await self._guard.limit("email_code.subject", email_subject(email), CODE_TRIES_A_DAY)
        async with evenly():
            async with self._db.platform() as session:
                user = await user_by_email(session, email)
                tried = await self._one_time.count_try(session, user.id if user else None, "email_verification")
            return await self._finish_code(tried, code, client)

    async def resend(self, email: str, client: ClientInfo) -> None:
        """Send link and code once more, where this is a pending account's address; says nothing about it.

        Raises:
            GuardLimitedError: too many mails asked for.
            GuardUnavailableError: they cannot be counted.
        """
        await self._guard.limit_address("email_resend", client, self._guard.rates.magic_link)
        await self._guard.limit("email_resend.subject", mailbox_subject(email), self._guard.rates.magic_link)
        async with evenly(), self._db.platform() as session:
            user = await user_by_email(session, email)
            pending = user if user is not None and user.status == "pending" else None
            to = pending.target if pending else EmailTarget(email_key(email) or "nobody@singrkaraoke.com", "Nobody")
            await self._send(session, to, "email_verification", really=pending is not None)
            about = user.id if user else None
            await record_event(session, "email.resend_requested", user_id=about, actor="anonymous", client=client)

    async def remind(self, user: User, client: ClientInfo) -> None:
        """Send a pending account's owner, who knew the password, another mail; not more often than `resend` would."""
        room = await self._guard.has_room(
            "email_resend.subject", mailbox_subject(user.email), self._guard.rates.magic_link
        )
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

    async def _finish_code(self, tried: CodeTry | None, code: str, client: ClientInfo) -> bool:
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
        return user.status == "active" or await self._begin(session, user, client)

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

    async def _send(self, session: PlatformSession, to: EmailTarget, purpose: Purpose, *, really: bool = True) -> None:
        code, ttl = new_code(), TOKEN_LIFETIMES.email_verification
        token = await self._one_time.issue(session, purpose, to.user_id, ttl=ttl, code=code)
        notice = VerifyEmail(to=to, token=token.secret, code=code, expires_in=ttl)
        await send(session, self._notifier, notice, really=really)


async def drop_password(session: PlatformSession, user: User, client: ClientInfo) -> bool:
    """Take the password away whose chooser has not proved to own the address; tells whether there was one."""
    if await session.scalar(_DROP_PASSWORD, {"id": user.id}) is None:
        return False
    await record_event(session, "password.dropped", user_id=user.id, client=client)
    return True


def _refuse_change(token: Secret) -> None:
    """Say what to do with the link of a change of address, which is good for nothing here."""
    try:
        parse_token(TokenKind.EMAIL_CHANGE, token.reveal())
    except TokenError:
        return
    raise TokenRefusedError(
        "This link confirms a change of address, and nothing has changed: open it in the browser where the change was"
        " asked for, while signed in there. If you did not ask for it, no action is needed."
    )
