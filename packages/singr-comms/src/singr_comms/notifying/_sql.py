"""The statements by which notifications are stored, steered and read."""

from typing import Final

from singr_db import sql_text

_BOTH: Final = ("platform", "tenant")

NOW: Final = sql_text("SELECT now()", roles=("tenant",))
FIND: Final = sql_text(
    """
SELECT id, external_id, user_id FROM recipients
 WHERE organization_id = :organization_id
   AND (external_id = ANY (CAST(:external_ids AS text[])) OR user_id = ANY (CAST(:user_ids AS uuid[])))
""",
    roles=("tenant",),
)
# Held, so that it is not removed before what is to reach its members is seen.
TOPIC: Final = sql_text(
    "SELECT id FROM topics WHERE organization_id = :organization_id AND key = :key FOR KEY SHARE", roles=("tenant",)
)
STORE: Final = sql_text(
    """
INSERT INTO notifications (id, organization_id, type, audience, channels, priority, per_minute, digest, send_at,
                           expires_at, deduplication_key, state, correlation_id, created_by)
VALUES (:id, :organization_id, :type, CAST(:audience AS jsonb), :channels, :priority, :per_minute, :digest, :send_at,
        :expires_at, :deduplication_key,
        CASE WHEN CAST(:send_at AS timestamptz) > now() THEN 'scheduled' ELSE 'deciding' END, :correlation_id,
        :created_by)
ON CONFLICT (organization_id, deduplication_key)
      WHERE deduplication_key IS NOT NULL AND state <> 'cancelled' DO NOTHING
RETURNING id, state, turn
""",
    roles=("tenant",),
)
_BY_KEY: Final = """
SELECT id, state FROM notifications
 WHERE organization_id = :organization_id AND deduplication_key = :deduplication_key AND state <> 'cancelled'
"""
BY_KEY: Final = sql_text(_BY_KEY, roles=("tenant",))
BY_KEY_LOCKED: Final = sql_text(f"{_BY_KEY} FOR UPDATE", roles=("tenant",))
LET_GO: Final = sql_text(
    """
UPDATE notifications SET deduplication_key = NULL, updated_at = now()
 WHERE organization_id = :organization_id AND deduplication_key = :deduplication_key
   AND state NOT IN ('scheduled', 'cancelled') AND expires_at <= :moment
""",
    roles=("tenant",),
)
REPLACE: Final = sql_text(
    """
UPDATE notifications SET type = :type, audience = CAST(:audience AS jsonb), channels = :channels, priority = :priority,
       per_minute = :per_minute, digest = :digest, send_at = :send_at, expires_at = :expires_at,
       correlation_id = :correlation_id, created_by = :created_by,
       state = CASE WHEN CAST(:send_at AS timestamptz) > now() THEN 'scheduled' ELSE 'deciding' END,
       paused_at = NULL, turn = turn + 1, updated_at = now()
 WHERE id = :id AND organization_id = :organization_id
RETURNING id, state, turn
""",
    roles=("tenant",),
)
FORGET: Final = tuple(
    sql_text(
        f"DELETE FROM {table} WHERE notification_id = :id AND organization_id = :organization_id",  # noqa: S608 - constants
        roles=("tenant",),
    )
    for table in ("notification_contents", "notification_targets")
)
CONTENTS: Final = sql_text(
    """
INSERT INTO notification_contents (notification_id, ordinal, channel, organization_id, content_sealed)
SELECT :id, ordinal, channel, :organization_id, substring(CAST(:contents AS bytea) FROM first FOR length)
  FROM unnest(CAST(:ordinals AS smallint[]), CAST(:channels AS text[]), CAST(:starts AS integer[]),
              CAST(:lengths AS integer[])) AS one (ordinal, channel, first, length)
""",
    roles=("tenant",),
)
TARGETS: Final = sql_text(
    """
INSERT INTO notification_targets (notification_id, ordinal, organization_id, recipient_id, channel, address_sealed,
                                  address_hash, address_masked)
SELECT :id, ordinal, :organization_id, recipient_id, channel, sealed, hash, masked
  FROM unnest(CAST(:ordinals AS smallint[]), CAST(:recipients AS uuid[]), CAST(:channels AS text[]),
              CAST(:sealed AS bytea[]), CAST(:hashes AS bytea[]), CAST(:masked AS text[]))
       AS one (ordinal, recipient_id, channel, sealed, hash, masked)
""",
    roles=("tenant",),
)
# The job is theirs who asked for the notification: with their credential it is cancelled as any job that they made.
GIVEN: Final = sql_text(
    """
WITH given AS (
    UPDATE notifications SET job_id = :job_id WHERE id = :id AND organization_id = :organization_id
    RETURNING organization_id, created_by
)
UPDATE jobs SET created_by = given.created_by FROM given
 WHERE jobs.id = :job_id AND jobs.organization_id = given.organization_id AND given.created_by IS NOT NULL
""",
    roles=_BOTH,
)
LOCK: Final = sql_text(
    """
SELECT id, type, audience, channels, priority, per_minute, digest, send_at, expires_at, state, turn, cursor, paused_at,
       job_id, correlation_id, created_by, now() AS moment, expires_at <= now() AS is_over,
       extract(epoch FROM send_at - now())::float8 AS early,
       extract(epoch FROM expires_at - now())::float8 AS remaining,
       extract(epoch FROM now() - greatest(created_at, send_at))::float8 AS late
  FROM notifications WHERE id = :id AND organization_id = :organization_id FOR UPDATE
""",
    roles=_BOTH,
)
NEXT_TURN: Final = sql_text(
    """
UPDATE notifications SET turn = turn + 1, updated_at = now()
 WHERE id = :id AND organization_id = :organization_id RETURNING turn, clock_timestamp() AS moment
""",
    roles=_BOTH,
)
# How long a notification has been left to others, none of whom knew its type: its job's error tells that it was, and
# nothing touched it since. NULL: this is the first that does not know it.
LEFT_FOR: Final = sql_text("""
SELECT CASE WHEN j.error ->> 'code' = 'unknown_type' THEN extract(epoch FROM now() - n.updated_at)::float8 END
  FROM notifications AS n JOIN jobs AS j ON j.id = n.job_id AND j.organization_id = n.organization_id
 WHERE n.id = :id AND n.organization_id = :organization_id
""")
LEFT: Final = sql_text("""
UPDATE notifications SET updated_at = now() WHERE id = :id AND organization_id = :organization_id
""")
# Whoever has not had their turn by then is told so, by whichever process gets to them.
ENDED: Final = sql_text("""
UPDATE notifications SET expires_at = now() WHERE id = :id AND organization_id = :organization_id
""")
DECIDED: Final = sql_text("""
UPDATE notifications SET state = :state, cursor = :cursor, decided = decided + :decided, updated_at = now()
 WHERE id = :id AND organization_id = :organization_id
""")
EVERYBODY: Final = sql_text("""
SELECT id FROM recipients WHERE organization_id = :organization_id AND id > CAST(:after AS uuid)
 ORDER BY id LIMIT :limit
""")
TAGGED: Final = sql_text("""
SELECT id FROM recipients
 WHERE organization_id = :organization_id AND id > CAST(:after AS uuid) AND tags @> CAST(:tags AS text[])
 ORDER BY id LIMIT :limit
""")
MEMBERS: Final = sql_text("""
SELECT recipient_id AS id FROM topic_members
 WHERE topic_id = CAST(:topic_id AS uuid) AND organization_id = :organization_id AND recipient_id > CAST(:after AS uuid)
 ORDER BY recipient_id LIMIT :limit
""")
NAMED: Final = sql_text("""
SELECT count(*) FROM notification_targets WHERE notification_id = :id AND organization_id = :organization_id
""")
# What has ended is paused no more: nobody could resume it, and its messages in doubt would wait for ever.
# Nobody is told by it any more, so what it says goes: each message keeps its own.
CANCEL: Final = sql_text(
    """
WITH said AS (DELETE FROM notification_contents WHERE notification_id = :id AND organization_id = :organization_id)
UPDATE notifications SET state = 'cancelled', paused_at = NULL, ended_at = now(), updated_at = now(), turn = turn + 1
 WHERE id = :id AND organization_id = :organization_id
""",
    roles=("tenant",),
)
WITHHOLD: Final = sql_text(
    """
UPDATE notifications SET updated_at = now(), audience = jsonb_set(
       audience, '{without}', coalesce((
       SELECT jsonb_agg(DISTINCT one) FROM jsonb_array_elements(
              coalesce(audience -> 'without', '[]') || to_jsonb(CAST(:recipients AS uuid[]))) AS one), '[]'))
 WHERE id = :id AND organization_id = :organization_id
""",
    roles=("tenant",),
)
# A statement each for everybody and for some: one that asked which it is could look for nobody by index.
_THEIRS: Final = {"everybody": "", "some": "AND recipient_id = ANY (CAST(:recipients AS uuid[]))"}
# What has begun to be sent is not stopped; what failed for certain and waits for another try is.
STOP: Final = {
    whose: sql_text(
        f"""
WITH waiting AS MATERIALIZED (
    SELECT id FROM messages
     WHERE notification_id = :id AND organization_id = :organization_id AND status = 'queued' AND messages.id > :after
       {_THEIRS[whose]}
       AND NOT EXISTS (SELECT FROM message_attempts a WHERE a.message_id = messages.id
                          AND a.status IN ('dispatched', 'unknown'))
     ORDER BY id LIMIT :limit FOR UPDATE
)
UPDATE messages SET status = 'suppressed', error = CAST(:error AS jsonb), content_sealed = ''::bytea, updated_at = now()
  FROM waiting WHERE messages.id = waiting.id AND messages.id = ANY (ARRAY(SELECT id FROM waiting))
RETURNING messages.id
""",  # noqa: S608 - constants
        roles=("tenant",),
    )
    for whose in _THEIRS
}
# What is being told in a digest in this moment is waited for, and then gone.
WITHDRAW: Final = {
    whose: sql_text(
        f"""
WITH taken AS (
    DELETE FROM digest_items WHERE notification_id = :id AND organization_id = :organization_id
       {_THEIRS[whose]}
    RETURNING recipient_id
), told AS (
    UPDATE messages SET error = CAST(:error AS jsonb), updated_at = now()
     WHERE notification_id = :id AND organization_id = :organization_id AND status = 'suppressed'
       AND error ->> 'code' = 'digested' AND recipient_id IN (SELECT recipient_id FROM taken)
    RETURNING id
)
SELECT count(*) FROM told
""",  # noqa: S608 - constants
        roles=("tenant",),
    )
    for whose in _THEIRS
}
SO_FAR: Final = {
    whose: sql_text(
        f"""
SELECT count(*) FILTER (WHERE status IN ('sent', 'delivered', 'bounced', 'complained')) AS already_sent,
       count(*) FILTER (WHERE status IN ('queued', 'dispatched', 'unknown')) AS in_flight
  FROM messages
 WHERE notification_id = :id AND organization_id = :organization_id
   {_THEIRS[whose]}
""",  # noqa: S608 - constants
        roles=("tenant",),
    )
    for whose in _THEIRS
}
PAUSE: Final = sql_text(
    """
UPDATE notifications SET paused_at = coalesce(paused_at, now()), updated_at = now()
 WHERE id = :id AND organization_id = :organization_id
""",
    roles=("tenant",),
)
RESUME: Final = sql_text(
    """
UPDATE notifications SET paused_at = NULL, turn = turn + 1, updated_at = now()
 WHERE id = :id AND organization_id = :organization_id RETURNING turn
""",
    roles=("tenant",),
)
# Of the job that was to go on: whoever pauses and resumes is no sooner decided than without it.
WAS_DUE: Final = sql_text(
    "SELECT run_at FROM jobs WHERE id = :job_id AND organization_id = :organization_id AND run_at > now()",
    roles=("tenant",),
)
COUNTS: Final = sql_text(
    """
SELECT channel, status, CASE WHEN status IN ('failed', 'suppressed', 'unknown') THEN error ->> 'code' END AS reason,
       count(*) AS messages
  FROM messages WHERE notification_id = :id AND organization_id = :organization_id
 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""",
    roles=("tenant",),
)
