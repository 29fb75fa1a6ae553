"""S11: a signed request is accepted once, within its time, and only as it was signed."""

import asyncio
import json
import time
from typing import Any

import pytest
import redis.asyncio
from sqlalchemy import text

from singr_auth import sign_request
from singr_auth.accounts import ServiceCredentials
from singr_db import Sealer

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("offset", [-301, 301])
async def test_request_from_another_time_is_refused(
    standing_door_url: str, callers: Any, client: Any, world: Any, offset: int
) -> None:
    body = json.dumps(world.sms()).encode()
    signed = sign_request(
        callers.own, method="POST", path="/v1/jobs", body=body, timestamp=int(time.time()) + offset + (offset > 0)
    )
    answer = await client(standing_door_url).post("/v1/jobs", content=body, headers=signed | world.key() | JSON)
    assert "x-singr-timestamp" in world.fields(world.problem(answer, 401, "signature-refused"))
    assert await world.nothing_stored()


@pytest.mark.parametrize("altered", ["body", "path", "query", "method"])
async def test_altered_request_is_refused(
    standing_door_url: str, callers: Any, client: Any, world: Any, altered: str
) -> None:
    body = json.dumps(world.sms()).encode()
    signed = sign_request(callers.own, method="POST", path="/v1/jobs", body=body) | world.key() | JSON
    method, path, content = "POST", "/v1/jobs", body
    if altered == "body":
        content = body.replace(b"next", b"last")
    elif altered == "path":
        path = "/v1/jobs/01920000-0000-7000-8000-0000000000ff/cancel"
    elif altered == "query":
        path = "/v1/jobs?x=1"
    else:
        method = "GET"
    answer = await client(standing_door_url).request(method, path, content=content, headers=signed)
    world.problem(answer, 401, "signature-refused")
    assert await world.nothing_stored()


async def test_replay_is_refused_also_after_the_cache_is_flushed(
    standing_door_url: str, callers: Any, client: Any, world: Any, settings: Any
) -> None:
    body = json.dumps(world.sms()).encode()
    headers = sign_request(callers.own, method="POST", path="/v1/jobs", body=body) | world.key() | JSON
    caller = client(standing_door_url)
    assert (await caller.post("/v1/jobs", content=body, headers=headers)).status_code == 202
    again = await caller.post("/v1/jobs", content=body, headers=headers)
    assert "x-singr-nonce" in world.fields(world.problem(again, 401, "request-replayed"))
    async with redis.asyncio.Redis.from_url(settings.redis.url.reveal()) as cache:
        await cache.flushdb()
    other_key = headers | world.key()  # the key is not part of the signature: the nonce must be what stops it
    world.problem(await caller.post("/v1/jobs", content=body, headers=other_key), 401, "request-replayed")
    assert (await world.stored())["jobs"] == 1


async def test_signed_request_that_was_refused_is_taken_once_when_it_comes_again(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    """Decision 28: a refusal uses up no nonce, and the key is in no signature."""
    body = json.dumps(world.sms()).encode()
    headers = sign_request(callers.own, method="POST", path="/v1/jobs", body=body) | JSON
    caller = client(standing_door_url)
    keys = ({}, world.key(), world.key())
    answers = [(await caller.post("/v1/jobs", content=body, headers=headers | key)).status_code for key in keys]
    assert answers == [400, 202, 401]


async def test_replayed_cancel_is_refused(standing_url: str, callers: Any, client: Any, world: Any) -> None:
    job = (await client(standing_url, callers.own).post("/v1/jobs", json=world.sms(), headers=world.key())).json()
    path = f"/v1/jobs/{job['id']}/cancel"
    headers = sign_request(callers.own, method="POST", path=path, body=b"") | world.key()
    caller = client(standing_url)
    assert (await caller.post(path, headers=headers)).status_code == 200
    world.problem(await caller.post(path, headers=headers), 401, "request-replayed")


async def test_safe_request_uses_up_no_nonce(standing_url: str, callers: Any, client: Any, world: Any) -> None:
    headers = sign_request(callers.own, method="GET", path="/v1/jobs", body=b"")
    caller = client(standing_url)
    assert [(await caller.get("/v1/jobs", headers=headers)).status_code for _ in range(2)] == [200, 200]
    async with world.db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM request_marks")) == 0


async def test_signed_head_is_signed_as_head(standing_url: str, callers: Any, client: Any) -> None:
    answer = await client(standing_url, callers.own).head("/v1/jobs")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_revoked_credential_is_refused_within_a_second(
    door_url: str, callers: Any, client: Any, world: Any, settings: Any
) -> None:
    caller = client(door_url, callers.own)
    assert (await caller.post("/v1/jobs", json=world.sms(), headers=world.key())).status_code == 202
    credentials = ServiceCredentials(
        world.db, Sealer(settings.auth.secret, settings.auth.previous_secrets), settings.ingestion
    )
    async with world.db.platform() as session:
        assert await credentials.revoke(session, callers.own.key_id)
    async with asyncio.timeout(20):  # how soon: test_auth_accounts.py
        while (answer := await caller.post("/v1/jobs", json=world.sms(), headers=world.key())).status_code == 202:  # noqa: ASYNC110 — nobody tells when
            await asyncio.sleep(0.2)
    world.problem(answer, 401, "signature-refused")
