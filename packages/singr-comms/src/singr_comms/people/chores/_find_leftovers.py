"""The chore that asks for objects to be removed from the store that are nobody's any more."""

from typing import ClassVar

from singr_comms.people.exporting._job import RemoveLeftovers
from singr_comms.people.exporting._leftovers import find_leftovers
from singr_db import PLATFORM_ORGANIZATION_ID
from singr_db.chores import DatabaseChore
from singr_jobs import enqueue


class FindLeftovers(DatabaseChore):
    """Logos and exports of an organization go within hours after it, and so does what nobody ever got."""

    name: ClassVar = "looking for objects that are nobody's any more"
    seen_as: ClassVar = "objects.find_leftovers"
    every = 3600.0

    async def work(self) -> bool:
        """Ask for them to be removed, where there are any; a job that fails for good is followed by another."""
        found = await find_leftovers(self.db)
        if found:
            async with self.db.platform() as session:
                whose = PLATFORM_ORGANIZATION_ID
                await enqueue(session, RemoveLeftovers(), organization_id=whose, unique_key="leftovers")
        return found
