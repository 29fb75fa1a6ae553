"""S3: the policy table knows every route, and what it says is what happens, for every kind of caller."""

import re
from typing import Any

import pytest
from litestar.routes import HTTPRoute

from singr_api._policy import POLICIES, Access, Policy, allowed_methods, policy_of
from singr_api._services import Services
from singr_api.app import build_routes
from singr_config.constants import PERMISSIONS
from singr_config.testing import settings_for_tests
from singr_observability import build_metrics

NAMES = [f"{policy.method} {policy.path}" for policy in POLICIES]


def test_every_route_that_is_served_is_in_the_table_and_the_other_way_round() -> None:
    settings = settings_for_tests()
    app = build_routes(settings, Services(settings, build_metrics()))
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
        policy_of("GET", "/v1/secrets")


@pytest.mark.parametrize("policy", POLICIES, ids=NAMES)
def test_every_policy_is_whole(policy: Policy) -> None:
    assert (policy.access is Access.CALLER) == (policy.scope is not None)
    assert policy.scope is None or policy.scope in PERMISSIONS
    if policy.method not in {"GET", "HEAD"}:
        assert policy.idempotent
        assert policy.access is not Access.ANONYMOUS
    assert policy.method in allowed_methods(re.sub(r"\{\w+\}", "x", policy.path))


@pytest.mark.parametrize("policy", POLICIES, ids=NAMES)
async def test_route_admits_whom_its_policy_names(
    api_url: str, callers: Any, client: Any, world: Any, policy: Policy
) -> None:
    path = re.sub(r"\{\w+\}", "01920000-0000-7000-8000-00000000dead", policy.path)

    async def status(key: Any) -> int:
        answer = await client(api_url, key).request(policy.method, path, headers=world.key())
        return int(answer.status_code)

    if policy.access is Access.ANONYMOUS:
        assert {await status(key) for key in (None, callers.own, callers.reader)} <= {200}
        return
    assert await status(None) == 401
    assert await status("sk_live_nope") == 401
    assert await status(callers.expired) == 401
    assert await status(callers.reader) == (403 if policy.scope != "jobs:read" else await status(callers.own))
    for key in (callers.own, callers.other, callers.platform, callers.api_key):
        assert await status(key) not in {401, 403, 405, 429, 500}
    assert await world.nothing_stored() or policy.path.endswith("/cancel")
