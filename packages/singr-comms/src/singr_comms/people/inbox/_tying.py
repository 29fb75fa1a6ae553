"""What an account finds in the inbox of a recipient that is tied to it: what came since, unless all of it was theirs.

Where a tie is made, a trigger hides what was there. It is shown again to whoever has proved that it was for them.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from singr_comms.people.inbox._news import note_news
from singr_db import TenantSession, sql_text

SHOWN: Final = "position > (SELECT hidden_through FROM inbox_counters AS c WHERE c.recipient_id = {})"
"""Of items, those that are in an inbox still, by whose it is."""
RECOUNTED: Final = """
       unread = (SELECT count(*) FROM inbox_items WHERE recipient_id = counter.recipient_id
                    AND position > {hidden} AND read_at IS NULL AND archived_at IS NULL AND snoozed_until IS NULL),
       unseen = (SELECT count(*) FROM inbox_items WHERE recipient_id = counter.recipient_id
                    AND position > {hidden} AND seen_at IS NULL AND archived_at IS NULL AND snoozed_until IS NULL)"""
"""The counts of a row `counter`, taken anew of the items behind a position."""

# In the order in which whoever puts something into many inboxes takes them.
_HOLD: Final = sql_text(
    "SELECT recipient_id FROM inbox_counters WHERE recipient_id = ANY (CAST(:ids AS uuid[]))"
    " ORDER BY recipient_id FOR UPDATE",
    roles=("tenant",),
)
_SHOW: Final = sql_text(
    f"""
UPDATE inbox_counters AS counter SET hidden_through = 0, {RECOUNTED.format(hidden=0)}
 WHERE recipient_id = ANY (CAST(:ids AS uuid[])) AND left_at IS NULL AND hidden_through > 0
""",  # noqa: S608 - constants
    roles=("tenant",),
)


async def hold_inboxes(session: TenantSession, recipients: Collection[UUID]) -> None:
    """Take the inboxes of these people, whose ties are about to change, until the caller's transaction ends."""
    if recipients:
        await session.execute(_HOLD, {"ids": list(recipients)})


async def show_inboxes(session: TenantSession, tied: Collection[UUID], proved: Collection[UUID]) -> None:
    """Show these people, who were just tied to an account, what came before, where it is proved that it was theirs.

    Args:
        session: the caller's transaction, fenced to the organization.
        tied: all who were.
        proved: those whose recipient was nobody's before and had the account's own address from the first. What came
            to others stays hidden, and so does what came to anybody before this could be proved.
    """
    if proved:
        await session.execute(_SHOW, {"ids": list(proved)})
    note_news(session, tied)
