"""How a declared route is served: everything around its handler, put together once, when it is declared."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
from litestar import Response

from singr_api.admission.browser import AnyRequest, client_info
from singr_api.admission.call import (
    CALL,
    PARTS,
    Call,
    UserCall,
    actor_of,
    answer,
    answer_reply,
    call_of,
    organization_of,
    path_id,
    read_query,
    refusal_reply,
)
from singr_api.admission.idempotency import Idempotency, Reply, Task
from singr_api.admission.people import SAFE
from singr_api.admission.policy import Access, Policy
from singr_api.http.body import check_body
from singr_api.http.form.validation import Misfit, decode_body, encode
from singr_api.http.pages import link_next
from singr_api.http.problems import Problem
from singr_api.routing.handler import Handler, annotations_of
from singr_api.routing.rehearsing import Faults, Undone, is_undoable, rehearsed
from singr_db import PLATFORM_ORGANIZATION_ID, Database, PlatformSession, TenantSession, past_deadlock
from singr_db.operation_log import act_as
from singr_jobs import KeyedRequest

Given = dict[str, Any]
Getter = Callable[[AnyRequest, Given], Any]
Early = Callable[[Given], Awaitable[None]]
Finish = Callable[[AnyRequest, Given], Awaitable[Response[Any]]]
_CREATED: Final = 201
_ORGANIZATION: Final = "organization_id"


class Parts(Protocol):
    """What serving needs of the parts that an app is built with."""

    db: Database
    idempotency: Idempotency


class Served(msgspec.Struct, frozen=True):
    """How a handler's value is answered."""

    status: int
    media: str
    headers: dict[str, str]
    location: str | None


def endpoint(policy: Policy, handler: Handler, usual: Served) -> Callable[[AnyRequest], Awaitable[Response[Any]]]:
    """Return what the framework calls for a route.

    Args:
        policy: its rules.
        handler: what it does.
        usual: how its value is answered.
    """
    getters = _getters(policy, handler)
    early = _early(handler)
    rehearsal = _rehearsal(policy, handler, early)
    needed = {name for name, _ in getters} - {"body"}
    if policy.idempotent and not policy.ingestion:
        finish = _once(policy, handler, usual, early)
    else:
        finish = _each_time(handler, usual, early)

    async def serve(request: AnyRequest) -> Response[Any]:
        given: Given = {}
        faults = Faults()
        for name, get in getters:
            try:
                given[name] = get(request, given)
            except Problem as problem:
                faults.add(problem)
                if name == "query" and isinstance(problem, Misfit) and problem.is_mended and not problem.blurred:
                    given[name] = problem.mended  # it has all that is known, and more
        if faults:
            is_ready = rehearsal is not None and needed <= given.keys()
            rehearse = partial(rehearsal, request, given) if rehearsal is not None and is_ready else None
            raise await faults.told(rehearse, given.get("body"))
        return await finish(request, given)

    return serve


def _getters(policy: Policy, handler: Handler) -> tuple[tuple[str, Getter], ...]:
    """What is read of the request, in this order: the path, the query, the organization, the body, the rest."""
    wanted = dict(handler.wanted)
    tenant = handler.session is TenantSession or _ORGANIZATION in wanted
    found: dict[str, Getter] = {}
    for name in sorted(handler.in_path & wanted.keys() - {_ORGANIZATION}):
        found[name] = _of_path(name, wanted[name])
    if handler.query is not None:
        found["query"] = _of_query(handler.query)
    if tenant:
        found[_ORGANIZATION] = _of_path(_ORGANIZATION, UUID) if policy.in_organization else _organization_in_query
    if handler.body is not None:
        found["body"] = _of_body(handler.body, optional=handler.body_optional)
    elif policy.no_body:
        found["body"] = _of_no_body
    if "client" in wanted:
        kept = policy.access in {Access.USER, Access.OPTIONAL} or (
            policy.access is Access.ANONYMOUS and policy.method not in SAFE
        )
        found["client"] = lambda request, _: call_of(request).client if kept else client_info(request)
    simple: dict[str, Getter] = {
        "call": lambda request, _: call_of(request),
        "services": lambda request, _: _parts(request),
        "request": lambda request, _: request,
    }
    found |= {name: get for name, get in simple.items() if name in wanted}
    return tuple(found.items())


def _of_path(name: str, annotation: Any) -> Getter:
    if annotation is UUID:
        return lambda request, _: path_id(request.path_params, name)
    return lambda request, _: request.path_params[name]


def _of_query(struct: type[msgspec.Struct]) -> Getter:
    return lambda request, _: read_query(request.scope["query_string"], struct)


def _organization_in_query(request: AnyRequest, given: Given) -> UUID | None:
    query = given.get("query")  # else it is not valid, and whose the request is remains open
    return None if query is None else organization_of(call_of(request), query.organization_id)


def _of_body(annotation: Any, *, optional: bool) -> Getter:
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(annotation, strict=True)

    def get(request: AnyRequest, _: Given) -> Any:
        body = call_of(request).body
        return None if optional and not body else decode_body(decoder, body)

    return get


class _NoBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a route that takes none, as clients send it that always send one."""


_no_body: Final = msgspec.json.Decoder(_NoBody | None, strict=True)


def _of_no_body(request: AnyRequest, _: Given) -> None:
    body = call_of(request).body
    if body:
        check_body(body)
        decode_body(_no_body, body)


def _rehearsal(
    policy: Policy, handler: Handler, early: Early | None
) -> Callable[[AnyRequest, Given, Any], Awaitable[None]] | None:
    """Return what does a route's work with another body and undoes it; None of work that cannot be undone.

    Whoever takes `client`, or is for strangers, counts tries; and what is awaited before the session is not in it.
    """
    function, session, names = handler.function, handler.session, _taken(handler)
    counts = early is not None or "client" in handler.wanted or policy.access.admits_strangers
    if handler.body is None or counts or not (session or policy.asks or is_undoable(function)):
        return None

    async def rehearse(request: AnyRequest, given: Given, body: Any) -> None:
        taken = {name: body if name == "body" else given[name] for name in names}
        if session is None:
            await rehearsed(function, taken)
            return
        db = _parts(request).db
        with suppress(Undone):
            async with db.platform() if session is PlatformSession else db.tenant(given[_ORGANIZATION]) as opened:
                act_as(opened, actor_of(request))
                await function(session=opened, **taken)
                raise Undone

    return rehearse


def _early(handler: Handler) -> Early | None:
    """What is awaited before the session opens: what the section gives, and what comes before the work."""
    gives = tuple((name, function, _names(function)) for name, function in handler.gives.items())
    before = handler.before
    asked = _names(before) if before is not None else ()
    if before is None and not gives:
        return None

    async def early(given: Given) -> None:
        for name, function, names in gives:
            given[name] = await function(**{each: given[each] for each in names})
        if before is not None:
            await before(**{each: given[each] for each in asked})

    return early


def _names(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(name for name in annotations_of(function) if name != "return")


def _each_time(handler: Handler, usual: Served, early: Early | None) -> Finish:
    """Do the work each time, in a transaction of the kind that the handler takes; answer once it is committed."""
    function, session, names = handler.function, handler.session, _taken(handler)
    paged = "next_cursor" in getattr(handler.answers, "__struct_fields__", ())

    async def finish(request: AnyRequest, given: Given) -> Response[Any]:
        if early is not None:
            await early(given)
        taken = {name: given[name] for name in names}
        if session is None:
            value = await function(**taken)
        else:
            db = _parts(request).db

            async def work() -> Any:
                async with db.platform() if session is PlatformSession else db.tenant(given[_ORGANIZATION]) as opened:
                    act_as(opened, actor_of(request))
                    return await function(session=opened, **taken)

            value = await past_deadlock(work)
        if isinstance(value, Response):
            return value
        if isinstance(value, Reply):
            return answer_reply(request, value)
        if value is None:
            return Response(None, status_code=usual.status)
        if isinstance(value, bytes):
            return Response(value, status_code=usual.status, media_type=usual.media, headers=usual.headers)
        more = link_next(request, value.next_cursor) if paged else {}
        return answer(value, status=usual.status, headers=usual.headers | more)

    return finish


def _once(policy: Policy, handler: Handler, usual: Served, early: Early | None) -> Finish:
    """Do the work once for each idempotency key, together with keeping its answer; what comes before it, too."""
    function, names = handler.function, _taken(handler)
    for_platform = handler.session is PlatformSession

    async def finish(request: AnyRequest, given: Given) -> Response[Any]:
        async def work(session: Any) -> Reply:
            act_as(session, holder)
            value = await function(session=session, **{name: given[name] for name in names})
            if isinstance(value, Reply):
                return value
            return Reply(usual.status, b"" if value is None else encode(value))

        call: Call | UserCall = request.scope["state"][CALL]
        holder = (call.principal if isinstance(call, Call) else call.person).key_id
        bound = KeyedRequest(
            organization_id=PLATFORM_ORGANIZATION_ID if for_platform else given[_ORGANIZATION],
            key=call.idempotency_key or "",
            method=call.method,
            path=call.target,
            body_hash=call.body_hash,
            holder=holder if for_platform or policy.sealed else "",
        )
        task = Task(
            request=bound,
            work=work,
            refuse=refusal_reply(call),
            for_platform=for_platform,
            sealed=policy.sealed,
            first=None if early is None else partial(early, given),
        )
        reply = await _parts(request).idempotency.run(task)
        return answer_reply(request, _located(reply, usual.location))

    return finish


def _taken(handler: Handler) -> tuple[str, ...]:
    return tuple(name for name in handler.parameters if name != "session")


def _parts(request: AnyRequest) -> Parts:
    parts: Parts = request.scope["state"][PARTS]
    return parts


def _located(reply: Reply, collection: str | None) -> Reply:
    """Say where what was made can be read, also when the answer is given again."""
    if collection is None or reply.status != _CREATED:
        return reply
    made = msgspec.json.decode(reply.body)
    return msgspec.structs.replace(reply, location=f"{collection}/{made['id']}")
