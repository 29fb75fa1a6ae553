"""What a worker answers over HTTP about itself."""

from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from sqlalchemy import make_url

import singr_db
from singr_config import Secret, Settings
from singr_db import Database
from singr_db.limits import RateLimiter
from singr_db.redis import redis_client
from singr_observability import build_metrics
from singr_worker._child import _database, _redis
from singr_worker._schema import Schema
from singr_worker._status import StatusApp


class Told:
    """A supervisor whose only process is as the test says."""

    def __init__(self, *, responsive: bool = True, database: str = "ok", redis: str = "ok", **more: object) -> None:
        self._responsive = responsive
        self._process: dict[str, object] = {
            "process": 0,
            "responsive": responsive,
            "database": database,
            "redis": redis,
            **more,
        }

    def status(self) -> tuple[bool, list[dict[str, object]]]:
        return self._responsive, [self._process]


async def ask(path: str, method: str = "GET", **told: Any) -> httpx.Response:
    metrics = build_metrics()
    metrics.jobs_total.labels("email", "email.send", "completed").inc(3)
    transport = httpx.ASGITransport(StatusApp(Told(**told), metrics))
    async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
        return await client.request(method, path)


@pytest.mark.parametrize(
    ("told", "health", "ready"),
    [
        ({}, 200, 200),
        ({"responsive": False}, 503, 503),
        ({"database": "PoolTimeout"}, 200, 503),
        ({"redis": "ConnectionError"}, 200, 200),
    ],
)
async def test_health_asks_for_life_and_ready_for_the_database_too_but_not_for_redis(told, health, ready) -> None:
    for path, status in (("/health", health), ("/ready", ready)):
        answer = await ask(path, **told)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
        slow = path == "/ready" and "redis" in told
        assert answer.json()["status"] == ("unavailable" if status != 200 else "degraded" if slow else "ok")
        assert answer.json()["processes"][0]["database"] == told.get("database", "ok")


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"redis": "not set", "rabbitmq": "ok"}, "ok"),
        ({"redis": "ok", "rabbitmq": "not set"}, "ok"),
        ({"redis": "not set", "rabbitmq": "RabbitAwayError"}, "degraded"),
        ({"redis": "ConnectionError", "rabbitmq": "ok"}, "degraded"),
    ],
)
async def test_what_a_site_does_without_degrades_nothing_and_what_is_away_does(told, status: str) -> None:
    answer = await ask("/ready", **told)
    assert (answer.status_code, answer.json()["status"]) == (200, status)


async def test_jobs_that_no_worker_knows_are_told_by_ready_and_make_nothing_unready() -> None:
    unknown = {"default": "2 due jobs wait for a worker that knows their type: 'later'"}
    answer = await ask("/ready", unknown=unknown)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["processes"][0]["unknown"] == unknown


async def test_a_queue_that_is_taken_from_no_more_is_told_by_ready_and_degrades() -> None:
    overrun = {"default": "8 handlers go on though they were given up, until some end"}
    answer = await ask("/ready", overrun=overrun)
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["processes"][0]["overrun"] == overrun
    assert (await ask("/ready", overrun={})).json()["status"] == "ok"


async def test_metrics_are_prometheus_text() -> None:
    answer = await ask("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'singr_jobs_total{outcome="completed",queue="email",type="email.send"} 3.0' in answer.text


async def test_other_paths_are_404_and_other_methods_405() -> None:
    assert (await ask("/v1/jobs")).status_code == 404
    refused = await ask("/health", "POST")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_head_is_get_without_its_body() -> None:
    got, head = await ask("/health"), await ask("/health", "HEAD")
    assert (head.status_code, head.headers, head.content) == (got.status_code, got.headers, b"")


async def test_worker_says_that_redis_takes_no_writes(settings) -> None:
    owner = redis_client(settings.redis)
    name = f"reader-{uuid4().hex}"
    await owner.execute_command("ACL", "SETUSER", name, "on", ">word", "~*", "&*", "+@all", "-@write")
    async with owner.client() as one:
        await one.execute_command("AUTH", name, "word")
        assert await one.ping()
        limiter = RateLimiter(one)
        assert await _redis(limiter) != "ok"
    await owner.execute_command("ACL", "DELUSER", name)
    await owner.aclose()
    client = redis_client(settings.redis)
    assert await _redis(RateLimiter(client)) == "ok"
    await client.aclose()


async def test_worker_says_that_handlers_get_no_session(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _database(db, Schema(db)) == "ok"
    monkeypatch.setattr(singr_db.sessions._database, "TENANT_ROLE", "nobody_of_this_name")
    told = await _database(db, Schema(db))
    assert told == "the role singr_tenant is missing: run singr-db upgrade, which makes it and the tables"


async def test_worker_is_not_ready_on_a_schema_that_its_version_is_ahead_of(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = Schema(db)
    assert await _database(db, schema) == "ok"
    schema = Schema(db)
    monkeypatch.setattr("singr_db.schema._behind.head_revision", lambda: "9999")
    told = await _database(db, schema)
    assert told.endswith(", this version needs 9999: run singr-db upgrade")
    assert (await ask("/ready", database=told)).status_code == 503
    monkeypatch.setattr("singr_db.schema._behind.head_revision", lambda: "0001")
    assert await _database(db, schema) == "ok", "an old worker goes on beside a newer schema"


async def test_worker_says_what_postgresql_refuses(settings: Settings) -> None:
    place = make_url(settings.database.url.reveal()).set(database="canary")
    url = Secret(place.render_as_string(hide_password=False))
    async with Database(msgspec.structs.replace(settings.database, url=url), application_name="singr-tests") as db:
        assert await _database(db, Schema(db)) == "DATABASE_URL names a database that it does not have"


async def test_sessions_that_are_all_in_use_are_no_sign_of_trouble(db: Database, settings: Settings) -> None:
    small = msgspec.structs.replace(settings.database, pool_size=1)
    async with Database(small, application_name="busy") as busy, busy.platform() as session:
        await session.connection()
        assert await _database(busy, Schema(busy)) == "ok"


async def test_worker_says_that_commits_do_not_end(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("singr_db.sessions._commits._PATIENCE_S", 0.0)
    assert await _database(db, Schema(db)) == "commits do not end"
