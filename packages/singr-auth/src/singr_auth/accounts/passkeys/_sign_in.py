"""Signing in with a passkey: by it alone, or by it as the second factor."""

from typing import Any
from uuid import UUID

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import NotAllowedError, PasskeyRefusedError, TokenRefusedError
from singr_auth.accounts._results import SignedIn, SignInResult
from singr_auth.accounts.passkeys._forms import PasskeyAssertion
from singr_auth.accounts.passkeys._proofs import PasskeyProofs
from singr_auth.accounts.proofs._challenges import Challenge, Challenges
from singr_auth.accounts.sessions._opening import Delivery
from singr_auth.accounts.sign_in._completion import SignInCompletion
from singr_auth.accounts.sign_in._guard import VERIFY_LIMIT_NAME, SignInGuard
from singr_config import Secret
from singr_db import Database
from singr_observability import Metrics


class PasskeySignIn:
    """Sign-ins by passkey. Where the passkey verified its user, it counts as both factors.

    Args:
        db: opened.
        proofs: judges proofs.
        guard: counts tries at second factors; fails closed.
        challenges: the sign-ins that wait for a second factor.
        completion: ends sign-ins, or asks for the second factor.
        metrics: counts sign-ins by method and outcome.
    """

    def __init__(
        self,
        db: Database,
        *,
        proofs: PasskeyProofs,
        guard: SignInGuard,
        challenges: Challenges,
        completion: SignInCompletion,
        metrics: Metrics,
    ) -> None:
        self._db = db
        self._proofs = proofs
        self._guard = guard
        self._refused = metrics.auth_total.labels("passkey", "refused")
        self._challenges = challenges
        self._completion = completion

    async def options(self) -> dict[str, Any]:
        """Return `PublicKeyCredentialRequestOptionsJSON` for whoever comes, good for five minutes and one answer."""
        return await self._proofs.sign_in_options()

    async def sign_in(
        self, assertion: PasskeyAssertion, client: ClientInfo, *, delivery: Delivery = "body"
    ) -> SignInResult:
        """Sign in whoever the passkey belongs to.

        Raises:
            TokenRefusedError: the options are unknown, expired or used.
            PasskeyRefusedError: unknown passkey, wrong proof or unusable account.
            InvalidCredentialsError: the account became unusable at this moment.
        """
        try:
            proved = await self._proofs.sign_in(assertion, client)
        except PasskeyRefusedError:
            self._refused.inc()
            raise
        return await self._completion.complete(
            proved.user_id,
            first_factor=proved.factor,
            client=client,
            strong=proved.user_verified,
            delivery=delivery,
        )

    async def second_factor_options(self, challenge_token: Secret) -> dict[str, Any]:
        """Return `PublicKeyCredentialRequestOptionsJSON` that name the passkeys of whoever is signing in.

        Raises:
            TokenRefusedError: no sign-in waits under this token.
            NotAllowedError: its first factor was a passkey already.
        """
        _, user_id = await self._waiting(challenge_token)
        return await self._proofs.second_factor_options(user_id, challenge_token)

    async def second_factor(
        self,
        challenge_token: Secret,
        assertion: PasskeyAssertion,
        client: ClientInfo,
        *,
        remember_device: bool = False,
        delivery: Delivery = "body",
    ) -> SignedIn:
        """Finish a sign-in; takes one of its tries, before the proof is judged.

        Raises:
            TokenRefusedError: no sign-in waits under this token, or it was finished at this moment.
            NotAllowedError: its first factor was a passkey already.
            GuardLimitedError, GuardUnavailableError: too many tries by this user, or they cannot be counted.
            CodeRefusedError: the tries of this sign-in are used up.
            PasskeyRefusedError: it is no proof by a passkey of this person for this sign-in.
        """
        found, user_id = await self._waiting(challenge_token)
        await self._guard.limit_of_user(VERIFY_LIMIT_NAME, user_id, client, self._guard.rates.two_factor_verify)
        challenge = await self._challenges.count_attempt(found.id)
        try:
            proved = await self._proofs.second_factor(user_id, challenge_token, assertion, client)
        except PasskeyRefusedError:
            self._refused.inc()
            raise
        async with self._db.platform() as session:
            return await self._completion.complete_second(
                session,
                challenge,
                second_factor=proved.factor,
                client=client,
                remember_device=remember_device,
                delivery=delivery,
            )

    async def _waiting(self, challenge_token: Secret) -> tuple[Challenge, UUID]:
        async with self._db.platform() as session:
            challenge = await self._challenges.find(session, challenge_token, "second_factor")
        if challenge.user_id is None:
            raise TokenRefusedError
        if challenge.first_factor in {"passkey", "hardware_passkey"}:
            raise NotAllowedError("A passkey was the first factor: use another method as the second.")
        return challenge, challenge.user_id
