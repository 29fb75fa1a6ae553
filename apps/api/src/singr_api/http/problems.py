"""Every error a caller can see, as problem details (RFC 9457); which error becomes which is in `translations.py`."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec
import psycopg
import redis
import sqlalchemy.exc

from singr_api.http.codes import FieldCode
from singr_api.http.kinds import *  # noqa: F403 — the table of kinds, which everybody takes from here
from singr_api.http.kinds import (
    BASE,
    CREDENTIALS_AMBIGUOUS,
    INTERNAL_ERROR,
    INVALID,
    PASSWORD_REFUSED,
    UNAUTHENTICATED,
    UNAVAILABLE,
    Kind,
)
from singr_db import ObjectStoreError, lock_held, schema_lacks

Location = Literal["body", "query", "path", "header"]
CONTENT_TYPE: Final = "application/problem+json"
CHALLENGE: Final = 'Bearer realm="singr", ApiKey realm="singr", Singr-HMAC-SHA256 realm="singr"'
_encode: Final = msgspec.json.Encoder().encode
AGAIN: Final = "try again."
"""The last words of a problem that passes: whoever knows the route says with which key."""

_STORES: Final[dict[type[BaseException], str]] = {
    ObjectStoreError: "the object store",
    redis.RedisError: "Redis",
    psycopg.Error: "the database",
    sqlalchemy.exc.SQLAlchemyError: "the database",
}


class FieldError(msgspec.Struct, frozen=True):
    """One error: what is wrong, where it is, and what would be right.

    Attributes:
        code: what is wrong, as a code for programs (`/problems` lists them); the meaning of a code never changes.
    """

    field: str
    message: str
    location: Location
    code: FieldCode


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error response: application/problem+json (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: tuple[FieldError, ...] = ()


class Problem(Exception):  # noqa: N818 - the standard's own word
    """Raise it anywhere in the API: it becomes the answer."""

    def __init__(
        self, kind: Kind, detail: str, *, errors: tuple[FieldError, ...] = (), headers: Mapping[str, str] | None = None
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


def refused(kind: Kind, error: FieldError, detail: str = "", headers: Mapping[str, str] | None = None) -> Problem:
    """One thing is wrong: `detail` says what, unless told otherwise in the words of the error."""
    return Problem(kind, detail or error.message, errors=(error,), headers=headers)


def header_refused(
    kind: Kind, name: str, message: str, code: FieldCode, headers: Mapping[str, str] | None = None
) -> Problem:
    """A header is wrong, and nothing else was looked at."""
    return refused(kind, header_error(name, message, code), f"The header {name} {message}.", headers)


def bearer_problem(kind: Kind, detail: str, code: FieldCode) -> Problem:
    """An access token is refused: the challenge says so as RFC 6750, section 3, has it."""
    error = "invalid_request" if kind is CREDENTIALS_AMBIGUOUS else "invalid_token"
    challenge = f'Bearer realm="singr", error="{error}", error_description="{detail}"'
    return refused(kind, header_error("authorization", detail, code), headers={"www-authenticate": challenge})


def insufficient_scope(scope: str) -> str:
    """Return the challenge that tells an access token's owner what it lacks (RFC 6750, section 3.1)."""
    return f'Bearer realm="singr", error="insufficient_scope", scope="{scope}"'


def password_refused(field: str) -> Problem:
    """Somebody who is signed in gave a wrong password: no 401, upon which clients refresh their token and try again."""
    error = FieldError(field, "must be the account's password", "body", "wrong")
    return refused(PASSWORD_REFUSED, error, "The password is wrong, or the account has none.")


def unauthenticated(detail: str, *errors: FieldError) -> Problem:
    """Nobody, or nobody known, is calling."""
    return Problem(UNAUTHENTICATED, detail, errors=errors, headers={"www-authenticate": CHALLENGE})


def no_object_store(purpose: str) -> Problem:
    """Say that there is no store for what a request needs one for, which only an operator can change."""
    detail = f"There is no object store, {purpose}. For operators: set S3_BUCKET."
    return Problem(UNAVAILABLE, detail, headers={"retry-after": "3600"})


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
    return Problem(
        INTERNAL_ERROR, "It is logged under the request id. Try again; if it happens again, send us that id."
    )


def store_of(error: BaseException) -> str | None:
    """Name the store whose error this is; None where its class does not tell."""
    for kinds, name in _STORES.items():
        if isinstance(error, kinds):
            return name
    return None


def logged(error: BaseException) -> str:
    """Say which store is away, for the log of operators: nothing of a statement, a value or an object is in it."""
    if (words := lock_held(error) or schema_lacks(error)) is not None:
        return words
    store, kind = store_of(error), type(error).__name__
    if isinstance(error, ObjectStoreError):
        return f"{store}: {kind}: {error}"  # words of ours
    return kind if store is None else f"{store}: {kind}"
