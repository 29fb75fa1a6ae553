"""The chore that lets go of unique keys that were held for a time."""

from typing import ClassVar

from singr_db import sql_text
from singr_db.chores import DatabaseChore
from singr_db.ending import UNFINISHED

_AT_ONCE = 5000
# One whose job has not ended holds its key until then, as without a time.
_FORGET = sql_text(f"""
WITH over AS MATERIALIZED (
    SELECT held.organization_id, held.type, held.unique_key, EXISTS (
               SELECT FROM jobs WHERE jobs.id = held.job_id AND jobs.status IN {UNFINISHED}) AS is_held
      FROM job_unique_keys AS held WHERE until <= now() ORDER BY until LIMIT :limit FOR UPDATE SKIP LOCKED
), kept AS (
    UPDATE job_unique_keys AS held SET until = NULL FROM over
     WHERE over.is_held AND (held.organization_id, held.type, held.unique_key)
                          = (over.organization_id, over.type, over.unique_key)
), gone AS (
    DELETE FROM job_unique_keys AS held USING over
     WHERE NOT over.is_held AND (held.organization_id, held.type, held.unique_key)
                              = (over.organization_id, over.type, over.unique_key)
)
SELECT count(*) FROM over
""")  # noqa: S608 - constants


class ForgetKeys(DatabaseChore):
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
