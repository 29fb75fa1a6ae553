"""What people do with the items of their inbox. Counts are taken anew with every change, under the counter's lock."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause

from singr_comms.people._forms import in_form
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.inbox._checks import InboxMark, check_mark
from singr_comms.people.inbox._items import InboxCounts
from singr_comms.people.inbox._news import note_news
from singr_comms.people.inbox._tying import RECOUNTED, SHOWN
from singr_config.clock import clock
from singr_db import PlatformSession, TenantSession, first_id, sql_text

_ROLES: Final = ("platform", "tenant")
# Of each mark, what it changes, and of which items: those for which it says nothing new are left as they are.
_MARKS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "seen": ("seen_at = now()", "seen_at IS NULL"),
        "read": ("read_at = now(), seen_at = coalesce(seen_at, now())", "read_at IS NULL"),
        "unread": ("read_at = NULL", "read_at IS NOT NULL"),
        "archived": ("archived_at = now(), snoozed_until = NULL", "archived_at IS NULL"),
        "restored": (
            "archived_at = NULL, snoozed_until = NULL",
            "(archived_at, snoozed_until) IS DISTINCT FROM (NULL, NULL)",
        ),
        "snoozed": (
            "snoozed_until = :until",
            "archived_at IS NULL AND snoozed_until IS DISTINCT FROM CAST(:until AS timestamptz)",
        ),
    }
)
_LOCK: Final = sql_text(
    "SELECT position FROM inbox_counters WHERE recipient_id = :recipient_id FOR UPDATE", roles=_ROLES
)
_MARK: Final[Mapping[str, TextClause]] = MappingProxyType(
    {
        mark: sql_text(
            f"""
UPDATE inbox_items AS item SET {sets}, position = :position + picked.number
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM inbox_items
         WHERE recipient_id = :recipient_id AND {SHOWN.format(":recipient_id")} AND {where}
           AND (id = ANY (CAST(:ids AS uuid[])) OR created_at <= CAST(:before AS timestamptz))) AS picked
 WHERE item.id = picked.id
""",  # noqa: S608 - constants
            roles=_ROLES,
        )
        for mark, (sets, where) in _MARKS.items()
    }
)
_RECOUNT: Final = sql_text(
    f"""
UPDATE inbox_counters AS counter SET position = :position, {RECOUNTED.format(hidden="counter.hidden_through")}
 WHERE recipient_id = :recipient_id
RETURNING unread, unseen, position
""",  # noqa: S608 - constants
    roles=_ROLES,
)
_DUE: Final = sql_text("""
SELECT recipient_id, count(*) AS items FROM (
       SELECT recipient_id FROM inbox_items WHERE snoozed_until <= now() ORDER BY snoozed_until LIMIT :limit) AS due
 GROUP BY recipient_id ORDER BY recipient_id
""")
_AWAKE: Final = sql_text("""
UPDATE inbox_items AS item
   SET snoozed_until = NULL, seen_at = NULL, read_at = NULL, position = :position + picked.number
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM inbox_items
         WHERE recipient_id = :recipient_id AND snoozed_until <= now()) AS picked
 WHERE item.id = picked.id
""")

# Ids begin with the time at which they were made, so the primary key finds the oldest.
_OLD: Final = sql_text("""
SELECT recipient_id, count(*) AS items FROM (
       SELECT recipient_id FROM inbox_items WHERE id < :before AND coalesce(snoozed_until, now()) <= now()
        ORDER BY id LIMIT :limit) AS old
 GROUP BY recipient_id ORDER BY recipient_id
""")
_FORGET: Final = sql_text("""
DELETE FROM inbox_items
 WHERE recipient_id = :recipient_id AND id < :before AND coalesce(snoozed_until, now()) <= now()
""")


async def mark_inbox(
    session: TenantSession | PlatformSession,
    recipient_id: UUID,
    mark: InboxMark,
    *,
    ids: Sequence[UUID] = (),
    before: datetime | None = None,
    until: datetime | None = None,
) -> InboxCounts:
    """Mark items of one person's inbox; ids that are not theirs name nothing. Again is as once.

    Args:
        session: the caller's transaction.
        recipient_id: whose; the caller has made sure that it may change them.
        mark: what they are from now on; `restored`: neither archived nor snoozed.
        ids: which.
        before: all that came until then (aware), too.
        until: of `snoozed`, when they come back (aware), unread.

    Returns:
        The counts after it.

    Raises:
        PeopleError: nothing is named, `until` is missing, in the past or of another mark, or a value is of no such
            kind; with every field that is wrong.
    """
    now = session.people.inboxes.now() if isinstance(session, KeepsPeople) else clock.now()
    recipient_id = in_form(recipient_id, UUID, "recipient_id")
    check_mark(mark, ids=ids, before=before, until=until, now=now)
    if isinstance(session, KeepsPeople):
        inboxes = session.people.inboxes
        inboxes.mark(recipient_id, mark, ids=ids, before=before, until=until)
        return InboxCounts(*inboxes.counts(recipient_id))
    about = {"recipient_id": recipient_id}
    position: int | None = await session.scalar(_LOCK, about)
    if position is None:
        return InboxCounts()
    values: dict[str, Any] = about | {"ids": list(ids), "before": before, "position": position}
    if mark == "snoozed":
        values["until"] = until
    return await _changed(session, _MARK[mark], values)


async def wake_snoozed(session: PlatformSession, *, limit: int) -> int:
    """Bring back, unread, what was snoozed until now; how many items were found, `limit` where there may be more."""
    due = (await session.execute(_DUE, {"limit": limit})).all()
    for row in due:
        about = {"recipient_id": row.recipient_id}
        position = await session.scalar(_LOCK, about)
        if position is not None:  # else they were erased a moment ago
            await _changed(session, _AWAKE, about | {"position": position})
    return sum(row.items for row in due)


async def forget_items(session: PlatformSession, *, kept: timedelta, limit: int) -> int:
    """Take away what came longer ago than this, but for what is snoozed.

    Returns how many items were found, `limit` where there may be more; what else is old of the same people goes along.
    """
    before = first_id(clock.now() - kept)
    old = (await session.execute(_OLD, {"before": before, "limit": limit})).all()
    for row in old:
        about = {"recipient_id": row.recipient_id}
        position = await session.scalar(_LOCK, about)
        if position is not None:  # else they were erased a moment ago
            await _changed(session, _FORGET, about | {"position": position, "before": before})
    return sum(row.items for row in old)


async def _changed(session: TenantSession | PlatformSession, change: TextClause, values: dict[str, Any]) -> InboxCounts:
    done: Any = await session.execute(change, values)
    about = {"recipient_id": values["recipient_id"], "position": values["position"] + done.rowcount}
    counts = InboxCounts(*(await session.execute(_RECOUNT, about)).one())
    if done.rowcount:
        note_news(session, [values["recipient_id"]])
    return counts
