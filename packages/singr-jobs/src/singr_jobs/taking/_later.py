"""Delayed jobs whose time has come move to where they are taken from: in their order, and where many are due in turns.

The oldest so many move in one statement. While that is not all, a page of what comes behind is looked through as well,
and of those moves what organizations have there that have little among the oldest. The pages go on from one look to the
next, and begin anew behind the last one: each job that is due is seen within a few looks, however many one organization
has before it. An organization's own jobs keep their order by time, but for so many that move ahead on a page.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from singr_db import PsycopgPool, sql
from singr_db.ending import ALONE, SUSPECT
from singr_jobs.declare._types import Queue

AT_ONCE = 1000
PAGE = 10_000
_NOWHERE: Final = (datetime.min.replace(tzinfo=UTC), UUID(int=0))

_OLDEST: Final = """
        SELECT ctid FROM job_later WHERE run_at <= now() ORDER BY run_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED"""
# The page is read along the index: a LIMIT that is known would have all that is due sorted for it.
# Of the page, an organization's part of a queue up to so many, with what it has among the oldest.
_IN_TURNS: Final = """oldest AS MATERIALIZED (
    SELECT ctid AS at, run_at, id, queue, organization_id FROM job_later
     WHERE run_at <= now() ORDER BY run_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), start AS MATERIALIZED (
    SELECT run_at, id FROM oldest UNION ALL SELECT CAST(%(since)s AS timestamptz), CAST(%(after)s AS uuid)
     ORDER BY 1 DESC, 2 DESC LIMIT 1
), page AS MATERIALIZED (
    SELECT ctid AS at, run_at, id, queue, organization_id FROM job_later
     WHERE run_at <= now() AND (run_at, id) > ((SELECT run_at FROM start), (SELECT id FROM start))
     ORDER BY run_at, id LIMIT (SELECT %(page)s::int)
), last AS MATERIALIZED (
    SELECT run_at, id FROM page WHERE (SELECT count(*) FROM page) = %(page)s ORDER BY run_at DESC, id DESC LIMIT 1
), others AS MATERIALIZED (
    SELECT at FROM (
        SELECT at, coalesce(has.jobs, 0) + row_number() OVER (PARTITION BY queue, organization_id ORDER BY run_at, id)
                   AS turn
          FROM page LEFT JOIN (SELECT queue, organization_id, count(*) AS jobs FROM oldest GROUP BY 1, 2) AS has
               USING (queue, organization_id)
         WHERE coalesce(has.jobs, 0) < %(limit)s / 2) AS turns
     WHERE turn <= %(limit)s / 2 ORDER BY turn LIMIT %(limit)s / 2
), free AS MATERIALIZED (
    SELECT ctid AS at FROM job_later WHERE ctid = ANY (ARRAY(SELECT at FROM others)) FOR UPDATE SKIP LOCKED
), """
# Says of which queues something moved, whether more may be due, in which queues jobs wait, in how many seconds the next
# becomes due, in which queues jobs wait apart, for which operators have set something, and where the next page begins.
# The gates of queues are made here, whenever they are missing. OFFSET keeps the planner from a join: believing that few
# wait, it would read all of them.
_BECOME_DUE: Final = f"""
WITH gates AS (
    INSERT INTO job_gates (name) SELECT unnest(%(queues)s::text[]) ON CONFLICT DO NOTHING
), {{turns}}due AS (
    DELETE FROM job_later WHERE ctid = ANY (ARRAY({{which}}))
    RETURNING queue, organization_id, priority, run_at, id, type
), ready AS (
    INSERT INTO job_ready (queue, organization_id, priority, run_at, id, type)
    SELECT queue, organization_id, priority, run_at, id, type FROM due ON CONFLICT DO NOTHING
)
SELECT array(SELECT DISTINCT queue FROM due), (SELECT count(*) FROM due) >= %(limit)s,
       array(SELECT queue FROM unnest(%(queues)s::text[]) AS queue
              WHERE EXISTS (SELECT FROM job_ready WHERE job_ready.queue = queue.queue OFFSET 0)),
       (SELECT extract(epoch FROM min(run_at) - clock_timestamp())::float8 FROM job_later WHERE run_at > now()),
       array(SELECT DISTINCT queue FROM job_ready WHERE priority > 2 AND priority = {SUSPECT}),
       array(SELECT DISTINCT queue FROM job_ready WHERE priority > 2 AND priority = {ALONE}),
       array(SELECT name FROM job_gates WHERE ruled AND name = ANY (%(queues)s::text[])){{next}}
"""  # noqa: S608 - constants
BECOME_DUE: Final = sql(_BECOME_DUE.format(turns="", which=_OLDEST, next=""))
BECOME_DUE_IN_TURNS: Final = sql(
    _BECOME_DUE.format(
        turns=_IN_TURNS,
        which="SELECT at FROM oldest UNION ALL SELECT at FROM free",
        next=",\n       (SELECT run_at FROM last), (SELECT id FROM last)",
    )
)


class Seen(NamedTuple):
    """What one look found.

    Attributes:
        moved: the queues of what moved.
        more: there may be more that is due.
        waiting: the queues served here in which jobs wait.
        soon: seconds until the next job is due; None where none is.
        suspected: queues with jobs that were lost while they may have lain ahead.
        alone: queues with jobs that were lost twice.
        ruled: the queues served here for which operators have set something.
    """

    moved: list[str]
    more: bool
    waiting: list[str]
    soon: float | None
    suspected: list[str]
    alone: list[str]
    ruled: list[str]


class Later:
    """Where one process stands in what is due.

    Attributes:
        is_many: more is due than one look moves.
    """

    def __init__(self) -> None:
        self.is_many = False
        self._page = _NOWHERE

    async def move(self, pool: PsycopgPool, queues: Iterable[Queue]) -> Seen:
        """Move what is due, of many a part, so that others go on."""
        values = {"limit": AT_ONCE, "queues": [queue.value for queue in queues]}
        statement = BECOME_DUE
        if self.is_many:
            since, after = self._page
            statement, values = BECOME_DUE_IN_TURNS, values | {"since": since, "after": after, "page": PAGE}
        async with pool.connection() as connection:
            cursor = await connection.execute(statement, values, binary=True)
            [row] = await cursor.fetchall()
        seen = Seen(*row[:7])
        ends_at = row[7:]
        self.is_many = seen.more
        self._page = (ends_at[0], ends_at[1]) if seen.more and ends_at and ends_at[1] is not None else _NOWHERE
        return seen
