"""Every error a caller can see, as problem details (RFC 9457); which error becomes which is in `_translations`."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from singr_api._codes import FieldCode

Location = Literal["body", "query", "path", "header"]
BASE: Final = "https://singrkaraoke.com/problems/"
CONTENT_TYPE: Final = "application/problem+json"
CHALLENGE: Final = 'Bearer realm="singr", ApiKey realm="singr", Singr-HMAC-SHA256 realm="singr"'
_encode: Final = msgspec.json.Encoder().encode


class FieldError(msgspec.Struct, frozen=True):
    """One thing that is wrong, where it is, and what would be right.

    Attributes:
        code: what is wrong, in a word for programs (`/problems` lists them); a word keeps its meaning.
    """

    field: str
    message: str
    location: Location
    code: FieldCode


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
CREDENTIALS_AMBIGUOUS: Final = Kind("credentials-ambiguous", 400, "The request carries more than one credential")
ONE_TIME_TOKEN_REFUSED: Final = Kind("one-time-token-refused", 400, "The link or token opens nothing any more")
CODE_REFUSED: Final = Kind("code-refused", 400, "The code is refused")
PASSWORD_REFUSED: Final = Kind("password-refused", 400, "The password is refused")
PASSKEY_REFUSED: Final = Kind("passkey-refused", 400, "The passkey is refused")
UNAUTHENTICATED: Final = Kind("unauthenticated", 401, "Who is calling is not proved")
SIGNATURE_REFUSED: Final = Kind("signature-refused", 401, "The signature is refused")
REQUEST_REPLAYED: Final = Kind("request-replayed", 401, "This request was received before")
TOKEN_REFUSED: Final = Kind("token-refused", 401, "The access token is refused")
TOKEN_EXPIRED: Final = Kind("token-expired", 401, "The access token has expired")
TOKEN_REVOKED: Final = Kind("token-revoked", 401, "The session of this access token has ended")
SIGN_IN_REFUSED: Final = Kind("invalid-credentials", 401, "The sign-in is refused")
REFRESH_TOKEN_REUSED: Final = Kind("refresh-token-reused", 401, "The refresh token was used before")
SESSION_ENDED: Final = Kind("session-ended", 401, "The session has ended")
EMAIL_UNVERIFIED: Final = Kind("email-unverified", 403, "The e-mail address is not verified yet")
REAUTHENTICATION_REQUIRED: Final = Kind("reauthentication-required", 403, "A fresh proof of presence is required")
CSRF_REFUSED: Final = Kind("csrf-refused", 403, "The request may come from another site")
PERSON_REQUIRED: Final = Kind("person-required", 403, "Only a signed-in person may do this")
NOT_ALLOWED: Final = Kind("not-allowed", 403, "The caller may not do this")
SCOPE_MISSING: Final = Kind("scope-missing", 403, "The credential may not do this")
ORGANIZATION_FORBIDDEN: Final = Kind("organization-forbidden", 403, "The credential may not act for this organization")
NOT_FOUND: Final = Kind("not-found", 404, "There is nothing here")
METHOD_NOT_ALLOWED: Final = Kind("method-not-allowed", 405, "This address does not take this method")
NOT_ACCEPTABLE: Final = Kind("not-acceptable", 406, "The answer has no form that the caller accepts")
TOO_SLOW: Final = Kind("request-timeout", 408, "The request took too long to arrive")
IN_PROGRESS: Final = Kind("idempotency-in-progress", 409, "The first request with this key is still running")
JOB_EXISTS: Final = Kind("job-exists", 409, "There is a job with this id")
JOB_ENDED: Final = Kind("job-ended", 409, "The job has ended")
CONFLICT: Final = Kind("conflict", 409, "The change does not fit the present state")
BODY_TOO_LARGE: Final = Kind("body-too-large", 413, "The body is too large")
UNSUPPORTED_MEDIA_TYPE: Final = Kind("unsupported-media-type", 415, "The body is of the wrong media type")
INVALID: Final = Kind("invalid", 422, "Some of the request is not valid")
KEY_REUSED: Final = Kind("idempotency-key-reused", 422, "The idempotency key belongs to another request")
RATE_LIMITED: Final = Kind("rate-limited", 429, "Too many requests")
INTERNAL_ERROR: Final = Kind("internal-error", 500, "Something went wrong on our side")
GUARD_UNAVAILABLE: Final = Kind("guard-unavailable", 503, "Tries cannot be counted, so none is admitted")
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


def header_error(name: str, message: str, code: FieldCode) -> FieldError:
    """A header is wrong."""
    return FieldError(name, message, "header", code)


def bearer_problem(kind: Kind, detail: str, code: FieldCode) -> Problem:
    """An access token is refused: the challenge says so as RFC 6750, section 3, has it."""
    error = "invalid_request" if kind is CREDENTIALS_AMBIGUOUS else "invalid_token"
    challenge = f'Bearer realm="singr", error="{error}", error_description="{detail}"'
    return Problem(
        kind,
        detail,
        errors=(header_error("authorization", detail, code),),
        headers={"www-authenticate": challenge},
    )


def insufficient_scope(scope: str) -> str:
    """Return the challenge that tells an access token's owner what it lacks (RFC 6750, section 3.1)."""
    return f'Bearer realm="singr", error="insufficient_scope", scope="{scope}"'


def password_refused(field: str) -> Problem:
    """Somebody who is signed in gave a wrong password: no 401, upon which clients refresh their token and try again."""
    message = "must be the account's password"
    detail = "The password is wrong, or the account has none."
    return Problem(PASSWORD_REFUSED, detail, errors=(FieldError(field, message, "body", "wrong"),))


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


def internal_error() -> Problem:
    """A fault of ours: the request id leads to it in the logs, nothing else is said."""
    return Problem(INTERNAL_ERROR, "It is logged under the request id. Try again; if it stays, tell us that id.")
