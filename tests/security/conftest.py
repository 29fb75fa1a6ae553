"""Full forms meet an installation of real processes on servers of its own; short ones share one.

Files whose tests use `town` are marked with the same `xdist_group`, so that one process runs them all.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from faults.harness import Site
from people import Town
from sites import Site as SharedSite

from singr_config import DatabaseSettings, Secret
from singr_db import Database, seed, upgrade
from singr_dev.embedded import EmbeddedServers
from singr_dev.testing import SharedServers, clone

# People have addresses of their own here: each device of theirs says which, and this proxy is believed.
BEHIND_A_PROXY = {"TRUSTED_PROXIES": "127.0.0.1/32"}
ENVIRON = {
    "AUTH_SECRET": "security-auth-secret-0123456789-abcdef",
    "API_RATE_LIMIT_MAX": "1000000",
    "LOG_LEVEL": "trace",
}


@pytest.fixture
def site(own_servers: EmbeddedServers, tmp_path: Path) -> Site:
    site = Site(own_servers, tmp_path)
    site.environ |= ENVIRON | BEHIND_A_PROXY
    return site


@pytest.fixture(scope="package")
def shared_site(
    request: pytest.FixtureRequest,
    shared_servers: SharedServers,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> SharedSite:
    """A database and a Redis for all tests that meet a running API; each has people of its own."""
    name = f"security_{getattr(request.config, 'workerinput', {}).get('workerid', 'alone')}"
    clone(shared_servers.postgres.url("postgres"), shared_servers.template(upgrade), name)
    url = shared_servers.postgres.url(name)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    asyncio.run(_seed(url))
    return SharedSite(url, redis_url, tmp_path_factory.mktemp("logs"), ENVIRON)


async def _seed(url: str) -> None:
    async with Database(DatabaseSettings(url=Secret(url)), application_name="security") as database:
        await seed(database)


@pytest.fixture(scope="package")
def town(shared_site: SharedSite) -> Iterator[Town]:
    """The API in several processes, behind a proxy that tells callers' addresses."""
    with shared_site.run_api("--processes", "2", environ=BEHIND_A_PROXY) as api:
        yield Town(shared_site, api.address)


@pytest.fixture(scope="package")
def fortress(shared_site: SharedSite) -> Iterator[Town]:
    """The API of the same site without any proxy to believe."""
    with shared_site.run_api("--processes", "2") as api:
        yield Town(shared_site, api.address)
