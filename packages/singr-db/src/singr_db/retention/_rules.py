"""Which jobs are wanted: the same rule for a week that goes and for what was kept of those that went."""

from datetime import datetime, timedelta
from typing import Any, Final

from singr_config import RetentionSettings
from singr_db.ending import UNFINISHED

REPLAYED_FOR: Final = timedelta(hours=48)
"""For so long a request may be repeated, and is answered from its job."""

HAS_ENDED: Final = f"(finished_at IS NOT NULL AND status NOT IN {UNFINISHED})"

WANTED: Final = f"""
(NOT {HAS_ENDED}
 OR (flow_id IS NOT NULL AND EXISTS (SELECT FROM flows AS f WHERE f.id = flow_id AND f.finished_at IS NULL))
 OR created_at > %(now)s::timestamptz - interval '48 hours'
 OR finished_at > %(now)s::timestamptz - make_interval(days => CASE status
        WHEN 'completed' THEN %(completed)s::int WHEN 'failed' THEN %(failed)s::int ELSE %(cancelled)s::int END))"""
"""A job that has not ended, or whose flow has not, or whose time is not over; by its row, with those of `times`."""


def times(settings: RetentionSettings, now: datetime) -> dict[str, Any]:
    """The parameters of `WANTED`."""
    return {
        "now": now,
        "completed": settings.completed_days,
        "failed": settings.failed_days,
        "cancelled": settings.cancelled_days,
    }


def longest(settings: RetentionSettings) -> timedelta:
    """How long after its end a week goes: whatever its jobs came to, their time is over, but for a few."""
    days = max(settings.completed_days, settings.failed_days, settings.cancelled_days)
    return max(timedelta(days=days), REPLAYED_FOR)
