"""The statements of the send ledger."""

from typing import Final

from singr_db import sql_text

# The row lock makes two runners of one message take turns; the second sees what the first committed.
LOCK: Final = sql_text(
    """
SELECT channel, kind, status, attempts, user_id, recipient_id, locale, recipient_sealed, recipient_hash,
       content_sealed, provider, provider_message_id, error,
       extract(epoch FROM clock_timestamp() - created_at)::float8 AS age,
       extract(epoch FROM clock_timestamp() - held_since)::float8 AS held,
       (SELECT wrapped FROM data_keys WHERE data_keys.id = key_id) AS key_wrapped,
       coalesce(expires_at <= clock_timestamp(), false) AS is_over,
       coalesce(extract(epoch FROM expires_at - clock_timestamp())::float8, 'infinity') AS until_over,
       EXISTS (SELECT FROM notifications AS n WHERE n.id = notification_id AND n.paused_at IS NOT NULL) AS is_paused,
       EXISTS (SELECT FROM notifications AS n WHERE n.id = notification_id AND n.priority = 0) AS is_pressing
  FROM messages WHERE id = :id FOR UPDATE
""",
    roles=("tenant",),
)
# With the earliest attempt that nobody knows the outcome of: what came after it makes nothing certain. And for how long
# it was put off by now, where it was, and how often; whether the hour and the day of the attempt are over; when this
# provider was last asked; and whether the message had ended after it, or its job had, and has not run since.
LAST_ATTEMPT: Final = sql_text(
    """
SELECT extract(epoch FROM clock_timestamp() - last.started_at)::float8 AS age,
       CASE WHEN jsonb_exists(last.error, 'put_off')
            THEN extract(epoch FROM clock_timestamp() - last.finished_at)::float8 END AS put_off_for,
       (SELECT count(*) FROM message_attempts WHERE message_id = :id AND jsonb_exists(error, 'put_off')) AS put_off,
       date_trunc('hour', last.started_at, 'UTC') < date_trunc('hour', now(), 'UTC') AS hour_is_over,
       date_trunc('day', last.started_at, 'UTC') < date_trunc('day', now(), 'UTC') AS day_is_over,
       (SELECT extract(epoch FROM clock_timestamp() - max(started_at))::float8 FROM message_attempts
         WHERE message_id = :id AND provider = :provider) AS asked,
       coalesce(jsonb_exists(last.error, 'had_ended'), false) AS had_ended,
       EXISTS (SELECT FROM messages AS m JOIN jobs AS j ON j.id = m.job_id JOIN job_attempts AS a ON a.job_id = j.id
                WHERE m.id = :id AND j.attempt = 0 AND a.finished_at > last.started_at) AS job_anew,
       doubt.attempt, doubt.provider,
       extract(epoch FROM doubt.started_at)::float8 AS began_at,
       extract(epoch FROM clock_timestamp() - doubt.started_at)::float8 AS doubted
  FROM message_attempts AS last
  LEFT JOIN LATERAL (SELECT attempt, provider, started_at FROM message_attempts
                      WHERE message_id = :id AND status IN ('dispatched', 'unknown')
                      ORDER BY attempt LIMIT 1) AS doubt ON true
 WHERE last.message_id = :id AND last.attempt = :attempt
""",
    roles=("tenant",),
)
# Its job was cancelled, and somebody let it be tried again since: what was to be sent is there still, but for codes.
TRIED_AGAIN: Final = sql_text(
    """
SELECT EXISTS (SELECT FROM messages AS m JOIN jobs AS j ON j.id = m.job_id
                WHERE m.id = :id AND m.content_sealed <> ''::bytea AND j.status IN ('pending', 'processing')
                  AND NOT j.cancel_requested)
""",
    roles=("tenant",),
)
BEGIN: Final = sql_text(
    """
INSERT INTO message_attempts (message_id, attempt, organization_id, provider, status, idempotency_token, started_at)
VALUES (:id, :attempt, :organization_id, :provider, 'dispatched', :token, clock_timestamp())
""",
    roles=("tenant",),
)
# What had ended, and is tried again, has its time anew.
DISPATCHED: Final = sql_text(
    """
UPDATE messages SET status = 'dispatched', attempts = :attempt, provider = :provider, provider_message_id = NULL,
       error = NULL, updated_at = now(),
       held_since = CASE WHEN status IN ('queued', 'dispatched', 'unknown') THEN held_since END
 WHERE id = :id
""",
    roles=("tenant",),
)
LOST: Final = sql_text(
    """
UPDATE message_attempts SET status = 'unknown', error = CAST(:error AS jsonb), finished_at = now()
 WHERE message_id = :id AND attempt = :attempt AND status = 'dispatched'
""",
    roles=("tenant",),
)
# What waited too long: in doubt where one of its attempts is.
EXPIRED: Final = sql_text(
    """
UPDATE messages SET error = CAST(:error AS jsonb), updated_at = now(),
       status = CASE WHEN EXISTS (SELECT FROM message_attempts WHERE message_id = :id
                                     AND status IN ('dispatched', 'unknown')) THEN 'unknown' ELSE 'failed' END,
       content_sealed = CASE WHEN :erase THEN ''::bytea ELSE content_sealed END
 WHERE id = :id
""",
    roles=("tenant",),
)
STATUS: Final = sql_text(
    """
UPDATE messages SET status = :status, error = CAST(:error AS jsonb), updated_at = now(),
       content_sealed = CASE WHEN :erase THEN ''::bytea ELSE content_sealed END
 WHERE id = :id
""",
    roles=("tenant",),
)
# What is learned late still counts: an attempt given up for lost may turn out to have been sent.
FINISH_ATTEMPT: Final = sql_text(
    """
UPDATE message_attempts SET status = :status, provider_message_id = :provider_message_id,
       error = CAST(:error AS jsonb), finished_at = clock_timestamp()
 WHERE message_id = :id AND attempt = :attempt AND status IN ('dispatched', 'unknown')
""",
    roles=("tenant",),
)
FINISH: Final = sql_text(
    """
UPDATE messages SET status = :message_status, provider = :provider, provider_message_id = :provider_message_id,
       error = CAST(:message_error AS jsonb), sent_at = CASE WHEN :sent THEN clock_timestamp() ELSE sent_at END,
       content_sealed = CASE WHEN :erase THEN ''::bytea ELSE content_sealed END, updated_at = clock_timestamp()
 WHERE id = :id AND status NOT IN ('sent', 'delivered', 'bounced', 'complained')
   AND (attempts = :attempt OR :sent OR :settles)
""",
    roles=("tenant",),
)
WAITING: Final = sql_text(
    """
SELECT status, kind, channel, content_sealed,
       EXISTS (SELECT FROM message_attempts WHERE message_id = :id AND status IN ('dispatched', 'unknown')) AS in_doubt,
       coalesce(expires_at <= clock_timestamp(), false) AS is_over,
       extract(epoch FROM clock_timestamp() - created_at)::float8 AS age,
       extract(epoch FROM clock_timestamp() - held_since)::float8 AS held,
       coalesce(extract(epoch FROM expires_at - clock_timestamp())::float8, 'infinity') AS until_over
  FROM messages WHERE id = :id AND channel = :channel FOR UPDATE
""",
    roles=("tenant",),
)
# Its last attempt says so, until there is another one.
HAD_ENDED: Final = sql_text(
    """
UPDATE message_attempts AS a SET error = coalesce(a.error, '{}') || '{"had_ended": true}'
  FROM messages AS m WHERE m.id = :id AND a.message_id = :id AND a.attempt = m.attempts
""",
    roles=("platform", "tenant"),
)
# What had failed, and is tried again, has its time anew.
HELD: Final = sql_text(
    """
UPDATE messages SET held_since = clock_timestamp(), error = CASE WHEN status = 'failed' THEN NULL ELSE error END,
       status = CASE WHEN status = 'failed' THEN 'queued' ELSE status END
 WHERE id = :id AND (held_since IS NULL OR status = 'failed')
""",
    roles=("tenant",),
)
# What waits for its reader, its author or room is held up by nothing.
NOT_HELD: Final = sql_text(
    "UPDATE messages SET held_since = NULL WHERE id = :id AND held_since IS NOT NULL", roles=("tenant",)
)
# What is left to a process that knows its type with its fields; what had ended, and is tried again, has its time anew.
LEFT: Final = sql_text(
    """
UPDATE messages SET updated_at = now(),
       held_since = CASE WHEN status IN ('queued', 'dispatched', 'unknown') THEN coalesce(held_since, clock_timestamp())
                         ELSE clock_timestamp() END,
       error = CASE WHEN status IN ('dispatched', 'unknown') THEN error ELSE CAST(:error AS jsonb) END,
       status = CASE WHEN status IN ('dispatched', 'unknown') THEN status ELSE 'queued' END
 WHERE id = :id
""",
    roles=("tenant",),
)
