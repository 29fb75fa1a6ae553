"""Which error of which package becomes which problem."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import psycopg
import redis
import sqlalchemy.exc
from litestar.exceptions import HTTPException

from singr_api.http.account_problems import ACCOUNT_PROBLEMS
from singr_api.http.problems import (
    BODY_TOO_LARGE,
    CHALLENGE,
    IN_PROGRESS,
    INTERNAL_ERROR,
    JOB_ENDED,
    JOB_EXISTS,
    KEY_REUSED,
    MALFORMED_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    NOT_ALLOWED,
    NOT_FOUND,
    ORGANIZATION_FORBIDDEN,
    RATE_LIMITED,
    REQUEST_REPLAYED,
    SCOPE_MISSING,
    SIGNATURE_REFUSED,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    FieldError,
    Problem,
    header_error,
    invalid,
    refused,
    unauthenticated,
)
from singr_auth import OrganizationError, ScopeError, SignatureError
from singr_auth.accounts import CredentialError
from singr_db import is_outage
from singr_db.pages import InvalidCursor
from singr_jobs import (
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    IntakeError,
    JobEndedError,
    JobExistsError,
    JobNotFoundError,
    NonceReplayedError,
    ReservedError,
)


def problem_of(error: BaseException) -> Problem | None:
    """Return what an error of any package means to the caller; None: it is a fault of ours (500)."""
    if isinstance(error, Problem):
        return error
    for kind in type(error).__mro__:
        translate = _TRANSLATIONS.get(kind)
        if translate is not None:
            return translate(error)
    return None


E_ = TypeVar("E_", bound=BaseException)
_TRANSLATIONS: dict[type[BaseException], Callable[[Any], Problem | None]] = dict(ACCOUNT_PROBLEMS)


def _translates(*kinds: type[E_]) -> Callable[[Callable[[E_], Problem | None]], Callable[[E_], Problem | None]]:
    def register(function: Callable[[E_], Problem | None]) -> Callable[[E_], Problem | None]:
        _TRANSLATIONS.update(dict.fromkeys(kinds, function))
        return function

    return register


@_translates(SignatureError)
def _signature(error: SignatureError) -> Problem:
    refusal = header_error(error.header, error.message, error.code)
    return refused(SIGNATURE_REFUSED, refusal, headers={"www-authenticate": CHALLENGE})


@_translates(CredentialError)
def _credential(error: CredentialError) -> Problem:
    return unauthenticated(error.message, header_error("x-api-key", error.message, error.code))


@_translates(NonceReplayedError)
def _replayed(_: NonceReplayedError) -> Problem:
    message = "This nonce was used before: sign each request anew, with a nonce of its own."
    error = header_error("x-singr-nonce", message, "replayed")
    return refused(REQUEST_REPLAYED, error, headers={"www-authenticate": CHALLENGE})


@_translates(ScopeError)
def _scope(error: ScopeError) -> Problem:
    return Problem(SCOPE_MISSING, f"{error} Ask an operator for a credential that has it.")


@_translates(OrganizationError)
def _organization(_: OrganizationError) -> Problem:
    message = "The credential belongs to another organization; name its own, or leave the field out."
    return refused(ORGANIZATION_FORBIDDEN, FieldError("organization_id", message, "body", "forbidden"))


@_translates(IntakeError)
def _intake(error: IntakeError) -> Problem:
    field = f"payload.{error.field}" if error.field else "payload"
    return invalid(FieldError(field, error.message, "body", error.code))


@_translates(ReservedError)
def _reserved(error: ReservedError) -> Problem:
    detail = "This speaks for the platform, or leads away from it: an organization cannot ask for it. See errors."
    return refused(NOT_ALLOWED, FieldError(f"payload.{error.field}", error.message, "body", "forbidden"), detail)


@_translates(IdempotencyMismatchError)
def _mismatch(_: IdempotencyMismatchError) -> Problem:
    message = "This key was used for another method, path or body: take a new key for a new request."
    return refused(KEY_REUSED, header_error("idempotency-key", message, "key_reused"))


@_translates(IdempotencyInProgressError)
def _in_progress(_: IdempotencyInProgressError) -> Problem:
    message = "The first request with this key has no answer yet: ask again in a second, with the same key."
    error = header_error("idempotency-key", message, "in_progress")
    return refused(IN_PROGRESS, error, headers={"retry-after": "1"})


@_translates(JobNotFoundError)
def _no_job(_: JobNotFoundError) -> Problem:
    message = "There is no such job in this organization."
    return refused(NOT_FOUND, FieldError("job_id", message, "path", "not_found"))


@_translates(JobExistsError)
def _exists(_: JobExistsError) -> Problem:
    message = "This id is taken: make a new one, or leave it out."
    return refused(JOB_EXISTS, FieldError("id", message, "body", "taken"))


@_translates(JobEndedError)
def _ended(error: JobEndedError) -> Problem:
    return Problem(JOB_ENDED, f"The job is {error.status} already and cannot be cancelled any more.")


@_translates(InvalidCursor)
def _cursor(_: InvalidCursor) -> Problem:
    return invalid(FieldError("cursor", "must be next_cursor of the page before, unchanged", "query", "malformed"))


@_translates(redis.RedisError, ConnectionError, TimeoutError)
def _away(_: BaseException) -> Problem:
    return Problem(
        UNAVAILABLE,
        "A store that this needs does not answer. Nothing is lost: try again, with the same Idempotency-Key.",
        headers={"retry-after": "1"},
    )


@_translates(psycopg.Error, sqlalchemy.exc.SQLAlchemyError)
def _database(error: Exception) -> Problem | None:
    return _away(error) if is_outage(error) else None


# What the framework itself refuses is the plainest of its status: no problem of accounts is ever meant.
_BY_STATUS: Final = {
    kind.status: kind
    for kind in (
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        NOT_ACCEPTABLE,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        RATE_LIMITED,
        MALFORMED_REQUEST,
    )
}
_DETAILS: Final = {
    400: "The request cannot be read. Check its path, query and headers.",
    404: "No route has this address. The routes are listed at /schema.",
    405: "See the Allow header for the methods that this address takes.",
    413: "Send less at once.",
    415: "Send application/json.",
}


@_translates(HTTPException)
def _framework(error: HTTPException) -> Problem | None:
    # The framework's own words are not passed on: they may repeat what the caller sent, a token in the query included.
    kind = _BY_STATUS.get(error.status_code)
    if kind is None or error.status_code >= INTERNAL_ERROR.status:
        return None
    return Problem(kind, _DETAILS.get(error.status_code, kind.title + "."))
