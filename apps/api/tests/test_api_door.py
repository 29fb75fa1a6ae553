"""What no route is asked about: spellings of addresses, unknown parameters, other protocols, other pages."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from singr_api.admission.csrf import CsrfGuard
from singr_api.http.edge import Edge
from singr_api.http.negotiation import check_accepts_json
from singr_api.http.problems import Problem
from singr_api.wiring.routes import operations, policy_table
from singr_auth import SignedRequestAuth, sign_request
from singr_config import Secret
from singr_db import Sealer

POLICIES = policy_table().policies
# Whose token must be one: see test_api_unsubscribe and test_api_choices.
OF_TOKENS = {"/v1/unsubscribe/{token}", "/preferences/{token}"}
OPEN = sorted(
    policy.path for policy in POLICIES if policy.access == "anonymous" and policy.method == "GET" and not policy.query
)


async def ask(url: str, target: str, method: str = "GET", **headers: str) -> httpx.Response:
    """Send a target as it stands, unlike clients, which tidy it up."""
    host, _, port = url.removeprefix("http://").partition(":")
    raw = httpx.URL(scheme="http", host=host, port=int(port), raw_path=target.encode())
    async with httpx.AsyncClient(trust_env=False) as caller:
        return await caller.send(httpx.Request(method, raw, headers=headers))


@pytest.mark.parametrize(
    "target",
    [
        "/metrics/",
        "//metrics",
        "/%6Detrics",
        "/%6detrics",
        "/metrics%2f",
        "/metrics%00",
        "/health//",
        "/v1//me",
        "/v1/me/",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
async def test_resource_has_one_address(standing_url: str, target: str, method: str) -> None:
    assert (await ask(standing_url, target, method)).status_code == 404


async def test_options_of_the_whole_server_tells_its_methods(standing_url: str) -> None:
    host, _, port = standing_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"OPTIONS * HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode().lower()
    writer.close()
    assert answer.startswith("http/1.1 204 ")
    methods = sorted({policy.method.lower() for policy in policy_table().policies} | {"head", "options"})
    assert f"\r\nallow: {', '.join(methods)}\r\n" in answer


async def test_preflight_admits_what_tracing_adds(standing_url: str, client: Any) -> None:
    headers = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}
    answer = await client(standing_url).options("/v1/jobs", headers=headers)

    allowed = set(answer.headers["access-control-allow-headers"].split(", "))
    assert {"baggage", "sentry-trace", "traceparent", "tracestate"} <= allowed
    assert {"b3"} | {f"x-b3-{name}" for name in ("traceid", "spanid", "parentspanid", "sampled", "flags")} <= allowed
    datadog = ("trace-id", "parent-id", "origin", "sampling-priority", "tags")
    assert {f"x-datadog-{name}" for name in datadog} <= allowed


@pytest.mark.parametrize(
    ("accept", "admitted"),
    [
        ("application/jwk-set+json", True),
        ("application/problem+json", True),
        ("text/html, application/problem+json;q=0.5", True),
        ("application/json;q=0, application/problem+json", True),
        ("application/json;q=0, */*", True),
        ("*/*;q=0", False),
        ("text/html", False),
    ],
)
async def test_keys_are_given_to_whoever_admits_json_by_any_of_its_names(
    standing_url: str, accept: str, *, admitted: bool
) -> None:
    answer = await ask(standing_url, "/.well-known/jwks.json", accept=accept)

    assert (answer.status_code == 200) is admitted


def test_key_set_is_no_form_of_other_answers() -> None:
    with pytest.raises(Problem, match="application/json"):
        check_accepts_json(b"application/jwk-set+json", "/v1/me")


def test_table_says_of_each_route_whether_it_takes_a_query() -> None:
    documented = {(one.method, one.path) for one in operations() if one.query is not None}

    assert {(policy.method, policy.path) for policy in POLICIES if policy.query} == documented


@pytest.mark.parametrize(
    "path",
    sorted({policy.path for policy in POLICIES if policy.any_query and policy.access.admits_strangers} - OF_TOKENS),
)
async def test_probe_document_or_page_ignores_parameters(
    standing_url: str, callers: Any, client: Any, path: str
) -> None:
    caller = client(standing_url, callers.platform if path == "/metrics/json" else None)
    for query in ("ts=1", "verbose", "v=3&v=4", "utm_source=%ff%zz"):
        answer = await caller.get(f"{path.replace('{slug}', 'invalid')}?{query}")
        assert answer.status_code in {200, 302}, f"{query}: {answer.text}"


@pytest.mark.parametrize("target", ["/v1/jobs?unknown=1", "/v1/me?limit=1"])
async def test_route_of_the_api_refuses_parameters_that_nobody_reads(
    api_url: str, callers: Any, client: Any, world: Any, someone: Any, target: str
) -> None:
    key = await someone() if target.startswith("/v1/me") else callers.own
    refused = world.problem(await client(api_url, key).get(target), 422, "invalid")

    assert [error["location"] for error in refused["errors"]] == ["query"]


async def test_submission_takes_no_parameters(standing_door_url: str, callers: Any, client: Any, world: Any) -> None:
    answer = await client(standing_door_url, callers.own).post(
        "/v1/jobs?dry_run=1", json=world.sms(), headers=world.key()
    )

    assert [error["field"] for error in world.problem(answer, 422, "invalid")["errors"]] == ["dry_run"]


async def test_page_of_a_link_takes_what_mail_programs_add(standing_url: str) -> None:
    assert (await ask(standing_url, "/verify-email?token=x&utm_source=mail")).status_code == 200


@pytest.mark.parametrize(
    "target", ["/v1/jobs?", "/v1/jobs?limit=5", "/v1/jobs?type=sms%2Esend", "/v1/jobs?type=sms%2esend"]
)
async def test_target_is_signed_exactly_as_it_is_sent(standing_url: str, callers: Any, target: str) -> None:
    signed = sign_request(callers.own, method="GET", path=target, body=b"")

    assert (await ask(standing_url, target, **signed)).status_code == 200


@pytest.mark.parametrize(("signed", "sent"), [("/v1/jobs", "/v1/jobs?"), ("/v1/jobs?", "/v1/jobs")])
async def test_empty_query_is_part_of_what_is_signed(standing_url: str, callers: Any, signed: str, sent: str) -> None:
    headers = sign_request(callers.own, method="GET", path=signed, body=b"")

    assert (await ask(standing_url, sent, **headers)).status_code == 401


@pytest.mark.parametrize("url", ["/v1/jobs?", "/v1/jobs?#top", "/v1/jobs#top", "/v1/jobs?type=sms.send&limit=5"])
async def test_httpx_signs_what_it_sends(standing_url: str, callers: Any, url: str) -> None:
    async with httpx.AsyncClient(auth=SignedRequestAuth(callers.own), trust_env=False) as caller:
        assert (await caller.get(standing_url + url)).status_code == 200


async def test_websocket_handshake_is_refused(standing_url: str, world: Any) -> None:
    answer = await ask(standing_url, "/health", connection="upgrade", upgrade="websocket")

    world.problem(answer, 400, "malformed-request")


@pytest.mark.parametrize("path", ["/v1/auth/sign-in", "/v1/auth/register", "/v1/jobs"])
@pytest.mark.parametrize("rest", [b"{", b"ZZ\r\n"])
async def test_caller_who_hangs_up_is_no_fault_of_ours(api_url: str, callers: Any, path: str, rest: bytes) -> None:
    host, _, port = api_url.removeprefix("http://").partition(":")
    framing = "content-length: 10" if rest == b"{" else "transfer-encoding: chunked"
    credential = "" if path.startswith("/v1/auth") else f"x-api-key: {callers.api_key}\r\n"
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\n{credential}content-type: application/json\r\n{framing}\r\n\r\n"
    writer.write(head.encode() + rest)
    writer.close()

    async with asyncio.timeout(20):
        while True:  # each look is a request, and so gives way
            metrics = (await ask(api_url, "/metrics")).text
            if f'route="{path}",status="499"' in metrics:
                break
    counted = [line for line in metrics.splitlines() if line.startswith("singr_http_errors_total{") and path in line]
    assert [line for line in counted if 'status="500"' in line] == []


async def test_websocket_is_closed_before_it_is_accepted() -> None:
    sent: list[Any] = []

    async def app(*_: Any) -> None:
        raise AssertionError("asked")

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await Edge(app, origins=(), allowed=policy_table().allowed, secure=False)(
        {"type": "websocket", "headers": []}, receive, send
    )

    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


GUARD = CsrfGuard(Sealer(Secret("x" * 40)), ["https://api.example:443/", "http://localhost:5173"])


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "admitted"),
    [
        ("https://api.example", "other", "http", True),
        ("https://API.example:443", "other", "http", True),
        ("http://api.example", "other", "http", False),
        ("http://localhost:5173", "other", "http", True),
        ("https://localhost:5173", "other", "http", False),
        ("http://here:3000", "here:3000", "http", True),
        ("http://here", "here:80", "http", True),
        ("https://here", "HERE", "https", True),
        ("https://here", "here", "http", False),
        ("http://here", "here", "https", False),
        ("http://here:3001", "here:3000", "http", False),
        ("ftp://here", "here", "http", False),
        ("null", "here", "http", False),
        ("", "", "http", False),
        ("http://[2001:db8::1]:3000", "[2001:db8::1]:3000", "http", True),
        ("http://here@evil", "evil", "http", False),
    ],
)
def test_page_is_known_by_scheme_host_and_port(origin: str, host: str, scheme: str, *, admitted: bool) -> None:
    headers = {b"origin": origin.encode(), b"host": host.encode(), b":scheme": scheme.encode()}

    try:
        GUARD.check_origin(headers)
    except Problem:
        assert not admitted
    else:
        assert admitted


async def test_refusal_of_a_guard_tells_of_the_limit_that_refused(api_url: str, client: Any, world: Any) -> None:
    body = {"email": f"{uuid4().hex}@example.org"}
    caller = client(api_url)
    answers = [await caller.post("/v1/auth/magic-link", json=body) for _ in range(60)]
    refused = next(answer for answer in answers if answer.status_code == 429)

    wait = refused.headers["retry-after"]
    assert refused.headers["ratelimit"] == f'"guard";r=0;t={wait}'
    assert refused.headers["ratelimit-policy"].startswith('"guard";q=')
    assert answers[0].headers["ratelimit"].startswith('"address"')
