"""Addresses that get nothing: written down when a provider or a reader says so, and looked at when a try begins."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from singr_comms.catalogue import message_types
from singr_comms.notifications._reachable import as_sent_to, ways_to_write
from singr_comms.notifications._rows import RECIPIENT, address_in, normalized, prints_of
from singr_comms.notifications.sending._quotas import LIMITS
from singr_comms.notifications.sending._try import ERASED, NO_DEVICE, PREFERENCE
from singr_comms.providers.fcm import DEAD_TOKENS
from singr_db import PLATFORM_ORGANIZATION_ID, PlatformSession, Sealer, TenantSession, new_id, sql_text

IN_FORCE: Final = """
      address_hash = ANY ({}) AND channel = {}
  AND (organization_id = {} OR (organization_id = {} AND reason IN ('bounced', 'stopped')))
  AND lifted_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
"""Which suppressions hold, of fingerprints, a channel, an organization and the platform."""
_IN_FORCE: Final = sql_text(
    "SELECT reason, scope FROM suppressions WHERE"  # noqa: S608 - constants
    + IN_FORCE.format(":hashes", ":channel", ":organization_id", ":platform"),
    roles=("platform", "tenant"),
)
_AT: Final = "coalesce(CAST(:at AS timestamptz), now())"
_IN_FORCE_AT: Final = sql_text(
    "SELECT id, reason, scope FROM suppressions WHERE"  # noqa: S608 - constants
    + IN_FORCE.replace("now()", _AT).format(":hashes", ":channel", ":organization_id", ":platform")
    + " ORDER BY id",
    roles=("tenant",),
)
_ADD: Final = sql_text("""
INSERT INTO suppressions AS known (id, organization_id, channel, address_hash, address_masked, scope, reason,
                                   message_id, expires_at)
VALUES (:id, :organization_id, :channel, :address_hash, :masked, :scope, :reason, :message_id,
        now() + CAST(:days AS integer) * interval '1 day')
ON CONFLICT (organization_id, channel, address_hash, scope, reason) WHERE lifted_at IS NULL
DO UPDATE SET expires_at = CASE WHEN excluded.expires_at IS NULL THEN NULL
                                ELSE greatest(known.expires_at, excluded.expires_at) END
""")
# A provider that says so when it is given a message; what holds for all, only a callback says.
_REFUSED: Final = sql_text(
    """
INSERT INTO suppressions (id, organization_id, channel, address_hash, address_masked, scope, reason, message_id)
SELECT :id, organization_id, channel, recipient_hash, recipient_masked, 'all', 'stopped', id
  FROM messages WHERE id = :message_id AND recipient_hash <> ''::bytea
ON CONFLICT DO NOTHING
""",
    roles=("tenant",),
)
# One that was registered again meanwhile stays on: what was found out is older than that.
_OFF: Final = sql_text(
    """
UPDATE push_devices AS d SET off_at = now(), off_reason = :code
  FROM messages AS m
 WHERE m.id = :message_id AND d.organization_id = m.organization_id AND d.token_hash = m.recipient_hash
   AND d.off_at IS NULL AND d.last_used_at <= (
       SELECT max(started_at) FROM message_attempts WHERE message_id = :message_id)
""",
    roles=("tenant",),
)
_STOPPED: Final = frozenset({"twilio_21610"})
# Whose messages are gone by now keeps no mask: the fingerprint finds the address all the same.
_UNSUBSCRIBE: Final = sql_text("""
INSERT INTO suppressions (id, organization_id, channel, address_hash, address_masked, scope, reason, message_id)
SELECT :id, :organization_id, 'email', :address_hash, coalesce(m.recipient_masked, '***'), :scope, 'unsubscribed',
       m.id
  FROM (VALUES (1)) AS one LEFT JOIN LATERAL (
       SELECT id, recipient_masked FROM messages
        WHERE recipient_hash = :address_hash AND organization_id = :organization_id AND channel = 'email'
        ORDER BY id DESC LIMIT 1) AS m ON true
ON CONFLICT DO NOTHING
""")
_SOFT_BOUNCES: Final = sql_text("""
SELECT count(DISTINCT m.id) FROM messages AS m JOIN message_events AS e ON e.message_id = m.id
 WHERE m.recipient_hash = :address_hash AND m.organization_id = :organization_id AND m.channel = :channel
   AND e.error ->> 'soft' = 'true' AND e.received_at > now() - interval '7 days'
""")
_LIFT: Final = sql_text("""
UPDATE suppressions SET lifted_at = clock_timestamp(), lifted_by = 'recipient', lifted_note = 'asked for it again'
 WHERE address_hash = ANY (:hashes) AND channel = :channel AND reason = 'stopped' AND lifted_at IS NULL
RETURNING id
""")
# Jobs run in any order, and ids are in the order in which callbacks came: the newest stays. The same one counts anew.
_ANSWERED: Final = sql_text("""
INSERT INTO address_answers AS known (channel, address_hash, webhook_id)
SELECT :channel, :address_hash, :webhook_id
 WHERE NOT EXISTS (SELECT FROM address_answers  -- under a secret of before
                    WHERE channel = :channel AND address_hash = ANY (:hashes) AND webhook_id > :webhook_id)
ON CONFLICT (channel, address_hash) DO UPDATE SET webhook_id = excluded.webhook_id, answered_at = now()
 WHERE known.webhook_id <= excluded.webhook_id
RETURNING webhook_id
""")
_ANSWERED_SINCE: Final = sql_text("""
SELECT EXISTS (SELECT FROM address_answers
                WHERE channel = :channel AND address_hash = :address_hash AND webhook_id > :webhook_id)
""")
_ENOUGH: Final = 3
_DAYS: Final = 7
CATEGORY: Final = "category:"
"""What the scope of a suppression begins with that is of one category."""
# For all organizations: the address itself is dead, or its carrier lets nothing of ours through any more.
OF_ALL: Final = frozenset({"bounced", "stopped"})
CODES: Final = {
    "bounced": ("bounced_before", "the address is dead: a message to it bounced for good"),
    "stopped": ("opt_out", "the reader answered STOP"),
    "complained": ("complained_before", "the reader complained of a message before"),
    "unsubscribed": ("opt_out", "the reader unsubscribed"),
    "bounced_softly": ("bounced_before", "messages to this address were turned away within a week"),
}
"""By the reason of a suppression, code and words of what it stops."""
HELD_BACK: Final = LIMITS | {code for code, _ in CODES.values()} | {ERASED.code, NO_DEVICE.code, PREFERENCE}
"""The codes of what was not sent by decision."""


class Suppressions:
    """Looks whether an address may be written to.

    What concerns security, and codes and links that somebody waits for, are held back by a dead address and by STOP
    alone; who unsubscribed gets nothing more of what organizations say in their own name.

    Args:
        sealer: gives the fingerprints of an address, those of before a change of the secret included.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def address(self, row: Any) -> str | None:
        """The address that a message goes to; None where nobody here can open it. An attempt asks once."""
        return address_in(self._sealer, row)

    async def holds_back(self, session: TenantSession, row: Any, address: str | None) -> tuple[str, str] | None:
        """Return code and words of what stops a message to its address; None where it may go."""
        found = (await session.execute(_IN_FORCE, self.looked_for(session.organization_id, row, address))).all()
        stopping = first_that_stops(row.kind, found)
        return None if stopping is None else CODES[stopping.reason]

    async def stopping(self, session: TenantSession, row: Any, at: datetime | None = None) -> Any | None:
        """Return id, reason and scope of the suppression that stops a message, now or at another moment; None: none."""
        values = self.looked_for(session.organization_id, row, self.address(row)) | {"at": at}
        return first_that_stops(row.kind, (await session.execute(_IN_FORCE_AT, values)).all())

    def looked_for(self, organization_id: UUID, row: Any, address: str | None) -> dict[str, Any]:
        """The values by which what may stop a message is found."""
        return {
            "hashes": self.prints(row, address),
            "channel": row.channel,
            "organization_id": organization_id,
            "platform": PLATFORM_ORGANIZATION_ID,
        }

    async def refused(self, session: TenantSession, message_id: UUID, code: str) -> None:
        """Put down that the reader of a message wants none, or has that device no more, where its provider says so."""
        if code in _STOPPED:
            await session.execute(_REFUSED, {"id": new_id(), "message_id": message_id})
        if code in DEAD_TOKENS:
            await session.execute(_OFF, {"message_id": message_id, "code": code})

    def prints(self, row: Any, address: str | None) -> list[bytes]:
        """Every fingerprint of the address that a message goes to; the stored one where nobody here can open it."""
        return [bytes(row.recipient_hash)] if address is None else prints_of(self._sealer, address)


def first_that_stops(kind: str, found: Iterable[Any]) -> Any | None:
    """Of suppressions in force the one that is told of, where one stops messages of this type."""
    stopping = {one.reason: one for one in found if _stops(kind, one.reason, one.scope)}
    return next((stopping[reason] for reason in CODES if reason in stopping), None)


def _stops(kind: str, reason: str, scope: str) -> bool:
    if reason in OF_ALL:
        return True
    if message_types.concerns_security(kind) or message_types.carries_code(kind):
        return False
    declared = message_types.named(kind)
    if scope.startswith(CATEGORY):
        return declared is not None and not declared.mandatory and scope == CATEGORY + declared.category
    return scope == "all" or declared is None or declared.speaks_for == "organization"


async def suppress_by_callback(
    session: PlatformSession, row: Any, reason: str, *, webhook_id: UUID | None
) -> str | None:
    """Put down what a provider said of a message's address; return it in words, or None where nothing follows yet.

    Args:
        session: of the transaction that notes what the provider said.
        row: the message.
        reason: `bounced`, `bounced_softly`, `refused`, `complained`, `stopped` or `unsubscribed`. What was refused
            holds at once as the third soft bounce does, and for no other organization: the mailbox may be somebody's.
        webhook_id: the callback that says so; what its address answered since stays.
    """
    if not row.recipient_hash:  # of somebody who was erased
        return None
    where = {"address_hash": row.recipient_hash, "channel": row.channel, "organization_id": row.organization_id}
    if reason == "bounced_softly" and (await session.scalar(_SOFT_BOUNCES, where) or 0) < _ENOUGH:
        return None
    kept = "bounced_softly" if reason == "refused" else reason
    since = where | {"webhook_id": webhook_id}
    if reason == "stopped" and webhook_id and await session.scalar(_ANSWERED_SINCE, since):
        return None
    values = {
        "id": new_id(),
        "masked": row.recipient_masked,
        "scope": "marketing" if reason == "unsubscribed" else "all",
        "reason": kept,
        "message_id": row.id,
        "days": _DAYS if kept == "bounced_softly" else None,
    }
    if reason in OF_ALL:
        where["organization_id"] = PLATFORM_ORGANIZATION_ID
    await session.execute(_ADD, where | values)
    return f"the address is suppressed: {reason}"


async def suppress_by_reader(
    session: PlatformSession, *, organization_id: UUID, recipient_hash: bytes, category: str | None = None
) -> None:
    """Put down that a reader unsubscribed from a category of an organization's mails; again is as once.

    Without a category, from what it sends in its own name.
    """
    values = {
        "id": new_id(),
        "organization_id": organization_id,
        "address_hash": recipient_hash,
        "scope": "marketing" if category is None else CATEGORY + category,
    }
    await session.execute(_UNSUBSCRIBE, values)


async def mail_held_back(
    session: PlatformSession, kinds: Iterable[str], *, organization_id: UUID, recipient_hash: bytes
) -> frozenset[str]:
    """Of some types, those of which an address gets no mail of an organization, whatever its reader chooses.

    A category that it was unsubscribed from is not among them: its reader switches it on again.
    """
    values = {
        "hashes": [recipient_hash],
        "channel": "email",
        "organization_id": organization_id,
        "platform": PLATFORM_ORGANIZATION_ID,
    }
    rows = (await session.execute(_IN_FORCE, values)).all()
    found = [one for one in rows if one.reason != "unsubscribed" or not one.scope.startswith(CATEGORY)]
    return frozenset(kind for kind in kinds if first_that_stops(kind, found) is not None)


async def answer_by_address(
    session: PlatformSession,
    sealer: Sealer,
    *,
    channel: str,
    address: str,
    masked: str,
    wants: bool,
    webhook_id: UUID,
) -> str | None:
    """Put down that the holder of an address wants nothing more, or messages again, by the callback that says so.

    Returns:
        It in words; None where a callback that came later was applied before.
    """
    hashes = prints_of(sealer, address)
    print_ = sealer.fingerprint(as_sent_to(normalized(address)), context=RECIPIENT)
    # Noted under all, for what a provider says of a message knows only how its own recipient was written.
    ways = {sealer.fingerprint(way, context=RECIPIENT) for way in ways_to_write(normalized(address))}
    for way in sorted(ways):
        answer = {"channel": channel, "address_hash": way, "hashes": hashes, "webhook_id": webhook_id}
        if (await session.execute(_ANSWERED, answer)).scalar() is None:
            return None
    if wants:
        lifted = (await session.execute(_LIFT, {"hashes": hashes, "channel": channel})).all()
        return "the address is written to again" if lifted else "the address was not stopped"
    values = {
        "id": new_id(),
        "organization_id": PLATFORM_ORGANIZATION_ID,
        "channel": channel,
        "address_hash": print_,
        "masked": masked,
        "scope": "all",
        "reason": "stopped",
        "message_id": None,
        "days": None,
    }
    await session.execute(_ADD, values)
    return "the address is suppressed: stopped"
