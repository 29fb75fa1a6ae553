"""The chore that lets go of unique keys that were held for a time."""

from typing import ClassVar

from singr_db import sql_text
from singr_db.chores import DatabaseChore
from singr_db.ending import UNFINISHED

_AT_ONCE = 5000
# One whose job has not ended holds its key until then, as without a time. Each job is looked for by its id: as a
# condition, PostgreSQL would rather read all jobs that there are, for each bite.
_FORGET = sql_text(f"""
WITH met AS MATERIALIZED (
    SELECT ctid AS place, job_id FROM job_unique_keys
     WHERE until <= now() ORDER BY until LIMIT :limit FOR UPDATE SKIP LOCKED
), over AS MATERIALIZED (
    SELECT met.place, unfinished.is_held FROM met CROSS JOIN LATERAL (
        SELECT count(*) > 0 AS is_held
          FROM (SELECT FROM jobs WHERE jobs.id = met.job_id AND jobs.status IN {UNFINISHED} LIMIT 1) AS one
    ) AS unfinished
), kept AS (
    UPDATE job_unique_keys SET until = NULL WHERE ctid = ANY (ARRAY(SELECT place FROM over WHERE is_held))
), gone AS (
    DELETE FROM job_unique_keys WHERE ctid = ANY (ARRAY(SELECT place FROM over WHERE NOT is_held))
)
SELECT count(*) FROM over
""")  # noqa: S608 - constants


class ForgetUniqueKeys(DatabaseChore):
    """Keys whose time is over, and whose jobs have ended, take no room: nobody waits for this, they are free before."""

    name: ClassVar = "forgetting unique keys"
    seen_as: ClassVar = "unique_keys.forget"
    every = 3600.0

    async def work(self) -> object:
        """Forget them, a few thousand a transaction."""
        met = _AT_ONCE
        while met == _AT_ONCE:
            async with self.db.platform() as session:
                met = await session.scalar(_FORGET, {"limit": _AT_ONCE}) or 0
        return met
