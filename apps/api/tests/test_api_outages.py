"""A database that is there and refuses: 503 with Retry-After where the same request may succeed later."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from api_serving import serving
from loguru import logger

from singr_api.app import create_app
from singr_api.operations.health.probes import Probes
from singr_db import Database
from singr_db.redis import redis_client
from singr_db.sessions import _database

NO_IDS = "database is not accepting commands that assign new transaction IDs to avoid wraparound data loss"
AWAY = {
    "disk full": ("53100", "could not extend file"),
    "out of memory": ("53200", "out of memory"),
    "no transaction ids": ("54000", NO_IDS),
    "rights taken away": ("42501", "permission denied for table jobs"),
    "locked": ("55P03", "could not obtain lock"),
    "out of time": ("57014", "canceling statement due to statement timeout"),
    "broken disk": ("58030", "could not read block"),
    "deadlock": ("40P01", "deadlock detected"),
}


@asynccontextmanager
async def refusing(db: Database, state: str, words: str) -> AsyncIterator[None]:
    """Every new job is refused so by the server."""
    async with db.psycopg.connection() as connection:
        await connection.execute(
            f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE EXCEPTION '{words}' USING ERRCODE = '{state}'; END $$;"
            " CREATE TRIGGER refuse BEFORE INSERT ON jobs FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        async with db.psycopg.connection() as connection:
            await connection.execute("DROP FUNCTION refuse CASCADE")


@pytest.mark.parametrize(("state", "words"), AWAY.values(), ids=AWAY)
async def test_server_that_cannot_take_a_job_now_is_503_and_stores_nothing(
    state: str, words: str, db: Any, door_url: str, callers: Any, client: Any, world: Any
) -> None:
    async with refusing(db, state, words):
        answer = await client(door_url, callers.own).post("/v1/jobs", json=world.sms(), headers=world.key())
    world.problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    again = "Nothing is lost: try again with the same Idempotency-Key."
    what = "Somebody else is changing what this needs" if state == "55P03" else "The database is not responding"
    assert answer.json()["detail"] == f"{what}. {again}"
    assert await world.nothing_stored()


async def test_schema_that_is_not_upgraded_yet_is_503_and_the_log_says_what_to_do(
    db: Any, settings: Any, callers: Any, client: Any, world: Any
) -> None:
    said: list[str] = []
    sink = logger.add(said.append, format="{message}")
    lacks = 'column "created_by" of relation "jobs" does not exist'
    async with serving(create_app(settings)) as url, refusing(db, "42703", lacks):
        answer = await client(url, callers.own).post("/v1/jobs", json=world.sms(), headers=world.key())
    logger.remove(sink)
    world.problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "10"
    again = "Nothing is lost: try again with the same Idempotency-Key."
    assert answer.json()["detail"] == f"The database has not been upgraded to this version yet. {again}"
    older = f"the schema seems older than this version ({lacks}): run singr-db upgrade"
    assert f"a store is away: {older}\n" in said
    assert not any("Traceback" in line for line in said)


async def test_job_behind_a_table_that_somebody_locked_is_503_in_bounded_time_and_the_log_says_which(
    db: Any, settings: Any, callers: Any, client: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singr_api.wiring.services._LOCK_TIMEOUT_S", 0.1)
    said: list[str] = []
    sink = logger.add(said.append, format="{message}")
    async with serving(create_app(settings)) as url, db.psycopg.connection() as other:
        async with other.transaction():
            await other.execute("LOCK TABLE job_ready IN ACCESS EXCLUSIVE MODE")
            answer = await client(url, callers.own).post("/v1/jobs", json=world.sms(), headers=world.key())
        world.problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"
        again = "Nothing is lost: try again with the same Idempotency-Key."
        assert answer.json()["detail"] == f"Somebody else is changing what this needs. {again}"
        assert await world.nothing_stored()
    logger.remove(sink)
    assert "a store is away: somebody holds a lock on job_ready\n" in said


async def test_tenant_role_that_is_missing_is_503(
    api_url: str, callers: Any, client: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_database, "TENANT_ROLE", "nobody_of_this_name")
    answer = await client(api_url, callers.own).get("/v1/jobs")
    world.problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"]


async def test_ready_says_that_the_tenant_role_is_missing(
    db: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_database, "TENANT_ROLE", "nobody_of_this_name")
    client = redis_client(settings.redis)
    found = await Probes(db, client, revision="any").readiness()
    await client.aclose()
    assert (found.status, found.checks["database"].status) == ("unavailable", "down")
    assert "singr_tenant" in str(found.checks["database"].why)
