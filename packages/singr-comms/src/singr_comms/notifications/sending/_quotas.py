"""How many messages there may be: to one reader in an hour, and of one organization in a day."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import TextClause

from singr_comms.catalogue import message_types
from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.channels.sms import CHANNEL as SMS
from singr_comms.messages.digest import MESSAGE_TYPE as DIGEST
from singr_comms.messages.magic_link import MESSAGE_TYPE as MAGIC_LINK
from singr_comms.notifications._rows import mailbox_hash
from singr_comms.notifications.sending._guards import GUARDS, PREFIX_LIMIT, REGION_LIMIT, SmsGuards
from singr_comms.notifications.sending._try import BidesItsTime
from singr_db import PLATFORM_ORGANIZATION_ID, Sealer, TenantSession, sql_text
from singr_jobs import RetryLater

_COUNT: Final = """
INSERT INTO message_quotas AS quota (organization_id, channel, subject_hash, window_start, count)
SELECT CAST(:organization_id AS uuid), CAST(:channel AS text), CAST(:subject AS bytea), {window}, 1
 WHERE NOT EXISTS (  -- a count that is full is looked at, and not locked
       SELECT FROM message_quotas
        WHERE organization_id = :organization_id AND channel = :channel AND subject_hash = :subject
          AND window_start = {window} AND count >= :limit)
ON CONFLICT (organization_id, channel, subject_hash, window_start)
DO UPDATE SET count = quota.count + 1 WHERE quota.count < :limit
RETURNING count
"""
HOUR: Final = "date_trunc('hour', now(), 'UTC')"
# A day is counted in its last hour, so that its count is there until it is over, and goes with those of that hour.
DAY: Final = "date_trunc('day', now(), 'UTC') + interval '23 hours'"
_COUNT_HOUR: Final = sql_text(_COUNT.format(window=HOUR), roles=("tenant",))
_COUNT_DAY: Final = sql_text(_COUNT.format(window=DAY), roles=("tenant",))
# When there may be room again for what was gathered, or held for a minute or more; none where it is of no use then.
_ROOM: Final = sql_text(
    """
SELECT extract(epoch FROM later.moment - clock_timestamp())::float8
  FROM messages AS m JOIN jobs AS j ON j.id = m.job_id
 CROSS JOIN (SELECT CASE WHEN CAST(:daily AS boolean) THEN date_trunc('day', now(), 'UTC') + interval '1 day'
                         ELSE date_trunc('hour', now(), 'UTC') + interval '1 hour' END AS moment) AS later
 WHERE m.id = :id AND (m.expires_at IS NULL OR m.expires_at > later.moment)
   AND (m.kind = :gathered OR (m.notification_id IS NOT NULL AND j.run_at >= m.created_at + interval '1 minute'))
""",
    roles=("tenant",),
)
_NEXT: Final = sql_text(
    """
SELECT extract(epoch FROM CASE WHEN CAST(:daily AS boolean) THEN date_trunc('day', now(), 'UTC') + interval '1 day'
                               ELSE date_trunc('hour', now(), 'UTC') + interval '1 hour' END
                          - clock_timestamp())::float8
""",
    roles=("tenant",),
)
# A busy organization counts its day in several rows, so that its messages do not wait for each other.
_ROWS: Final = 8
# Seconds into the next hour or day.
_AFTER: Final = 1.0
_FEWEST_IN_A_ROW: Final = 100

USER_LIMIT: Final = "user_limit"
RECIPIENT_LIMIT: Final = "recipient_limit"
ORGANIZATION_LIMIT: Final = "organization_limit"
_READERS: Final = {USER_LIMIT: "user", RECIPIENT_LIMIT: "recipient"}
COUNTED: Final = frozenset({USER_LIMIT, RECIPIENT_LIMIT, ORGANIZATION_LIMIT})
"""The codes of what is over a count that begins anew."""
_COUNTED_NUMBERS: Final = frozenset({PREFIX_LIMIT, REGION_LIMIT})
LIMITS: Final = COUNTED | GUARDS
"""The codes of what a limit held back."""


class Count(msgspec.Struct, frozen=True):
    """What a message counts as: under which fingerprint, and how many there may be in this hour, or on this day."""

    subject: bytes
    most: int
    daily: bool = False


def over_an_hour(code: str, limit: int) -> tuple[str, str]:
    """Code and words of what is over a reader's hour."""
    return code, f"the {_READERS[code]} was sent {limit} messages in this hour, which is the limit"


def over_a_day(limit: int) -> tuple[str, str]:
    """Code and words of what is over an organization's day."""
    return ORGANIZATION_LIMIT, f"the organization sent {limit} messages on this day (UTC), which is the limit"


class Quotas:
    """Counts messages by the clock (UTC).

    - Notices of security are never held back.
    - Codes and links: by user, or else by recipient, each kind by itself: so that neither a busy evening's messages
      nor whoever asks for links in a reader's name can use up their codes.
    - Anything else: by recipient, and by user as well where the request names one. Who asks can leave the user out;
      the recipient is always there.
    - A recipient by e-mail is the mailbox, whatever tag its address has (`mailbox_of`); one of other channels, and of
      sign-in links of the platform, the address as it is written.
    - An organization's day, whatever it sends. What the platform tells people of their accounts has no such limit:
      strangers who fill it would shut all owners out.

    Counts belong to an organization: what one sends takes nothing from another, nor from the platform.

    Args:
        sealer: gives the fingerprints that counts are kept under.
        per_hour: messages to one reader in an hour, by channel.
        per_day: messages of one organization in a day, by channel.
        guards: hold text messages back for what they cost, whatever they say.
    """

    def __init__(
        self, sealer: Sealer, *, per_hour: Mapping[str, int], per_day: Mapping[str, int], guards: SmsGuards
    ) -> None:
        self._sealer = sealer
        self._guards = guards
        self._per_hour = per_hour
        self._per_day = per_day

    async def count(
        self, session: TenantSession, message_id: UUID, row: Any, address: str | None, *, day: bool = True
    ) -> tuple[str, str] | None:
        """Count a message; return code and words of the limit that holds it back, if one does.

        Args:
            session: of the transaction that begins its first attempt, or its first one in an hour.
            message_id: the message.
            row: its row.
            address: where it goes; None where nobody here can open it, and whoever does to send it says what is wrong.
            day: it has not counted yet on this day.
        """
        if not message_types.concerns_security(row.kind):
            over = await self._readers(session, message_id, row, address, day=day)
            if over is not None:
                return over
        if row.channel != SMS.name or address is None:
            return None
        return await self._guards.count(session, message_id, address, row.kind)

    async def wait(self, session: TenantSession, message_id: UUID, over: tuple[str, str]) -> None:
        """Let a message that `count` holds back wait for room, where it is a digest or was held before.

        What was held waits with it: all of it was wanted, and is let go in one moment.

        Raises:
            BidesItsTime: it waits; whatever the session counted is undone with it.
        """
        if over[0] in COUNTED:
            values = {"id": message_id, "daily": over[0] == ORGANIZATION_LIMIT, "gathered": DIGEST.name}
            if (seconds := await session.scalar(_ROOM, values)) is not None:
                raise BidesItsTime(seconds + _AFTER, *over)

    async def wait_again(self, session: TenantSession, over: tuple[str, str], remaining: float) -> None:
        """Let a message wait for room that was counted in an hour that is over, and was put off in it.

        Args:
            session: of the transaction that would begin its attempt.
            over: what `count` says.
            remaining: seconds for which it is of use, and wanted; no wait is longer.

        Raises:
            RetryLater: it waits; whatever the session counted is undone with it.
        """
        if over[0] in COUNTED or over[0] in _COUNTED_NUMBERS:
            seconds = await session.scalar(_NEXT, {"daily": over[0] == ORGANIZATION_LIMIT})
            raise RetryLater(min(seconds + _AFTER, remaining), *over, counts=False)

    def counts(self, organization_id: UUID, message_id: UUID, row: Any, address: str | None) -> list[Count] | None:
        """What a message to an address counts as where no count is full; None where more than counts holds it back."""
        if row.channel == SMS.name:
            return None
        if message_types.concerns_security(row.kind):
            return []
        hourly = self._per_hour[row.channel]
        subjects = self._subjects(organization_id, row, address)
        found = [Count(self._print(subject, context), hourly) for _, subject, context in subjects]
        if organization_id != PLATFORM_ORGANIZATION_ID:
            found.append(next(self._days(row.channel, message_id)))
        return found

    async def _readers(
        self, session: TenantSession, message_id: UUID, row: Any, address: str | None, *, day: bool
    ) -> tuple[str, str] | None:
        limit = self._per_hour[row.channel]
        for code, subject, context in self._subjects(session.organization_id, row, address):
            if not await self.takes(session, row, _COUNT_HOUR, Count(self._print(subject, context), limit)):
                return over_an_hour(code, limit)
        counts = day and session.organization_id != PLATFORM_ORGANIZATION_ID
        if counts and not await self._day(session, message_id, row):
            return over_a_day(self._per_day[row.channel])
        return None

    async def _day(self, session: TenantSession, message_id: UUID, row: Any) -> bool:
        # The rows hold the limit between them, to the last message: one that is full sends on to the next.
        for count in self._days(row.channel, message_id):
            if await self.takes(session, row, _COUNT_DAY, count):
                return True
        return False

    def _days(self, channel: str, message_id: UUID) -> Iterator[Count]:
        """Where an organization's day is counted, the message's own row first."""
        limit = self._per_day[channel]
        rows = _ROWS if limit >= _ROWS * _FEWEST_IN_A_ROW else 1
        first = message_id.int % rows
        for number in ((first + step) % rows for step in range(rows)):
            subject = self._print(f"organization {number}", "quotas.day")
            yield Count(subject, limit // rows + (number < limit % rows), daily=True)

    async def takes(self, session: TenantSession, row: Any, statement: TextClause, count: Count) -> bool:
        """Count one more, unless the count is full; returns whether it was not."""
        values = {
            "organization_id": session.organization_id,
            "channel": row.channel,
            "subject": count.subject,
            "limit": count.most,
        }
        return (await session.execute(statement, values)).scalar() is not None

    def _subjects(self, organization_id: UUID, row: Any, address: str | None) -> Iterator[tuple[str, str, str]]:
        """Who is counted as a message's reader: the code of their limit, who, and the context of the fingerprint."""
        codes = message_types.carries_code(row.kind)
        context = f"quotas.{row.kind if codes else 'other'}"
        if row.user_id is not None:
            yield USER_LIMIT, f"user {row.user_id}", context
        if row.user_id is None or not codes:
            reader = bytes(row.recipient_hash)
            if address is not None and by_mailbox(organization_id, row.channel, row.kind):
                reader = mailbox_hash(self._sealer, address)
            yield RECIPIENT_LIMIT, f"recipient {reader.hex()}", context

    def _print(self, subject: str, context: str) -> bytes:
        return self._sealer.fingerprint(subject, context=context)


def by_mailbox(organization_id: UUID, channel: str, kind: str) -> bool:
    """Whether messages are counted by the mailbox that an address leads to; otherwise by the address as it is written.

    Sign-in links of the platform are not: whoever asks for them in the name of one account takes none from another,
    although its address differs in its tag alone. How many there may be, the accounts have counted.
    """
    opens_an_account = organization_id == PLATFORM_ORGANIZATION_ID and kind == MAGIC_LINK.name
    return channel == EMAIL.name and not opens_an_account
