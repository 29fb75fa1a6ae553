"""One system for each test file and test process, on a database of its own."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from acceptance.system import System, running

from singr_db import upgrade
from singr_dev.testing import SharedServers, clone
from singr_observability.testing import CollectorStub


@pytest.fixture(scope="module")
def collector() -> Iterator[CollectorStub]:
    """Where both processes send their traces."""
    with CollectorStub() as stub:
        yield stub


@pytest.fixture(scope="module")
def system(
    request: pytest.FixtureRequest,
    shared_servers: SharedServers,
    redis_url: str,
    collector: CollectorStub,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[System]:
    """API, worker and providers; a file's `ENVIRON` is theirs too."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "alone")
    name = f"{request.module.__name__.rpartition('.')[2]}_{worker}"
    admin = shared_servers.postgres.url("postgres")
    clone(admin, shared_servers.template(upgrade), name)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    environ: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "LOG_LEVEL": "trace"}
    environ |= getattr(request.module, "ENVIRON", {})
    logs = tmp_path_factory.mktemp("logs")
    with running(shared_servers.postgres.url(name), redis_url, logs, environ) as system:
        yield system


@pytest.fixture(autouse=True)
def _between_tests(system: System) -> Iterator[None]:
    yield
    system.between_tests()
