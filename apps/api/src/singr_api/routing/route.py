"""A route, declared once: who may call it, what it takes and answers, and its documentation, beside its handler.

A `Section` collects routes. From each declaration come the policy that the gate applies, the handler that the framework
serves and the operation that documents it, so that none of them can say something else than the others.

A handler is a plain function. What its parameters are called and annotated with says what it is given:

* `call`: what the gate left, of the class that the route's access makes (`Call`, `UserCall`, `OptionalCall`,
  `AnonymousCall`, `ProviderCall`);
* `client`: where the request comes from; `services`, `request`: these;
* `body`, `query`: decoded strictly into the annotated struct; `body: X | None = None` may be left out;
* `organization_id`: the organization that the request is about, of the path or of the query;
* `session`: a `TenantSession` of that organization, or a `PlatformSession`: committed once the handler has returned;
  of an idempotent route, together with the answer that its key keeps;
* what the section `gives`, by name: what several of its handlers need, such as who acts;
* any other: the path parameter of that name, a UUID or a string.

It returns what is answered: a struct, None for 204, bytes as they are, a `Reply`, or a whole `Response`. The
docstring's first line is the summary of the route, the rest its description. A handler that does not fit its policy
fails at import (`RouteError`).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from litestar.handlers import HTTPRouteHandler

from singr_api.admission.people import SAFE
from singr_api.admission.policy import Access, Limit, Policy
from singr_api.http.problems import ORGANIZATION_FORBIDDEN, Kind
from singr_api.routing.handler import Handler, RouteError, read_handler
from singr_api.routing.operations import Example, Operation, Outcome
from singr_api.routing.rules import check
from singr_api.routing.serving import Served, endpoint

Declared = TypeVar("Declared", bound=Callable[..., Awaitable[Any]])
Giver = Callable[..., Awaitable[Any]]
_JSON: Final = "application/json"
_HTML: Final = "text/html"
_NO_CONTENT: Final = 204
# A provider calls a thousand times a second from a few addresses: what is forged costs a hash, and is counted as such.
_COUNTED: Final = {Access.ANONYMOUS: Limit.ADDRESS, Access.OPTIONAL: Limit.ADDRESS, Access.PROVIDER: Limit.NONE}
_REPLAYED: Final = {"Idempotency-Replayed": "`true` if this is the stored first response to the key."}
_REPLAYED_SEALED: Final = {
    "Idempotency-Replayed": "`true` if this is the stored first response to the key, returned again to you."
}
LINK: Final = {
    "Link": "Related addresses, by `rel` (RFC 8288): `next` is the next page of a list, absent at its end;"
    " `service-doc` is the documentation page, and `service-desc` its document."
}


class Answer:
    """A good answer.

    Args:
        says: what it tells, in words.
        of: what it is, where the handler returns bytes, a `Response` or a `Reply`; else what the handler returns.
        status: 200 unless told, and 204 where the handler returns None.
        media: its media type; what is not JSON is documented as text.
        also: other media types in which the same can be had.
        headers: by name, what they say; before the usual words for that of a page.
        sends: headers that never change, as they are sent.
        location: the path of the collection in which what was made can be read by its `id`.
        bare: nothing follows the headers.
        examples: whole answers, by name.
    """

    def __init__(
        self,
        says: str,
        *,
        of: Any = None,
        status: int | None = None,
        media: str = _JSON,
        also: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
        sends: Mapping[str, str] | None = None,
        location: str | None = None,
        bare: bool = False,
        **examples: Example,
    ) -> None:
        self.says = says
        self.of = of
        self.status = status
        self.media = media
        self.also = also
        self.headers = dict(headers or {})
        self.sends = dict(sends or {})
        self.location = location
        self.bare = bare
        self.examples = examples

    def outcome(self, handler: Handler, policy: Policy) -> Outcome:
        """Return what the documentation says of it."""
        of = handler.answers if self.of is None and self.media == _JSON else self.of
        page = LINK if "next_cursor" in getattr(of, "__struct_fields__", ()) else {}
        return Outcome(
            self.status or (_NO_CONTENT if of is None and self.media == _JSON and not self.bare else 200),
            self.says,
            of,
            media_type=self.media,
            examples=self.examples,
            headers=page | self.headers | _replayed(policy),
            bare=self.bare,
            also=self.also,
        )


def page_with(item: Any, says: str = "A page of results.", **shows: str) -> Answer:
    """Return the answer of a list: its last page, which has this item and is called as `shows` says."""
    page = {"items": [item], "next_cursor": None}
    named = shows or {"page": "The last page"}
    examples: dict[str, Any] = {name: Example(title, page) for name, title in named.items()}
    return Answer(says, **examples)


def _is_page(answers: tuple[Answer, ...]) -> bool:
    """Whether people get it in a browser: links get parameters of those who count clicks."""
    return all(answer.media == _HTML for answer in answers)


def _is_bodiless(method: str, access: Access, handler: Handler, answers: tuple[Answer, ...]) -> bool:
    """Whether a body would be something that nobody reads. What a page's form sends, its handler reads itself."""
    unread = handler.body is None and access is not Access.PROVIDER
    return unread and method not in SAFE and not _is_page(answers)


def _replayed(policy: Policy) -> dict[str, str]:
    if not policy.idempotent:
        return {}
    return _REPLAYED_SEALED if policy.sealed else _REPLAYED


class Route(msgspec.Struct, frozen=True):
    """What became of a declaration."""

    policy: Policy
    operation: Operation
    handler: Handler
    served: HTTPRouteHandler


_FOR_OPERATORS: Final = (
    "For platform operators only; refused for organizations' credentials and for people acting for an organization."
)


class Section:
    """The routes of one capability.

    Args:
        tag: what they are listed under in the documentation.
        problems: what any of them may answer, beside what its policy may.
        note: ends every description.
        gives: by the name of a parameter, functions that give its value; their own parameters are as of a handler.
        words: what stands for `{name}` in the docstrings of its handlers, where several sections share those.
        rules: of the policy (`singr_api.admission.policy.Policy`), for all of them; a route's own come before.
    """

    def __init__(
        self,
        tag: str,
        *,
        problems: tuple[Kind, ...] = (),
        note: str = "",
        gives: Mapping[str, Giver] | None = None,
        words: Mapping[str, str] | None = None,
        **rules: Any,
    ) -> None:
        self.tag = tag
        self.routes: list[Route] = []
        self._problems = problems
        self._note = note
        self._gives = dict(gives or {})
        self._words = dict(words or {})
        self._rules = rules

    def route(
        self,
        line: str,
        name: str,
        *answers: Answer,
        query: type[msgspec.Struct] | None = None,
        takes: Any = None,
        form: bool = False,
        body_examples: Mapping[str, Example] | None = None,
        path_schemas: Mapping[str, dict[str, Any]] | None = None,
        header_schemas: Mapping[str, dict[str, Any]] | None = None,
        problems: tuple[Kind, ...] = (),
        before: Giver | None = None,
        note: str = "",
        **rules: Any,
    ) -> Callable[[Declared], Declared]:
        """Declare a route.

        Args:
            line: method and path, as `GET /v1/users/{user_id}`.
            name: of the operation, for generated clients.
            answers: the good ones, the usual one first.
            query: struct of the query, where no parameter of the handler takes it.
            takes: what the body is, where no parameter of the handler takes it decoded.
            form: that body is sent as a form, and the handler reads it itself.
            body_examples: whole bodies, by name.
            path_schemas: JSON Schemas of path parameters that are no UUIDs; with `description`, what they are.
            header_schemas: likewise of headers that the handler reads itself; with `example`, one.
            problems: what may go wrong beside what the policy and the section say.
            before: awaited before the session opens, and of an idempotent route only for the first request with the
                key: counts it against limits, asks for a proof. Its parameters are as of a handler.
            note: ends the description, where several routes say the same and not all of the section do.
            rules: of the policy, such as `scope="users:read"` or `idempotent=True`.

        Raises:
            RouteError: the handler does not fit its policy.
        """

        def declare(function: Declared) -> Declared:
            method, _, path = line.partition(" ")
            handler = read_handler(function, line, before=before, gives=self._gives, query=query)
            policy = self._policy(method, path, handler, {**self._rules, **rules}, answers, has_body=bool(takes))
            check(policy, handler, answers=len(answers))
            outcomes = tuple(answer.outcome(handler, policy) for answer in answers)
            closed, closing = (_FOR_OPERATORS, (ORGANIZATION_FORBIDDEN,)) if policy.platform else ("", ())
            operation = Operation(
                method=method,
                path=path,
                tag=self.tag,
                name=name,
                summary=self._worded(handler.summary),
                description=" ".join(filter(None, (self._worded(handler.description), note, self._note, closed))),
                path_schemas=dict(path_schemas or {}),
                header_schemas=dict(header_schemas or {}),
                query=handler.query,
                body=handler.body or takes,
                body_form=form,
                body_examples=dict(body_examples or {}),
                outcomes=outcomes,
                problems=self._problems + problems + closing,
            )
            usual = Served(outcomes[0].status, answers[0].media, answers[0].sends, answers[0].location)
            # every answer brings its own status: the framework's for DELETE would forbid the annotation of its body
            served = HTTPRouteHandler(path.replace("}", ":str}"), http_method=method, status_code=200)(  # type: ignore[arg-type] # a method
                endpoint(policy, handler, usual)
            )
            self.routes.append(Route(policy, operation, handler, served))
            return function

        return declare

    def _worded(self, text: str) -> str:
        return text.format_map(self._words) if self._words else text

    def _policy(
        self,
        method: str,
        path: str,
        handler: Handler,
        rules: dict[str, Any],
        answers: tuple[Answer, ...],
        *,
        has_body: bool,
    ) -> Policy:
        access = Access(rules.get("access", Access.ANONYMOUS))
        read = {
            "limit": _COUNTED.get(access, Limit.CREDENTIAL),
            "json": access is not Access.PROVIDER and any("json" in answer.media for answer in answers),
            "takes_body": handler.body is not None or (has_body and not rules.get("asks")),
            "optional_body": handler.body_optional,
            "no_body": _is_bodiless(method, access, handler, answers) and not has_body,
            "in_organization": "{organization_id}" in path,
            "query": handler.query is not None,
            "any_query": not path.startswith("/v1/") or access is Access.PROVIDER or _is_page(answers),
        }
        try:
            return msgspec.convert({"method": method, "path": path, "access": access} | read | rules, Policy)
        except msgspec.ValidationError as error:
            raise RouteError(handler.where, f"its rules are no policy: {error}; see Policy") from error
