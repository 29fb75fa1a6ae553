"""Transactions of one organization, in memory and in a database: a test that asks for `tenant` runs with both."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from comms_queueing import ORGANIZATION

from singr_comms.testing import MemoryNotifications
from singr_db import Database
from singr_db.tables import Organization


@pytest.fixture
async def blue_note(db: Database) -> None:
    """The organization, in the database."""
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))


@pytest.fixture(params=["memory", "database"])
def tenant(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Opens a transaction of the organization."""
    if request.param == "memory":
        return partial(MemoryNotifications().tenant, ORGANIZATION)
    request.getfixturevalue("blue_note")
    return partial(request.getfixturevalue("db").tenant, ORGANIZATION)
