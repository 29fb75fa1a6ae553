"""The full forms meet an installation of real processes on servers of its own."""

from pathlib import Path

import pytest
from faults.harness import Site

from singr_dev.embedded import EmbeddedServers


@pytest.fixture
def site(own_servers: EmbeddedServers, tmp_path: Path) -> Site:
    return Site(own_servers, tmp_path)
