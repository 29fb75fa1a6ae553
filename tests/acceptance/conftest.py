"""One system for all tests here but the canaries; each test is another caller."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import redis

from acceptance.system import System, running
from singr_db import upgrade
from singr_dev.testing import SharedServers, clone
from singr_observability.testing import CollectorStub

Start = Callable[..., AbstractContextManager[System]]


@pytest.fixture(scope="package")
def collector() -> Iterator[CollectorStub]:
    """Where both processes send their traces."""
    with CollectorStub() as stub:
        yield stub


@pytest.fixture(scope="package")
def start(
    request: pytest.FixtureRequest, shared_servers: SharedServers, tmp_path_factory: pytest.TempPathFactory
) -> Start:
    """Starts a system on a database of that name."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "alone")

    def start(name: str, redis_url: str, collector: CollectorStub, **environ: str) -> AbstractContextManager[System]:
        database = f"{name}_{worker}"
        clone(shared_servers.postgres.url("postgres"), shared_servers.template(upgrade), database)
        with redis.Redis.from_url(redis_url) as client:
            client.flushdb()
        told: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "LOG_LEVEL": "trace", **environ}
        return running(shared_servers.postgres.url(database), redis_url, tmp_path_factory.mktemp("logs"), told)

    return start


@pytest.fixture(scope="package")
def system(start: Start, redis_url: str, collector: CollectorStub) -> Iterator[System]:
    """API, worker and providers; all files that use it are marked with one `xdist_group`."""
    with start("acceptance", redis_url, collector) as system:
        yield system


@pytest.fixture(autouse=True)
def _between_tests(system: System) -> Iterator[None]:
    yield
    system.between_tests()
