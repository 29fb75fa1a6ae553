"""Every error a caller can see: problem details (RFC 9457), and which error of which package becomes which problem."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar

import msgspec
import psycopg
import psycopg_pool
import redis
import sqlalchemy.exc
from litestar.exceptions import HTTPException

from singr_auth import OrganizationError, ScopeError, SignatureError
from singr_auth.accounts import CredentialError
from singr_db.pages import InvalidCursor
from singr_jobs import (
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    IntakeError,
    JobEndedError,
    JobExistsError,
    JobNotFoundError,
    NonceReplayedError,
)

Location = Literal["body", "query", "path", "header"]
BASE: Final = "https://singrkaraoke.com/problems/"
CONTENT_TYPE: Final = "application/problem+json"
CHALLENGE: Final = 'ApiKey realm="singr", Singr-HMAC-SHA256 realm="singr"'


class FieldError(msgspec.Struct, frozen=True):
    """One thing that is wrong, where it is, and what would be right."""

    field: str
    message: str
    location: Location


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an error answers: application/problem+json (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: tuple[FieldError, ...] = ()


class Kind(msgspec.Struct, frozen=True):
    """A kind of problem: its `type` is `BASE` + slug, and stays for ever."""

    slug: str
    status: int
    title: str


MALFORMED_BODY: Final = Kind("malformed-body", 400, "The body is not well-formed")
MALFORMED_REQUEST: Final = Kind("malformed-request", 400, "The request is not well-formed")
KEY_MISSING: Final = Kind("idempotency-key-missing", 400, "The request needs an idempotency key")
UNAUTHENTICATED: Final = Kind("unauthenticated", 401, "Who is calling is not proved")
SIGNATURE_REFUSED: Final = Kind("signature-refused", 401, "The signature is refused")
REQUEST_REPLAYED: Final = Kind("request-replayed", 401, "This request was received before")
SCOPE_MISSING: Final = Kind("scope-missing", 403, "The credential may not do this")
ORGANIZATION_FORBIDDEN: Final = Kind("organization-forbidden", 403, "The credential may not act for this organization")
NOT_FOUND: Final = Kind("not-found", 404, "There is nothing here")
METHOD_NOT_ALLOWED: Final = Kind("method-not-allowed", 405, "This address does not take this method")
NOT_ACCEPTABLE: Final = Kind("not-acceptable", 406, "The answer has no form that the caller accepts")
TOO_SLOW: Final = Kind("request-timeout", 408, "The request took too long to arrive")
IN_PROGRESS: Final = Kind("idempotency-in-progress", 409, "The first request with this key is still running")
JOB_EXISTS: Final = Kind("job-exists", 409, "There is a job with this id")
JOB_ENDED: Final = Kind("job-ended", 409, "The job has ended")
BODY_TOO_LARGE: Final = Kind("body-too-large", 413, "The body is too large")
UNSUPPORTED_MEDIA_TYPE: Final = Kind("unsupported-media-type", 415, "The body is of the wrong media type")
INVALID: Final = Kind("invalid", 422, "Some of the request is not valid")
KEY_REUSED: Final = Kind("idempotency-key-reused", 422, "The idempotency key belongs to another request")
RATE_LIMITED: Final = Kind("rate-limited", 429, "Too many requests")
INTERNAL_ERROR: Final = Kind("internal-error", 500, "Something went wrong on our side")
UNAVAILABLE: Final = Kind("unavailable", 503, "The service cannot do this right now")

KINDS: Final = tuple(value for value in list(globals().values()) if isinstance(value, Kind))


class Problem(Exception):  # noqa: N818 - the standard's own word
    """Raise it anywhere in the API: it becomes the answer."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.kind.status


def invalid(*errors: FieldError) -> Problem:
    """Some fields are not valid: all of them, each with what would be right."""
    what = "One field is not valid." if len(errors) == 1 else f"{len(errors)} fields are not valid."
    return Problem(INVALID, f"{what} See errors.", errors=errors)


def header_error(name: str, message: str) -> FieldError:
    """A header is wrong."""
    return FieldError(name, message, "header")


def unauthenticated(detail: str, *errors: FieldError) -> Problem:
    """Nobody, or nobody known, is calling."""
    return Problem(UNAUTHENTICATED, detail, errors=errors, headers={"www-authenticate": CHALLENGE})


def render(problem: Problem, *, instance: str, request_id: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers (with content type and length) and body of the answer."""
    body = _encode(
        ProblemDocument(
            type=BASE + problem.kind.slug,
            title=problem.kind.title,
            status=problem.status,
            detail=problem.detail,
            instance=instance,
            request_id=request_id,
            errors=problem.errors,
        )
    )
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in problem.headers.items()]
    return (
        problem.status,
        [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            *headers,
        ],
        body,
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


def internal_error() -> Problem:
    """A fault of ours: the request id leads to it in the logs, nothing else is said."""
    return Problem(INTERNAL_ERROR, "It is logged under the request id. Try again; if it stays, tell us that id.")


_encode = msgspec.json.Encoder().encode
E_ = TypeVar("E_", bound=BaseException)
_TRANSLATIONS: dict[type[BaseException], Callable[[Any], Problem | None]] = {}


def _translates(*kinds: type[E_]) -> Callable[[Callable[[E_], Problem | None]], Callable[[E_], Problem | None]]:
    def register(function: Callable[[E_], Problem | None]) -> Callable[[E_], Problem | None]:
        _TRANSLATIONS.update(dict.fromkeys(kinds, function))
        return function

    return register


@_translates(SignatureError)
def _signature(error: SignatureError) -> Problem:
    return Problem(
        SIGNATURE_REFUSED,
        error.message,
        errors=(header_error(error.header, error.message),),
        headers={"www-authenticate": CHALLENGE},
    )


@_translates(CredentialError)
def _credential(error: CredentialError) -> Problem:
    return unauthenticated(error.message, header_error("x-api-key", error.message))


@_translates(NonceReplayedError)
def _replayed(_: NonceReplayedError) -> Problem:
    message = "This nonce was used before: sign each request anew, with a nonce of its own."
    return Problem(
        REQUEST_REPLAYED,
        message,
        errors=(header_error("x-singr-nonce", message),),
        headers={"www-authenticate": CHALLENGE},
    )


@_translates(ScopeError)
def _scope(error: ScopeError) -> Problem:
    return Problem(SCOPE_MISSING, f"{error} Ask an operator for a credential that has it.")


@_translates(OrganizationError)
def _organization(_: OrganizationError) -> Problem:
    message = "The credential belongs to another organization; name its own, or leave the field out."
    return Problem(ORGANIZATION_FORBIDDEN, message, errors=(FieldError("organization_id", message, "body"),))


@_translates(IntakeError)
def _intake(error: IntakeError) -> Problem:
    field = f"payload.{error.field}" if error.field else "payload"
    return invalid(FieldError(field, error.message, "body"))


@_translates(IdempotencyMismatchError)
def _mismatch(_: IdempotencyMismatchError) -> Problem:
    message = "This key was used for another method, path or body: take a new key for a new request."
    return Problem(KEY_REUSED, message, errors=(header_error("idempotency-key", message),))


@_translates(IdempotencyInProgressError)
def _in_progress(_: IdempotencyInProgressError) -> Problem:
    message = "The first request with this key has no answer yet: ask again in a second, with the same key."
    return Problem(
        IN_PROGRESS, message, errors=(header_error("idempotency-key", message),), headers={"retry-after": "1"}
    )


@_translates(JobNotFoundError)
def _no_job(_: JobNotFoundError) -> Problem:
    message = "There is no such job in this organization."
    return Problem(NOT_FOUND, message, errors=(FieldError("job_id", message, "path"),))


@_translates(JobExistsError)
def _exists(_: JobExistsError) -> Problem:
    message = "This id is taken: make a new one, or leave it out."
    return Problem(JOB_EXISTS, message, errors=(FieldError("id", message, "body"),))


@_translates(JobEndedError)
def _ended(error: JobEndedError) -> Problem:
    return Problem(JOB_ENDED, f"The job is {error.status} already and cannot be cancelled any more.")


@_translates(InvalidCursor)
def _cursor(_: InvalidCursor) -> Problem:
    return invalid(FieldError("cursor", "must be next_cursor of the page before, unchanged", "query"))


@_translates(psycopg.OperationalError, psycopg_pool.PoolTimeout, redis.RedisError, ConnectionError, TimeoutError)
def _away(_: BaseException) -> Problem:
    return Problem(
        UNAVAILABLE,
        "A store that this needs does not answer. Nothing is lost: try again, with the same Idempotency-Key.",
        headers={"retry-after": "1"},
    )


@_translates(sqlalchemy.exc.DBAPIError)
def _database(error: sqlalchemy.exc.DBAPIError) -> Problem | None:
    away = isinstance(error, sqlalchemy.exc.OperationalError) or error.connection_invalidated
    return _away(error) if away else None


@_translates(sqlalchemy.exc.TimeoutError)
def _pool(error: sqlalchemy.exc.TimeoutError) -> Problem | None:
    return _away(error)


_BY_STATUS: Final = {kind.status: kind for kind in reversed(KINDS)} | {400: MALFORMED_REQUEST}
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
