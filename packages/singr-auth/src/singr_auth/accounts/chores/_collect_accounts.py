"""The chore that deletes expired proofs, sessions and failures of sign-in."""

from typing import ClassVar

from singr_auth.accounts._collect import collect_accounts
from singr_db.chores import DatabaseChore


class CollectAccounts(DatabaseChore):
    """What signing in left behind and has served its time is deleted."""

    name: ClassVar = "forgetting what signing in left"
    seen_as: ClassVar = "accounts.collect"
    every = 3600.0

    async def work(self) -> object:
        """Delete it, a bite at a time."""
        return await collect_accounts(self.db)
