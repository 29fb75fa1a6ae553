"""What handlers are given beside their payloads, and what becomes of what they tell through it."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from singr_db import PsycopgPool
from singr_jobs._plain import kind_of
from singr_jobs.declare._context import JobContext
from singr_jobs.flows._reading import MemberReads
from singr_jobs.running.attempts._logbook import Logbook
from singr_jobs.taking import _sql
from singr_jobs.taking._claimed import ClaimedJob
from singr_observability import get_logger

_log = get_logger("jobs.runner")
# A connection that is free, and a table that nobody has locked: its handler waits for neither longer than this.
_PATIENCE_S: Final = 1.0


class Contexts:
    """Makes the context of each attempt; `logbook` keeps the lines that they log."""

    def __init__(self, pool: PsycopgPool, resources: Mapping[type, Any]) -> None:
        self._pool = pool
        self._resources = resources
        self.logbook = Logbook(pool)

    def of(self, job: ClaimedJob) -> JobContext:
        """The context of the job's attempt, which the job has from now on."""
        job.context = JobContext(
            job.id,
            job.organization_id,
            job.attempt,
            job.max_attempts,
            job.correlation_id,
            self._resources,
            partial(self._report, job),
            reads=MemberReads(self._pool, job.id) if job.followed else None,
            note=partial(self.logbook.note, job),
        )
        return job.context

    async def _report(self, job: ClaimedJob, percent: int) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S), self._pool.connection() as connection:
                await connection.execute(_sql.PROGRESS, {"id": job.id, "token": job.token, "progress": percent})
        except Exception as error:  # noqa: BLE001 - progress is a courtesy: never a reason to fail
            _log.debug("the progress of job {} is not shown: {}", job.type, kind_of(error))
