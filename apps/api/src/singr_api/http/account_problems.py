"""What the errors of accounts and organizations mean to the caller."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from singr_api.http.problems import (
    CHALLENGE,
    CODE_REFUSED,
    CONFLICT,
    EMAIL_UNVERIFIED,
    GUARD_UNAVAILABLE,
    NOT_ALLOWED,
    NOT_FOUND,
    ONE_TIME_TOKEN_REFUSED,
    PASSKEY_REFUSED,
    RATE_LIMITED,
    REAUTHENTICATION_REQUIRED,
    REFRESH_TOKEN_REUSED,
    SESSION_ENDED,
    SIGN_IN_REFUSED,
    UNAVAILABLE,
    FieldError,
    Kind,
    Problem,
    invalid,
)
from singr_auth import PasswordQueueFullError, WeakPasswordError
from singr_auth.accounts import (
    CodeRefusedError,
    ConflictError,
    EmailUnverifiedError,
    GuardLimitedError,
    GuardUnavailableError,
    InvalidCredentialsError,
    InvalidValueError,
    NotAllowedError,
    NotFoundError,
    PasskeyRefusedError,
    ReauthenticationRequiredError,
    RefreshReusedError,
    SessionEndedError,
    TemporarilyUnavailableError,
    TokenRefusedError,
)

Translate = Callable[[Any], Problem]


def _says(kind: Kind) -> Translate:
    """The error's own words are fit for the caller."""
    return lambda error: Problem(kind, str(error))


def _challenges(kind: Kind) -> Translate:
    return lambda error: Problem(kind, str(error), headers={"www-authenticate": CHALLENGE})


def _limited(error: GuardLimitedError) -> Problem:
    wait = max(1, error.retry_after)
    policy = {} if error.limit is None else {"ratelimit-policy": f'"guard";q={error.limit}'}
    return Problem(
        RATE_LIMITED, str(error), headers={"retry-after": str(wait), "ratelimit": f'"guard";r=0;t={wait}', **policy}
    )


def _later(kind: Kind) -> Translate:
    return lambda error: Problem(kind, str(error), headers={"retry-after": "1"})


def _conflict(error: ConflictError) -> Problem:
    fields = (FieldError(error.field, str(error), "body", "taken"),) if error.field else ()
    return Problem(CONFLICT, str(error), errors=fields)


def _invalid_value(error: InvalidValueError) -> Problem:
    return invalid(FieldError(error.field, error.message, "body", error.code))


def _weak(error: WeakPasswordError) -> Problem:
    return invalid(FieldError("password", error.message, "body", error.code))


ACCOUNT_PROBLEMS: Final[Mapping[type[BaseException], Translate]] = {
    CodeRefusedError: _says(CODE_REFUSED),
    ConflictError: _conflict,
    EmailUnverifiedError: _says(EMAIL_UNVERIFIED),
    GuardLimitedError: _limited,
    InvalidCredentialsError: _challenges(SIGN_IN_REFUSED),
    InvalidValueError: _invalid_value,
    NotAllowedError: _says(NOT_ALLOWED),
    NotFoundError: _says(NOT_FOUND),
    PasskeyRefusedError: _says(PASSKEY_REFUSED),
    ReauthenticationRequiredError: _says(REAUTHENTICATION_REQUIRED),
    RefreshReusedError: _challenges(REFRESH_TOKEN_REUSED),
    SessionEndedError: _challenges(SESSION_ENDED),
    TokenRefusedError: _says(ONE_TIME_TOKEN_REFUSED),
    TemporarilyUnavailableError: _later(UNAVAILABLE),
    GuardUnavailableError: _later(GUARD_UNAVAILABLE),
    PasswordQueueFullError: _later(UNAVAILABLE),
    WeakPasswordError: _weak,
}
"""One line for each error of accounts: a new one is added here, with a kind of its own in `kinds.py`."""
