"""Real workers on the test run's servers."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sites import Site

from singr_db import Database
from singr_jobs import enqueue

HERE = Path(__file__).parent
ORGANIZATION = UUID("01920000-0000-7000-8000-0000000000c3")

Put = Callable[..., Awaitable[list[UUID]]]


@pytest.fixture
def site(database_url: str, clean_redis_url: str, tmp_path: Path) -> Site:
    return Site(database_url, clean_redis_url, tmp_path, {"PYTHONPATH": str(HERE)})


@pytest.fixture
def put(db: Database) -> Put:
    """Enqueues jobs in one transaction."""

    async def put(*jobs: Any, **options: Any) -> list[UUID]:
        async with db.platform() as session:
            return [await enqueue(session, job, organization_id=ORGANIZATION, **options) for job in jobs]

    return put
