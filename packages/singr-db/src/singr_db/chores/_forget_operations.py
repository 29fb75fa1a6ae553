"""The chore that forgets what was done long ago."""

from typing import ClassVar

from singr_db._statements import sql_text
from singr_db.chores._chore import DatabaseChore
from singr_db.operation_log import KEPT_DAYS

_AT_ONCE = 5000
# Ids are in the order of time, so what is oldest stands first in the primary key.
_FORGET = sql_text("""
WITH gone AS (
    DELETE FROM operation_log WHERE created_at < now() - :days * interval '1 day' AND id IN (
        SELECT id FROM operation_log ORDER BY id LIMIT :limit)
    RETURNING id
)
SELECT count(*) FROM gone
""")


class ForgetOperations(DatabaseChore):
    """The operation log holds what was done within the last 400 days."""

    name: ClassVar = "forgetting old operations"
    seen_as: ClassVar = "operations.forget"
    every = 24 * 3600.0

    async def work(self) -> object:
        """Forget it, a few thousand lines a transaction."""
        gone = _AT_ONCE
        while gone == _AT_ONCE:
            async with self.db.platform() as session:
                gone = await session.scalar(_FORGET, {"days": KEPT_DAYS, "limit": _AT_ONCE}) or 0
        return gone
