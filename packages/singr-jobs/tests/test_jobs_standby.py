"""What a commit that hangs costs: nobody's job. Most often a synchronous standby died, for which every one waits."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from jobs_support import lies, put, submission, take_by_hand, until

from singr_config import DatabaseSettings, Secret
from singr_db import LEAVE_A_WORD, CommitsHangError, Database
from singr_dev.embedded import EmbeddedServers
from singr_jobs import Ingestion, JobObserver, NonceReplayedError, WorkerOptions
from singr_jobs.maintenance._sweeper import Sweeper
from singr_jobs.queues import queue_health
from singr_jobs.running._observer import GuardedObserver
from singr_jobs.taking import _sql

LEASE = 0.6


@pytest.fixture
async def standing(own_servers: EmbeddedServers) -> AsyncIterator[Database]:
    """A database on a server of the test's own, which another one may be said to stand by."""
    settings = DatabaseSettings(url=Secret(own_servers.database_url), pool_size=5)
    async with Database(settings, application_name="singr-tests") as database:
        yield database


@asynccontextmanager
async def standby_dead(servers: EmbeddedServers, standing: Database) -> AsyncIterator[psycopg.Connection]:
    with psycopg.connect(servers.database_url, autocommit=True) as operator:
        operator.execute("ALTER SYSTEM SET synchronous_standby_names = 'dead'")
        operator.execute("SELECT pg_reload_conf()")
        try:
            await until_commits_hang(standing, operator)
            yield operator
        finally:
            operator.execute("ALTER SYSTEM RESET synchronous_standby_names")
            operator.execute("SELECT pg_reload_conf()")


async def until_commits_hang(standing: Database, operator: psycopg.Connection) -> None:
    """Processes of a server read what was reloaded when they come to it: commit until a commit waits."""
    seen = asyncio.Event()

    async def commit() -> None:
        async with standing.psycopg.connection() as connection:
            while not seen.is_set():
                await connection.execute(LEAVE_A_WORD)

    committing = asyncio.create_task(commit())
    await until(lambda: bool(waiting(operator)), what="a commit waits")
    seen.set()
    for pid in waiting(operator):
        operator.execute("SELECT pg_cancel_backend(%s)", (pid,))  # this one has waited long enough
    await committing


def waiting(operator: psycopg.Connection) -> list[int]:
    """The processes of clients whose commits wait."""
    ours = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend'"
    return [pid for (pid,) in operator.execute(ours).fetchall()]


async def test_where_commits_wait_for_a_dead_standby_that_is_told_leases_are_renewed_and_none_is_taken(
    own_servers: EmbeddedServers, standing: Database, waker
):
    silent, living = await put(standing, "silent"), await put(standing, "living")
    await take_by_hand(standing, silent, token=1, over_in=-1.0)
    await take_by_hand(standing, living, token=2, over_in=3600.0)
    options = WorkerOptions(lease=LEASE, poll=LEASE / 3)
    observer = GuardedObserver(JobObserver())
    sweeper = Sweeper(standing.psycopg, options, leases_fail=lambda: False, waker=waker, observer=observer)
    async with standby_dead(own_servers, standing) as operator:
        with pytest.raises(CommitsHangError):
            await standing.takes_writes()
        async with standing.platform() as session:
            [problem, *_] = (await queue_health(session, "default")).problems
        assert (problem.code, "one waits for" in problem.in_words) == ("commits_hang", True)
        assert len(waiting(operator)) == 1, "the try of above waits on"
        sweeping = asyncio.create_task(sweeper.work())
        await until(lambda: len(waiting(operator)) == 2, what="the sweeper waits as well")
        waits_since = time.monotonic()
        async with standing.psycopg.connection() as connection, asyncio.timeout(15):
            renewed = await connection.execute(_sql.RENEW, {"tokens": [2], "lease": 7200.0})
            assert await renewed.fetchall() == [(2, True)]
        await until(lambda: time.monotonic() - waits_since > LEASE / 3, what="a good part of a lease is over")
        assert not sweeping.done()
        with pytest.raises(CommitsHangError):  # not sooner: its own try would be taken for the sweeper's wait
            await standing.takes_writes()
    await sweeping
    assert await standing.takes_writes()
    assert await lies(standing, silent) == "working"


async def test_where_commits_wait_for_a_dead_standby_a_repeated_request_is_answered_again(
    own_servers: EmbeddedServers, standing: Database, waker
):
    """Nothing of its answer is new: only its nonce is written, and that waits for nobody."""
    ingestion = Ingestion(standing.psycopg, waker, intakes={})
    first = await ingestion.submit(submission("again", nonce="one"))
    async with standby_dead(own_servers, standing):
        again = await ingestion.submit(submission("again", nonce="two"))
        with pytest.raises(NonceReplayedError):
            await ingestion.submit(submission("again", nonce="two"))
    assert (again.body, again.replayed) == (first.body, True)
