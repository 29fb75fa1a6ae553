"""The second step of a sign-in: have a code sent, and prove the second factor."""

from typing import Final, Literal
from uuid import UUID

import msgspec

from singr_auth import CodeError, check_code_form
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import (
    CodeRefusedError,
    InvalidCredentialsError,
    NotAllowedError,
    TemporarilyUnavailableError,
    TokenRefusedError,
)
from singr_auth.accounts._results import SignedIn
from singr_auth.accounts.audit._events import noting_refusals, record_event
from singr_auth.accounts.factors._backup_codes import BackupCodes
from singr_auth.accounts.factors._second_factors import SentMethod
from singr_auth.accounts.factors._totp import Totp
from singr_auth.accounts.notices._notices import CodeByEmail, CodeBySms, EmailTarget, Notifier, PhoneVerifier
from singr_auth.accounts.people._phones import phone_context
from singr_auth.accounts.people._users import user_by_id
from singr_auth.accounts.proofs._challenges import Challenge, Challenges
from singr_auth.accounts.sessions._opening import Delivery
from singr_auth.accounts.sign_in._completion import NOT_OFFERED, SignInCompletion
from singr_auth.accounts.sign_in._guard import SEND_LIMIT_NAME, VERIFY_LIMIT_NAME, SignInGuard
from singr_auth.accounts.sign_in._passwords import Passwords
from singr_config import Secret
from singr_config.constants import SECOND_FACTOR
from singr_db import Database, PlatformSession, Sealer, sql_text
from singr_observability import Metrics, get_logger

SecondFactorMethod = Literal["totp", "sms", "email", "verify", "backup_code"]

_TARGET: Final = sql_text(
    """
    SELECT u.name, u.email, u.phone_sealed FROM users u
    JOIN second_factors f ON f.user_id = u.id AND f.method = :method AND f.confirmed_at IS NOT NULL
    WHERE u.id = :user_id AND u.status = 'active' AND CASE :method
        WHEN 'email' THEN u.email_verified_at IS NOT NULL ELSE u.phone_verified_at IS NOT NULL END
    """
)
_USED: Final = sql_text(
    """
    UPDATE second_factors SET last_used_at = clock_timestamp()
     WHERE user_id = :user_id AND method = :method AND confirmed_at IS NOT NULL RETURNING method
    """
)
_log = get_logger("singr_auth.accounts")


class _Answer(msgspec.Struct, frozen=True):
    """What was typed, and how the tokens are to be handed over."""

    method: SecondFactorMethod
    code: str
    client: ClientInfo
    remember_device: bool
    delivery: Delivery


class SecondFactorSignIn:
    """Lets a sign-in that waits for its second factor go on.

    Of each challenge five tries count, of each user ten in a quarter of an hour, apart for known devices; both are
    counted before anything is compared, the second one fails closed.

    Args:
        db: opened.
        sealer: opens numbers.
        guard: counts messages and tries; fails closed.
        challenges, totp, backup_codes, completion, passwords: the parts it is made of.
        notifier: sends codes.
        phone_verifier: sends and checks codes by itself; None: there is none.
        metrics: counts sign-ins by method and outcome.
    """

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        *,
        guard: SignInGuard,
        challenges: Challenges,
        totp: Totp,
        backup_codes: BackupCodes,
        completion: SignInCompletion,
        passwords: Passwords,
        notifier: Notifier,
        phone_verifier: PhoneVerifier | None,
        metrics: Metrics,
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._guard = guard
        self._challenges = challenges
        self._totp = totp
        self._backup_codes = backup_codes
        self._completion = completion
        self._passwords = passwords
        self._notifier = notifier
        self._verifier = phone_verifier
        self._counter = metrics.auth_total

    async def send(self, challenge_token: Secret, method: SentMethod, client: ClientInfo) -> int:
        """Send a code; it takes the place of an earlier one.

        Returns:
            Seconds until the code expires.

        Raises:
            TokenRefusedError: the challenge is unknown, expired or used, or has no tries or messages left.
            NotAllowedError: the challenge does not offer this factor.
            GuardLimitedError, GuardUnavailableError: too many messages to this user, or they cannot be counted.
            TemporarilyUnavailableError: the verification service does not answer.
        """
        async with self._db.platform() as session:
            challenge = await self._challenges.find(session, challenge_token, "second_factor")
        user_id = _user_of(challenge)
        await self._guard.limit_of_user(SEND_LIMIT_NAME, user_id, client, self._guard.rates.two_factor_request)
        async with self._db.platform() as session:
            phone = await self._send(session, challenge, user_id, method, client)
        if phone is not None and self._verifier is not None:
            try:
                await self._verifier.start(phone)
            except Exception as error:
                _log.error("the verification service sends no code: {}", type(error).__name__)
                raise TemporarilyUnavailableError("The verification service does not answer.") from error
        return SECOND_FACTOR.code_seconds

    async def verify(
        self,
        challenge_token: Secret,
        method: SecondFactorMethod,
        code: str,
        client: ClientInfo,
        *,
        remember_device: bool = False,
        delivery: Delivery = "body",
    ) -> SignedIn:
        """Prove the second factor, and sign in.

        Args:
            challenge_token: as the first factor's answer gave it.
            method: which factor.
            code: as typed.
            client: from where.
            remember_device: this device needs no second factor from now on.
            delivery: how the tokens will be handed over.

        Raises:
            TokenRefusedError: the challenge is unknown, expired or used.
            NotAllowedError: the challenge does not offer this factor.
            CodeRefusedError: the code is wrong, expired or used; says how many tries the challenge takes still.
            GuardLimitedError, GuardUnavailableError: too many tries by this user, or they cannot be counted.
            TemporarilyUnavailableError: the verification service does not answer.
        """
        async with self._db.platform() as session:
            found = await self._challenges.find(session, challenge_token, "second_factor")
        user_id = _user_of(found)
        await self._guard.limit_of_user(VERIFY_LIMIT_NAME, user_id, client, self._guard.rates.two_factor_verify)
        answer = _Answer(method, code, client, remember_device, delivery)
        try:
            async with noting_refusals(self._db, "second_factor.failed", user_id, client, method=method):
                challenge = await self._challenges.count_attempt(found.id)
                return await self._proved(challenge, user_id, answer)
        except CodeRefusedError:
            self._counter.labels(method, "refused").inc()
            raise

    async def verify_password(
        self,
        challenge_token: Secret,
        password: Secret,
        client: ClientInfo,
        *,
        remember_device: bool = False,
        delivery: Delivery = "body",
    ) -> SignedIn:
        """Prove the password as the second step, where the first one came by the only other channel; as `verify`.

        Raises:
            InvalidCredentialsError: it is wrong; this takes one of the challenge's tries as well.
            PasswordQueueFullError: too many passwords are being checked at this moment.
            TokenRefusedError, NotAllowedError, CodeRefusedError, GuardLimitedError, GuardUnavailableError: as `verify`.
        """
        async with self._db.platform() as session:
            found = await self._challenges.find(session, challenge_token, "second_factor")
            user_id = _user_of(found)
            if "password" not in await self._completion.offered(session, user_id, found.first_factor or ""):
                raise NotAllowedError(NOT_OFFERED)
            user = await user_by_id(session, user_id)
        if user is None:
            raise TokenRefusedError
        await self._guard.limit_of_user(VERIFY_LIMIT_NAME, user_id, client, self._guard.rates.two_factor_verify)
        challenge = await self._challenges.count_attempt(found.id)
        try:
            right_for = await self._passwords.check(user, password, client, failure="second_factor.failed")
        except InvalidCredentialsError:
            self._counter.labels("password", "refused").inc()
            raise
        async with self._db.platform() as session:
            return await self._completion.complete_second(
                session,
                challenge,
                second_factor="password",
                client=client,
                password_hash=right_for,
                remember_device=remember_device,
                delivery=delivery,
            )

    async def _proved(self, challenge: Challenge, user_id: UUID, answer: _Answer) -> SignedIn:
        method, code, client = answer.method, answer.code, answer.client
        left = challenge.attempts_left
        proof = await self._totp.check(user_id, code, attempts_left=left) if method == "totp" else None
        code_hash = self._challenges.matching(challenge, method, code) if method in {"sms", "email"} else None
        if method == "verify":
            await self._check_elsewhere(challenge, user_id, code)
        async with self._db.platform() as session:
            result = await self._completion.complete_second(
                session,
                challenge,
                second_factor=method,
                client=client,
                code_hash=code_hash,
                remember_device=answer.remember_device,
                delivery=answer.delivery,
            )
            if proof is not None:
                await self._totp.use(session, proof, attempts_left=left)
            elif method == "backup_code":
                codes_left = await self._backup_codes.use(session, user_id, code, client, attempts_left=left)
                result = msgspec.structs.replace(result, backup_codes_left=codes_left)
            elif await session.scalar(_USED, {"user_id": user_id, "method": method}) is None:
                raise CodeRefusedError  # the factor was removed meanwhile
        return result

    async def _send(
        self, session: PlatformSession, challenge: Challenge, user_id: UUID, method: SentMethod, client: ClientInfo
    ) -> str | None:
        """Send a code in the caller's transaction; or return the number that the service is to send one to."""
        row = (await session.execute(_TARGET, {"user_id": user_id, "method": method})).one_or_none()
        offered = await self._completion.offered(session, user_id, challenge.first_factor or "")
        if row is None or method not in offered or (method == "verify" and self._verifier is None):
            raise NotAllowedError(NOT_OFFERED)
        expires_in = SECOND_FACTOR.code_seconds
        await record_event(
            session, "second_factor.code_sent", user_id=user_id, client=client, detail={"method": method}
        )
        if method == "email":
            code = await self._challenges.set_code(session, challenge.id, method)
            to = EmailTarget(row.email, row.name, user_id)
            await self._notifier.notify(session, CodeByEmail(to, code, expires_in))
            return None
        phone = self._phone(user_id, row.phone_sealed)
        if method == "verify":
            await self._challenges.set_sent_elsewhere(session, challenge.id, method)
            return phone
        code = await self._challenges.set_code(session, challenge.id, method)
        await self._notifier.notify(session, CodeBySms(phone, user_id, code, expires_in, "second_factor"))
        return None

    async def _check_elsewhere(self, challenge: Challenge, user_id: UUID, code: str) -> None:
        async with self._db.platform() as session:
            row = (await session.execute(_TARGET, {"user_id": user_id, "method": "verify"})).one_or_none()
        if row is None or self._verifier is None or challenge.method != "verify" or not challenge.code_in_force:
            raise CodeRefusedError(challenge.attempts_left)
        try:
            bare = check_code_form(code)
        except CodeError:
            raise CodeRefusedError(challenge.attempts_left) from None
        try:
            right = await self._verifier.check(self._phone(user_id, row.phone_sealed), bare)
        except Exception as error:
            _log.error("the verification service checks no code: {}", type(error).__name__)
            raise TemporarilyUnavailableError("The verification service does not answer.") from error
        if not right:
            raise CodeRefusedError(challenge.attempts_left)

    def _phone(self, user_id: UUID, sealed: bytes) -> str:
        return self._sealer.open(bytes(sealed), context=phone_context(user_id)).decode()


def _user_of(challenge: Challenge) -> UUID:
    if challenge.user_id is None or challenge.first_factor is None:
        raise TokenRefusedError
    return challenge.user_id
