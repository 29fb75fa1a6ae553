"""The chore that deletes old counts of the limits per recipient."""

from typing import ClassVar

from singr_comms.notifications._maintenance import collect_quotas
from singr_db.chores import DatabaseChore


class ForgetQuotas(DatabaseChore):
    """Counts of windows that are over are deleted."""

    name: ClassVar = "forgetting quotas"
    seen_as: ClassVar = "quotas.forget"
    every = 3600.0

    async def work(self) -> object:
        """Delete them."""
        return await collect_quotas(self.db)
