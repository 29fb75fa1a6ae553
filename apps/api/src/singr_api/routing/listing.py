"""`docs/ROUTES.md`: every route with who may call it and what guards it, written from the declarations."""

from collections.abc import Iterable
from typing import Final

from singr_api.admission.policy import Access, Limit, Policy

_HEAD: Final = """\
# Routes

Every route, who may call it, and what guards it: written by `make openapi` from the declarations beside the handlers
(`apps/api/src/singr_api/*/*/routes.py`). A route that is not declared is never served.

- **who**: `caller` is a service by API key or signed request, or a person who acts for an organization; `user` is a
  person, about themselves; `anonymous` is anybody; `optional` is anybody, too, but whoever sends credentials is known
  by them, and refused where they are wrong; `provider` is a provider that calls back, and proves it by its own rule.
- **counted**: whose requests are counted together; these limits keep load away, and are open while they cannot be
  counted.
- **guards**: limits that stay shut while they cannot be counted, and other walls. *Second factor*: a person's session
  has to have proved it, where their account asks for one. Whoever acts with a role on the platform is asked for it on
  every route, and an account's own routes (`user`) ask by themselves for what they take
  ([decision 23](decisions/0023-other-channel-same-place.md)).

| route | who | scope | counted | guards |
|---|---|---|---|---|
"""
_COUNTED: Final = {Limit.NONE: "", Limit.ADDRESS: "by address", Limit.CREDENTIAL: "by credential"}


def routes_as_markdown(policies: Iterable[Policy]) -> str:
    """Return the list of all routes."""
    return _HEAD + "".join(f"| {' | '.join(_cells(policy))} |\n" for policy in policies)


def _cells(policy: Policy) -> tuple[str, ...]:
    return (
        f"`{policy.method} {policy.path}`",
        _who(policy),
        f"`{policy.scope}`" if policy.scope else "",
        _counted(policy),
        " ".join(_guards(policy)),
    )


def _counted(policy: Policy) -> str:
    if policy.access is Access.OPTIONAL:
        return "by credential; strangers by address"
    return _COUNTED[policy.limit]


def _who(policy: Policy) -> str:
    if policy.platform:
        return f"{policy.access}, for no organization"
    return f"{policy.access}, of the organization" if policy.in_organization else str(policy.access)


def _second_factor(policy: Policy) -> Iterable[str]:
    if policy.asks_whole(platform=False):
        yield "Second factor."
    elif policy.hands_on:
        yield "Second factor where power changes hands."
    elif policy.one_factor:
        yield f"One factor is enough: {policy.one_factor[0].lower()}{policy.one_factor[1:]}"


def _guards(policy: Policy) -> Iterable[str]:
    if policy.idempotent:
        yield "Idempotency-Key" + (", its answer sealed." if policy.sealed else ".")
    if policy.closed:
        yield policy.closed
    yield from _second_factor(policy)
    if policy.unguessable and policy.access.admits_strangers:
        yield "Nothing to guess."
