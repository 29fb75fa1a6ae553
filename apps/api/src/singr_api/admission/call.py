"""What a handler knows of its request once the gate has let it pass."""

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from litestar import Request, Response
from msgspec import inspect

from singr_api.admission.auth import Caller
from singr_api.admission.idempotency import REPLAYED, Reply
from singr_api.admission.people import ORGANIZATION_HEADER, Person, not_its_own
from singr_api.http import problems
from singr_api.http.edge import Scope, response_headers
from singr_api.http.form.validation import convert_query, encode
from singr_api.http.problems import FieldError, Location, Problem, header_error, invalid, refused, render
from singr_auth import Principal
from singr_auth.accounts import ClientInfo
from singr_comms.inbound import Proved

T = TypeVar("T")
PARTS = "singr_services"
"""Where in a request's state the parts are, that its app was built with."""
CALL = "singr_call"
_MOST_PARAMETERS = 50
_EARLIEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_LATEST = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came.

    Attributes:
        method: as sent.
        target: path with query as on the request line.
        path: without what it holds of secrets.
        body: raw, empty where there is none; passed `check_body` where the route takes one.
    """

    method: str
    target: str
    path: str
    body: bytes
    request_id: str

    @property
    def body_hash(self) -> bytes:
        """SHA-256 of the body."""
        return hashlib.sha256(self.body).digest()


class Call(Received, frozen=True, kw_only=True):
    """An authenticated request of a service, or of a person who acts for an organization.

    Attributes:
        idempotency_key: present on routes that require one.
    """

    caller: Caller
    idempotency_key: str | None = None

    @property
    def principal(self) -> Principal:
        """Who is calling."""
        return self.caller.principal


class AnonymousCall(Received, frozen=True, kw_only=True):
    """A request of somebody who is to prove who they are.

    Attributes:
        client: where it comes from.
    """

    client: ClientInfo


class OptionalCall(AnonymousCall, frozen=True, kw_only=True):
    """A request that anybody may send.

    Attributes:
        known: the person or service that its credentials name; None: it carries none, so a stranger sent it.
    """

    known: Person | Principal | None


class UserCall(AnonymousCall, frozen=True, kw_only=True):
    """A request of a signed-in person about themselves."""

    person: Person
    idempotency_key: str | None = None

    @property
    def user_id(self) -> UUID:
        """Who is calling."""
        return self.person.user_id

    @property
    def session_id(self) -> UUID:
        """The session that the request belongs to."""
        return self.person.session_id


class ProviderCall(Received, frozen=True, kw_only=True):
    """A callback of a provider.

    Attributes:
        proved: who sent it, and what it says.
    """

    proved: Proved


def call_of(request: Request[Any, Any, Any]) -> Any:
    """Return what the gate left, of the class that the route's access makes."""
    return request.scope["state"][CALL]


def actor_of(request: Request[Any, Any, Any]) -> str | None:
    """Return the name of who is calling, "user:" and an id or a key id; None of whoever proved nothing yet."""
    call = request.scope["state"].get(CALL)
    if isinstance(call, Call):
        return call.principal.key_id
    return call.person.key_id if isinstance(call, UserCall) else None


class NoQuery(msgspec.Struct, forbid_unknown_fields=True):
    """The query of a route that takes none."""


def read_query(raw: bytes, type_: type[T]) -> T:
    """Read a query string into a struct.

    Raises:
        Problem: 400 where it cannot be read at all; 422 with every parameter that is invalid, unknown or comes twice.
    """
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        message = "must be percent-encoded UTF-8"
        error = FieldError("", message, "query", "malformed")
        raise refused(problems.MALFORMED_REQUEST, error, f"The query string {message}.") from None
    query: dict[str, Any] = {}
    several = _several(cast("type[msgspec.Struct]", type_))
    wrong: list[FieldError] = []
    for name, value in pairs:
        if name in query and name not in several:
            wrong.append(FieldError(name, "must come once", "query", "repeated"))
        if "\0" in name + value:
            shown = name.replace("\0", "")
            wrong.append(FieldError(shown, "must not contain the NUL character", "query", "invalid_characters"))
        query[name] = [*query.get(name, ()), value] if name in several else value
    if wrong:
        raise invalid(*wrong)
    return _within_reason(convert_query(query, type_))


@cache
def _several(type_: type[msgspec.Struct]) -> frozenset[str]:
    """The parameters that may come several times: lists."""
    kinds = {field.encode_name: inspect.type_info(field.type) for field in msgspec.structs.fields(type_)}
    bare = {name: kind.type if isinstance(kind, inspect.Metadata) else kind for name, kind in kinds.items()}
    return frozenset(name for name, kind in bare.items() if isinstance(kind, inspect.ListType))


def _within_reason(query: T) -> T:
    """Move times that lie far from everything to the edge: the same rows fit, and no time zone makes them overflow."""
    moved = {
        name: _LATEST if moment.year > _LATEST.year else _EARLIEST
        for name in ("created_after", "created_before", "failed_after", "failed_before")
        if (moment := getattr(query, name, None)) is not None and not _EARLIEST.year <= moment.year <= _LATEST.year
    }
    return cast("T", msgspec.structs.replace(cast("msgspec.Struct", query), **moved)) if moved else query


def path_id(path_params: Mapping[str, str], name: str) -> UUID:
    """Read an id from the path.

    Raises:
        Problem: it is no UUID, so nothing can have it (404).
    """
    try:
        return msgspec.convert(path_params[name], UUID)
    except msgspec.ValidationError:
        error = FieldError(name, "must be a UUID", "path", "malformed")
        raise refused(problems.NOT_FOUND, error, "There is nothing with this id.") from None


def organization_of(call: Call, named: UUID | None, *, location: Location = "query") -> UUID:
    """Return the organization that a request is about.

    Raises:
        Problem: a platform credential named none, or two (422), or an organization's credential named another (403).
    """
    principal = call.principal
    named = named_by(call, named)
    if named is None and principal.organization_id is None:
        message = "is required: this credential can act for any organization, so name the one it is for"
        error = FieldError("organization_id", message, location, "required")
        raise refused(problems.INVALID, error, f"organization_id {message}.")
    if named is None or principal.organization_id is None:
        return named or principal.organization_id  # type: ignore[return-value] # one of them is there: checked above
    if named != principal.organization_id:
        raise not_its_own(location)
    return named


def named_by(call: Call, named: UUID | None) -> UUID | None:
    """Return the organization that a request names where it may name one, or in the header; None without either.

    Raises:
        Problem: they are two (422).
    """
    if named is not None and call.caller.acts_for not in {None, named}:
        message = "must be the organization of organization_id, or left out"
        raise invalid(header_error(ORGANIZATION_HEADER, message, "conflicting_fields"))
    return named or call.caller.acts_for


def answer(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Answer with JSON."""
    return Response(encode(value), status_code=status, media_type="application/json", headers=headers)


def answer_reply(request: Request[Any, Any, Any], reply: Reply) -> Response[bytes]:
    """Answer with a reply, first or replayed."""
    if reply.replayed:
        response_headers(cast("Scope", request.scope)).append(REPLAYED)
    headers = {} if reply.location is None else {"location": reply.location}
    return Response(reply.body, status_code=reply.status, media_type=reply.content_type, headers=headers)


def refusal_reply(call: Call | UserCall) -> Callable[[Problem], Reply]:
    """Return what turns a refusal of this call into the answer that its idempotency key keeps."""

    def reply(problem: Problem) -> Reply:
        status, _, body = render(problem, instance=call.path, request_id=call.request_id)
        return Reply(status, body, "application/problem+json")

    return reply
