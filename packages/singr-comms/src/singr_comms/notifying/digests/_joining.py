"""How an item gets into the window that is open for its recipient."""

from typing import Final, Literal, TypeAlias

from singr_comms.people import closes_sql

Period: TypeAlias = Literal["daily", "weekly"]
"""How often a digest comes."""

# By another channel it may be kept already, for another window: none is opened for nothing.
# Windows are taken in the order of recipients, so that two that write to many wait for each other, never in a circle.
# Whoever meets a window that is being closed waits, and then opens the next one.
JOINED: Final = f"""opened AS (
    INSERT INTO digest_windows AS known (id, organization_id, recipient_id, type, period, closes_at)
    SELECT gen_random_uuid(), organization_id, recipient_id, kind, period,
           {closes_sql("clock_timestamp()", "kept", "kept.period")}
      FROM kept
     WHERE NOT EXISTS (
           SELECT FROM digest_items AS other
            WHERE other.notification_id = kept.notification_id AND other.recipient_id = kept.recipient_id)
     ORDER BY recipient_id
    ON CONFLICT (recipient_id, type, period) WHERE closed_at IS NULL DO UPDATE SET closes_at = known.closes_at
    RETURNING id, recipient_id
), joined AS (
    INSERT INTO digest_items (id, organization_id, window_id, recipient_id, notification_id, kind, channel,
                              content_sealed, expires_at)
    SELECT kept.id, organization_id, opened.id, recipient_id, notification_id, kind, channel, content_sealed, expires_at
      FROM kept JOIN opened USING (recipient_id)
    ON CONFLICT (notification_id, recipient_id) WHERE notification_id IS NOT NULL DO NOTHING
)"""  # noqa: S608 - constants
"""Parts of a WITH that put a relation `kept` into windows, one item a recipient, which are there.

It has the columns of an item but for its window, and `period`, `time_zone`, `digest_at` and `digest_weekday`.
"""
