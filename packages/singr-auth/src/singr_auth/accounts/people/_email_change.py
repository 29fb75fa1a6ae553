"""Another address for an account: asked for, and confirmed, in one session.

A mail to the new address proves that somebody reads it, and no more. So neither its link nor its code does anything by
itself: they are confirmed in the session that asked, which shows that the account's owner and the reader of the mailbox
are one person. The message is of a kind of its own, so that nobody takes it for the one of a registration.
"""

import datetime as dt
from typing import Final
from uuid import UUID

from singr_auth import CodeError, check_code_form, new_code
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import (
    CodeRefusedError,
    ConflictError,
    InvalidValueError,
    NotAllowedError,
    NotFoundError,
    TokenRefusedError,
)
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.factors._reauthentication import Reauthentication
from singr_auth.accounts.notices._following import Follower
from singr_auth.accounts.notices._notices import ConfirmNewEmail, EmailTarget, Notifier
from singr_auth.accounts.notices._sending import evenly, send, send_security_notice
from singr_auth.accounts.people._addresses import lock_addresses, make_room, taken_from
from singr_auth.accounts.people._email_undo import EmailUndo
from singr_auth.accounts.people._email_verification import CODE_TRIES_A_DAY
from singr_auth.accounts.people._users import User, checked_email, email_key, mailbox_subject, user_by_id
from singr_auth.accounts.proofs._one_time import OneTimeToken, OneTimeTokens
from singr_auth.accounts.proofs._presence import require_whole
from singr_auth.accounts.sign_in._guard import SignInGuard
from singr_config import Secret
from singr_config.constants import TOKEN_LIFETIMES
from singr_db import Database, PlatformSession, Sealer, sql_text
from singr_observability import mask_email

ELSEWHERE: Final = (
    "A change of address is confirmed in the session that asked for it, and nothing has changed. Open the link in the"
    " browser where you asked, or type the code there; or ask for the change again where you are signed in now."
)
_CHANGE: Final = sql_text(
    "UPDATE users SET email = :email, email_key = :key, email_verified_at = now() WHERE id = :id AND status = 'active'"
)
_VOID_CODES: Final = sql_text(
    """
    UPDATE auth_challenges SET code_hash = NULL
     WHERE user_id = :user_id AND kind = 'second_factor' AND method = 'email' AND used_at IS NULL
    """
)


class EmailChange:
    """Moves an account to another address: the old one stays in force until the new one is confirmed.

    Args:
        db: where accounts are kept.
        sealer: keys the locks of addresses.
        guard: counts tries at codes, and mails; fails closed.
        one_time: the tokens.
        notifier: sends mails.
        undo: lets the old address take it back.
        reauthentication: asks for a recent proof of presence.
        follower: hears of the new address.
    """

    def __init__(
        self,
        db: Database,
        *,
        sealer: Sealer,
        guard: SignInGuard,
        one_time: OneTimeTokens,
        notifier: Notifier,
        undo: EmailUndo,
        reauthentication: Reauthentication,
        follower: Follower,
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._guard = guard
        self._one_time = one_time
        self._notifier = notifier
        self._undo = undo
        self._reauthentication = reauthentication
        self._follower = follower

    async def request(self, user_id: UUID, session_id: UUID, email: str, client: ClientInfo) -> None:
        """Send link and code to the new address, and word of it to the old one.

        Says nothing about whether the new address belongs to another account: then no mail goes there.

        Raises:
            InvalidValueError: no usable address, or the one that the account has.
            ReauthenticationRequiredError: the last proof of presence is too old.
            GuardLimitedError: too many changes asked for.
            GuardUnavailableError: they cannot be counted.
        """
        email = checked_email(email, self._notifier)
        await self._reauthentication.require_recent(session_id)
        await self._guard.limit("email_change.user", str(user_id), self._guard.rates.magic_link)
        await self._guard.asked_for("email_change", mailbox_subject(email), str(user_id), self._guard.rates.magic_link)
        async with evenly(), self._db.platform() as session:
            user = await _active(session, user_id)
            if email_key(email) == user.email_key:
                raise InvalidValueError("email", "is already the account's address")
            free = not await taken_from(session, email_key(email) or "", user_id)
            await self._one_time.kill(session, user_id, "email_change")
            code, ttl = new_code(), TOKEN_LIFETIMES.email_verification
            token = await self._one_time.issue(
                session, "email_change", user_id if free else None, ttl=ttl, code=code, data=f"{session_id} {email}"
            )
            to = EmailTarget(email, "", user_id)
            notice = ConfirmNewEmail(to, mask_email(user.email), token.secret, code, ttl)
            await send(session, self._notifier, notice, really=free)
            await record_event(session, "email.change_requested", user_id=user_id, client=client)
            await send_security_notice(session, self._notifier, user.target, "email_change_requested", client)

    async def confirm(self, user_id: UUID, session_id: UUID, code: str, client: ClientInfo) -> None:
        """Put the new address in force by the six digits that were sent to it, typed in the session that asked.

        Raises:
            CodeRefusedError: wrong, expired, used, or tried too often.
            NotAllowedError: this is not the session that asked.
            ReauthenticationRequiredError: a second factor was turned on since, and this session has not proved one.
            ConflictError: the address has become somebody else's meanwhile.
            GuardLimitedError: too many tries.
            GuardUnavailableError: they cannot be counted.
        """
        await self._guard.limit("email_code.user", str(user_id), self._guard.rates.two_factor_verify)
        await self._guard.limit("email_code.user_day", str(user_id), CODE_TRIES_A_DAY)
        async with self._db.platform() as session:
            tried = await self._one_time.count_try(session, user_id, "email_change")
        try:
            bare = check_code_form(code)
        except CodeError:
            bare = ""  # fits nothing; the try is counted all the same
        if not self._one_time.fits(tried, bare) or tried is None:
            async with self._db.platform() as session:
                await record_event(session, "email.code_refused", user_id=user_id, actor="anonymous", client=client)
            raise CodeRefusedError(None)
        try:
            await self._confirm(user_id, session_id, tried.token, client)
        except TokenRefusedError:
            raise CodeRefusedError(None) from None

    async def confirm_link(self, user_id: UUID, session_id: UUID, token: Secret, client: ClientInfo) -> None:
        """Put the new address in force by the token of the mail's link, presented in the session that asked.

        Raises:
            TokenRefusedError: unknown, expired or used.
            NotAllowedError, ReauthenticationRequiredError, ConflictError: as `confirm`.
        """
        async with self._db.platform() as session:
            found = await self._one_time.find(session, token, "email_change")
        await self._confirm(user_id, session_id, found, client)

    async def _confirm(self, user_id: UUID, session_id: UUID, found: OneTimeToken, client: ClientInfo) -> None:
        asked_in, _, email = found.data.rpartition(" ")
        if found.user_id != user_id or asked_in != str(session_id):
            raise NotAllowedError(ELSEWHERE)
        async with self._db.platform() as session:
            before = await user_by_id(session, user_id)
            await lock_addresses(session, self._sealer, email_key(email), before.email_key if before else None)
            user = await user_by_id(session, user_id, lock=True)
            if before is None or user is None or not user.usable or user.email_key != before.email_key:
                raise TokenRefusedError
            await require_whole(session, session_id)
            await self._one_time.use(session, found)
            await self._change(session, user, email, found.created_at, client)

    async def _change(
        self, session: PlatformSession, user: User, email: str, asked_at: dt.datetime, client: ClientInfo
    ) -> None:
        key = email_key(email) or ""
        if await taken_from(session, key, user.id):
            raise ConflictError("This address belongs to another account now.", field="email")
        # Somebody may have registered with the address but never verified it. Its owner has just done so, and in this
        # account's own session: nobody else's is removed.
        await make_room(session, key, user.id)
        await session.execute(_CHANGE, {"id": user.id, "email": email, "key": key})
        # What was sent to the old address opens nothing any more, but for the link that takes this back.
        await self._one_time.kill(session, user.id)
        await session.execute(_VOID_CODES, {"user_id": user.id})
        await record_event(session, "email.changed", user_id=user.id, client=client)
        await self._follower.account_changed(session, user.target, EmailTarget(email, user.name, user.id))
        await self._undo.offer(session, user, email, asked_at=asked_at, client=client)


async def _active(session: PlatformSession, user_id: UUID) -> User:
    user = await user_by_id(session, user_id, lock=True)
    if user is None or not user.usable:
        raise NotFoundError("account")
    return user
