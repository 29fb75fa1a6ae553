"""The beginning of attempts: the jobs that tickets name become this process's."""

import time
from collections.abc import Sequence
from uuid import UUID

from singr_db import PsycopgPool
from singr_jobs.running import _sql
from singr_jobs.running._line import ClaimedJob


async def claim(
    pool: PsycopgPool, leases: Sequence[tuple[UUID, int]], *, worker: str, lease: float, types: list[str]
) -> list[ClaimedJob]:
    """Begin an attempt at each job that still has its lease and is of one of the types, and return them in order.

    Args:
        pool: connections with platform rights.
        leases: ids and tokens, as tickets name them.
        worker: whose attempts these are.
        lease: seconds until they count as lost, unless renewed.
        types: the names of the types that can be run here; a job of another one is left as it is.
    """
    async with pool.connection() as connection:
        cursor = await connection.execute(
            _sql.START, {**_sql.leased(leases), "worker": worker, "lease": lease, "types": types}, binary=True
        )
        rows = await cursor.fetchall()
    order = {job_id: position for position, (job_id, _) in enumerate(leases)}
    now = time.monotonic()
    claimed = [ClaimedJob(*row) for row in sorted(rows, key=lambda row: order[row[0]])]
    for job in claimed:
        job.leased_at = now
    return claimed
