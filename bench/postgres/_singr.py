"""Singr as a peer of these, in its own environment: the side that enqueues. Its worker is the product's."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator
from uuid import UUID

from bench.harness import ORGANIZATION
from bench.noop import NoOp
from bench.postgres._peer import Enqueue, Peer, main

from singr_config.testing import settings_for_tests
from singr_db import Database
from singr_jobs import Ingestion, Submission, Waker, enqueue_many, redis_client
from singr_jobs.declare._job_types import declared

_PATH = "/v1/jobs"


class Singr(Peer):
    """`enqueue_many` in the caller's transaction; `Ingestion`, as the API has it, for single jobs."""

    name = "Singr"
    package = "singr-jobs"
    ended = "SELECT count(*) FROM jobs WHERE status = 'completed'"

    async def install(self) -> None:
        """The bench has made its tables."""

    async def fill(self, numbers: range) -> None:
        """Enqueue them in one statement."""
        async with self.database() as database, database.tenant(UUID(ORGANIZATION)) as session:
            await enqueue_many(session, map(NoOp, numbers), organization_id=UUID(ORGANIZATION))

    @contextlib.asynccontextmanager
    async def enqueuing(self) -> AsyncIterator[Enqueue]:
        """Submit one, with its idempotency key."""
        client = redis_client(settings_for_tests(REDIS_URL=os.environ["REDIS_URL"]).redis)
        async with self.database() as database:
            waker = Waker(client)
            ingestion = Ingestion(database.psycopg, waker, intakes={})
            yield lambda number: ingestion.submit(submission(number))
            await ingestion.close()
        await client.aclose()

    async def work(self, concurrency: int) -> None:  # noqa: ARG002 - as its port has it
        """Nothing: `singr-worker` is measured."""
        await asyncio.Event().wait()

    def database(self) -> Database:
        """The database of this bench."""
        return Database(settings_for_tests(DATABASE_URL=self.url).database, application_name="bench-enqueue")


def submission(number: int) -> Submission:
    """One request to create a no-op job, as the API hands it on."""
    job = NoOp(number)
    return Submission(
        job_type=declared(job),
        payload=job,
        organization_id=UUID(ORGANIZATION),
        credential="bench",
        idempotency_key=f"bench-{number}",
        method="POST",
        path=_PATH,
        body_hash=hashlib.sha256(str(number).encode()).digest(),
    )


if __name__ == "__main__":
    main(Singr)
