"""What a commit that hangs costs: nobody's job. Most often a synchronous standby died, for which every one waits."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from jobs_support import lies, put, take_by_hand, until

from singr_config import DatabaseSettings, Secret
from singr_db import CommitsHangError, Database
from singr_dev.embedded import EmbeddedServers
from singr_jobs import JobObserver, WorkerOptions
from singr_jobs.maintenance._sweeper import Sweeper
from singr_jobs.running._observer import GuardedObserver
from singr_jobs.taking import _sql

LEASE = 0.6


@pytest.fixture
async def standing(own_servers: EmbeddedServers) -> AsyncIterator[Database]:
    """A database on a server of the test's own, which another one may be said to stand by."""
    settings = DatabaseSettings(url=Secret(own_servers.database_url), pool_size=5)
    async with Database(settings, application_name="singr-tests") as database:
        yield database


@contextmanager
def standby_dead(servers: EmbeddedServers) -> Iterator[psycopg.Connection]:
    with psycopg.connect(servers.database_url, autocommit=True) as operator:
        operator.execute("ALTER SYSTEM SET synchronous_standby_names = 'dead'")
        operator.execute("SELECT pg_reload_conf()")
        try:
            yield operator
        finally:
            operator.execute("ALTER SYSTEM RESET synchronous_standby_names")
            operator.execute("SELECT pg_reload_conf()")


def waits(operator: psycopg.Connection) -> bool:
    return operator.execute("SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'").fetchone() is not None


async def test_where_commits_wait_for_a_dead_standby_that_is_told_leases_are_renewed_and_none_is_taken(
    own_servers: EmbeddedServers, standing: Database, waker
):
    silent, living = await put(standing, "silent"), await put(standing, "living")
    await take_by_hand(standing, silent, token=1, over_in=-1.0)
    await take_by_hand(standing, living, token=2, over_in=3600.0)
    options = WorkerOptions(lease=LEASE, poll=LEASE / 3)
    observer = GuardedObserver(JobObserver())
    sweeper = Sweeper(standing.psycopg, options, leases_fail=lambda: False, waker=waker, observer=observer)
    with standby_dead(own_servers) as operator:
        with pytest.raises(CommitsHangError):
            await standing.takes_writes()
        began = time.monotonic()
        sweeping = asyncio.create_task(sweeper.work())
        await until(lambda: waits(operator), what="the sweeper waits")
        async with standing.psycopg.connection() as connection, asyncio.timeout(15):
            renewed = await connection.execute(_sql.RENEW, {"tokens": [2], "lease": 7200.0})
            assert await renewed.fetchall() == [(2, True)]
        await until(lambda: time.monotonic() - began > LEASE / 3, what="a good part of a lease is over")
        assert not sweeping.done()
    await sweeping
    assert await standing.takes_writes()
    assert await lies(standing, silent) == "working"
