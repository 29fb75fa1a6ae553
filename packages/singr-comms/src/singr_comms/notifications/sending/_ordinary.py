"""The way of most messages through the ledger: one statement before the call and one after it, each a transaction.

A first try of a message that nothing holds back, and an answer that it was taken. Whatever is otherwise goes the whole
way (`Ledger`), which may be gone after this one in any case: what was not begun here has left nothing.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import namedtuple_row

from singr_comms.notifications._person_keys import is_erased
from singr_comms.notifications.sending._quotas import DAY, HOUR, Quotas
from singr_comms.notifications.sending._suppressions import IN_FORCE, Suppressions
from singr_comms.notifications.sending._try import LastLook
from singr_db import Database, sql

PATIENCE: Final = 10.0
"""Seconds for which a try waits for the ledger (a lock, a network that swallows everything) before that is an outage.

Well within what a job may take, so that it does not end as timed out.
"""
# Seconds for the answer: nothing is begun after that, for nobody might be there to hear it.
_MARGIN: Final = 1.0
_NOT_PAUSED: Final = """NOT EXISTS (
       SELECT FROM notifications AS n WHERE n.id = notification_id AND n.paused_at IS NOT NULL)"""
_READ: Final = sql(f"""
SELECT channel, kind, status, user_id, recipient_id, locale, recipient_sealed, recipient_hash, content_sealed,
       extract(epoch FROM clock_timestamp() - created_at)::float8 AS age,
       extract(epoch FROM clock_timestamp() - held_since)::float8 AS held,
       coalesce(extract(epoch FROM expires_at - clock_timestamp())::float8, 'infinity') AS until_over,
       (SELECT wrapped FROM data_keys WHERE data_keys.id = key_id) AS key_wrapped
  FROM messages
 WHERE id = %(id)s AND organization_id = %(organization_id)s AND channel = %(channel)s
   AND status = 'queued' AND attempts = 0 AND (expires_at IS NULL OR expires_at > clock_timestamp())
   AND {_NOT_PAUSED}
""")  # noqa: S608 - constants
_STOPS: Final = IN_FORCE.format("%(hashes)s", "%(channel)s", "%(organization_id)s", "%(platform)s")
# All or nothing but for one race: of counts that fill up in this moment, those before the full one are counted.
_BEGIN: Final = f"""
WITH mine AS MATERIALIZED (
    SELECT id, recipient_id, notification_id FROM messages
     WHERE id = %(id)s AND organization_id = %(organization_id)s
       AND {_NOT_PAUSED} AND status = 'queued' AND attempts = 0
       FOR UPDATE
), wanted AS MATERIALIZED (
    SELECT subject, CASE WHEN daily THEN {DAY} ELSE {HOUR} END AS window_start, most
      FROM unnest(CAST(%(subjects)s AS bytea[]), CAST(%(daily)s AS boolean[]), CAST(%(most)s AS integer[]))
           AS one (subject, daily, most)
), clear AS MATERIALIZED (
    SELECT id FROM mine
     WHERE NOT EXISTS (SELECT FROM suppressions WHERE {_STOPS})
       AND NOT EXISTS (SELECT FROM wanted JOIN message_quotas AS quota
                           ON quota.subject_hash = wanted.subject AND quota.window_start = wanted.window_start
                        WHERE quota.organization_id = %(organization_id)s AND quota.channel = %(channel)s
                          AND quota.count >= wanted.most)
       AND (recipient_id IS NULL OR /* the last look */)
       AND clock_timestamp() < now() + CAST(%(within)s AS float8) * interval '1 second'
), counted AS (
    INSERT INTO message_quotas AS quota (organization_id, channel, subject_hash, window_start, count)
    SELECT %(organization_id)s, %(channel)s, subject, window_start, 1 FROM wanted, clear
    ON CONFLICT (organization_id, channel, subject_hash, window_start)
    DO UPDATE SET count = quota.count + 1
     WHERE quota.count < (SELECT most FROM wanted WHERE subject = excluded.subject_hash)
    RETURNING subject_hash
), begun AS (
    INSERT INTO message_attempts
           (message_id, attempt, organization_id, provider, status, idempotency_token, started_at)
    SELECT id, 1, %(organization_id)s, %(provider)s, 'dispatched', %(token)s, clock_timestamp() FROM clear
     WHERE (SELECT count(*) FROM counted) = cardinality(CAST(%(subjects)s AS bytea[]))
    RETURNING message_id
), dispatched AS (
    UPDATE messages SET status = 'dispatched', attempts = 1, provider = %(provider)s, provider_message_id = NULL,
           error = NULL, updated_at = now()
     WHERE id = (SELECT message_id FROM begun)
)
SELECT EXISTS (SELECT FROM begun) AS begun, ARRAY(SELECT subject_hash FROM counted) AS counted
"""  # noqa: S608 - constants


def begin_statement(look: str) -> str:
    """The statement that begins a first attempt, with a condition on the row `mine` where it has a `recipient_id`."""
    return _BEGIN.replace("/* the last look */", look)


_BEGIN_UNSEEN: Final = sql(begin_statement("true"))
_TAKE_BACK: Final = sql(f"""
UPDATE message_quotas SET count = count - 1
 WHERE organization_id = %(organization_id)s AND channel = %(channel)s AND subject_hash = ANY(%(counted)s)
   AND window_start IN ({HOUR}, {DAY}) AND count > 0
""")  # noqa: S608 - constants
# The message first, as everywhere; what is learned late still counts.
_SENT: Final = sql("""
WITH mine AS MATERIALIZED (
    SELECT id FROM messages WHERE id = %(id)s AND organization_id = %(organization_id)s FOR UPDATE
), attempt AS (
    UPDATE message_attempts SET status = 'sent', provider_message_id = %(provider_message_id)s, error = NULL,
           finished_at = clock_timestamp()
     WHERE message_id = %(id)s AND attempt = %(attempt)s AND status IN ('dispatched', 'unknown')
       AND EXISTS (SELECT FROM mine)
)
UPDATE messages SET status = 'sent', provider = %(provider)s, provider_message_id = %(provider_message_id)s,
       error = NULL, sent_at = clock_timestamp(), updated_at = clock_timestamp(),
       content_sealed = CASE WHEN %(erase)s THEN ''::bytea ELSE content_sealed END
 WHERE id = (SELECT id FROM mine) AND status NOT IN ('sent', 'delivered', 'bounced', 'complained')
""")


Before: TypeAlias = Callable[[str | None], Awaitable[None]]
"""What is awaited before an attempt is committed, with the message's kind, or None where that is not known yet."""

Misfit: TypeAlias = Callable[[Any], tuple[str, str] | None]
"""Says of a message's row, as code and words, why this process leaves it to another; None where it does not."""


async def nothing_before(kind: str | None) -> None:
    """Wait for nothing."""


class Opened(msgspec.Struct, frozen=True):
    """A first attempt is committed: the message's row, and the seconds for which it is still of use."""

    row: Any
    remaining: float


class OrdinaryWay:
    """Begins and ends attempts by single statements, with platform rights: each names message and organization.

    Args:
        db: the database.
        quotas: say what a message counts as.
        suppressions: know the fingerprints of an address.
        misfit: what says so of a message has to be looked at on the whole way.
        last_look: asked once more about messages to recipients.
    """

    def __init__(
        self,
        db: Database,
        quotas: Quotas,
        suppressions: Suppressions,
        misfit: Misfit,
        last_look: LastLook | None = None,
    ) -> None:
        self._last_look = last_look
        self._begin = _BEGIN_UNSEEN if last_look is None else last_look.begin
        self._db = db
        self._quotas = quotas
        self._suppressions = suppressions
        self._misfit = misfit

    async def begin(
        self,
        message_id: UUID,
        *,
        organization_id: UUID,
        channel: str,
        provider: str,
        token: str,
        remaining: Callable[[Any], float],
        before: Before,
    ) -> Opened | None:
        """Commit a first attempt; None where the whole way has to look why not, and nothing was done.

        An outage gives None as well: where the commit's own answer was lost, the attempt is found on the whole way.
        """
        until = time.monotonic() + PATIENCE - _MARGIN
        which = {"id": message_id, "organization_id": organization_id, "channel": channel}
        try:
            row = await self._one(_READ, which)
            if row is None or is_erased(row) or self._misfit(row) or (left := remaining(row)) <= 0:
                return None
            address = self._suppressions.address(row)
            counts = self._quotas.counts(organization_id, message_id, row, address)
            if counts is None:
                return None
            await before(row.kind)
            values = {
                **which,
                **self._suppressions.looked_for(organization_id, row, address),
                "subjects": [one.subject for one in counts],
                "daily": [one.daily for one in counts],
                "most": [one.most for one in counts],
                "provider": provider,
                "token": token,
                "within": until - time.monotonic(),
                **({} if self._last_look is None else self._last_look.values(row.kind)),
            }
            found = await self._one(self._begin, values)
            if found.begun:
                return Opened(row, left)
            if found.counted:
                await self._one(_TAKE_BACK, {**which, "counted": found.counted})
        except psycopg.Error:
            return None
        return None

    async def sent(self, message_id: UUID, *, organization_id: UUID, attempt: int, erase: bool, **receipt: Any) -> bool:
        """Record that a provider took a message; False where that could not be written, and the whole way tries."""
        values = {"id": message_id, "organization_id": organization_id, "attempt": attempt, "erase": erase, **receipt}
        try:
            await self._one(_SENT, values)
        except (psycopg.Error, ValueError):  # an outage, or an id that nothing stores
            return False
        return True

    async def _one(self, statement: str, values: dict[str, Any]) -> Any:
        async with self._db.psycopg.connection() as connection:
            cursor = connection.cursor(row_factory=namedtuple_row)
            await cursor.execute(statement, values)
            return await cursor.fetchone() if cursor.description else None
