"""The chore that destroys keys of people who were taken off the list."""

from typing import ClassVar, Final

from singr_db import sql_text
from singr_db.chores import DatabaseChore

KEPT_DAYS: Final = 90
"""Days for which the log of deliveries can tell of somebody who was taken off; whoever is erased is gone at once."""
_DESTROY: Final = sql_text("""
UPDATE data_keys SET wrapped = NULL, destroyed_at = clock_timestamp()
 WHERE wrapped IS NOT NULL AND released_at < now() - :days * interval '1 day'
""")


class ForgetKeys(DatabaseChore):
    """Keys of people who were taken off are destroyed after ninety days."""

    name: ClassVar = "destroying keys that are nobody's"
    seen_as: ClassVar = "data_keys.forget"
    every = 3600.0

    async def work(self) -> object:
        """Destroy them."""
        async with self.db.platform() as session:
            done = await session.execute(_DESTROY, {"days": KEPT_DAYS})
            return done.rowcount  # type: ignore[attr-defined] # of an UPDATE
