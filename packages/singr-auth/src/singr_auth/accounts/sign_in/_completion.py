"""The end of every sign-in: whatever the first factor was, here it is decided whether a second one has to follow."""

from typing import Final
from uuid import UUID

from singr_auth import AccessTokenIssuer
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import InvalidCredentialsError, NotAllowedError, TokenRefusedError
from singr_auth.accounts._results import SecondFactorRequired, SignedIn, SignInResult
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.notices._sending import OwnerNotices
from singr_auth.accounts.proofs._challenges import CHALLENGE_SECONDS, Challenge, Challenges
from singr_auth.accounts.sessions._devices import Devices
from singr_auth.accounts.sessions._opening import Delivery, OpenedSession, Proof, SessionOpening
from singr_db import Database, PlatformSession, sql_text
from singr_observability import Metrics

METHODS: Final[dict[str, tuple[str, ...]]] = {
    "password": ("pwd",),
    "magic_link": ("email",),
    "magic_link_sms": ("sms",),
    "passkey": ("swk",),
    "hardware_passkey": ("hwk",),
    "totp": ("otp",),
    "sms": ("sms",),
    "verify": ("sms",),
    "email": ("email",),
    "backup_code": ("otp",),
}
"""What each factor is called in `amr` (RFC 8176; `email`, which it does not name, is ours)."""

_SAME_CHANNEL: Final[dict[str, frozenset[str]]] = {
    "magic_link": frozenset({"email"}),
    "magic_link_sms": frozenset({"sms", "verify"}),
    "passkey": frozenset({"passkey"}),
    "hardware_passkey": frozenset({"passkey"}),
}
NOT_OFFERED: Final = "This sign-in cannot be finished that way: choose one of the challenge's methods."
NOTHING_LEFT: Final = (
    "The second factor of this account is sent where this link was sent, and it has nothing else to prove: choose a"
    " password (POST /v1/auth/password/forgot), and sign in with that. The link has not been used up."
)
_PREFERENCE: Final = ("totp", "passkey", "verify", "sms", "email", "password")

_LOCK_USER: Final = sql_text(
    """
    SELECT id FROM users
    WHERE id = :user_id AND status = 'active'
      AND password_hash IS NOT DISTINCT FROM coalesce(CAST(:password_hash AS text), password_hash)
    FOR NO KEY UPDATE
    """
)
_FACTORS: Final = sql_text(
    """
    SELECT ARRAY(SELECT method FROM second_factors WHERE user_id = :user_id AND confirmed_at IS NOT NULL) AS methods,
           EXISTS (SELECT FROM users WHERE id = :user_id AND password_hash IS NOT NULL) AS password,
           EXISTS (SELECT FROM passkeys WHERE user_id = :user_id) AS passkey,
           EXISTS (SELECT FROM backup_codes WHERE user_id = :user_id AND used_at IS NULL) AS backup_code
    """
)


class SignInCompletion:
    """Turns proved factors into a session, or into the demand for a second factor.

    Args:
        db: opened.
        issuer: makes access tokens.
        opening, devices, challenges, owner_notices: the parts it is made of.
        metrics: counts sign-ins by method and outcome.
    """

    def __init__(
        self,
        db: Database,
        issuer: AccessTokenIssuer,
        *,
        opening: SessionOpening,
        devices: Devices,
        challenges: Challenges,
        owner_notices: OwnerNotices,
        metrics: Metrics,
    ) -> None:
        self._db = db
        self._issuer = issuer
        self._opening = opening
        self._devices = devices
        self._challenges = challenges
        self._owner_notices = owner_notices
        self._counter = metrics.auth_total

    async def complete_at_once(
        self,
        user_id: UUID,
        *,
        client: ClientInfo,
        delivery: Delivery,
        password_hash: str,
        subject_hash: bytes,
    ) -> SignedIn | None:
        """Sign a user in by a password that was right, where that is all there is to it, in one round trip.

        Args:
            user_id: who.
            client: from where.
            delivery: how the tokens will be handed over.
            password_hash: the hash that the password was right for.
            subject_hash: whose failures are forgotten (see `Admission`).

        Returns:
            None where nothing was done: `complete` has to find out what more is to be asked or said.
        """
        proof = Proof(user_id, METHODS["password"], ("password",), client, delivery)
        opened = await self._opening.at_once(proof, password_hash=password_hash, subject_hash=subject_hash)
        return None if opened is None else self._signed_in(proof, opened)

    async def complete(
        self,
        user_id: UUID,
        *,
        first_factor: str,
        client: ClientInfo,
        strong: bool = False,
        delivery: Delivery = "body",
        password_hash: str | None = None,
    ) -> SignInResult:
        """Sign a user in whose first factor was proved just now; arguments and errors as `complete_within`."""
        async with self._db.platform() as session:
            return await self.complete_within(
                session,
                user_id,
                first_factor=first_factor,
                client=client,
                strong=strong,
                delivery=delivery,
                password_hash=password_hash,
            )

    async def complete_within(
        self,
        session: PlatformSession,
        user_id: UUID,
        *,
        first_factor: str,
        client: ClientInfo,
        strong: bool = False,
        delivery: Delivery = "body",
        password_hash: str | None = None,
    ) -> SignInResult:
        """Sign a user in, in the caller's transaction: hand the result out only once that is committed.

        Args:
            session: say, the transaction that uses a link up.
            user_id: whose first factor was proved.
            first_factor: one of `METHODS`.
            client: from where; a device that its owner trusts needs no second factor.
            strong: the first factor counts as two: a passkey that verified its user.
            delivery: how the tokens will be handed over.
            password_hash: the hash that the password was right for: one that was changed since does not count.

        Raises:
            InvalidCredentialsError: the account cannot be used, or its password was changed meanwhile.
            NotAllowedError: there is a second factor, and nothing that could follow this first one.
        """
        proved = METHODS[first_factor]
        parameters = {"user_id": user_id, "password_hash": password_hash}
        if await session.scalar(_LOCK_USER, parameters) is None:
            raise InvalidCredentialsError
        if strong:
            proof = Proof(user_id, (*proved, "user", "mfa"), (first_factor,), client, delivery)
            return await self._sign_in(session, proof)
        offered = await self.offered(session, user_id, first_factor)
        if offered and not await self._devices.trusts(session, user_id, client):
            _, token = await self._challenges.create(
                session, "second_factor", user_id=user_id, first_factor=first_factor
            )
            await record_event(
                session,
                "sign_in.second_factor_required",
                user_id=user_id,
                actor="anonymous",
                client=client,
                detail={"factors": [first_factor]},
            )
            self._counter.labels(first_factor, "second_factor_required").inc()
            return SecondFactorRequired(token.secret, offered, CHALLENGE_SECONDS)
        return await self._sign_in(session, Proof(user_id, proved, (first_factor,), client, delivery))

    async def complete_second(
        self,
        session: PlatformSession,
        challenge: Challenge,
        *,
        second_factor: str,
        client: ClientInfo,
        code_hash: bytes | None = None,
        password_hash: str | None = None,
        remember_device: bool = False,
        delivery: Delivery = "body",
    ) -> SignedIn:
        """Sign in the user of a challenge whose second factor was proved, in the caller's transaction.

        Args:
            session: the transaction that uses the second factor up. Nothing in it may be locked before this.
            challenge: of kind `second_factor`; it is used up here.
            second_factor: one of `METHODS`.
            client: from where.
            code_hash: as `Challenges.consume`.
            password_hash: the hash that the second factor was right for, where that is the password.
            remember_device: this device skips the second factor from now on.
            delivery: how the tokens will be handed over.

        Raises:
            TokenRefusedError: the challenge was used or has expired, or the account cannot be used any more.
            NotAllowedError: this factor is none that the challenge offered.
        """
        user_id, first_factor = challenge.user_id, challenge.first_factor
        if user_id is None or first_factor is None or challenge.kind != "second_factor":
            raise TokenRefusedError
        if await session.scalar(_LOCK_USER, {"user_id": user_id, "password_hash": password_hash}) is None:
            raise TokenRefusedError
        # A backup code shows itself whether it is there, when it is used up.
        if second_factor != "backup_code":
            offered = await self.offered(session, user_id, first_factor)
            if second_factor.removeprefix("hardware_") not in offered:
                raise NotAllowedError(NOT_OFFERED)
        await self._challenges.consume(session, challenge.id, code_hash=code_hash)
        methods = tuple(dict.fromkeys((*METHODS[first_factor], *METHODS[second_factor], "mfa")))
        proof = Proof(user_id, methods, (first_factor, second_factor), client, delivery, remember_device)
        return await self._sign_in(session, proof)

    @staticmethod
    async def offered(session: PlatformSession, user_id: UUID, first_factor: str) -> tuple[str, ...]:
        """Return what may follow; nothing where the user has confirmed no second factor.

        What came by one channel is not proved again by the same one: a mailbox alone, or a phone alone, opens nothing.
        Where no other channel is left, it is the password that has to follow a link.

        Raises:
            NotAllowedError: there is a second factor, and nothing that could follow.
        """
        row = (await session.execute(_FACTORS, {"user_id": user_id})).one()
        if not row.methods:
            return ()
        there = {*row.methods, *(("passkey",) if row.passkey else ())}
        offered = there - _SAME_CHANNEL.get(first_factor, frozenset())
        if not offered and row.password:
            offered = {"password"}
        methods = tuple(method for method in _PREFERENCE if method in offered)
        methods = (*methods, "backup_code") if row.backup_code else methods
        if not methods:
            raise NotAllowedError(NOTHING_LEFT)
        return methods

    async def _sign_in(self, session: PlatformSession, proof: Proof) -> SignedIn:
        opened = await self._opening.within(session, proof)
        if opened.stranger:
            await self._owner_notices.send(session, proof.user_id, "new_device", proof.client)
        if proof.trust_device:
            await self._owner_notices.send(session, proof.user_id, "device_trusted", proof.client)
        return self._signed_in(proof, opened)

    def _signed_in(self, proof: Proof, opened: OpenedSession) -> SignedIn:
        access = self._issuer.issue(
            proof.user_id,
            opened.session_id,
            methods=proof.methods,
            authenticated_at=opened.authenticated_at,
            expires_by=opened.expires_at,
        )
        for factor in proof.factors:
            self._counter.labels(factor, "accepted").inc()
        return SignedIn(
            user_id=proof.user_id,
            session_id=opened.session_id,
            access_token=access.token,
            expires_in=access.expires_in,
            refresh_token=opened.refresh_token,
            refresh_expires_in=opened.refresh_expires_in,
            device_token=opened.device_token,
            known_device=opened.device_token is None,
        )
