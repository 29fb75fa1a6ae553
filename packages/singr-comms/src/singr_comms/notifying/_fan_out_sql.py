"""The statement that decides a bite of recipients on one channel: messages, those not sent with their reason, and jobs.

One for each channel and way to find people: Python touches none of the rows. By `inbox` there are items in place of
jobs.
"""

from typing import Final

from sqlalchemy import TextClause

from singr_comms.catalogue import INBOX
from singr_comms.notifications.sending._suppressions import CODES, IN_FORCE
from singr_comms.notifying._words import BESIDE, CHOSEN, MAILLESS, QUIETLY_OVER, STOPS
from singr_comms.notifying.digests._joining import JOINED
from singr_comms.notifying.digests._reaching import REACHED
from singr_comms.people import FREQUENCY_SQL, RULE_SQL, closes_sql
from singr_comms.people.inbox import ADDED
from singr_db import PLATFORM_ORGANIZATION_ID, sql_text
from singr_jobs import insert_jobs_from

ADDRESS: Final = {
    "email": ("r.email_sealed", "r.email_hash", "r.email_masked", ""),
    "sms": ("r.phone_sealed", "r.phone_hash", "r.phone_masked", ""),
    "push": (
        "device.token_sealed",
        "device.token_hash",
        "device.token_masked",
        """LEFT JOIN push_devices AS device ON device.organization_id = r.organization_id
           AND device.recipient_id = r.id AND device.off_at IS NULL""",
    ),
    INBOX: ("''::bytea", "''::bytea", "CAST(NULL AS text)", ""),
}
"""By channel: of a recipient `r` the sealed address, its fingerprint and mask, and what is joined for them."""
# A push is read on a device, which may speak another language than its owner's mails.
_LOCALE: Final = {"push": "coalesce(device.locale, r.locale)"}


# Of who lives by no quiet hours the function is not asked.
_QUIET: Final = """
    SELECT CASE WHEN r.quiet_from IS NOT NULL AND CAST(:quiet AS text) <> 'pass'
                THEN quiet_until(now(), r.time_zone, r.quiet_from, r.quiet_to, r.quiet_days) END AS until"""
# A choice outranks the sender's request; where no digest would reach them in time, only `immediate` does.
_PERIOD: Final = f"""
    SELECT coalesce(chosen.period, CASE WHEN often.frequency IS DISTINCT FROM 'immediate' THEN CAST(:period AS text) END
           ) AS period, CASE WHEN chosen.period IS NOT NULL THEN often.rule END AS period_rule
      FROM {FREQUENCY_SQL} AS often CROSS JOIN LATERAL (
           SELECT CASE WHEN often.frequency <> 'immediate' AND {REACHED}
                        AND coalesce(CAST(:ends_at AS timestamptz), 'infinity') > (
                             SELECT {closes_sql("clock_timestamp()", "reader", "often.frequency")}
                               FROM (SELECT CAST(:organization_id AS uuid) AS organization_id, r.time_zone,
                                            r.digest_at, r.digest_weekday) AS reader)
                       THEN often.frequency END AS period OFFSET 0) AS chosen"""  # noqa: S608 - constants
# By a channel that was decided before this one; its window is held until all are.
_BESIDE: Final = """EXISTS (
    SELECT FROM digest_items AS item JOIN digest_windows AS kept_in ON kept_in.id = item.window_id
     WHERE item.notification_id = :id AND item.recipient_id = r.id
       AND kept_in.period <> coalesce(kept_for.period, 'daily'))"""
_CLOCK: Final = "r.time_zone, r.quiet_from, r.quiet_to, r.quiet_days, r.digest_at, r.digest_weekday, r.email_hash"


# One by one, as OFFSET makes the planner do it: it would read a hundred thousand rows to find a thousand of them.
_BY_ID: Final = "SELECT * FROM recipients WHERE id = {} AND organization_id = :organization_id OFFSET 0"


def _crowd(channel: str) -> str:
    sealed, hashed, masked, join = ADDRESS[channel]
    return f"""
    SELECT r.id, r.id AS whom, r.user_id, r.key_id, {_LOCALE.get(channel, "r.locale")} AS locale, {sealed} AS sealed,
           {hashed} AS hash, {masked} AS masked, {_CLOCK}, shared.content
      FROM unnest(CAST(:ids AS uuid[])) AS given (id)
     CROSS JOIN LATERAL ({_BY_ID.format("given.id")}) AS r {join}
     CROSS JOIN shared"""  # noqa: S608 - constants


def _named(channel: str) -> str:
    sealed, hashed, masked, join = ADDRESS[channel]
    return f"""
    SELECT r.id, t.recipient_id AS whom, r.user_id, r.key_id, {_LOCALE.get(channel, "r.locale")} AS locale, {_CLOCK},
           coalesce(t.address_sealed, {sealed}) AS sealed,
           coalesce(t.address_hash, {hashed}) AS hash, coalesce(t.address_masked, {masked}) AS masked,
           coalesce(own.content_sealed, shared.content) AS content
      FROM notification_targets AS t
      LEFT JOIN LATERAL ({_BY_ID.format("t.recipient_id")}) AS r ON true {join}
      LEFT JOIN notification_contents AS own ON own.notification_id = t.notification_id AND own.ordinal = t.ordinal
           AND own.channel = :channel
     CROSS JOIN shared
     WHERE t.notification_id = :id AND t.organization_id = :organization_id
       AND coalesce(t.channel, :channel) = :channel"""  # noqa: S608 - constants


def _stop() -> str:
    """What `Suppressions` decides as an attempt begins, of the one fingerprint that is known here."""
    codes = " ".join(f"WHEN '{reason}' THEN '{code}'" for reason, code in STOPS.items())
    ranks = " ".join(f"WHEN '{reason}' THEN {rank}" for rank, reason in enumerate(CODES))
    force = IN_FORCE.format("ARRAY[r.hash]", ":channel", ":organization_id", f"'{PLATFORM_ORGANIZATION_ID}'")
    return f"""
    SELECT CASE reason {codes} END AS code FROM suppressions
     WHERE {force}
       AND (reason IN ('bounced', 'stopped')
            OR NOT CAST(:must_arrive AS boolean) AND (
               scope = 'all' OR scope = 'marketing' AND CAST(:for_organization AS boolean)
               OR scope = 'category:' || CAST(:category AS text) AND NOT CAST(:mandatory AS boolean)))
     ORDER BY CASE reason {ranks} END LIMIT 1"""  # noqa: S608 - constants


_TOLD_OF: Final = """SELECT (SELECT coalesce(jsonb_object_agg(reason, messages), '{{}}') FROM (
           SELECT split_part(coalesce(code, '{}'), ' ', 1) AS reason, count(*) AS messages FROM {} GROUP BY 1) AS each
       ) AS reasons"""
# An inbox has no address that anything could hold for.
_NOTHING: Final = "SELECT CAST(NULL AS text) AS code"
_ID: Final = "CAST(:time || '7' || substr(replace(CAST(gen_random_uuid() AS text), '-', ''), 14) AS uuid)"


def _why_not(rules: str) -> str:
    """The error of a message; a code is one word, more of them tell why in other words. `rules` by the codes."""
    return f"""CASE WHEN code IS NOT NULL THEN jsonb_strip_nulls(jsonb_build_object(
                'code', split_part(code, ' ', 1),
                'message', replace(CAST(:words AS jsonb) ->> code, '{{rule}}', coalesce(CASE code {rules} END, '')),
                'rule', CASE code {rules} END)) END"""


_WHY_NOT_SENT: Final = _why_not(f"WHEN 'preference' THEN rule WHEN '{CHOSEN}' THEN period_rule")
_WHY_NOT_IN: Final = _why_not("WHEN 'preference' THEN rule")


def _judged(people: str, stop: str) -> str:
    """Who gets it, and why not: a message and its job have one id, made here, since nobody knows how many there are."""
    return f"""shared AS MATERIALIZED (
    SELECT (SELECT content_sealed FROM notification_contents
             WHERE notification_id = :id AND organization_id = :organization_id AND ordinal = 0
               AND channel = :channel) AS content
), r AS MATERIALIZED ({people}
), judged AS MATERIALIZED (
    SELECT {_ID} AS id, r.whom, r.user_id, r.key_id, r.locale, r.sealed, r.hash, r.masked, r.content, choice.rule,
           {_CLOCK}, quiet.until, kept_for.period, kept_for.period_rule,
           CASE WHEN CAST(:is_over AS boolean) THEN 'expired'
                WHEN r.whom IS NOT NULL AND r.id IS NULL OR r.content IS NULL THEN 'erased'
                WHEN r.whom = ANY (CAST(:without AS uuid[])) THEN 'cancelled' WHEN r.hash IS NULL THEN :nowhere
                WHEN stop.code IS NOT NULL THEN stop.code WHEN NOT choice.allowed THEN 'preference'
                WHEN kept_for.period IS NOT NULL AND r.email_hash IS NULL THEN '{MAILLESS}'
                WHEN kept_for.period IS NOT NULL THEN CASE
                     WHEN {_BESIDE} THEN '{BESIDE}' WHEN kept_for.period_rule IS NOT NULL THEN '{CHOSEN}'
                     ELSE 'digested' END
                WHEN quiet.until IS NULL THEN NULL
                WHEN :quiet = 'digest' AND r.email_hash IS NOT NULL THEN
                     CASE WHEN {_BESIDE} THEN '{BESIDE}' ELSE 'digested' END
                WHEN :quiet = 'drop' THEN 'quiet_hours'
                WHEN quiet.until >= CAST(:expires_at AS timestamptz) THEN '{QUIETLY_OVER}' END AS code
      FROM r CROSS JOIN {RULE_SQL} AS choice
      LEFT JOIN LATERAL ({stop}) AS stop ON true
      LEFT JOIN LATERAL ({_QUIET}) AS quiet ON true
      LEFT JOIN LATERAL ({_PERIOD}) AS kept_for ON true
)"""  # noqa: S608 - constants


def _decide(people: str) -> TextClause:
    return sql_text(f"""
WITH {_judged(people, _stop())}, work AS MATERIALIZED (
    SELECT id, CAST(:organization_id AS uuid) AS organization_id, CAST(:priority AS smallint) AS priority,
           jsonb_build_object('type', CAST(:job_type AS text), 'message_id', id) AS payload,
           CAST(:correlation_id AS text) AS correlation_id, until AS run_at
      FROM judged WHERE code IS NULL
), {insert_jobs_from("work", created_by="CAST(:created_by AS text)")}, there AS MATERIALIZED (
    SELECT reader.id FROM recipients AS reader JOIN judged ON judged.whom = reader.id
     WHERE judged.code IN ('digested', '{CHOSEN}') AND reader.organization_id = :organization_id
     ORDER BY reader.id FOR KEY SHARE OF reader
), kept AS MATERIALIZED (
    SELECT DISTINCT ON (whom) judged.id, CAST(:organization_id AS uuid) AS organization_id, whom AS recipient_id,
           CAST(:id AS uuid) AS notification_id, CAST(:type AS text) AS kind, CAST(:channel AS text) AS channel,
           content AS content_sealed, CAST(:ends_at AS timestamptz) AS expires_at,
           coalesce(period, 'daily') AS period, time_zone, digest_at, digest_weekday
      FROM judged JOIN there ON there.id = whom WHERE code IN ('digested', '{CHOSEN}')
), {JOINED}, made AS (
    INSERT INTO messages (id, organization_id, job_id, user_id, channel, kind, status, recipient_sealed,
                          recipient_hash, recipient_masked, content_sealed, error, correlation_id, notification_id,
                          recipient_id, key_id, locale, expires_at, rule)
    SELECT id, :organization_id, CASE WHEN code IS NULL THEN id END, user_id, :channel, :type,
           CASE WHEN code IS NULL THEN 'queued' ELSE 'suppressed' END, coalesce(sealed, ''::bytea),
           coalesce(hash, ''::bytea), coalesce(masked, '***'), CASE WHEN code IS NULL THEN content ELSE ''::bytea END,
           {_WHY_NOT_SENT}, :correlation_id, :id, whom, key_id, locale,
           CAST(:expires_at AS timestamptz), CASE WHEN whom IS NOT NULL THEN rule END
      FROM judged
)
{_TOLD_OF.format("queued", "judged")}
""")  # noqa: S608 - constants


def _put(people: str) -> TextClause:
    """The same for inboxes: who is erased meanwhile keeps nobody else from theirs, since people are held first."""
    return sql_text(f"""
WITH {_judged(people, _NOTHING)}, held AS MATERIALIZED (
    SELECT r.id FROM recipients AS r JOIN judged ON judged.whom = r.id
     WHERE judged.code IS NULL AND r.organization_id = :organization_id ORDER BY r.id FOR KEY SHARE OF r
), told AS MATERIALIZED (
    SELECT judged.id, whom, user_id, key_id, locale, content, rule,
           coalesce(code, CASE WHEN held.id IS NULL THEN 'erased' END) AS code
      FROM judged LEFT JOIN held ON held.id = judged.whom
), given AS MATERIALIZED (
    SELECT id, CAST(:organization_id AS uuid) AS organization_id, whom AS recipient_id, user_id,
           CAST(:id AS uuid) AS notification_id, CAST(:type AS text) AS kind, content AS content_sealed
      FROM told WHERE code IS NULL
), {ADDED}, made AS (
    INSERT INTO messages (id, organization_id, user_id, channel, kind, status, recipient_sealed, recipient_hash,
                          recipient_masked, content_sealed, error, correlation_id, notification_id, recipient_id,
                          key_id, locale, expires_at, rule, sent_at, delivered_at)
    SELECT id, :organization_id, user_id, :channel, :type,
           CASE WHEN code IS NULL THEN 'delivered' ELSE 'suppressed' END, ''::bytea, ''::bytea, '***', ''::bytea,
           {_WHY_NOT_IN}, :correlation_id, :id, whom, key_id, locale, CAST(:expires_at AS timestamptz), rule,
           CASE WHEN code IS NULL THEN now() END, CASE WHEN code IS NULL THEN now() END
      FROM told
)
{_TOLD_OF.format("delivered", "told")}, ARRAY(SELECT recipient_id FROM given WHERE user_id IS NOT NULL) AS news
""")  # noqa: S608 - constants


DECIDE: Final = {
    (kind, channel): (_put if channel == INBOX else _decide)(people(channel))
    for kind, people in (("crowd", _crowd), ("named", _named))
    for channel in ADDRESS
}
"""By how people are found, and the channel: how many by `reasons`, `queued` and `delivered` among these; of inboxes,
who has `news` on a screen."""
