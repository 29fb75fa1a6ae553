"""What must hold between a handler and the policy of its route; found out at import, and said in a sentence."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from singr_api.admission.call import AnonymousCall, Call, OptionalCall, ProviderCall, UserCall
from singr_api.admission.people import SAFE
from singr_api.admission.policy import Access, Policy
from singr_api.routing.handler import GIVEN, Handler, RouteError
from singr_config.constants import PERMISSIONS
from singr_db import PlatformSession, TenantSession

_CALLS: Final[dict[Access, Any]] = {
    Access.ANONYMOUS: AnonymousCall,
    Access.USER: UserCall,
    Access.CALLER: Call,
    Access.OPTIONAL: OptionalCall,
    Access.PROVIDER: ProviderCall,
}

_OF_CALLERS: Final = ("platform", "hands_on", "one_factor")


def check(policy: Policy, handler: Handler, *, answers: int) -> None:
    """Return where handler and policy fit each other.

    Raises:
        RouteError: they do not; names the handler, and what to do.
    """
    for advice in (
        *_of_policy(policy),
        *_of_provider(policy, handler),
        *_of_parameters(policy, handler),
        *_of_session(policy, handler),
    ):
        raise RouteError(handler.where, advice)
    if not answers:
        raise RouteError(handler.where, 'say what it answers: `Answer("A page of results.", …)`')


def _of_policy(policy: Policy) -> Iterator[str]:
    caller = policy.access is Access.CALLER
    unsafe = policy.method not in SAFE
    if policy.scope is not None and not caller:
        yield f"take its scope away, or let callers call it (`access=Access.CALLER`): {policy.access} has no scopes"
    if caller and policy.scope is None and not policy.in_organization:
        yield "name the scope that a caller needs: `scope=…`"
    if policy.scope is not None and policy.scope not in PERMISSIONS:
        yield f"add the permission {policy.scope} to PERMISSIONS in singr_config/constants.py, or name one of those"
    for name in () if caller else [name for name in _OF_CALLERS if getattr(policy, name)]:
        yield f"`{name}=` is for callers (`access=Access.CALLER`): nobody else acts for an organization"
    if caller and policy.method == "POST" and not (policy.idempotent or policy.asks):
        yield "make it idempotent (`idempotent=True`), or say that it only asks (`asks=True`): services try again"
    if policy.idempotent and policy.access.admits_strangers:
        yield "take `idempotent` away: a key belongs to somebody, and anybody may call this"
    if policy.sealed and not policy.idempotent:
        yield "take `sealed` away: only what an idempotency key keeps is sealed"
    if unsafe and policy.access.admits_strangers and bool(policy.closed) == policy.unguessable:
        yield "say what guards its password or code (`closed=…`), or that nothing can be guessed (`unguessable=True`)"
    if policy.takes_body and not unsafe:
        yield f"take no body, or another method: {policy.method} has none"


def _of_provider(policy: Policy, handler: Handler) -> Iterator[str]:
    if policy.access is not Access.PROVIDER:
        return
    if policy.takes_body or policy.query:
        yield "take neither `body` nor `query`: what a provider proves is the request as it came (`call.proved`)"
    if "webhook" not in handler.in_path:
        yield "name the provider in the path: {webhook}"


def _of_parameters(policy: Policy, handler: Handler) -> Iterator[str]:
    wanted = handler.wanted
    for name in wanted:
        if name not in GIVEN and name not in handler.in_path and name not in handler.gives and name != "return":
            known = ", ".join(sorted(GIVEN | handler.in_path))
            yield f"nothing gives its parameter `{name}`: name one of {known}, or let the section give it (`gives=`)"
    for name in handler.in_path - wanted.keys() - {"organization_id"}:
        yield f"take the path's `{name}` as a parameter, a UUID or a string"
    for name in (handler.in_path | {"organization_id"}) & wanted.keys():
        if name not in handler.gives and wanted[name] not in {UUID, str}:
            yield f"annotate `{name}` as UUID or str"
    yield from _of_call(policy, handler)
    if "organization_id" in wanted and not _knows_organization(policy, handler):
        yield _NO_ORGANIZATION
    if handler.query is not None and not hasattr(handler.query, "__struct_fields__"):
        yield "annotate `query` as a msgspec struct"


def _of_call(policy: Policy, handler: Handler) -> Iterator[str]:
    kind = _CALLS[policy.access]
    left = policy.access is not Access.ANONYMOUS or policy.method not in SAFE
    if "call" in handler.wanted and not left:
        yield f"take `client` or `request`: the gate leaves no call on a {policy.method} for anybody"
    elif "call" in handler.wanted and handler.wanted["call"] is not kind:
        yield f"annotate `call` as {kind.__name__}: that is what access {policy.access} leaves"
    if handler.body is not None and not left:
        yield f"take no body: the gate reads none on a {policy.method} for anybody"


_NO_ORGANIZATION: Final = (
    "say which organization: have {organization_id} in the path, or, on a route for callers, a query with"
    " `organization_id: OrganizationId | None`"
)


def _of_session(policy: Policy, handler: Handler) -> Iterator[str]:
    if handler.session not in {None, TenantSession, PlatformSession}:
        yield "annotate `session` as TenantSession or PlatformSession"
    if handler.session is TenantSession and not _knows_organization(policy, handler):
        yield _NO_ORGANIZATION
    if policy.idempotent and not policy.ingestion and handler.session is None:
        yield "take a `session`: work and answer of an idempotent route are committed together"
    if policy.idempotent and handler.answers is bytes:
        yield "answer a struct: what an idempotency key keeps of a handler's value is JSON"


def _knows_organization(policy: Policy, handler: Handler) -> bool:
    named = "organization_id" in getattr(handler.query, "__struct_fields__", ())
    return policy.in_organization or (named and policy.access is Access.CALLER)
