"""S11 in full: replays at once over several processes and after restarts, and every byte of a request altered."""

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
import redis
from faults.harness import Site, until
from faults.site_callers import Callers, client, sms

from singr_auth import SigningKey, sign_request

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

SCOPES = ("jobs:read", "jobs:write", "notifications:write")


def headers(signed: dict[str, str]) -> dict[str, str]:
    """With a new idempotency key each time: the nonce alone must stop a replay."""
    return signed | {"content-type": "application/json", "idempotency-key": uuid4().hex}


async def signing_key(site: Site) -> SigningKey:
    new = await Callers(site).make(SCOPES, signing=True)
    return SigningKey(new.key_id, new.secret)


async def test_replays_at_once_over_several_processes_are_accepted_once(site: Site):
    """20 requests 50 times at once, to create and to cancel; then again after both stores were flushed or restarted."""
    key = await signing_key(site)
    body = json.dumps(sms()).encode()
    creations = [sign_request(key, method="POST", path="/v1/jobs", body=body) for _ in range(20)]
    with site.api(processes=4) as api:
        async with client(api.address) as caller:
            jobs: list[str] = []
            for signed in creations:
                answers = await at_once(caller, "/v1/jobs", body, signed)
                assert sorted(answer.status_code for answer in answers) == [202] + [401] * 49
                jobs += [answer.json()["id"] for answer in answers if answer.status_code == 202]
            for job_id in jobs[:5]:
                path = f"/v1/jobs/{job_id}/cancel"
                answers = await at_once(caller, path, b"", sign_request(key, method="POST", path=path, body=b""))
                assert sorted(answer.status_code for answer in answers) == [200] + [401] * 49
            redis.Redis.from_url(site.servers.redis_url).flushall()
            await all_replayed(caller, body, creations)
            site.servers.valkey.kill()
            await all_replayed(caller, body, creations)
            site.servers.valkey.start()
            site.servers.postgres.stop()
            site.servers.postgres.start()
            until(api.healthy, within=30, what="the API is healthy after the restart")
        async with client(api.address) as caller:
            await all_replayed(caller, body, creations)
    assert site.count("jobs") == len(creations)


async def at_once(caller: httpx.AsyncClient, path: str, body: bytes, signed: dict[str, str]) -> list[httpx.Response]:
    return list(await asyncio.gather(*(caller.post(path, content=body, headers=headers(signed)) for _ in range(50))))


async def all_replayed(caller: httpx.AsyncClient, body: bytes, creations: list[dict[str, str]]) -> None:
    for signed in creations:
        deadline = time.monotonic() + 20
        while True:
            answer = await caller.post("/v1/jobs", content=body, headers=headers(signed))
            if answer.status_code != 503 or time.monotonic() > deadline:  # a restarted server may cost an answer
                break
            await asyncio.sleep(0.1)
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (401, "request-replayed")


async def test_no_altered_byte_passes(site: Site):
    """Each byte of body, path, query and signature headers; other methods; other times. The original still passes."""
    key = await signing_key(site)
    body, path = json.dumps(sms()).encode(), "/v1/jobs?"
    signed = sign_request(key, method="POST", path=path, body=body)
    with site.api(processes=2) as api:
        async with client(api.address, connections=8) as caller:

            async def refused(what: str, **changed: Any) -> None:
                request = {"method": "POST", "url": path, "content": body, "headers": headers(signed)} | changed
                answer = await caller.request(**request)
                # An altered path may lead nowhere; what never happens is that it is let in.
                expected = {401} if "url" not in changed else {400, 401, 404, 405}
                assert answer.status_code in expected, f"{what}: {answer.status_code} {answer.text[:200]}"

            for at in range(len(body)):
                await refused(f"body {at}", content=body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :])
                await refused(f"body without {at}", content=body[:at] + body[at + 1 :])
            await refused("body longer", content=body + b" ")
            for at in range(1, len(path)):
                await refused(f"path {at}", url=path[:at] + ("y" if path[at] == "x" else "x") + path[at + 1 :])
            for name, value in signed.items():
                for at in range(len(value)):
                    other = value[:at] + ("1" if value[at] == "0" else "0") + value[at + 1 :]
                    if other != value:
                        await refused(f"{name} {at}", headers=headers(signed | {name: other}))
            for method in ("GET", "PUT", "PATCH", "DELETE"):
                await refused(method, method=method, url=path)
            now = int(time.time())
            for offset in (-(10**9), -3600, -302, 302, 3600, 10**9):
                stale = sign_request(key, method="POST", path=path, body=body, timestamp=now + offset)
                await refused(f"{offset} s", headers=headers(stale))
            assert site.count("jobs") == site.count("request_marks") == 0
            for offset in (-290, 290):
                fresh = sign_request(key, method="POST", path=path, body=body, timestamp=int(time.time()) + offset)
                answer = await caller.post(path, content=body, headers=headers(fresh))
                assert answer.status_code == 202, answer.text
            answer = await caller.post(path, content=body, headers=headers(signed))
            assert answer.status_code == 202, answer.text
    assert site.count("jobs") == 3
