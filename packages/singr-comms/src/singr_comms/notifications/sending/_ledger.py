"""The send ledger: an attempt is committed before the provider is called, its outcome after.

Every method is one short transaction of its own, fenced to the message's organization.
"""

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.notifications.sending._policy import Known, Step, next_step
from singr_comms.notifications.sending._quotas import Quotas
from singr_db import Database, TenantSession, sql_text

# The row lock makes two runners of one message take turns; the second sees what the first committed.
_LOCK: Final = sql_text(
    """
SELECT channel, kind, status, attempts, user_id, recipient_sealed, recipient_hash, content_sealed, provider,
       provider_message_id, error, extract(epoch FROM clock_timestamp() - created_at)::float8 AS age,
       extract(epoch FROM clock_timestamp() - held_since)::float8 AS held
  FROM messages WHERE id = :id FOR UPDATE
""",
    roles=("tenant",),
)
_LAST_ATTEMPT: Final = sql_text(
    """
SELECT extract(epoch FROM clock_timestamp() - started_at)::float8
  FROM message_attempts WHERE message_id = :id AND attempt = :attempt
""",
    roles=("tenant",),
)
# Its job was cancelled, and somebody let it be tried again since: what was to be sent is there still, but for codes.
_TRIED_AGAIN: Final = sql_text(
    """
SELECT EXISTS (SELECT FROM messages AS m JOIN jobs AS j ON j.id = m.job_id
                WHERE m.id = :id AND m.content_sealed <> ''::bytea AND j.status IN ('pending', 'processing')
                  AND NOT j.cancel_requested)
""",
    roles=("tenant",),
)
_BEGIN: Final = sql_text(
    """
INSERT INTO message_attempts (message_id, attempt, organization_id, provider, status, idempotency_token, started_at)
VALUES (:id, :attempt, :organization_id, :provider, 'dispatched', :token, clock_timestamp())
""",
    roles=("tenant",),
)
_DISPATCHED: Final = sql_text(
    """
UPDATE messages SET status = 'dispatched', attempts = :attempt, provider = :provider, provider_message_id = NULL,
       error = NULL, updated_at = now()
 WHERE id = :id
""",
    roles=("tenant",),
)
_LOST: Final = sql_text(
    """
UPDATE message_attempts SET status = 'unknown', error = CAST(:error AS jsonb), finished_at = now()
 WHERE message_id = :id AND attempt = :attempt AND status = 'dispatched'
""",
    roles=("tenant",),
)
_STATUS: Final = sql_text(
    """
UPDATE messages SET status = :status, error = CAST(:error AS jsonb), updated_at = now(),
       content_sealed = CASE WHEN :erase THEN ''::bytea ELSE content_sealed END
 WHERE id = :id
""",
    roles=("tenant",),
)
# What is learned late still counts: an attempt given up for lost may turn out to have been sent.
_FINISH_ATTEMPT: Final = sql_text(
    """
UPDATE message_attempts SET status = :status, provider_message_id = :provider_message_id,
       error = CAST(:error AS jsonb), finished_at = clock_timestamp()
 WHERE message_id = :id AND attempt = :attempt AND status IN ('dispatched', 'unknown')
""",
    roles=("tenant",),
)
_FINISH: Final = sql_text(
    """
UPDATE messages SET status = :message_status, provider = :provider, provider_message_id = :provider_message_id,
       error = CAST(:error AS jsonb), sent_at = CASE WHEN :sent THEN clock_timestamp() ELSE sent_at END,
       content_sealed = CASE WHEN :erase THEN ''::bytea ELSE content_sealed END, updated_at = clock_timestamp()
 WHERE id = :id AND status NOT IN ('sent', 'delivered', 'bounced') AND (attempts = :attempt OR :sent)
""",
    roles=("tenant",),
)
_WAITING: Final = sql_text(
    """
SELECT status, kind, content_sealed, extract(epoch FROM clock_timestamp() - created_at)::float8 AS age,
       extract(epoch FROM clock_timestamp() - held_since)::float8 AS held
  FROM messages WHERE id = :id AND channel = :channel FOR UPDATE
""",
    roles=("tenant",),
)
_HELD: Final = sql_text(
    "UPDATE messages SET held_since = clock_timestamp() WHERE id = :id AND held_since IS NULL", roles=("tenant",)
)
_REFUSED: Final = sql_text("""
INSERT INTO provider_refusals (channel, provider, code, message) VALUES (:channel, :provider, :code, :message)
ON CONFLICT (channel, provider) DO UPDATE SET code = excluded.code, message = excluded.message, seen_at = now()
""")
_ACCEPTED: Final = sql_text("DELETE FROM provider_refusals WHERE channel = :channel AND provider = :provider")
_OPEN: Final = frozenset({"queued", "dispatched", "unknown"})
_IN_DOUBT: Final = frozenset({"dispatched", "unknown"})
_LOST_ERROR: Final = {"code": "lost", "message": "the process that was sending it ended before an outcome was recorded"}


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt is committed: call the provider, then `Ledger.finish`.

    Args:
        attempt: its number.
        kind: the message's kind.
        token: by which the provider may tell a copy.
        recipient: a fingerprint of whom it goes to.
        recipient_sealed: to whom.
        content_sealed: what.
        remaining: seconds for which the message is still of use; no wait is longer.
    """

    attempt: int
    kind: str
    token: str
    recipient: bytes
    recipient_sealed: bytes
    content_sealed: bytes
    remaining: float


class AlreadySent(msgspec.Struct, frozen=True):
    """An earlier attempt sent it."""

    provider: str | None
    provider_message_id: str | None


class InFlight(msgspec.Struct, frozen=True):
    """Another runner may be calling the provider; look again after so many seconds."""

    seconds: float


class Refused(msgspec.Struct, frozen=True):
    """It will not be sent, for good."""

    code: str
    message: str


Life: TypeAlias = Callable[[str, bytes], float]
"""Seconds for which a message is of use, by its kind and sealed content."""

Opening: TypeAlias = Begun | AlreadySent | InFlight | Refused


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended.

    Args:
        attempt_status: for the attempt's row.
        message_status: for the message's row: `queued` when another try will follow.
        provider: who was called.
        provider_message_id: of a sent message.
        error: `{"code", "message"}`, or None.
        ends: no other try will follow.
    """

    attempt_status: Literal["sent", "failed", "unknown"]
    message_status: Literal["sent", "queued", "failed", "unknown"]
    provider: str
    provider_message_id: str | None = None
    error: dict[str, Any] | None = None
    ends: bool = False


class Ledger:
    """Opens and closes attempts.

    Args:
        db: the database.
        quotas: counts messages, each once, in the transaction of its first attempt.
        in_flight: seconds for which a provider call may still be on its way after its attempt began; longer than any
            provider's deadline.
        life: gives the seconds for which a message of a kind, with its content, is of use.
    """

    def __init__(self, db: Database, quotas: Quotas, *, in_flight: float, life: Life) -> None:
        self._db = db
        self._life = life
        self._quotas = quotas
        self._in_flight = in_flight

    async def begin(
        self,
        message_id: UUID,
        *,
        organization_id: UUID,
        channel: str,
        provider: str,
        takes_idempotency_key: bool,
        is_last_attempt: bool,
    ) -> Opening:
        """Commit a new attempt, or say why there is none: what has outlived its use ends as `expired`, unsent."""
        async with self._db.tenant(organization_id) as session:
            row = (await session.execute(_LOCK, {"id": message_id})).one_or_none()
            if row is None or row.channel != channel:
                return Refused("message_gone", f"this organization has no {channel} message {message_id}")
            age = (await session.execute(_LAST_ATTEMPT, {"id": message_id, "attempt": row.attempts})).scalar()
            status = "queued" if await _is_tried_again(session, message_id, row) else row.status
            step = next_step(
                Known(kind=row.kind, status=status, age=age, provider=row.provider),
                provider=provider,
                takes_idempotency_key=takes_idempotency_key,
                in_flight=self._in_flight,
                is_last_attempt=is_last_attempt,
            )
            if step in {Step.SEND, Step.FLAG} and row.status == "dispatched":
                values = {"id": message_id, "attempt": row.attempts, "error": _json(_LOST_ERROR)}
                await session.execute(_LOST, values)
            if step is not Step.SEND:
                return await self._stop(session, message_id, row, step, age or 0.0)
            return await self._open(session, message_id, row, provider)

    async def finish(
        self, message_id: UUID, *, organization_id: UUID, attempt: int, kind: str, outcome: Outcome
    ) -> None:
        """Record how an attempt ended. Words that hold a code are erased as soon as no try will follow."""
        sent = outcome.attempt_status == "sent"
        values = {
            "id": message_id,
            "attempt": attempt,
            "status": outcome.attempt_status,
            "message_status": outcome.message_status,
            "provider": outcome.provider,
            "provider_message_id": outcome.provider_message_id,
            "error": _json(outcome.error),
            "sent": sent,
            "erase": (sent or outcome.ends) and message_types.carries_code(kind),
        }
        async with self._db.tenant(organization_id) as session:
            await session.execute(_LOCK, {"id": message_id})  # the same order of locks as in begin()
            await session.execute(_FINISH_ATTEMPT, values)
            await session.execute(_FINISH, values)

    async def hold(self, message_id: UUID, *, organization_id: UUID, channel: str, reason: str) -> Refused | None:
        """Note that a message waits for a provider that refuses our account, or end it where that took too long.

        Args:
            message_id: the message.
            organization_id: whose it is.
            channel: how it travels.
            reason: why it waits, in words.

        Returns:
            What ended it: it was of no use any more. None while it waits.
        """
        async with self._db.tenant(organization_id) as session:
            row = (await session.execute(_WAITING, {"id": message_id, "channel": channel})).one_or_none()
            if row is None or row.status not in _OPEN:
                return None  # the next try finds out what became of it
            if self._remaining(row) > 0:
                await session.execute(_HELD, {"id": message_id})
                return None
            return await _expire(session, message_id, row, reason)

    async def account_refused(self, channel: str, provider: str, code: str, message: str) -> None:
        """Tell every process, and `/ready`, that a provider refuses our account."""
        async with self._db.platform() as session:
            values = {"channel": channel, "provider": provider, "code": code, "message": message}
            await session.execute(_REFUSED, values)

    async def account_accepted(self, channel: str, provider: str) -> None:
        """Take that back."""
        async with self._db.platform() as session:
            await session.execute(_ACCEPTED, {"channel": channel, "provider": provider})

    async def _stop(self, session: TenantSession, message_id: UUID, row: Any, step: Step, age: float) -> Opening:
        if step is Step.DONE:
            return AlreadySent(row.provider, row.provider_message_id)
        if step is Step.WAIT:
            return InFlight(max(self._in_flight - age, 0.0) + 0.1)
        if step is Step.FLAG:
            return await _flag(session, message_id, row)
        error = row.error or {}
        return Refused(str(error.get("code", "suppressed")), str(error.get("message", "it was suppressed")))

    def _remaining(self, row: Any) -> float:
        """Seconds for which a message is still of use.

        A code ages from the moment it was made; anything else is given its time from when it was first held, as long as
        nothing ended it: what an operator sends again gets its time anew.
        """
        life, held = self._life(row.kind, row.content_sealed), row.held if row.status in _OPEN else None
        return life - float(row.age if message_types.carries_code(row.kind) else held or 0.0)

    async def _open(self, session: TenantSession, message_id: UUID, row: Any, provider: str) -> Opening:
        remaining = self._remaining(row)
        if remaining <= 0:
            return await _expire(session, message_id, row, "its time was over before it could be sent")
        over = await self._quotas.count(session, message_id, row) if row.attempts == 0 else None
        if over is not None:
            refused = Refused(*over)
            await _end(session, message_id, row.kind, "suppressed", refused)
            return refused
        begun = Begun(
            attempt=row.attempts + 1,
            kind=row.kind,
            token=message_id.hex,
            recipient=bytes(row.recipient_hash),
            recipient_sealed=row.recipient_sealed,
            content_sealed=row.content_sealed,
            remaining=remaining,
        )
        values = {
            "id": message_id,
            "attempt": begun.attempt,
            "organization_id": session.organization_id,
            "provider": provider,
            "token": begun.token,
        }
        await session.execute(_BEGIN, values)
        await session.execute(_DISPATCHED, values)
        return begun


async def _is_tried_again(session: TenantSession, message_id: UUID, row: Any) -> bool:
    if row.status != "suppressed" or (row.error or {}).get("code") != "cancelled":
        return False
    return bool(await session.scalar(_TRIED_AGAIN, {"id": message_id}))


async def _flag(session: TenantSession, message_id: UUID, row: Any) -> Refused:
    refused = Refused(
        "outcome_unknown",
        "an earlier attempt may have sent it, and this kind of message is not sent twice; look it up at the provider",
    )
    if row.status != "unknown":
        await _end(session, message_id, row.kind, "unknown", refused)
    return refused


async def _expire(session: TenantSession, message_id: UUID, row: Any, reason: str) -> Refused:
    refused = Refused("expired", f"it waited until it was no longer of use: {reason}")
    status = "unknown" if row.status in _IN_DOUBT else "failed"
    await _end(session, message_id, row.kind, status, refused)
    return refused


async def _end(session: TenantSession, message_id: UUID, kind: str, status: str, refused: Refused) -> None:
    values = {"id": message_id, "status": status, "error": _json(refused), "erase": message_types.carries_code(kind)}
    await session.execute(_STATUS, values)


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
