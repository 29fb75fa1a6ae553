"""What `/ready` finds out about the stores."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import redis.asyncio

from singr_api.operations.health.probes import Probes
from singr_config import RedisSettings, Secret
from singr_db.redis import redis_client


@pytest.fixture
async def reader(settings: Any) -> AsyncIterator[redis.asyncio.Redis]:
    """A client that Redis lets read, but not write: a replica, or a full server, looks the same."""
    name = f"reader-{uuid4().hex}"
    owner = redis_client(settings.redis)
    await owner.execute_command("ACL", "SETUSER", name, "on", ">word", "~*", "&*", "+@all", "-@write")
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


async def test_ready_says_that_redis_takes_no_writes(db: Any, reader: redis.asyncio.Redis) -> None:
    assert await reader.ping()
    found = (await Probes(db, reader, revision="any").readiness()).checks["redis"]
    assert found.status == "degraded"
    assert "refuses writes" in str(found.why)


async def test_ready_says_that_the_schema_is_newer(db: Any, settings: Any) -> None:
    client = redis_client(settings.redis)
    found = (await Probes(db, client, revision="0001").readiness()).checks["migrations"]
    assert found.status == "degraded"
    assert "newer than this program (0001): install the newer release" in str(found.why)
    await client.aclose()
