"""Every fault test has servers of its own, with fsync and append-only file on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.harness import Site

from singr_dev.embedded import EmbeddedServers


@pytest.fixture
def site(own_servers: EmbeddedServers, tmp_path: Path) -> Iterator[Site]:
    """A site that leaves no job astray, whatever was done to it."""
    site = Site(own_servers, tmp_path)
    yield site
    assert site.astray() == [], "jobs lie nowhere, or in two places"
