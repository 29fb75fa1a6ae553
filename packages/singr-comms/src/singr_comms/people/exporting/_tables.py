"""What an export holds of each table: every table with something of a person is here, or says why not.

A test compares this with the schema, so that a new table is not forgotten.
"""

from typing import Final

import msgspec
from sqlalchemy import TextClause

from singr_comms.notifications.branding._worn import ORGANIZATION_LOCALE_SQL, READER_LOCALE_SQL
from singr_comms.people.inbox._tying import SHOWN
from singr_db import sql_text

AT_ONCE: Final = 200
"""Rows that are read in one transaction."""


class Listed(msgspec.Struct, frozen=True):
    """One list of an export.

    Args:
        name: as the export calls it.
        tables: whose rows it tells of.
        statement: gives `at` (a UUID, in whose order they come), what is told as it is, and what is opened first:
            `*_sealed` with the key in `key_wrapped`. Its parameters are `organization_id`, `recipient_ids`, `hashes`
            and `account` (NULL without one), which say who it is, and `after` and `limit`.
    """

    name: str
    tables: tuple[str, ...]
    statement: TextClause


def _listed(name: str, tables: tuple[str, ...], columns: str, source: str, at: str) -> Listed:
    return Listed(
        name,
        tables,
        sql_text(
            f"SELECT {at} AS at, {columns} FROM {source} AND {at} > :after ORDER BY {at} LIMIT :limit",  # noqa: S608 - constants
            roles=("tenant",),
        ),
    )


_OURS: Final = "organization_id = :organization_id"
_IDS: Final = "ANY(CAST(:recipient_ids AS uuid[]))"
_HASHES: Final = "ANY(CAST(:hashes AS bytea[]))"
_THEIRS: Final = f"{_OURS} AND recipient_id = {_IDS}"
# In which language what waits, or is read when somebody looks, would be told now.
_LOCALE: Final = f"(SELECT {READER_LOCALE_SQL} FROM recipients AS r WHERE r.id = {{}})"  # noqa: S608 - constants
_OF_BARE_ADDRESSES: Final = ORGANIZATION_LOCALE_SQL.format(":organization_id")
_ATTEMPTS: Final = """(
    SELECT coalesce(jsonb_agg(jsonb_build_object('attempt', a.attempt, 'provider', a.provider, 'status', a.status,
           'error', a.error, 'started_at', a.started_at, 'finished_at', a.finished_at) ORDER BY a.attempt), '[]')
      FROM message_attempts AS a WHERE a.message_id = m.id) AS attempts"""
_EVENTS: Final = """(
    SELECT coalesce(jsonb_agg(jsonb_build_object('provider', e.provider, 'event', e.event, 'status', e.state,
           'error', e.error, 'occurred_at', e.occurred_at, 'received_at', e.received_at) ORDER BY e.received_at), '[]')
      FROM message_events AS e WHERE e.message_id = m.id) AS events"""
_MESSAGE: Final = f"""m.channel, m.kind AS type, m.status, m.locale, m.recipient_masked, m.recipient_sealed,
       m.content_sealed, k.wrapped AS key_wrapped, m.provider, m.provider_message_id, m.error, m.created_at, m.sent_at,
       m.delivered_at, m.expires_at, m.notification_id, {_ATTEMPTS}, {_EVENTS}"""
_MESSAGES: Final = (
    "messages AS m LEFT JOIN data_keys AS k ON k.id = m.key_id WHERE m.organization_id = :organization_id"
)
# A recipient may have stood for somebody else until it was an account's (decision 115): that account is told what was
# for it, or went to an address that it has proved.
_FOR_ACCOUNT: Final = f"""(
    coalesce(m.user_id = CAST(:account AS uuid), CAST(:account AS uuid) IS NULL) OR m.recipient_hash = {_HASHES})"""
_TOLD: Final = f"""coalesce((
    SELECT bool_or{_FOR_ACCOUNT} FROM messages AS m
     WHERE m.notification_id = {{0}}.notification_id AND m.recipient_id = {{0}}.recipient_id
       AND m.organization_id = :organization_id), true)"""  # noqa: S608 - constants
_LEDGER: Final = ("messages", "message_attempts", "message_events")

_NOTIFICATIONS: Final = f"""notifications AS n JOIN (
    SELECT t.notification_id, jsonb_agg(jsonb_build_object('channel', t.channel, 'to', t.address_masked,
           'locale', coalesce({_LOCALE.format("t.recipient_id")}, {_OF_BARE_ADDRESSES}),
           'contents', (SELECT coalesce(jsonb_object_agg(c.channel, encode(c.content_sealed, 'base64')), '{{}}')
                          FROM notification_contents AS c
                         WHERE c.notification_id = t.notification_id AND c.ordinal = t.ordinal))) AS targets
      FROM notification_targets AS t
     WHERE t.organization_id = :organization_id
       AND (t.recipient_id = {_IDS} AND {_TOLD.format("t")}
            OR t.recipient_id IS NULL AND t.address_hash = {_HASHES})
     GROUP BY t.notification_id
    ) AS g ON g.notification_id = n.id WHERE n.organization_id = :organization_id"""  # noqa: S608 - constants
# That named only their address.
TO_ADDRESS: Final = _listed(
    "messages_to_address",
    _LEDGER,
    _MESSAGE,
    f"{_MESSAGES} AND m.recipient_id IS NULL AND m.recipient_hash = {_HASHES}",
    "m.id",
)
LISTS: Final = (
    _listed(
        "recipient",
        ("recipients",),
        """r.external_id, r.user_id, r.last_user_id, r.name_sealed, r.email_sealed, r.phone_sealed,
           k.wrapped AS key_wrapped, r.locale, r.time_zone, r.tags, r.quiet_from, r.quiet_to, r.quiet_days,
           r.digest_at, r.digest_weekday, r.created_at, r.updated_at,
           r.address_changed_at""",
        "recipients AS r LEFT JOIN data_keys AS k ON k.id = r.key_id"
        f" WHERE r.organization_id = :organization_id AND r.id = {_IDS}",
        "r.id",
    ),
    _listed(
        "push_devices",
        ("push_devices",),
        "token_masked, platform, locale, time_zone, created_at, last_used_at, off_at, off_reason",
        f"push_devices WHERE {_THEIRS}",
        "id",
    ),
    _listed(
        "topics",
        ("topic_members",),
        "t.key, m.added_at",
        "topic_members AS m JOIN topics AS t ON t.id = m.topic_id"
        f" WHERE m.organization_id = :organization_id AND m.recipient_id = {_IDS}",
        "m.topic_id",
    ),
    _listed(
        "preferences",
        ("preferences",),
        "scope, name, channel, allowed, source, updated_at",
        f"preferences WHERE {_THEIRS}",
        "id",
    ),
    _listed(
        "digest_choices",
        ("digest_choices",),
        "scope, name, channel, frequency, source, updated_at",
        f"digest_choices WHERE {_THEIRS}",
        "id",
    ),
    _listed(
        "suppressions",
        ("suppressions",),
        "channel, address_masked, scope, reason, created_at, expires_at, lifted_at",
        f"suppressions WHERE {_OURS} AND address_hash = {_HASHES}",
        "id",
    ),
    _listed(
        "inbox",
        ("inbox_items",),
        f"""kind AS type, 'push' AS channel, {_LOCALE.format("recipient_id")} AS locale, content_sealed,
           NULL::bytea AS key_wrapped, notification_id, created_at, seen_at, read_at, archived_at, snoozed_until""",
        f"inbox_items WHERE {_THEIRS} AND {SHOWN.format('inbox_items.recipient_id')}",
        "id",
    ),
    _listed(
        "digests",
        ("digest_windows", "digest_items"),
        f"""w.type AS digest, w.period, w.closes_at, i.kind AS type, i.channel, i.content_sealed,
           {_LOCALE.format("i.recipient_id")} AS locale, NULL::bytea AS key_wrapped, i.notification_id, i.created_at""",
        "digest_items AS i JOIN digest_windows AS w ON w.id = i.window_id"
        f" WHERE i.organization_id = :organization_id AND i.recipient_id = {_IDS} AND {_TOLD.format('i')}",
        "i.id",
    ),
    _listed(
        "notifications",
        ("notifications", "notification_targets", "notification_contents"),
        "n.type, n.state, n.created_at, n.send_at, g.targets",
        _NOTIFICATIONS,
        "n.id",
    ),
    _listed("messages", _LEDGER, _MESSAGE, f"{_MESSAGES} AND m.recipient_id = {_IDS} AND {_FOR_ACCOUNT}", "m.id"),
    TO_ADDRESS,
)
WORN: Final = frozenset({"messages", "messages_to_address", "inbox", "digests"})
"""Lists whose rows wear what was in force when they were made: their ids say when."""

LEFT_OUT: Final = {
    "address_answers": "fingerprints alone: which STOP or START was applied last",
    "data_exports": "that this was asked for, until it is removed",
    "export_asks": "fingerprints alone, for a day",
    "data_keys": "keys, which are no data about anybody, and of former rows fingerprints alone",
    "inbox_counters": "counts of what the export lists",
    "message_quotas": "fingerprints and counts, for hours",
    "sms_counts": "fingerprints and counts, for hours",
    "webhooks_received": "sealed callbacks of providers, for days; what they said of a message is in its events",
}
"""Tables with something of people that no export of recipients tells of, and why."""
