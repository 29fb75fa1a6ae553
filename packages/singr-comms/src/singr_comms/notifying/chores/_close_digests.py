"""The chore that asks for digests to be closed when their time has come."""

from datetime import timedelta
from typing import ClassVar, Final

from singr_comms.catalogue import message_types
from singr_comms.notifying.job_types.close_digests import CloseDigests
from singr_db import sql_text
from singr_db.chores import DatabaseChore
from singr_jobs import enqueue

_AT_ONCE: Final = 500
# What this process knows: of a type that is declared elsewhere, a digest waits for those who know it.
_DUE: Final = sql_text("""
SELECT DISTINCT organization_id FROM digest_windows
 WHERE closed_at IS NULL AND closes_at <= now() AND type = ANY (CAST(:types AS text[])) LIMIT :limit
""")
_FORGET: Final = sql_text("""
DELETE FROM digest_windows WHERE id = ANY (ARRAY(
       SELECT id FROM digest_windows WHERE closed_at < now() - CAST(:kept AS interval) ORDER BY closed_at LIMIT :limit))
""")
# As long as what they became may be asked for.
_KEPT: Final = timedelta(days=90)


class CloseDigestsWhenDue(DatabaseChore):
    """Every digest comes at its time, or as soon as there is a worker again: once, whatever was missed."""

    name: ClassVar = "closing digests"
    seen_as: ClassVar = "digests.close"
    every = 5.0

    async def work(self) -> int:
        """Ask for each organization that has some due; forget the oldest."""
        types = [declared.name for declared in message_types]
        async with self.db.platform() as session:
            due = (await session.scalars(_DUE, {"types": types, "limit": _AT_ONCE})).all()
            for organization_id in due:
                await enqueue(session, CloseDigests(), organization_id=organization_id, unique_key="due")
            await session.execute(_FORGET, {"kept": _KEPT, "limit": _AT_ONCE})
        return len(due)
