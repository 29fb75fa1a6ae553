"""Real processes, API and worker, that go by a clock which the tests turn: on a database of their own."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from people import Town
from sites import Site

from singr_config import Settings
from singr_config.testing import settings_for_tests
from singr_db import Database, seed, upgrade
from singr_dev.clock import VirtualClock, install_virtual_clock
from singr_dev.testing import SharedServers, clone, drop


@dataclass(frozen=True)
class Turned:
    """A site, the people in it, and the clock by which all of it goes."""

    clock: VirtualClock
    site: Site
    town: Town


@pytest.fixture(scope="module")
def turned(
    request: pytest.FixtureRequest,
    shared_servers: SharedServers,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Turned]:
    """One site for all tests of a file: its time only goes on, so each test has people and jobs of its own."""
    name = f"clock_{getattr(request.config, 'workerinput', {}).get('workerid', 'alone')}"
    admin, url = shared_servers.postgres.url("postgres"), shared_servers.postgres.url(name)
    clone(admin, shared_servers.template(upgrade), name)
    install_virtual_clock(url)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    settings = settings_for_tests(DATABASE_URL=url, REDIS_URL=redis_url)
    asyncio.run(seeded(settings))
    with VirtualClock(tmp_path_factory.mktemp("clock"), settings).running() as clock:
        logs = tmp_path_factory.mktemp("logs")
        environ = {"PYTHONPATH": f"{clock.environ['PYTHONPATH']}:{Path(__file__).parent}"}
        site = Site(url, redis_url, logs, environ | {"TRUSTED_PROXIES": "127.0.0.1", "API_RATE_LIMIT_MAX": "20"})
        site.copied = False  # a process finds its clock when Python starts
        # mail stays in the outbox, where tests read it
        worker = ("--jobs", "clock_jobs:jobs", "--queues", "webhook")
        with site.run_api() as api, site.run_worker(*worker):
            yield Turned(clock, site, Town(site, api.address))
    drop(admin, name)


async def seeded(settings: Settings) -> None:
    """Put in what a new installation has: roles and permissions."""
    async with Database(settings.database, application_name="clock") as db:
        await seed(db)
