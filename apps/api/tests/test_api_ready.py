"""What `/ready` finds out about the stores."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import redis.asyncio
from sqlalchemy import make_url, text

from singr_api.operations.health.probes import _DATABASE_AWAY, Probes
from singr_config import RabbitSettings, RedisSettings, Secret
from singr_db import Database, head_revision
from singr_db.redis import redis_client
from singr_jobs import Waker, rabbit_carrier


@asynccontextmanager
async def limited(settings: Any, *rights: str) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of a user who has all rights but for these."""
    name = f"reader-{uuid4().hex}"
    owner = redis_client(settings.redis)
    await owner.execute_command("ACL", "SETUSER", name, "on", ">word", "~*", "&*", "+@all", *rights)
    parts = owner.connection_pool.connection_kwargs
    place = (
        f"unix://{name}:word@{parts['path']}"
        if "path" in parts
        else f"redis://{name}:word@{parts['host']}:{parts['port']}"
    )
    client = redis_client(RedisSettings(url=Secret(place)))
    yield client
    await client.aclose()
    await owner.execute_command("ACL", "DELUSER", name)
    await owner.aclose()


@pytest.fixture
async def reader(settings: Any) -> AsyncIterator[redis.asyncio.Redis]:
    """A client that Redis lets read, but not write: a replica, or a full server, looks the same."""
    async with limited(settings, "-@write") as client:
        yield client


@pytest.mark.parametrize(
    ("right", "said"),
    [("resetchannels", "give it &singr:*"), ("-publish", "give it +publish"), ("-eval", "give it +eval")],
)
async def test_ready_names_the_right_that_redis_withholds(db: Any, settings: Any, right: str, said: str) -> None:
    async with limited(settings, right, *(["-evalsha"] if right == "-eval" else [])) as client:
        found = (await Probes(db, client, revision="any").readiness()).checks["redis"]
    assert found.status == "degraded"
    assert said in str(found.why)


async def test_ready_says_that_redis_takes_no_writes(db: Any, reader: redis.asyncio.Redis) -> None:
    assert await reader.ping()
    found = (await Probes(db, reader, revision="any").readiness()).checks["redis"]
    assert found.status == "degraded"
    assert "refuses what is asked of it" in str(found.why)


@asynccontextmanager
async def answering(words: str) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of a Redis that says the same to every command."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while asked := await reader.read(65536):
            commands = len(re.findall(rb"^\*", asked, re.MULTILINE))
            writer.write(f"-{words}\r\n".encode() * commands)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = redis_client(RedisSettings(url=Secret(f"redis://127.0.0.1:{port}/0")))
        yield client
        await client.aclose()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL.", "BUSY: a script or function runs"),
        ("LOADING Redis is loading the dataset in memory", "LOADING: it reads its data from disk"),
        ("MISCONF Errors writing to the AOF file: No space left on device", "MISCONF: it cannot write"),
        ("READONLY You can't write against a read only replica.", "READONLY: it is a replica"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "OOM: it has no memory left"),
        ("NOREPLICAS Not enough good replicas to write.", "NOREPLICAS: fewer replicas are there"),
        ("MASTERDOWN Link with MASTER is down", "MASTERDOWN: it is a replica that has lost its primary"),
        ("NOPERM User singr has no permissions to run the 'evalsha' command", "give it +evalsha"),
        ("MOVED 3999 127.0.0.1:6381", "MOVED: it is one node of a cluster"),
        ("NOAUTH Authentication required.", "NOAUTH: it asks for a password, and REDIS_URL has none"),
        ("WRONGPASS invalid username-password pair or user is disabled.", "WRONGPASS: it refuses the user"),
        ("SHUTTINGDOWN soon", "refuses what is asked of it (SHUTTINGDOWN)"),
    ],
    ids=lambda words: words.split()[0],
)
async def test_ready_says_what_redis_said_and_guesses_nothing(db: Any, answer: str, said: str) -> None:
    async with answering(answer) as client:
        found = (await Probes(db, client, revision="any").readiness()).checks["redis"]
    assert found.status == "degraded"
    assert said in str(found.why)


async def test_ready_says_what_postgresql_refuses_and_not_that_it_does_not_answer(settings: Any) -> None:
    place = make_url(settings.database.url.reveal()).set(database="canary")
    url = Secret(place.render_as_string(hide_password=False))
    async with Database(msgspec.structs.replace(settings.database, url=url), application_name="singr-tests") as db:
        found = await Probes(db, None, revision="any").readiness()
    assert (found.status, found.checks["database"].status) == ("unavailable", "down")
    assert "refuses connections (DATABASE_URL names a database" in str(found.checks["database"].why)
    assert "canary" not in str(found)


async def test_ready_says_what_makes_a_database_that_nobody_set_up(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("singr_db.sessions._database.TENANT_ROLE", "nobody_of_this_name")
    found = (await Probes(db, None, revision="any").readiness()).checks["database"]
    assert "singr_tenant is missing: run singr-db upgrade" in str(found.why)


async def test_ready_says_that_commits_do_not_end(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("singr_db.sessions._commits._PATIENCE_S", 0.0)
    found = await Probes(db, None, revision="any").readiness()
    assert (found.status, found.checks["database"].status) == ("unavailable", "down")
    assert "commits do not complete" in str(found.checks["database"].why)


async def test_ready_waits_for_no_database_that_has_stopped_answering(
    settings: Any, faulty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even to give its connections back, which takes a server that answers: that was 13 s."""
    proxy = faulty(settings.database.url.reveal())
    database = Database(
        msgspec.structs.replace(settings.database, url=Secret(proxy.url)), application_name="singr-tests"
    )
    await database.open()
    probes = Probes(database, None, revision="any")
    assert (await probes.readiness()).checks["database"].status == "ok"
    monkeypatch.setattr("singr_api.operations.health.probes._PATIENCE_SECONDS", 0.3)
    proxy.drop(1.0)
    found = await probes._ask_all()
    assert probes._left, "what was asked of it has not ended, and nobody waited for that"
    assert (found.status, found.checks["database"].status) == ("unavailable", "down")
    assert found.checks["migrations"].why == "Not known without the database."
    proxy.restore()
    proxy.cut()
    await asyncio.wait(probes._left)
    await database.close()


async def test_ready_says_that_the_schema_is_newer(db: Any, settings: Any) -> None:
    client = redis_client(settings.redis)
    found = (await Probes(db, client, revision="0001").readiness()).checks["migrations"]
    assert found.status == "degraded"
    assert "newer than this program (0001): install the newer release" in str(found.why)
    await client.aclose()


async def test_new_program_gets_no_traffic_before_the_schema_is_upgraded(db: Any) -> None:
    found = await Probes(db, None, revision="9999").readiness()
    assert (found.status, found.checks["database"].status) == ("unavailable", "ok")
    assert str(found.checks["migrations"].why).endswith("this version needs 9999: run singr-db upgrade.")


async def test_program_gets_no_traffic_where_no_schema_is_to_be_seen(db: Any) -> None:
    async with db.platform() as session:
        await session.execute(text("ALTER TABLE alembic_version RENAME TO kept"))
    try:
        found = await Probes(db, None, revision=head_revision()).readiness()
    finally:
        async with db.platform() as session:
            await session.execute(text("ALTER TABLE kept RENAME TO alembic_version"))
    assert (found.status, found.checks["migrations"].status) == ("unavailable", "down")
    assert "run singr-db check, which tells whether it is missing" in str(found.checks["migrations"].why)


async def test_ready_is_not_taken_back_where_all_connections_are_lent_out(db: Any, settings: Any) -> None:
    small = msgspec.structs.replace(settings.database, pool_size=1)
    async with Database(small, application_name="busy") as busy, busy.platform() as session, busy.psycopg.connection():
        await session.connection()
        async with asyncio.timeout(2):
            found = await Probes(busy, None, revision=head_revision()).readiness()
    assert (found.status, found.checks["database"].status) == ("degraded", "degraded")
    assert "all connections of this process are in use" in str(found.checks["database"].why)
    assert found.checks["migrations"].status == "ok"


async def test_ready_is_taken_back_where_all_connections_wait_for_a_database_that_hangs(
    settings: Any, faulty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singr_api.operations.health.probes._PATIENCE_SECONDS", 0.3)
    proxy = faulty(settings.database.url.reveal())
    small = msgspec.structs.replace(settings.database, url=Secret(proxy.url), pool_size=1)
    async with Database(small, application_name="hangs") as database:
        probes = Probes(database, None, revision=head_revision())
        async with database.psycopg.connection():
            proxy.drop(1.0)
            found = await probes.readiness()
            proxy.restore()
            proxy.cut()
        await asyncio.gather(*probes._left, return_exceptions=True)
    assert (found.status, found.checks["database"].why) == ("unavailable", _DATABASE_AWAY)


async def test_many_who_ask_at_once_cost_what_one_costs_and_are_told_the_same(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, asks = 0, db.takes_writes

    async def takes_writes() -> bool:
        nonlocal asked
        asked += 1
        return bool(await asks())

    monkeypatch.setattr(db, "takes_writes", takes_writes)
    probes = Probes(db, None, revision=head_revision())
    found = await asyncio.gather(*(probes.readiness() for _ in range(300)))
    assert asked == 1
    assert {one.checks["database"].status for one in found} == {"ok"}
    await probes.readiness()
    assert asked == 1, "what was found serves whoever comes just after"


async def test_ready_says_what_is_missing_where_there_is_no_redis(db: Any) -> None:
    found = (await Probes(db, None, revision="any").readiness()).checks["redis"]
    assert found.status == "degraded"
    assert str(found.why).startswith("There is no Redis (REDIS_URL). Rate limits are open, and sign-in by password")


async def test_ready_tells_rabbitmq_that_is_away_from_redis_that_is_well(db: Any, settings: Any) -> None:
    client = redis_client(settings.redis)
    waker = Waker(rabbit_carrier(RabbitSettings(url=Secret("amqp://singr:pw-canary@127.0.0.1:1/"))))
    checks = (await Probes(db, client, revision="any", rabbit=waker).readiness()).checks
    assert (checks["redis"].status, checks["rabbitmq"].status) == ("ok", "degraded")
    assert str(checks["rabbitmq"].why).startswith("RabbitMQ does not answer. Jobs are accepted and kept")
    await waker.close()
    await client.aclose()
