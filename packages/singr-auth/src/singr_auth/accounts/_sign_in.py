"""Sign-in by password: the first factor. What follows it is `SignInCompletion`'s."""

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._completion import SignInCompletion
from singr_auth.accounts._email import EmailVerification
from singr_auth.accounts._errors import EmailUnverifiedError, InvalidCredentialsError
from singr_auth.accounts._passwords import Passwords
from singr_auth.accounts._results import SignInResult
from singr_auth.accounts._sessions import Delivery
from singr_auth.accounts._users import email_subject, user_by_email
from singr_config import Secret
from singr_db import Database


class PasswordSignIn:
    """Signs in by address and password.

    Args:
        db: where accounts are kept.
        passwords: checks them behind the guard.
        verification: sends another mail to those who have not verified their address.
        completion: asks for the second factor, or opens the session.
    """

    def __init__(
        self,
        db: Database,
        *,
        passwords: Passwords,
        verification: EmailVerification,
        completion: SignInCompletion,
    ) -> None:
        self._db = db
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
        async with self._db.platform() as session:
            user = await user_by_email(session, email)
        right_for = await self._passwords.check(
            user, password, client, subject=email_subject(email), failure="sign_in.failed"
        )
        if user is None:
            raise InvalidCredentialsError  # cannot be: nothing fits where there is nobody
        if user.status == "pending":
            await self._verification.remind(user)
            raise EmailUnverifiedError
        return await self._completion.complete(
            user.id, first_factor="password", client=client, delivery=delivery, password_hash=right_for
        )
