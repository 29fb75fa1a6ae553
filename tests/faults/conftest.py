"""Every fault test has servers of its own, with fsync and append-only file on."""

from pathlib import Path

import pytest
from faults.harness import Site

from singr_dev.embedded import EmbeddedServers


@pytest.fixture
def site(own_servers: EmbeddedServers, tmp_path: Path) -> Site:
    return Site(own_servers, tmp_path)
