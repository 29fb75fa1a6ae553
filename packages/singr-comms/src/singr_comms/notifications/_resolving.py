"""What people say became of a message that nobody knows the outcome of."""

import contextlib
from typing import Final, Literal
from uuid import UUID

import msgspec

from singr_comms._errors import CommsError
from singr_comms.catalogue import message_types
from singr_comms.notifications.sending._ledger_sql import HAD_ENDED
from singr_db import PlatformSession, sql_text
from singr_db.operation_log import checked_reason, log_operation
from singr_jobs import (
    DeadLetterSettledError,
    JobEndedError,
    JobNotFoundError,
    JobRunningError,
    dead_letters,
    discard,
    requeue,
    retry_job,
    run_job_now,
)

Resolution = Literal["sent", "send_again"]
"""What somebody says of a message in doubt: it was sent; or it was not, or may go out a second time."""

_LOCK: Final = sql_text("""
SELECT m.status, m.kind, m.job_id, m.error, j.status AS job_status,
       m.content_sealed <> ''::bytea AND coalesce(m.expires_at > clock_timestamp(), true) AS may_go
  FROM messages AS m LEFT JOIN jobs AS j ON j.id = m.job_id
 WHERE m.id = :id AND m.organization_id = :organization_id FOR UPDATE OF m
""")
# All attempts that may have sent it, or the first of them is a doubt still; it was sent by the last of them, or before.
_ATTEMPTS: Final = sql_text("""
WITH doubts AS (SELECT attempt, attempt = max(attempt) OVER () AS is_last FROM message_attempts
                 WHERE message_id = :id AND status IN ('dispatched', 'unknown'))
UPDATE message_attempts AS a SET status = CASE WHEN doubts.is_last AND :sent THEN 'sent' ELSE 'failed' END,
       error = CASE WHEN NOT (doubts.is_last AND :sent) THEN CAST(:error AS jsonb) END, finished_at = now()
  FROM doubts WHERE a.message_id = :id AND a.attempt = doubts.attempt
""")
# What is sent again has its time anew, however long it was held up before.
_MESSAGE: Final = sql_text("""
UPDATE messages SET status = :status, error = NULL, updated_at = now(),
       held_since = CASE WHEN :sent THEN held_since END,
       sent_at = CASE WHEN :sent THEN clock_timestamp() ELSE sent_at END,
       content_sealed = CASE WHEN :erase THEN ''::bytea ELSE content_sealed END
 WHERE id = :id
""")
_DECLARED: Final = {
    "sent": {
        "code": "declared_sent",
        "message": "somebody found out that the message was sent, if not by this attempt",
    },
    "send_again": {
        "code": "declared_unsent",
        "message": "somebody found out that it was not sent, or wants it sent anew",
    },
}


class DeliveryNotFoundError(CommsError):
    """There is no such message in this organization, or it has been deleted."""


class DeliverySettledError(CommsError):
    """What became of the message is known.

    Attributes:
        status: of the message.
    """

    def __init__(self, status: str) -> None:
        super().__init__(f"the message is {status}: nothing about it is in doubt")
        self.status = status


class WordsGoneError(CommsError):
    """What the message says is gone: it can be declared sent, and not be sent again.

    It held a code, or the time is over for which its words are kept, or by which it was to be sent.
    """

    def __init__(self) -> None:
        super().__init__(
            "what the message says is gone: it held a code or a one-time link, or its time is over; ask for a new one"
        )


async def resolve_delivery(
    session: PlatformSession,
    message_id: UUID,
    *,
    organization_id: UUID,
    outcome: Resolution,
    reason: str | None = None,
) -> None:
    """Say what became of a message whose status is `unknown`, in the caller's transaction.

    Declared `sent`, its job is completed where it waits, and its dead letter is put away where it has failed. To be
    sent again, it is `queued`, with its time anew, and its job is tried anew. None of its attempts is in doubt after
    either, and the operation log tells of it.

    Args:
        session: of `Database.platform()`, with its transaction open.
        message_id: the message.
        organization_id: whose.
        outcome: what somebody says.
        reason: how they know, for the operation log.

    Raises:
        DeliveryNotFoundError: there is no such message in this organization.
        DeliverySettledError: its status is another one.
        WordsGoneError: it cannot be sent again.
        singr_jobs.UniqueKeyHeldError: another job holds the unique key of the job that would send it.
        ReasonError: the reason is no line of at most 1,000 characters.
    """
    reason = checked_reason(reason)
    which = {"id": message_id, "organization_id": organization_id}
    row = (await session.execute(_LOCK, which)).one_or_none()
    if row is None:
        raise DeliveryNotFoundError(f"this organization has no message {message_id}")
    if row.status != "unknown":
        raise DeliverySettledError(row.status)
    sent = outcome == "sent"
    if not (sent or row.may_go):
        raise WordsGoneError
    said = msgspec.json.encode(_DECLARED[outcome]).decode()
    await session.execute(_ATTEMPTS, {**which, "sent": sent, "error": said})
    erase = sent and message_types.carries_code(row.kind)
    await session.execute(_MESSAGE, {**which, "status": "sent" if sent else "queued", "sent": sent, "erase": erase})
    if not sent:
        await session.execute(HAD_ENDED, which)
    if row.job_id is not None:
        await let_job_go_on(session, row.job_id, row.job_status, organization_id, again=not sent, reason=reason)
    await log_operation(
        session,
        "delivery.resolve",
        message_id,
        organization_id=organization_id,
        before={"status": row.status, "error": row.error},
        after={"outcome": outcome},
        reason=reason,
    )


async def let_job_go_on(
    session: PlatformSession,
    job_id: UUID,
    status: str | None,
    organization_id: UUID,
    *,
    again: bool,
    reason: str | None,
) -> None:
    """Let its job go on: it finds the message sent, or sends it; what has failed is put away, or tried anew."""
    if status == "pending":
        with contextlib.suppress(JobRunningError, JobEndedError):  # who has it in hand finds out by itself
            await run_job_now(session, job_id, organization_id=organization_id)
        return
    if again and status is not None:
        await retry_job(session, job_id, organization_id=organization_id, reason=reason)
        return
    letters = await dead_letters(session, organization_id=organization_id, job_id=job_id, state="open", limit=1)
    for letter in letters.items:
        if again:
            await requeue(session, letter.id, organization_id=organization_id, reason=reason)
            continue
        with contextlib.suppress(DeadLetterSettledError):  # somebody was faster: it is away
            await discard(session, letter.id, organization_id=organization_id, reason=reason)
    if again and not letters.items:
        raise JobNotFoundError(job_id)
