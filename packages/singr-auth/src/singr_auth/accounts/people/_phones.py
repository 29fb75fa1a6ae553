"""A person's phone number: sealed, found by a keyed hash, and theirs once they typed the code that was sent to it."""

from typing import Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import CodeRefusedError, ConflictError, NotAllowedError, NotFoundError
from singr_auth.accounts.audit._events import noting_refusals, record_event
from singr_auth.accounts.factors._reauthentication import Reauthentication
from singr_auth.accounts.notices._notices import CodeBySms, Notifier
from singr_auth.accounts.notices._sending import OwnerNotices
from singr_auth.accounts.people._addresses import lock_phone, phone_taken_from
from singr_auth.accounts.people._users import PHONE_CONTEXT, checked_phone
from singr_auth.accounts.proofs._challenges import Challenges
from singr_auth.accounts.proofs._one_time import OneTimeTokens
from singr_auth.accounts.sign_in._guard import SEND_LIMIT_NAME, VERIFY_LIMIT_NAME, SignInGuard
from singr_config.constants import SECOND_FACTOR
from singr_db import Database, PlatformSession, Sealer, sql_text
from singr_observability import mask_phone

_METHOD: Final = "sms"

_KEEP: Final = sql_text(
    """
    UPDATE users SET phone_sealed = :sealed, phone_hash = :hash, phone_masked = :masked, phone_verified_at = now()
     WHERE id = :user_id AND status = 'active' RETURNING id
    """
)
_REMOVE: Final = sql_text(
    """
    UPDATE users SET phone_sealed = NULL, phone_hash = NULL, phone_masked = NULL, phone_verified_at = NULL
     WHERE id = :user_id AND phone_hash IS NOT NULL RETURNING id
    """
)
_LOCK: Final = sql_text("SELECT phone_hash IS NOT NULL FROM users WHERE id = :user_id FOR NO KEY UPDATE")
_VOID_CODES: Final = sql_text(
    """
    UPDATE auth_challenges SET code_hash = NULL
     WHERE user_id = :user_id AND kind = 'second_factor' AND method = 'sms' AND used_at IS NULL
    """
)
_NEEDED: Final = sql_text(
    "SELECT EXISTS (SELECT FROM second_factors WHERE user_id = :user_id AND method IN ('sms', 'verify'))"
)


class Phones:
    """Adds, verifies and removes phone numbers of people who are signed in.

    Args:
        db: opened.
        sealer: seals numbers.
        guard: counts messages and tries; fails closed.
        challenges: carry the number until it is verified.
        reauthentication: knows how long ago somebody proved their presence.
        notifier: sends codes.
        owner_notices: tells owners.
    """

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        *,
        guard: SignInGuard,
        challenges: Challenges,
        reauthentication: Reauthentication,
        notifier: Notifier,
        owner_notices: OwnerNotices,
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._guard = guard
        self._challenges = challenges
        self._reauthentication = reauthentication
        self._notifier = notifier
        self._owner_notices = owner_notices

    async def add(self, user_id: UUID, session_id: UUID, phone: str, client: ClientInfo) -> int:
        """Send a code to a number; an earlier one stays in force until the new one is verified.

        Returns:
            Seconds until the code expires.

        Raises:
            InvalidValueError: this is no number in E.164 form, or none that can exist.
            ReauthenticationRequiredError: the last proof of presence is too old.
            GuardLimitedError, GuardUnavailableError: too many messages to this user or this number, or they cannot be
                counted.
        """
        phone = checked_phone(phone, self._notifier)
        await self._reauthentication.require_recent(session_id)
        await self._guard.limit_of_user(
            SEND_LIMIT_NAME, user_id, client, self._guard.rates.two_factor_request, session_id=session_id
        )
        await self._guard.limit("phone.send", phone, self._guard.rates.two_factor_request)
        async with self._db.platform() as session:
            challenge_id = await self._challenges.replace_pending(
                session, "phone", user_id, _METHOD, f"{session_id} {phone}".encode()
            )
            code = await self._challenges.set_code(session, challenge_id, _METHOD)
            notice = CodeBySms(phone, user_id, code, SECOND_FACTOR.code_seconds, "phone")
            await self._notifier.notify(session, notice)
            detail = {"phone": mask_phone(phone)}
            await record_event(session, "phone.change_requested", user_id=user_id, client=client, detail=detail)
        return SECOND_FACTOR.code_seconds

    async def verify(self, user_id: UUID, code: str, client: ClientInfo, *, session_id: UUID | None = None) -> str:
        """Make the number that the code was sent to the user's own; returns it masked.

        Args:
            user_id: who.
            code: as typed.
            client: from where.
            session_id: the session that it is typed in, which has to be the one that asked; None: not known.

        Raises:
            CodeRefusedError: the code is wrong, expired or used, or none was asked for.
            NotAllowedError: the code is right, but another session asked for it.
            GuardLimitedError, GuardUnavailableError: too many tries, or they cannot be counted.
            ConflictError: another account has verified the number.
        """
        await self._guard.limit_of_user(
            VERIFY_LIMIT_NAME, user_id, client, self._guard.rates.two_factor_verify, session_id=session_id
        )
        async with self._db.platform() as session:
            pending = await self._challenges.pending(session, "phone", user_id, _METHOD)
        if pending is None:
            raise CodeRefusedError
        async with noting_refusals(self._db, "phone.code_refused", user_id, client):
            challenge = await self._challenges.count_attempt(pending.id)
            code_hash = self._challenges.matching(challenge, _METHOD, code)
        asked_in, _, phone = self._challenges.data(challenge).decode().rpartition(" ")
        if asked_in and session_id is not None and asked_in != str(session_id):
            raise NotAllowedError("A phone number is confirmed in the session that asked for it: type the code there.")
        masked = mask_phone(phone)
        row = {
            "user_id": user_id,
            "sealed": self._sealer.seal(phone.encode(), context=phone_context(user_id)),
            "hash": self._sealer.fingerprint(phone, context=PHONE_CONTEXT),
            "masked": masked,
        }
        try:
            async with self._db.platform() as session:
                await lock_phone(session, self._sealer, phone)
                if await phone_taken_from(session, self._sealer, phone, user_id):
                    raise _taken()
                if await session.scalar(_KEEP, row) is None:
                    raise CodeRefusedError
                await self._challenges.consume_typed(session, challenge.id, code_hash=code_hash)
                await self._void(session, user_id)
                await record_event(session, "phone.changed", user_id=user_id, client=client, detail={"phone": masked})
                await self._owner_notices.send(session, user_id, "phone_changed", client)
        except IntegrityError:
            raise _taken() from None  # by a process of the release before, which takes no lock
        return masked

    async def remove(self, user_id: UUID, session_id: UUID, client: ClientInfo) -> None:
        """Take the number away.

        Raises:
            ReauthenticationRequiredError: the last proof of presence is too old.
            NotFoundError: there is none.
            ConflictError: a second factor sends its codes there.
        """
        await self._reauthentication.require_recent(session_id)
        async with self._db.platform() as session:
            if not await session.scalar(_LOCK, {"user_id": user_id}):
                raise NotFoundError("phone number")
            if await session.scalar(_NEEDED, {"user_id": user_id}):
                raise ConflictError("A second factor sends its codes to this number: remove that factor first.")
            await session.execute(_REMOVE, {"user_id": user_id})
            await self._void(session, user_id)
            await record_event(session, "phone.removed", user_id=user_id, client=client)
            await self._owner_notices.send(session, user_id, "phone_changed", client)

    @staticmethod
    async def _void(session: PlatformSession, user_id: UUID) -> None:
        # What was sent to the number of before opens nothing any more.
        await OneTimeTokens.kill(session, user_id, "magic_link", "password_reset")
        await session.execute(_VOID_CODES, {"user_id": user_id})


def _taken() -> ConflictError:
    return ConflictError("This number belongs to another account.", field="phone")


def phone_context(user_id: UUID) -> str:
    """Return the context that `users.phone_sealed` is sealed for: its row's own."""
    return f"{PHONE_CONTEXT}:{user_id}"
