"""The statements by which windows of digests are found, read and closed."""

from typing import Final

from singr_comms.messages.digest import MOST
from singr_comms.notifications.branding._worn import READER_LOCALE_SQL
from singr_comms.notifying._author import DISOWNED
from singr_comms.notifying._words import CANCELLED
from singr_comms.people import RULE_SQL, closes_sql
from singr_db import sql_text

_PERSON: Final = f"""r.key_id, r.name_sealed, {READER_LOCALE_SQL} AS locale, r.time_zone,
       r.email_hash IS NOT NULL AS is_reached"""
# What came while a window was being closed, and had found out when that is before, waits for the next time: `is_late`.
DUE: Final = sql_text(f"""
WITH due AS MATERIALIZED (
    SELECT w.id, w.organization_id, w.recipient_id, w.type, w.period, w.closes_at, {_PERSON},
           coalesce(w.held_since < now() - interval '1 day', false) AS is_held_long
      FROM digest_windows AS w JOIN recipients AS r ON r.id = w.recipient_id
     WHERE w.organization_id = :organization_id AND w.closed_at IS NULL AND w.closes_at <= now()
       AND w.type = ANY (CAST(:types AS text[]))
     ORDER BY w.closes_at, w.id LIMIT :limit FOR UPDATE OF w SKIP LOCKED
)
SELECT due.*, EXISTS (
       SELECT FROM digest_windows AS before
        WHERE before.organization_id = due.organization_id AND before.recipient_id = due.recipient_id
          AND before.type = due.type AND before.period = due.period AND before.closed_at IS NOT NULL
          AND before.closes_at = due.closes_at) AS is_late
  FROM due ORDER BY due.closes_at, due.id
""")  # noqa: S608 - constants
LATER: Final = sql_text(f"""
UPDATE digest_windows AS w SET closes_at = {closes_sql("now()", "r", "w.period")}
  FROM recipients AS r
 WHERE w.organization_id = :organization_id AND w.id = ANY (CAST(:ids AS uuid[])) AND r.id = w.recipient_id
""")  # noqa: S608 - constants
PERSON: Final = sql_text(f"""
SELECT r.id AS recipient_id, r.organization_id, CAST(:period AS text) AS period, {_PERSON} FROM recipients AS r
 WHERE r.id = coalesce(
    (SELECT id FROM recipients WHERE organization_id = :organization_id AND external_id = :name),
    (SELECT id FROM recipients WHERE organization_id = :organization_id AND user_id = CAST(:user_id AS uuid)))
""")  # noqa: S608 - constants
OPEN: Final = sql_text("""
SELECT id, organization_id, recipient_id, type FROM digest_windows
 WHERE organization_id = :organization_id AND recipient_id = :recipient_id AND period = :period AND closed_at IS NULL
 ORDER BY type FOR UPDATE
""")
_KEPT: Final = """digest_items AS i
     WHERE i.organization_id = :organization_id AND i.window_id = ANY (CAST(:windows AS uuid[]))
       AND i.created_at >= coalesce(CAST(:since AS timestamptz), '-infinity')
       AND i.created_at < coalesce(CAST(:until AS timestamptz), 'infinity')"""
# What somebody asked for who is trusted no more is told to nobody.
DISOWN: Final = sql_text(f"""
WITH taken AS (
    DELETE FROM digest_items WHERE id IN (
        SELECT i.id FROM notifications AS n CROSS JOIN {_KEPT}
           AND n.id = i.notification_id AND n.organization_id = i.organization_id AND {DISOWNED})
    RETURNING notification_id, recipient_id
)
UPDATE messages AS m
   SET error = jsonb_build_object('code', '{CANCELLED.code}', 'message', '{CANCELLED.message}'), updated_at = now()
  FROM taken
 WHERE m.organization_id = :organization_id AND m.notification_id = taken.notification_id
   AND m.recipient_id = taken.recipient_id AND m.status = 'suppressed' AND m.error ->> 'code' = 'digested'
""")  # noqa: S608 - constants
# Who cancels an item meanwhile is waited for: what is held here was not, and is theirs no more once it is taken.
HOLD: Final = sql_text(f"""
WITH held AS MATERIALIZED (SELECT i.id FROM {_KEPT} ORDER BY i.id FOR UPDATE) SELECT count(*) FROM held
""")  # noqa: S608 - constants
# Of what is not over, as many as a mail tells, in their order; so many are `behind` each, the last of all of `last_at`.
PAGE: Final = sql_text(f"""
WITH page AS MATERIALIZED (
    SELECT i.id, max(i.created_at) OVER () AS last_at,
           count(*) OVER () - row_number() OVER (ORDER BY i.created_at, i.id) AS behind
      FROM {_KEPT}
       AND (i.created_at, i.id) > (coalesce(CAST(:after_at AS timestamptz), '-infinity'), CAST(:after_id AS uuid))
       AND (i.expires_at IS NULL OR i.expires_at > now())
       AND NOT EXISTS (
           SELECT FROM inbox_items AS seen
            WHERE seen.notification_id = i.notification_id AND seen.recipient_id = i.recipient_id
              AND (seen.read_at IS NOT NULL OR seen.archived_at IS NOT NULL))
     ORDER BY i.created_at, i.id LIMIT {MOST}
)
SELECT id, i.kind, i.channel, i.content_sealed, i.created_at, page.last_at, page.behind,
       i.created_at < now() - interval '30 days' AS is_given_up
  FROM page JOIN digest_items AS i USING (id) ORDER BY i.created_at, id
""")  # noqa: S608 - constants
TAKEN: Final = sql_text(f"""
DELETE FROM {_KEPT} AND i.id <> ALL (CAST(:but AS uuid[]))
       AND (i.created_at, i.id) <= (coalesce(CAST(:to_at AS timestamptz), 'infinity'), CAST(:to_id AS uuid))
""")  # noqa: S608 - constants
CHOICE: Final = sql_text(f"""
SELECT choice.allowed, choice.rule
  FROM (SELECT CAST(:recipient_id AS uuid) AS id) AS r CROSS JOIN {RULE_SQL} AS choice
""")  # noqa: S608 - constants
CLOSED: Final = sql_text("""
WITH taken AS (DELETE FROM digest_items WHERE organization_id = :organization_id AND window_id = :window_id)
UPDATE digest_windows SET closed_at = now(), message_id = :message_id
 WHERE id = :window_id AND organization_id = :organization_id
""")
# It stays due to those who can open it: at its next time where part of it was told, else in a quarter of an hour.
HELD: Final = sql_text(f"""
UPDATE digest_windows AS w
   SET held_since = coalesce(w.held_since, now()),
       closes_at = CASE WHEN :in_part THEN {closes_sql("now()", "r", "w.period")}
                        ELSE now() + CAST(:pause AS interval) END
  FROM recipients AS r
 WHERE w.organization_id = :organization_id AND w.id = :window_id AND r.id = w.recipient_id
""")  # noqa: S608 - constants
MESSAGE: Final = sql_text("""
INSERT INTO messages (id, organization_id, job_id, user_id, channel, kind, status, recipient_sealed, recipient_hash,
                      recipient_masked, content_sealed, error, correlation_id, recipient_id, key_id, locale)
SELECT :id, r.organization_id, CASE WHEN CAST(:error AS jsonb) IS NULL THEN CAST(:id AS uuid) END, r.user_id, 'email',
       :kind, CASE WHEN CAST(:error AS jsonb) IS NULL THEN 'queued' ELSE 'suppressed' END,
       coalesce(r.email_sealed, ''::bytea), coalesce(r.email_hash, ''::bytea), coalesce(r.email_masked, '***'),
       CAST(:content AS bytea), CAST(:error AS jsonb), :correlation_id, r.id, r.key_id, r.locale
  FROM recipients AS r WHERE r.id = :recipient_id AND r.organization_id = :organization_id
""")
# When somebody's next own time after their last mail comes, by a window or by a job, and until when it is quiet.
REST: Final = sql_text(f"""
SELECT (SELECT max({closes_sql("w.closed_at", "r", "w.period")})
          FROM digest_windows AS w JOIN messages AS m ON m.id = w.message_id
         WHERE w.organization_id = :organization_id AND w.recipient_id = r.id AND w.period = :period
           AND w.closed_at IS NOT NULL AND m.status <> 'suppressed') AS until,
       quiet_until(now(), r.time_zone, r.quiet_from, r.quiet_to, r.quiet_days) AS quiet_until, now() AS moment
  FROM recipients AS r WHERE r.id = :recipient_id AND r.organization_id = :organization_id
""")  # noqa: S608 - constants
# A mail that a job made, as a window of all types that was open for a moment: the next one looks for it.
TOLD: Final = sql_text("""
INSERT INTO digest_windows (id, organization_id, recipient_id, type, period, closes_at, closed_at, message_id)
VALUES (gen_random_uuid(), :organization_id, :recipient_id, :type, :period, now(), now(), :message_id)
""")
IS_MADE: Final = sql_text("SELECT true FROM messages WHERE id = :id AND organization_id = :organization_id")
