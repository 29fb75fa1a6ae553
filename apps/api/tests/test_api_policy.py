"""S3: the policy table knows every route, and what it says is what happens, for every kind of caller."""

import itertools
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from litestar.routes import HTTPRoute

from singr_api.admission.people import SAFE
from singr_api.admission.policy import Access, Limit, Policy
from singr_api.app import documented_routes
from singr_api.wiring.routes import policy_table
from singr_config.constants import PERMISSIONS, ROLE_PERMISSIONS

POLICIES = policy_table().policies
NAMES = [f"{policy.method} {policy.path}" for policy in POLICIES]
# A few routes to one API: one for each of them would take most of the time to start it. More of them, and callers who
# prove nothing would be held up by their limit.
MOST_AT_ONCE = 12
# Servers and pages of mailboxes post it for readers (RFC 8058): the link alone allows it, whoever sends it.
# So may the page where they choose, which gives no referrer and so tells no origin.
BY_LINK = ("/v1/unsubscribe/{token}", "/preferences/{token}", "/v1/branding/logos/{logo_id}")


def sections() -> dict[str, tuple[Policy, ...]]:
    """The routes by the beginning of their path."""
    found: dict[str, tuple[Policy, ...]] = {}
    for policy in POLICIES:
        start, number = "/".join(policy.path.split("/")[:3]) if policy.path.startswith("/v1/") else "apart", 1
        while len(found.get(f"{start} {number}", ())) == MOST_AT_ONCE:
            number += 1
        found[f"{start} {number}"] = (*found.get(f"{start} {number}", ()), policy)
    return found


in_sections = pytest.mark.parametrize("policies", sections().values(), ids=sections())


def test_every_route_that_is_served_is_in_the_table_and_the_other_way_round() -> None:
    app = documented_routes(apart=False)
    served = {
        (method, route.path_format)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }
    assert served == {(policy.method, policy.path) for policy in POLICIES}


def test_route_that_is_not_in_the_table_is_not_served() -> None:
    with pytest.raises(LookupError, match="/v1/secrets"):
        policy_table().of("GET", "/v1/secrets")


def test_every_policy_is_whole() -> None:
    assert {name: wrong for name, one in zip(NAMES, POLICIES, strict=True) if (wrong := list(faults_in(one)))} == {}


def faults_in(policy: Policy) -> Iterator[str]:
    """What a policy says that does not go together."""
    if (policy.access is Access.CALLER) != (policy.scope is not None) and not policy.in_organization:
        yield "callers need a scope, and nobody else has one"
    if policy.scope is not None and policy.scope not in PERMISSIONS:
        yield "there is no such scope"
    if policy.in_organization != ("{organization_id}" in policy.path):
        yield "it is in an organization where its path names one"
    is_page = policy.path == "/v1/unsubscribe/{token}" or not policy.path.startswith("/v1/")
    if policy.any_query != (is_page or policy.access is Access.PROVIDER):
        yield "the API refuses what it does not know; no page does, and what a provider sends is the provider's"
    if policy.any_query and policy.query:
        yield "what takes any query names none"
    if policy.access is Access.CALLER and policy.method == "POST" and not policy.asks and not policy.idempotent:
        yield "a service's retry must not do it twice"
    if policy.path.startswith(("/v1/auth", "/v1/me")) and policy.idempotent:
        yield "answers that carry secrets are not kept (docs/decisions/0016)"
    if policy.method not in policy_table().allowed(re.sub(r"\{\w+\}", "x", policy.path)):
        yield "its path does not lead to it"


def test_every_anonymous_route_that_changes_something_is_limited_and_says_by_what_it_is_guarded() -> None:
    wrong = {
        name: faults
        for name, policy in zip(NAMES, POLICIES, strict=True)
        if policy.access is Access.ANONYMOUS and policy.method not in SAFE and (faults := list(unguarded(policy)))
    }
    assert wrong == {}


def unguarded(policy: Policy) -> Iterator[str]:
    """What an anonymous route that changes something does not say of its guard."""
    if policy.method == "POST" and policy.path in BY_LINK:
        if not (policy.any_origin and policy.unguessable):
            yield "a link that cannot be guessed guards it, whatever the origin"
        return
    if policy.any_origin:
        yield "it takes what any origin sends"
    if policy.limit is not Limit.ADDRESS:
        yield "its callers' addresses have no limit"
    if not policy.json:
        yield "it takes what a form of another page sends"
    if bool(policy.closed) == policy.unguessable:
        yield "name the limits that guard its password or code, or say: none"


@in_sections
async def test_route_admits_whom_its_policy_names(
    api_url: str, callers: Any, client: Any, world: Any, policies: tuple[Policy, ...]
) -> None:
    clients: dict[Any, httpx.AsyncClient] = {}

    def calling(key: Any) -> httpx.AsyncClient:
        """One client for each caller."""
        name = getattr(key, "key_id", key)
        if name not in clients:
            clients[name] = client(api_url, key)
        return clients[name]

    for policy in policies:
        check = check_provider if policy.access is Access.PROVIDER else check_services
        await check(calling, callers, world, policy)


async def check_provider(calling: Any, callers: Any, world: Any, policy: Policy) -> None:
    """No credential of ours stands for a provider."""
    before = await world.stored()
    for key in (None, callers.own, callers.platform):
        world.problem(await ask(calling(key), policy, world), 401, "callback-refused")
    assert await world.stored() == before


async def check_services(calling: Any, callers: Any, world: Any, policy: Policy) -> None:
    name, before = f"{policy.method} {policy.path}", await world.stored()

    async def status(key: Any) -> int:
        return (await ask(calling(key), policy, world)).status_code

    if policy.access is Access.ANONYMOUS:
        if policy.method in SAFE:
            good = {404} if policy.path in BY_LINK else {200, 302}  # 404: this link is of no mail
            assert {await status(key) for key in (None, callers.own, callers.reader)} <= good, name
        return
    assert policy.access is Access.OPTIONAL or await status(None) == 401, name
    assert await status("sk_live_nope") == 401, name
    assert await status(callers.expired) == 401, name
    if policy.access is Access.OPTIONAL:
        return
    if policy.access is Access.USER:
        answer = await ask(calling(callers.own), policy, world)
        world.problem(answer, 403, "person-required")
        return
    if policy.scope in world.scopes and not policy.in_organization:
        reads = policy.scope == "jobs:read"
        assert await status(callers.reader) == (await status(callers.own) if reads else 403), name
        services = (callers.own, callers.other, callers.platform, callers.api_key)
        for key in (callers.platform,) if policy.platform else services:
            if policy.platform and key is not callers.platform:
                assert await status(key) == 403, name
            else:
                assert await status(key) not in {401, 403, 405, 429, 500}, name
    if policy.in_organization:
        assert await status(callers.other) == 403, name
    # That there is no such thing is an answer that a key keeps.
    named = policy.path.count("_id}") + policy.path.count("{key}")
    keeps = policy.idempotent and named > policy.in_organization
    assert await world.stored() == before or keeps, name


@in_sections
async def test_route_admits_the_people_whom_its_policy_names(
    api_url: str, client: Any, world: Any, someone: Any, policies: tuple[Policy, ...]
) -> None:
    people = {who: client(api_url, await made(someone, who, world)) for who in PEOPLE}
    for policy, who in itertools.product(policies, PEOPLE):
        answer = await ask(people[who], policy, world)
        refusal = expected(policy, who)
        said = f"{policy.method} {policy.path} by {who}: {answer.text}"
        if refusal is None and policy.access is Access.USER and policy.in_organization:
            assert answer.status_code not in {401, 405, 500}, said  # the flow asks for membership
        elif refusal is None:
            assert answer.status_code not in REFUSED, said
            assert slug(answer) not in FOREIGN, said
        else:
            assert (answer.status_code, slug(answer)) == refusal, said
        if (policy.method, policy.path) in ENDING:
            people[who] = client(api_url, await made(someone, who, world))


@in_sections
async def test_cookie_alone_changes_nothing_on_any_route(
    api_url: str, client: Any, world: Any, someone: Any, policies: tuple[Policy, ...]
) -> None:
    owner = await someone(member="customer_owner")
    browser, page = client(api_url, owner.cookie), client(api_url, owner.page)
    for policy in policies:
        answer = await ask(browser, policy, world)
        if policy.access is Access.PROVIDER:
            world.problem(answer, 401, "callback-refused")
            continue
        if policy.access is not Access.ANONYMOUS and policy.method not in SAFE:
            world.problem(answer, 403, "csrf-refused")
        else:
            assert slug(answer) != "csrf-refused", f"{policy.method} {policy.path}"
        if (policy.method, policy.path) in ENDING:
            owner = await someone(member="customer_owner")
            browser, page = client(api_url, owner.cookie), client(api_url, owner.page)
        if policy.method not in SAFE:
            elsewhere = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
            answer = await ask(page, policy, world, **elsewhere)
            if policy.method == "POST" and policy.path in BY_LINK:
                world.problem(answer, 404, "not-found")
            else:
                world.problem(answer, 403, "csrf-refused")


PEOPLE: dict[str, dict[str, Any]] = {
    "user": {},
    "owner": {"member": "customer_owner"},
    "foreign": {"member": "customer_owner"},
    "viewer": {"member": "customer_staff"},
    "admin": {"platform": "admin"},
    "expired": {"member": "customer_owner"},
}
# What whoever called it may be no longer, or be signed in no longer.
ENDING = {
    ("POST", "/v1/auth/sign-out"),
    ("POST", "/v1/auth/sign-out-everywhere"),
    ("DELETE", "/v1/me"),
    ("POST", "/v1/organizations/{organization_id}/leave"),
}


async def made(someone: Any, who: str, world: Any) -> Any:
    """Somebody of a kind, signed in."""
    if who == "foreign":
        return (await someone(**PEOPLE[who], of=world.other)).acting(world.organization)
    return await someone(**PEOPLE[who], **({"at": time.time() - 1000} if who == "expired" else {}))


REFUSED = {401, 403, 405, 500}
FOREIGN = {"organization-forbidden", "scope-missing", "person-required", "csrf-refused", "credentials-ambiguous"}


async def ask(caller: Any, policy: Policy, world: Any, **headers: str) -> httpx.Response:
    """Send an empty object where a body is due, to things that are not there, in the one organization that is."""
    path = (
        policy.path.replace("{organization_id}", str(world.organization))
        .replace("{method}", "totp")
        .replace("{slug}", "invalid")
        .replace("{webhook}", "mailjet" if policy.access is Access.PROVIDER else "{webhook}")
        .replace("{part}", "status")
    )
    path = re.sub(r"\{\w+\}", "01920000-0000-7000-8000-00000000dead", path)
    body = {"json": {}} if policy.takes_body else {}
    caller.cookies.clear()  # each request comes with what its caller began with
    answer: httpx.Response = await caller.request(policy.method, path, headers=world.key() | headers, **body)
    return answer


def expected(policy: Policy, who: str) -> tuple[int, str] | None:
    """The refusal that a person meets before the route itself is asked; None: none."""
    if policy.access is Access.ANONYMOUS:
        return None
    if policy.access is Access.PROVIDER:
        return 401, "callback-refused"
    if who == "expired":
        return 401, "token-expired"
    return None if policy.access in {Access.USER, Access.OPTIONAL} else expected_of_caller(policy, who)


def expected_of_caller(policy: Policy, who: str) -> tuple[int, str] | None:
    """The same, for somebody who acts for an organization."""
    if who == "foreign" or (who == "user" and policy.in_organization):
        return 403, "organization-forbidden"
    if who == "user":
        return 422, "invalid"
    role = {"owner": "customer_owner", "viewer": "customer_staff", "admin": "admin"}[who]
    if policy.scope is not None and policy.scope not in ROLE_PERMISSIONS[role]:
        return 403, "scope-missing"
    return None


def slug(answer: httpx.Response) -> str:
    """The kind of problem that an answer is; empty where it is none."""
    if answer.headers.get("content-type") != "application/problem+json":
        return ""
    return str(answer.json()["type"]).rpartition("/")[2]
