"""What a pool says of a server that was away: that it is back."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from loguru import logger

from singr_config import DatabaseSettings, Secret
from singr_db import Database
from singr_dev.fault_proxy import FaultProxy

_SAID = "pool 'words' reaches the database again"


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(line.record["message"]), level="INFO")
    yield lines
    logger.remove(sink)


async def until(is_so: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - the pool sets no event
            await asyncio.sleep(0.02)


async def test_a_pool_says_once_that_it_reaches_the_database_again(
    database_url: str, faulty: Callable[[str], FaultProxy], said: list[str]
) -> None:
    proxy = faulty(database_url)
    settings = DatabaseSettings(url=Secret(proxy.url), pool_size=1)
    async with Database(settings, application_name="words") as db:
        pool = db.psycopg
        pool.reconnect_timeout = 0.1
        async with pool.connection() as connection:
            await connection.execute("SELECT 1")
        assert said == []
        proxy.refuse()
        proxy.cut()
        lost: list[object] = []
        tell = pool._reconnect_failed
        pool._reconnect_failed = lambda of: (lost.append(of), tell(of))[0]  # type: ignore[assignment, func-returns-value]
        with pytest.raises(psycopg.OperationalError):
            async with pool.connection(0.5):
                pass
        await until(lambda: lost)
        proxy.restore()
        for _ in range(3):
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")
    assert said == [_SAID]
