"""What pages of other origins may send and read, and that a cache keeps apart what each of them was told."""

import json
from typing import Any

import msgspec

from singr_api.admission.policy import Access
from singr_api.operations.documentation.document import as_json, openapi_document
from singr_api.wiring.routes import policy_table

ORIGIN = "http://localhost:3000"
_PREFLIGHT = {"origin": ORIGIN, "access-control-request-method": "POST"}
# What scripts read of any answer (Fetch, 4.9: CORS-safelisted response-header names).
_READABLE = {
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
}
_DOCUMENT = json.loads(as_json(openapi_document()))
_OPEN = sorted(
    policy.path
    for policy in policy_table().policies
    if policy.method == "GET" and policy.access is Access.ANONYMOUS and "{" not in policy.path
)


async def test_cors_admits_configured_origins_and_no_others(standing_url: str, client: Any) -> None:
    caller = client(standing_url)
    admitted = await caller.options("/v1/jobs", headers=_PREFLIGHT)
    assert admitted.status_code == 204
    assert admitted.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in admitted.headers["access-control-allow-methods"]
    assert "idempotency-key" in admitted.headers["access-control-allow-headers"]
    for origin in ("http://evil.example", "null", ORIGIN + ".evil.example"):
        for method, extra in (("OPTIONS", _PREFLIGHT), ("GET", {})):
            answer = await caller.request(method, "/v1/jobs", headers=extra | {"origin": origin})
            assert "access-control-allow-origin" not in answer.headers
            assert "access-control-allow-credentials" not in answer.headers
            assert answer.headers["vary"] == "origin"
    refused = await caller.get("/v1/jobs", headers={"origin": ORIGIN})
    assert refused.headers["access-control-allow-origin"] == ORIGIN  # so that the page can read the problem
    for answer in (admitted, refused):
        assert answer.headers["access-control-allow-credentials"] == "true"
    for name in ("authorization", "x-csrf-token", "x-singr-organization", "x-singr-device"):
        assert name in admitted.headers["access-control-allow-headers"]


async def test_cacheable_answers_are_kept_apart_by_origin_whatever_else_they_vary_by(
    standing_url: str, client: Any
) -> None:
    caller = client(standing_url)
    varied = set()
    for path in (*_OPEN, "/problems/not-found"):
        for accept in ("application/json", "text/html"):
            answer = await caller.get(path, headers={"origin": ORIGIN, "accept": accept})
            if answer.headers.get("cache-control", "").startswith("public"):
                (vary,) = answer.headers.get_list("vary")
                assert "origin" in vary.split(", "), path
                varied.add(vary)
    assert {"origin", "accept-encoding, origin", "accept, accept-encoding, origin"} <= varied


async def test_cacheable_answers_say_what_they_vary_by_in_one_field_though_no_origin_may_call(
    settings: Any, serve_app: Any, client: Any
) -> None:
    alone = msgspec.structs.replace(settings.app, cors_origins=())
    async with serve_app(msgspec.structs.replace(settings, app=alone)) as url:
        answer = await client(url).get("/problems", headers={"accept": "application/json"})
    assert answer.headers.get_list("vary") == ["accept, accept-encoding"]


async def test_preflight_admits_every_header_that_the_document_names(standing_url: str, client: Any) -> None:
    answer = await client(standing_url).options("/v1/jobs", headers=_PREFLIGHT)
    admitted = set(answer.headers["access-control-allow-headers"].split(", "))
    schemes = _DOCUMENT["components"]["securitySchemes"].values()
    named = {scheme["name"].lower() for scheme in schemes if scheme.get("in") == "header"} | {"authorization"}
    parameters = [part for operation in _operations() for part in map(_followed, operation.get("parameters", ()))]
    named |= {part["name"].lower() for part in parameters if part["in"] == "header"}
    assert "idempotency-key" in named
    assert named - admitted == set()


async def test_pages_of_other_origins_read_every_header_that_the_document_names(standing_url: str, client: Any) -> None:
    answer = await client(standing_url).get("/v1/jobs", headers={"origin": ORIGIN})
    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    responses = [_followed(response) for operation in _operations() for response in operation["responses"].values()]
    named = {name.lower() for response in responses for name in response.get("headers", ())}
    assert {"retry-after", "location"} <= named
    assert (named | {"etag"}) - _READABLE - exposed == set()


def _operations() -> list[dict[str, Any]]:
    return [operation for item in _DOCUMENT["paths"].values() for operation in item.values()]


def _followed(part: dict[str, Any]) -> dict[str, Any]:
    found: Any = part
    if "$ref" in part:
        found = _DOCUMENT
        for key in part["$ref"].removeprefix("#/").split("/"):
            found = found[key]
    return dict(found)
