"""Objects that are nobody's any more, and lie in the store all the same: found by their notes, and removed."""

import time
from typing import Final

from singr_comms.notifications.branding._store import key_of_logo
from singr_comms.people.exporting._job import key_of_export
from singr_db import Database, SharedObjectStore, sql_text

_AT_ONCE: Final = 100
# Seconds after which others have their turn.
_LONGEST: Final = 60.0
_KEYS: Final = {"logo": key_of_logo, "export": key_of_export}
# Of an organization that is gone; a logo that no version of a brand ever had, since the request that brought it failed;
# an export whose time is over, or whose row went without it. What is being stored at this moment is left in peace.
_LEFT: Final = """
  FROM noted_objects AS o
 WHERE o.created_at < now() - interval '1 hour' AND (
       NOT EXISTS (SELECT FROM organizations AS whose WHERE whose.id = o.organization_id)
       OR o.kind = 'logo' AND NOT EXISTS (SELECT FROM brandings AS b WHERE b.logo_id = o.id)
       OR o.kind = 'export' AND NOT EXISTS (SELECT FROM data_exports AS e WHERE e.id = o.id AND e.expires_at > now()))
"""
_ARE_THERE: Final = sql_text(f"SELECT EXISTS (SELECT {_LEFT})")
_SOME: Final = sql_text(f"SELECT o.kind, o.id {_LEFT} ORDER BY o.kind, o.id LIMIT :limit")
_GONE: Final = sql_text("DELETE FROM noted_objects WHERE kind = :kind AND id = :id")
# What a process of a release before this stored is noted by nobody else.
_MISSED: Final = sql_text("""
INSERT INTO noted_objects (kind, id, organization_id)
SELECT DISTINCT 'logo', logo_id, organization_id FROM brandings WHERE logo_id IS NOT NULL
       AND NOT EXISTS (SELECT FROM noted_objects AS o WHERE o.kind = 'logo' AND o.id = logo_id)
 UNION ALL
SELECT 'export', id, organization_id FROM data_exports AS e
 WHERE NOT EXISTS (SELECT FROM noted_objects AS o WHERE o.kind = 'export' AND o.id = e.id)
ON CONFLICT (kind, id) DO NOTHING
""")


async def find_leftovers(db: Database) -> bool:
    """Whether any are there; notes what nobody has noted."""
    async with db.platform() as session:
        await session.execute(_MISSED)
        return bool(await session.scalar(_ARE_THERE))


async def remove_leftovers(db: Database, objects: SharedObjectStore) -> int:
    """Remove them, for a minute; how many. Once more is as once. 0 where the store is switched off.

    Raises:
        ObjectStoreError: the store refused, or did not answer; what was removed by then is noted no more.
    """
    if not objects.configured:
        return 0
    store, began, removed = await objects.store(), time.monotonic(), 0
    while time.monotonic() - began < _LONGEST:
        async with db.platform() as session:
            some = (await session.execute(_SOME, {"limit": _AT_ONCE})).all()
        if not some:
            break
        for one in some:
            await store.delete(_KEYS[one.kind](one.id))
            async with db.platform() as session:
                await session.execute(_GONE, {"kind": one.kind, "id": one.id})
            removed += 1
    return removed
