"""Sign-in by password: the first factor. What follows it is `SignInCompletion`'s."""

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import EmailUnverifiedError
from singr_auth.accounts._results import SignInResult
from singr_auth.accounts.people._email_verification import EmailVerification
from singr_auth.accounts.sessions._opening import Delivery
from singr_auth.accounts.sign_in._completion import SignInCompletion
from singr_auth.accounts.sign_in._guard import SignInGuard
from singr_auth.accounts.sign_in._passwords import Passwords
from singr_config import Secret


class PasswordSignIn:
    """Signs in by address and password.

    Args:
        guard: admits tries.
        passwords: checks them.
        verification: sends another mail to those who have not verified their address.
        completion: asks for the second factor, or opens the session.
    """

    def __init__(
        self,
        *,
        guard: SignInGuard,
        passwords: Passwords,
        verification: EmailVerification,
        completion: SignInCompletion,
    ) -> None:
        self._guard = guard
        self._passwords = passwords
        self._verification = verification
        self._completion = completion

    async def sign_in(
        self, email: str, password: Secret, client: ClientInfo, *, delivery: Delivery = "body"
    ) -> SignInResult:
        """Sign in, or say which second factors there are.

        Unknown, disabled and password-less accounts and wrong passwords get one answer, after the same work.

        Raises:
            InvalidCredentialsError: that one answer.
            EmailUnverifiedError: the password is right, the address is still to be verified; a mail is on its way.
            GuardLimitedError: too many tries.
            GuardUnavailableError: they cannot be counted.
            PasswordQueueFullError: too many passwords are being checked at this moment.
        """
        user, admission = await self._guard.admit_by_email(email, client)
        right = await self._passwords.verify(user, password, client, admission=admission, failure="sign_in.failed")
        if right.user.status == "pending":
            await self._passwords.settle(right)
            await self._verification.remind(right.user, client)
            raise EmailUnverifiedError
        if right.renewed is None:
            signed_in = await self._completion.complete_at_once(
                right.user.id,
                client=client,
                delivery=delivery,
                password_hash=right.stored,
                subject_hash=right.admission.subject_hash,
            )
            if signed_in is not None:
                return signed_in
        right_for = await self._passwords.settle(right)
        return await self._completion.complete(
            right.user.id, first_factor="password", client=client, delivery=delivery, password_hash=right_for
        )
