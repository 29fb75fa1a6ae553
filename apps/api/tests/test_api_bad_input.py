"""Bad input, through both doors: the right status, the field, the remedy, and nothing stored."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from singr_api.http.body import MAX_BODY_BYTES
from singr_auth import SigningKey, sign_request
from singr_comms.catalogue import message_types
from singr_config import Secret
from singr_platform import all_jobs

TYPES = sorted(job.name for job in all_jobs() if job.request is not None)
KINDS = sorted(str(model.__struct_config__.tag) for model in message_types.models("sms"))
DEEP = "[" * 200_000 + "]" * 200_000


def changed(world: Any, **fields: Any) -> bytes:
    return json.dumps(world.sms(**fields)).encode()


def with_text(world: Any, text: str) -> bytes:
    """A body whose message text is given as JSON source."""
    return changed(world).replace(b'"You are next."', text.encode("utf-8", "surrogatepass"))


def with_source(field: str, source: str) -> Callable[[Any], bytes]:
    """A body with one more field, whose value is given as JSON source."""
    return lambda world: changed(world)[:-1] + f', "{field}": {source}}}'.encode()


BODIES: dict[str, tuple[Any, int, str, str, str]] = {
    # name: (body, status, slug, field, what the message says)
    "unknown type": (lambda w: changed(w, type="sms.sned"), 422, "invalid", "type", f"one of {', '.join(TYPES)}"),
    "no type": (lambda _: b"{}", 422, "invalid", "type", "is required: one of"),
    "type of another kind": (lambda w: changed(w, type=5), 422, "invalid", "type", "one of"),
    "unknown field": (lambda w: changed(w, prio="high"), 422, "invalid", "prio", "is unknown here; known are"),
    "wrong type": (lambda w: changed(w, attempts="5"), 422, "invalid", "attempts", "an integer from 1 to 100"),
    "out of range": (lambda w: changed(w, attempts=0), 422, "invalid", "attempts", "an integer from 1 to 100"),
    "no payload": (lambda w: b'{"type":"sms.send"}', 422, "invalid", "payload", "is required"),
    "payload is null": (lambda w: changed(w, payload=None), 422, "invalid", "payload", "must be an object, not null"),
    "bad phone": (
        lambda w: changed(w, payload={"to": "12", "message": {"kind": "plain", "text": "x"}}),
        422,
        "invalid",
        "payload.to",
        "+15555550100",
    ),
    "unknown kind": (
        lambda w: changed(w, payload={"to": "+15555550100", "message": {"kind": "poem"}}),
        422,
        "invalid",
        "payload.message.kind",
        f"one of {', '.join(KINDS)}",
    ),
    "time without zone": (
        lambda w: changed(w, run_at="2026-11-22T12:00:00"),
        422,
        "invalid",
        "run_at",
        "with its zone",
    ),
    "time far away": (lambda w: changed(w, run_at="9999-01-01T00:00:00Z"), 422, "invalid", "run_at", "366 days"),
    "time long ago": (lambda w: changed(w, run_at="0001-01-01T00:00:00+14:00"), 422, "invalid", "run_at", "366 days"),
    "run_at and delay": (
        lambda w: changed(w, run_at="2026-11-22T12:00:00Z", delay=5),
        422,
        "invalid",
        "",
        "exclude each other",
    ),
    "id of another version": (
        lambda w: changed(w, id="9b2e7c1e-8f6a-4d3b-a1c2-123456789abc"),
        422,
        "invalid",
        "id",
        "version 7",
    ),
    "organization is no UUID": (lambda w: changed(w, organization_id="x"), 422, "invalid", "organization_id", "UUID"),
    "organization that is none": (
        lambda w: changed(w, organization_id="01920000-0000-7000-8000-0000deadbeef"),
        422,
        "invalid",
        "organization_id",
        "exists",
    ),
    "no organization": (lambda w: changed(w, organization_id=None), 422, "invalid", "organization_id", "is required"),
    "no JSON": (lambda _: b"{'type': 1}", 400, "malformed-body", "", "JSON"),
    "cut off": (lambda w: changed(w)[:-5], 400, "malformed-body", "", "JSON"),
    "empty": (lambda _: b"", 400, "malformed-body", "", "JSON"),
    "trailing text": (lambda w: changed(w) + b"x", 400, "malformed-body", "", "JSON"),
    "NaN": (lambda w: changed(w).replace(b'"sms.send"', b"NaN"), 400, "malformed-body", "", "JSON"),
    "array": (lambda _: b"[1]", 422, "invalid", "", "must be an object, not an array"),
    "deep": (lambda w: changed(w)[:-1] + f', "more": {DEEP}}}'.encode(), 422, "invalid", "more[0][0][0]", "64 levels"),
    "deep without end": (lambda _: b'{"a":' * 100_000, 422, "invalid", "a.a.a.a", "64 levels"),
    "NUL byte": (lambda w: with_text(w, '"a\x00b"'), 400, "malformed-body", "", "JSON"),
    "escaped NUL": (lambda w: with_text(w, '"a\\u0000b"'), 422, "invalid", "payload.message.text", "NUL"),
    "lone surrogate": (lambda w: with_text(w, '"\\ud800"'), 422, "invalid", "payload.message.text", "surrogate"),
    "swapped surrogates": (
        lambda w: with_text(w, '"\\udc00\\ud800"'),
        422,
        "invalid",
        "payload.message.text",
        "surrogate",
    ),
    "bad UTF-8": (
        lambda w: changed(w).replace(b"You", b"\xff\xfe"),
        400,
        "malformed-body",
        "payload.message.text",
        "UTF-8",
    ),
    "surrogate bytes": (lambda w: with_text(w, '"\ud800"'), 400, "malformed-body", "payload.message.text", "UTF-8"),
    "past 64 bits": (
        lambda w: changed(w).replace(b'"sms.send"', b'"sms.send","attempts":9223372036854775808'),
        422,
        "invalid",
        "attempts",
        "64 bits",
    ),
    "past all floats": (with_source("delay", "1e400"), 422, "invalid", "delay", "from 0 to 31622400"),
    "past all floats, negative": (with_source("delay", "-1e400"), 422, "invalid", "delay", "from 0 to 31622400"),
    "past all floats, for an integer": (with_source("attempts", "1e400"), 422, "invalid", "attempts", "1 to 100"),
    "past all floats, for a text": (with_source("unique_key", "1e400"), 422, "invalid", "unique_key", "a string"),
    "past all floats, deep in an unknown field": (
        with_source("more", '[{"a":1e400}]'),
        422,
        "invalid",
        "more",
        "is unknown",
    ),
    "whole number with a point": (
        with_source("attempts", "5.0"),
        422,
        "invalid",
        "attempts",
        "written without a decimal point or exponent: 5",
    ),
    "leap second": (with_source("run_at", '"2026-12-31T23:59:60Z"'), 422, "invalid", "run_at", "leap seconds"),
    "leap second elsewhere": (
        with_source("run_at", '"2027-01-01T00:59:60.5+01:00"'),
        422,
        "invalid",
        "run_at",
        "leap seconds",
    ),
    "year 0": (with_source("run_at", '"0000-01-01T00:00:00Z"'), 422, "invalid", "run_at", "years are 1 to 9999"),
    "a million digits": (
        lambda w: changed(w).replace(b'"sms.send"', b'"sms.send","attempts":' + b"9" * 1_000_000),
        422,
        "invalid",
        "attempts",
        "64 bits",
    ),
}


@pytest.mark.parametrize("name", BODIES)
async def test_bad_body_is_refused_by_field_with_its_remedy_and_stores_nothing(
    standing_door_url: str, callers: Any, client: Any, world: Any, name: str
) -> None:
    make, status, slug, field, remedy = BODIES[name]
    headers = world.key() | {"content-type": "application/json"}
    answer = await client(standing_door_url, callers.platform).post("/v1/jobs", content=make(world), headers=headers)
    fields = world.fields(world.problem(answer, status, slug))
    assert remedy in fields[field]
    assert await world.nothing_stored()


async def test_every_invalid_field_is_named_at_once(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    bad = world.email(priority="now", attempts=0, timeout="1", surprise=True)
    bad["payload"] = {"to": {"email": "no"}, "message": {"kind": "welcome", "user_name": ""}, "extra": 1}
    answer = await client(standing_door_url, callers.platform).post("/v1/jobs", json=bad, headers=world.key())
    fields = world.fields(world.problem(answer, 422, "invalid"))
    assert set(fields) == {
        "priority",
        "attempts",
        "timeout",
        "surprise",
        "payload.to.email",
        "payload.message.user_name",
        "payload.message.account_type",
        "payload.message.dashboard_link",
        "payload.extra",
    }


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_oversize_body_is_413_declared_or_chunked(
    standing_door_url: str, callers: Any, client: Any, world: Any, *, chunked: bool
) -> None:
    size = 11 * 1024 * 1024

    async def chunks() -> Any:
        for _ in range(size // 65_536):
            yield b" " * 65_536

    headers = world.key() | {"content-type": "application/json", "x-api-key": callers.api_key}
    content = chunks() if chunked else b" " * (MAX_BODY_BYTES + 1)
    try:
        answer = await client(standing_door_url).post("/v1/jobs", content=content, headers=headers)
    except httpx.WriteError:
        pytest.fail("the connection was cut before the answer")
    world.problem(answer, 413, "body-too-large")
    assert await world.nothing_stored()


@pytest.mark.parametrize(
    ("headers", "status", "slug", "field"),
    [
        ({"content-type": "text/plain"}, 415, "unsupported-media-type", "content-type"),
        ({"content-type": "application/json; charset=latin-1"}, 415, "unsupported-media-type", "content-type"),
        (
            {"content-type": "application/json", "content-encoding": "gzip"},
            415,
            "unsupported-media-type",
            "content-encoding",
        ),
        ({"content-type": "application/json", "accept": "text/html"}, 406, "not-acceptable", "accept"),
        ({"content-type": "application/json", "accept": "application/json;q=0"}, 406, "not-acceptable", "accept"),
        (
            {"content-type": "application/json", "idempotency-key": "ü"},
            400,
            "idempotency-key-missing",
            "idempotency-key",
        ),
        (
            {"content-type": "application/json", "idempotency-key": "x" * 256},
            400,
            "idempotency-key-missing",
            "idempotency-key",
        ),
    ],
)
async def test_bad_header_is_named(
    standing_door_url: str,
    callers: Any,
    client: Any,
    world: Any,
    headers: dict[str, str],
    status: int,
    slug: str,
    field: str,
) -> None:
    given = {name: value.encode() for name, value in (world.key() | headers).items()}
    answer = await client(standing_door_url, callers.own).post("/v1/jobs", content=changed(world), headers=given)
    assert field in world.fields(world.problem(answer, status, slug))
    assert await world.nothing_stored()


async def test_missing_idempotency_key_is_named(standing_door_url: str, callers: Any, client: Any, world: Any) -> None:
    answer = await client(standing_door_url, callers.own).post("/v1/jobs", json=world.sms())
    assert "idempotency-key" in world.fields(world.problem(answer, 400, "idempotency-key-missing"))
    assert await world.nothing_stored()


@pytest.mark.parametrize("name", ["content-type", "idempotency-key", "x-api-key"])
async def test_header_that_comes_twice_is_refused(
    standing_door_url: str, callers: Any, client: Any, world: Any, name: str
) -> None:
    headers = [*world.key().items(), ("content-type", "application/json"), ("x-api-key", callers.api_key)]
    headers.append((name, dict(headers)[name]))
    answer = await client(standing_door_url).post("/v1/jobs", content=changed(world), headers=headers)
    assert name in world.fields(world.problem(answer, 400, "malformed-request"))
    assert await world.nothing_stored()


async def test_organization_of_somebody_else_is_403_and_named(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    answer = await client(standing_door_url, callers.other).post("/v1/jobs", json=world.sms(), headers=world.key())
    assert "organization_id" in world.fields(world.problem(answer, 403, "organization-forbidden"))
    assert await world.nothing_stored()


async def test_missing_scope_is_403_and_named(standing_door_url: str, callers: Any, client: Any, world: Any) -> None:
    answer = await client(standing_door_url, callers.reader).post("/v1/jobs", json=world.sms(), headers=world.key())
    assert "jobs:write" in world.problem(answer, 403, "scope-missing")["detail"]
    assert await world.nothing_stored()


async def test_nobody_is_401_with_the_ways_in(standing_door_url: str, client: Any, world: Any) -> None:
    answer = await client(standing_door_url).post("/v1/jobs", json=world.sms(), headers=world.key())
    world.problem(answer, 401, "unauthenticated")
    assert "Singr-HMAC-SHA256" in answer.headers["www-authenticate"]
    assert await world.nothing_stored()


@pytest.mark.parametrize("key", ["sk_live_nope", "hunter2", "sk_live_" + "0" * 49])
async def test_wrong_api_key_is_401(standing_door_url: str, client: Any, world: Any, key: str) -> None:
    answer = await client(standing_door_url, key).post("/v1/jobs", json=world.sms(), headers=world.key())
    assert "x-api-key" in world.fields(world.problem(answer, 401, "unauthenticated"))
    assert key not in answer.text
    assert await world.nothing_stored()


@pytest.mark.parametrize(
    ("change", "header"),
    [
        ({"x-singr-key": None}, "x-singr-key"),
        ({"x-singr-key": "nobody"}, "x-singr-key"),
        ({"x-singr-timestamp": None}, "x-singr-timestamp"),
        ({"x-singr-timestamp": "soon"}, "x-singr-timestamp"),
        ({"x-singr-nonce": None}, "x-singr-nonce"),
        ({"x-singr-nonce": "short"}, "x-singr-nonce"),
        ({"x-singr-signature": None}, "x-singr-signature"),
        ({"x-singr-signature": "v1=00"}, "x-singr-signature"),
        ({"x-singr-signature": "v1=" + "0" * 64}, "x-singr-signature"),
        ({"x-api-key": "sk_live_x"}, "x-api-key"),
    ],
)
async def test_wrong_signature_headers_are_401_by_name(
    standing_door_url: str, callers: Any, client: Any, world: Any, change: dict[str, str | None], header: str
) -> None:
    body = changed(world)
    headers: dict[str, str | None] = sign_request(callers.own, method="POST", path="/v1/jobs", body=body)  # type: ignore[assignment] # widened
    headers |= world.key() | {"content-type": "application/json"} | change
    sent = {name: value for name, value in headers.items() if value is not None}
    answer = await client(standing_door_url).post("/v1/jobs", content=body, headers=sent)
    assert header in world.fields(world.problem(answer, 401, "signature-refused"))
    assert await world.nothing_stored()


async def test_unknown_key_and_wrong_secret_look_alike_but_for_the_header(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    stolen = SigningKey(callers.own.key_id, Secret("a guess" * 8))
    answer = await client(standing_door_url, stolen).post("/v1/jobs", json=world.sms(), headers=world.key())
    world.problem(answer, 401, "signature-refused")
    assert await world.nothing_stored()


async def test_both_doors_answer_alike(settings: Any, callers: Any, client: Any, world: Any, serve_both: Any) -> None:
    """Status, header names and body, up to ids and times."""
    cases: list[tuple[bytes, dict[str, str]]] = [
        (make(world), world.key()) for make, *_ in BODIES.values() if len(make(world)) < MAX_BODY_BYTES
    ]
    cases += [(changed(world), world.key()), (changed(world), {}), (changed(world), {"accept": "text/html"})]
    async with serve_both(settings) as (lane, handler):
        for body, headers in cases:
            sent = {"content-type": "application/json", "x-api-key": callers.api_key, "x-request-id": "same"} | headers
            mine, theirs = [
                await client(url).post("/v1/jobs", content=body, headers=sent | _apart(headers, door))
                for door, url in (("l", lane), ("h", handler))
            ]
            assert mine.status_code == theirs.status_code
            assert set(mine.headers) == set(theirs.headers), (mine.text, theirs.text)
            ours, other = (answer.json() for answer in (mine, theirs))
            for volatile in ("id", "run_at", "created_at", "payload", "correlation_id"):
                ours.pop(volatile, None), other.pop(volatile, None)
            assert ours == other


def _apart(headers: dict[str, str], door: str) -> dict[str, str]:
    key = headers.get("idempotency-key")
    return {} if key is None else {"idempotency-key": key + door}
