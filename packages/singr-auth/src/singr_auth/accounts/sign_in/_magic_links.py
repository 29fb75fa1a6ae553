"""Sign-in by a link that was sent to the address, or to the verified phone, of an account."""

import msgspec

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import TokenRefusedError
from singr_auth.accounts._results import SignInResult
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.notices._notices import EmailTarget, MagicLinkByEmail, MagicLinkBySms, Notifier
from singr_auth.accounts.notices._sending import evenly, send, send_security_notice
from singr_auth.accounts.people._email_verification import EmailVerification, drop_password
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
from singr_auth.accounts.sessions._opening import Delivery
from singr_auth.accounts.sign_in._completion import SignInCompletion
from singr_auth.accounts.sign_in._guard import SignInGuard
from singr_config import Secret
from singr_db import Database, PlatformSession, Sealer


class MagicLinks:
    """Sends links that sign in once.

    Args:
        db: where accounts are kept.
        sealer: finds accounts by phone.
        guard: counts links asked for; fails closed.
        one_time: the tokens.
        notifier: sends mails and text messages.
        verification: puts pending accounts in force: who reads the mail owns the address.
        completion: asks for the second factor, or opens the session.
        ttl: seconds for which a link works.
    """

    def __init__(
        self,
        db: Database,
        *,
        sealer: Sealer,
        guard: SignInGuard,
        one_time: OneTimeTokens,
        notifier: Notifier,
        verification: EmailVerification,
        completion: SignInCompletion,
        ttl: int,
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._guard = guard
        self._one_time = one_time
        self._notifier = notifier
        self._verification = verification
        self._completion = completion
        self._ttl = ttl

    async def request_by_email(self, email: str, client: ClientInfo) -> None:
        """Send a link to this address, where it is an account's; says nothing about it.

        Raises:
            InvalidValueError: the text is no address, or none that mail can reach.
            GuardLimitedError: too many links asked for.
            GuardUnavailableError: they cannot be counted.
        """
        email = checked_email(email, self._notifier)
        await self._guard.limit_address("magic_link", client, self._guard.rates.magic_link)
        beyond = await self._guard.asked_for(
            "magic_link", email_subject(email), client.address, self._guard.rates.magic_link, lasts=self._ttl
        )
        async with evenly(), self._db.platform() as session:
            user = await user_by_email(session, email)
            owner = user if user is not None and user.status in {"active", "pending"} else None
            token = await self._one_time.issue(session, "magic_link", owner.id if owner else None, ttl=self._ttl)
            to = owner.target if owner else EmailTarget(email, "Nobody")
            if beyond:  # messages to a user are counted where they are sent, too: what others asked for is used up
                to = msgspec.structs.replace(to, user_id=None)
            notice = MagicLinkByEmail(to=to, token=token.secret, expires_in=self._ttl, address=client.address)
            await send(session, self._notifier, notice, really=owner is not None)
            await self._note_request(session, user, client, "email")

    async def request_by_sms(self, phone: str, client: ClientInfo) -> None:
        """Send a link to this phone (E.164), where an account has it verified; says nothing about it.

        Raises: as `request_by_email`.
        """
        phone = checked_phone(phone, self._notifier)
        await self._guard.limit_address("magic_link", client, self._guard.rates.magic_link)
        await self._guard.limit("magic_link.subject", f"phone:{phone}", self._guard.rates.magic_link)
        async with evenly(), self._db.platform() as session:
            user = await user_by_phone(session, self._sealer, phone)
            owner = user if user is not None and user.usable else None
            token = await self._one_time.issue(
                session, "magic_link", owner.id if owner else None, ttl=self._ttl, data=BY_SMS
            )
            user_id = owner.id if owner else NOBODY
            notice = MagicLinkBySms(phone=phone, user_id=user_id, token=token.secret, expires_in=self._ttl)
            await send(session, self._notifier, notice, really=owner is not None)
            await self._note_request(session, user, client, BY_SMS)

    async def redeem(self, token: Secret, client: ClientInfo, *, delivery: Delivery = "body") -> SignInResult:
        """Use a link up: signs in, or says which second factors there are.

        A pending account becomes active, since its owner has read a mail of ours. The password that it was registered
        with is dropped then: whoever chose it has not proved to be the same person.

        Raises:
            TokenRefusedError: unknown, expired or used, or its account is not in force.
        """
        async with self._db.platform() as session:
            found = await self._one_time.find(session, token, "magic_link")
            user = await user_by_id(session, found.user_id, lock=True)
            await self._one_time.use(session, found)
            if user is None or not self._opens(user, found):
                raise TokenRefusedError
            if user.status == "pending":
                await self._accept_pending(session, user, client)
            factor = "magic_link_sms" if found.data == BY_SMS else "magic_link"
            return await self._completion.complete_within(
                session, user.id, first_factor=factor, client=client, delivery=delivery
            )

    async def _accept_pending(self, session: PlatformSession, user: User, client: ClientInfo) -> None:
        await self._verification.proved(session, user, client)
        if await drop_password(session, user, client):
            await send_security_notice(session, self._notifier, user.target, "password_changed", client)

    @staticmethod
    def _opens(user: User, token: OneTimeToken) -> bool:
        if token.data == BY_SMS:
            return user.usable and user.phone_verified_at is not None
        return user.status in {"active", "pending"}

    @staticmethod
    async def _note_request(session: PlatformSession, user: User | None, client: ClientInfo, channel: str) -> None:
        about = user.id if user else None
        detail = {"channel": channel}
        await record_event(
            session, "magic_link.requested", user_id=about, actor="anonymous", client=client, detail=detail
        )
