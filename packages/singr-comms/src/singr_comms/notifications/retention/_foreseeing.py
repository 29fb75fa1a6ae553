"""What the next turn of messages' retention would do, for who asks before they change a time; nothing is changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from singr_comms.catalogue import message_types
from singr_comms.notifications.retention._dropping import MOST_SURVIVORS, refuse_uncounted
from singr_comms.notifications.retention._times import CHANGED, KEPT, OPEN, OVER, WORDS_OVER, Times
from singr_comms.notifications.retention._trimming import KEPT_ASIDE
from singr_config import RetentionSettings
from singr_db import Partition, sql
from singr_db.retention import Connection, HeldUpError, server_time, weeks_of

_GOES: Final = f"({OVER} AND NOT {CHANGED} AND NOT {OPEN})"


def _counting(table: str, within: str = "true") -> str:
    return sql(f"""
SELECT count(*) FILTER (WHERE goes), count(*) FILTER (WHERE NOT goes), count(*) FILTER (WHERE NOT goes AND words)
  FROM (SELECT {_GOES} AS goes, m.content_sealed <> ''::bytea AND {WORDS_OVER} AND NOT {OPEN} AS words
          FROM {table} AS m {KEPT} WHERE {within}) AS looked
""")  # noqa: S608 - constants


_IN_WEEK: Final = _counting("messages", "m.id >= %(lower)s::uuid AND m.id < %(upper)s::uuid")
_ASIDE: Final = _counting(KEPT_ASIDE)
_NOTIFICATIONS: Final = sql("""
SELECT count(*) FROM notifications AS n
  LEFT JOIN unnest(%(types)s::text[], %(days)s::int[]) AS kept (type, days) ON kept.type = n.type
 WHERE n.ended_at < %(now)s::timestamptz - make_interval(days => coalesce(kept.days, %(longest)s::int))
""")


async def foresee_messages(
    connection: Connection, settings: RetentionSettings, *, now: datetime | None = None
) -> tuple[str, ...]:
    """Say what a worker would let go of now, and when the other weeks go; a line each. `singr-db retention` shows it.

    Args:
        connection: in autocommit, as `retaining` lends it.
        settings: how long, by category.
        now: instead of the database's own time.
    """
    now, times = now or await server_time(connection), Times(settings, message_types)
    lines = [await _week(connection, times, span, now) for span in await weeks_of(connection, "messages")]
    deleted, _, blanked = await _counted(connection, _ASIDE, times.values(now, None))
    lines.append(f"{KEPT_ASIDE}: {_told(deleted, blanked)}")
    row = await (await connection.execute(_NOTIFICATIONS, times.values(now, None))).fetchone()
    lines.append(f"notifications that go: {row[0] if row else 0}")
    return tuple(lines)


async def _week(connection: Connection, times: Times, span: Partition, now: datetime) -> str:
    stays = f"{span.name}: stays until {times.goes_at(span):%Y-%m-%d %H:%M} UTC"
    if not times.passed(span, now):
        return stays
    try:
        if times.lets_go(span, now):
            await refuse_uncounted(connection, span)
    except HeldUpError as error:
        return f"{span.name}: stays as it is, {error}"
    bounds = {**times.values(now, span.end), "lower": span.lower, "upper": span.upper}
    deleted, kept, blanked = await _counted(connection, _IN_WEEK, bounds)
    if not times.is_over(span, now):
        return f"{stays}; {_told(deleted, blanked)}"
    if kept > MOST_SURVIVORS:
        return f"{span.name}: stays, since {kept} of its messages are kept longer; {_told(deleted, blanked)}"
    return f"{span.name}: goes now; {kept} of its messages are kept"


async def _counted(connection: Connection, statement: str, values: Mapping[str, Any]) -> tuple[int, int, int]:
    """How many messages go, how many are kept, and of how many of these the words go."""
    row = await (await connection.execute(statement, values)).fetchone()
    return row or (0, 0, 0)


def _told(deleted: int, blanked: int) -> str:
    return f"messages that go: {deleted}; that lose what they say: {blanked}"
