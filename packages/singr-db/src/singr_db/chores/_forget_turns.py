"""The chore that forgets the turns of processes that are gone."""

from typing import ClassVar, Final

from singr_db._statements import sql_text
from singr_db.chores._chore import DatabaseChore

KEPT: Final = 20
"""Of processes that are gone, so many turns of each chore are kept: those that were told of last."""
# A process that lives tells of itself in `workers`, however seldom its chores have their turn.
_FORGET: Final = sql_text("""
WITH past AS (
    SELECT name, process, seen_at, row_number() OVER (PARTITION BY name ORDER BY seen_at DESC) AS place
      FROM standing_turns AS turn
     WHERE NOT EXISTS (SELECT FROM workers WHERE workers.name = turn.process
                          AND workers.seen_at > now() - interval '1 hour')
), gone AS (
    DELETE FROM standing_turns WHERE (name, process) IN (
        SELECT turn.name, turn.process FROM standing_turns AS turn JOIN past USING (name, process)
         WHERE past.place > :kept OR past.seen_at < now() - interval '7 days' FOR UPDATE OF turn SKIP LOCKED)
    RETURNING 1
)
SELECT count(*) FROM gone
""")


class ForgetTurns(DatabaseChore):
    """However often processes start anew, operators see the last turns of those that are gone, and no more."""

    name: ClassVar = "forgetting turns of processes past"
    seen_as: ClassVar = "standing_work.forget"
    every = 600.0

    async def work(self) -> object:
        """Forget what is more than a few, or older than a week."""
        async with self.db.platform() as session:
            return await session.scalar(_FORGET, {"kept": KEPT})
