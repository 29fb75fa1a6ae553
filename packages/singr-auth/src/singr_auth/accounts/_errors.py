"""What the flows raise. None of them says whether an account exists to a caller who has not proved to own it."""

from typing import Literal

from singr_config import PortableError

InvalidValueCode = Literal["invalid", "malformed", "out_of_range", "unknown_value", "not_found", "taken", "unchanged"]


class AccountError(PortableError):
    """Base of all errors of accounts and organizations."""


class InvalidCredentialsError(AccountError):
    """Unknown account, wrong password or unusable account: deliberately one error for all of them."""

    def __init__(self) -> None:
        super().__init__("The address or the password is wrong, or the account cannot be used.")


class EmailUnverifiedError(AccountError):
    """The password is right, but the address has not been verified yet; a new message is on its way."""

    def __init__(self) -> None:
        super().__init__("The e-mail address is not verified yet: use the link or the code that was sent to it.")


class TokenRefusedError(AccountError):
    """A one-time token or challenge is unknown, expired or used: one error for all of them."""

    def __init__(self, message: str = "This link or token is unknown, expired or was used before.") -> None:
        super().__init__(message)


class CodeRefusedError(AccountError):
    """A code is wrong, expired or used.

    Attributes:
        attempts_left: how many more tries this code or challenge takes; 0: ask for a new one; None: not told, since
            the number would say whether there is such an account.
    """

    def __init__(self, attempts_left: int | None = 0) -> None:
        remedy = "Check it, or ask for a new one." if attempts_left is None else "Try again."
        if attempts_left == 0:
            remedy = "Ask for a new one."
        super().__init__(f"The code is wrong, expired or was used before. {remedy}")
        self.attempts_left = attempts_left


class PasskeyRefusedError(AccountError):
    """A passkey is unknown, or its proof is wrong, or its account cannot be used: one error for all of them."""

    def __init__(self) -> None:
        super().__init__("This passkey is not accepted here. Try another one, or another way to sign in.")


class RefreshReusedError(AccountError):
    """A refresh token came a second time: its session has been ended, and its owner told."""

    def __init__(self) -> None:
        super().__init__("This refresh token was used before, so its session has ended: sign in again.")


class SessionEndedError(AccountError):
    """The session is unknown, was ended, or has expired."""

    def __init__(self) -> None:
        super().__init__("The session has ended: sign in again.")


class ReauthenticationRequiredError(AccountError):
    """The action wants a proof of presence that is at most 15 minutes old, and as strong as the account asks for.

    Args:
        second_factor: the proof is there, but of one factor alone, and a second one is on.
    """

    def __init__(self, *, second_factor: bool = False) -> None:
        how = " by an authenticator's code, a backup code or a passkey, since a second factor is on"
        super().__init__(f"Prove again who you are first{how if second_factor else ''}: POST /v1/auth/reauthenticate.")


class GuardLimitedError(AccountError):
    """Too many tries at something that guards a secret.

    Attributes:
        retry_after: seconds until the next try is admitted.
        limit: how many there may be in a window; None where that is no fixed number.
    """

    def __init__(self, retry_after: int, limit: int | None = None) -> None:
        super().__init__(f"Too many tries. Wait {retry_after} seconds.")
        self.retry_after = retry_after
        self.limit = limit


class GuardUnavailableError(AccountError):
    """A limit that guards passwords or codes cannot be counted right now, so nothing is let through."""

    def __init__(self) -> None:
        super().__init__("Try again in a moment: until attempts can be counted again, none is allowed.")


class TemporarilyUnavailableError(AccountError):
    """Something that this needs does not answer right now; the same request may be repeated."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} Try again in a moment.")


class NotAllowedError(AccountError):
    """The caller is known but may not do this; the message says what it would take."""


class ConflictError(AccountError):
    """The change meets a state that excludes it; the message says which.

    Attributes:
        field: the field to look at, or "".
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NotFoundError(AccountError):
    """There is no such thing, as far as the caller may know.

    Attributes:
        what: what was looked for, such as "session".
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}.")
        self.what = what


class InvalidValueError(AccountError):
    """A value cannot be taken; names the field and what would be right.

    Attributes:
        code: what is wrong, in a word for programs: `malformed`, `out_of_range`, `unknown_value`, `not_found`, `taken`,
            `unchanged`, or `invalid` where only the message tells.
    """

    def __init__(self, field: str, message: str, *, code: InvalidValueCode = "invalid") -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message
        self.code: InvalidValueCode = code
