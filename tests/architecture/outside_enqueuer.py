"""A service outside the workspace, which has nothing of ours but the wheel of singr-jobs, and a driver of its own.

`python outside_enqueuer.py` reads one JSON object from its input: a database's address for a role of its own, and an
organization. It enqueues a job, twice under one unique key, and prints the ids.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.metadata import distributions
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from singr_jobs import Jobs, Queue, enqueue

jobs = Jobs()


class SendInvoice(msgspec.Struct, frozen=True, tag="billing.send_invoice"):
    """What billing asks Singr's worker for."""

    number: str


jobs.declare(SendInvoice, queue=Queue.DEFAULT, attempts=5)


async def main() -> None:
    """Be that service."""
    ours = {found.name for found in distributions() if found.name.startswith("singr")}
    assert ours == {"singr-jobs"}, ours
    given = json.load(sys.stdin)
    engine = create_async_engine(given["database_url"])
    ids = []
    for key in (None, "invoice-1", "invoice-1"):
        async with AsyncSession(engine) as session, session.begin():
            job = SendInvoice("1")
            ids.append(await enqueue(session, job, organization_id=UUID(given["organization_id"]), unique_key=key))
    await engine.dispose()
    sys.stdout.write(json.dumps([str(job_id) for job_id in ids]))


if __name__ == "__main__":
    asyncio.run(main())
