"""S2 in full: hostile values in every place of a body and of a query, and thousands of corrupted bodies."""

import asyncio
import copy
import json
import random
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from faults.harness import Site
from faults.site_callers import Callers, client, sms

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

JSON = {"content-type": "application/json"}
SCOPES = ("jobs:read", "jobs:write", "notifications:read", "notifications:write")
PLACE = "0f1e2d3c"  # where a hostile value goes; no valid value holds it

HOSTILE = {
    "NUL byte": b'"a\x00b"',
    "escaped NUL": rb'"a\u0000b"',
    "NUL alone": b"\x00",
    "lone high surrogate": rb'"\ud800"',
    "lone low surrogate": rb'"\udfff"',
    "swapped surrogates": rb'"\udc00\ud800"',
    "surrogate as UTF-8": b'"\xed\xa0\x80"',
    "bad UTF-8": b'"\xff\xfe"',
    "cut UTF-8": b'"\xf0\x9f\x8e"',
    "overlong UTF-8": b'"\xc0\x80"',
    "2^63": b"9223372036854775808",
    "-2^63-1": b"-9223372036854775809",
    "a million digits": b"9" * 1_000_000,
    "1e999": b"1e999",
    "NaN": b"NaN",
    "deep": b"[" * 200_000 + b"]" * 200_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep without end": b"[" * 200_000,
    "unclosed string": b'"',
}
QUERIES = (
    "%00",
    "a%00b",
    "%ff",
    "%ed%a0%80",
    "%c0%80",
    "%f0%9f%8e",
    "9" * 5_000,
    "-1",
    "1e999",
    "%",
    "%zz",
    "[" * 5_000,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in the document, the document's own first."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        yield from places(inner, (*path, name))


def planted(document: Any, path: tuple[Any, ...], hostile: bytes) -> bytes:
    """The document as JSON, with the hostile text at this place."""
    if not path:
        return hostile
    changed = copy.deepcopy(document)
    holder = changed
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = PLACE
    return json.dumps(changed).encode().replace(f'"{PLACE}"'.encode(), hostile)


def refused(answer: httpx.Response, what: str) -> None:
    assert 400 <= answer.status_code < 500, f"{what}: {answer.status_code} {answer.text[:300]}"
    assert answer.headers["content-type"] == "application/problem+json", what
    assert answer.json()["status"] == answer.status_code, what


async def test_hostile_value_in_any_place_is_refused_and_stores_nothing(site: Site):
    """Each hostile value as each field's value, as a field's name, in queries and paths; and 11 MB in chunks."""
    key = await Callers(site).make(SCOPES)
    document = sms() | {"attempts": 3, "timeout": 5.5, "delay": 60, "priority": "high", "unique_key": "k", "id": None}
    with site.api() as api:
        async with client(api.address, key) as caller:

            async def post(body: Any, what: str) -> None:
                headers = JSON | {"idempotency-key": uuid4().hex}
                refused(await caller.post("/v1/jobs", content=body, headers=headers), what)

            for name, hostile in HOSTILE.items():
                for path in places(document):
                    await post(planted(document, path, hostile), f"{name} at {path}")
                as_name = hostile if hostile.startswith(b'"') else b'"' + hostile[:100_000] + b'"'
                await post(json.dumps(document).encode().replace(b'"priority"', as_name), f"{name} as a name")

            async def chunks() -> Any:
                for _ in range(176):
                    yield b" " * 65_536

            await post(chunks(), "11 MB in chunks")
            for value in QUERIES:
                for query in (f"limit={value}", f"cursor={value}", f"status={value}", f"{value}=1"):
                    refused(await caller.get(f"/v1/jobs?{query}"), query[:80])
                    refused(await caller.get(f"/v1/deliveries?{query}"), query[:80])
                refused(await caller.get(f"/v1/jobs/{value}"), f"path {value[:80]}")
        assert api.healthy()
        assert "Traceback" not in api.log.read_text()
    assert site.count("jobs") == site.count("messages") == site.count("request_keys") == 0


async def test_corrupted_body_is_never_a_fault_of_ours(site: Site):
    """5,000 bodies with a few bytes changed, lost, doubled or put in: stored whole or refused, never 500."""
    key = await Callers(site).make(SCOPES)
    good = json.dumps(sms("Ünïcode \U0001f3a4 and \\u escapes") | {"attempts": 3, "delay": 60}).encode()
    dice = random.Random(20261122)
    bodies = [corrupted(good, dice) for _ in range(5_000)]
    accepted = 0
    with site.api(processes=2) as api:
        async with client(api.address, key, connections=16) as caller:
            left = list(bodies)

            async def sender() -> None:
                nonlocal accepted
                while left:
                    body = left.pop()
                    headers = JSON | {"idempotency-key": uuid4().hex}
                    answer = await caller.post("/v1/jobs", content=body, headers=headers)
                    if answer.status_code == 202:
                        accepted += 1
                    else:
                        refused(answer, repr(body))

            await asyncio.gather(*(sender() for _ in range(16)))
        assert api.healthy()
        assert "Traceback" not in api.log.read_text()
    assert site.count("jobs") == site.count("messages") == site.count("request_keys") == accepted
    assert 0 < accepted < len(bodies)


def corrupted(good: bytes, dice: random.Random) -> bytes:
    body = bytearray(good)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(body))
        match dice.randrange(5):
            case 0:
                body[at] ^= 1 << dice.randrange(8)
            case 1:
                del body[at : at + dice.randint(1, 8)]
            case 2:
                body[at:at] = body[at : at + dice.randint(1, 40)]
            case 3:
                body[at:at] = dice.choice(
                    (rb"\u0000", rb"\ud800", b"\x00", b"\xff", b"[[", b'{"', b"99999999999999999999")
                )
            case _:
                body[at] = dice.randrange(256)
    return bytes(body)
