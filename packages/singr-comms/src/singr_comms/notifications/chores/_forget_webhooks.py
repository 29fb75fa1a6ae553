"""The chore that forgets callbacks of long ago."""

from typing import ClassVar, Final

from singr_db import sql_text
from singr_db.chores import DatabaseChore

KEPT_DAYS: Final = 30
"""Days for which a callback is kept, and its copies are known."""
_AT_ONCE: Final = 5_000
# Ids are in the order of time, so what is oldest stands first in the primary key.
_WEBHOOKS: Final = sql_text("""
WITH gone AS (
    DELETE FROM webhooks_received WHERE received_at < now() - :days * interval '1 day' AND id IN (
        SELECT id FROM webhooks_received ORDER BY id LIMIT :limit)
    RETURNING id
)
SELECT count(*) FROM gone
""")
# By where they lie: joined to what is old, all keys that there are were read for each bite.
_KEYS: Final = sql_text("""
WITH gone AS (
    DELETE FROM webhook_keys WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM webhook_keys WHERE seen_at < now() - :days * interval '1 day'
         ORDER BY seen_at LIMIT :limit FOR UPDATE SKIP LOCKED))
    RETURNING provider
)
SELECT count(*) FROM gone
""")
_ANSWERS: Final = sql_text("""
WITH gone AS (
    DELETE FROM address_answers WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM address_answers WHERE answered_at < now() - :days * interval '1 day'
         ORDER BY answered_at LIMIT :limit FOR UPDATE SKIP LOCKED))
    RETURNING channel
)
SELECT count(*) FROM gone
""")


class ForgetWebhooks(DatabaseChore):
    """Callbacks of the last thirty days are there, the keys by which copies are known, and which answer is newest."""

    name: ClassVar = "forgetting old callbacks"
    seen_as: ClassVar = "webhooks.forget"
    every = 3600.0

    async def work(self) -> object:
        """Forget them, some thousands a transaction."""
        gone = 0
        for statement in (_WEBHOOKS, _KEYS, _ANSWERS):
            some = _AT_ONCE
            while some == _AT_ONCE:
                async with self.db.platform() as session:
                    some = await session.scalar(statement, {"days": KEPT_DAYS, "limit": _AT_ONCE}) or 0
                gone += some
        return gone
