"""Messages that come from code: queued in the caller's own transaction."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.notifications._rows import INSERT_ROWS, request_checked, row_for, rows_parameter
from singr_comms.notifications.channels import work_of
from singr_comms.notifications.channels._work import MessageRequest
from singr_db import PlatformSession, Sealer, TenantSession, new_id, sql_text
from singr_jobs import Priority, enqueue
from singr_observability import correlation_id

_INSERT: Final = sql_text(INSERT_ROWS.format(rows=":rows"), roles=("platform", "tenant"))
_OF_JOB: Final = sql_text(
    "SELECT id FROM messages WHERE job_id = :job_id AND organization_id = :organization_id",
    roles=("platform", "tenant"),
)


class Queued(msgspec.Struct, frozen=True):
    """A message on its way.

    Args:
        message_id: row in the delivery log; None only where `unique_key` was held by a job without a message.
        job_id: the job that sends it.
        is_new: False when a job with the same `unique_key` was waiting already, and nothing was added.
    """

    message_id: UUID | None
    job_id: UUID
    is_new: bool


async def queue_message(
    session: TenantSession | PlatformSession,
    request: MessageRequest,
    *,
    sealer: Sealer,
    organization_id: UUID,
    run_at: datetime | None = None,
    priority: Priority | None = None,
    unique_key: str | None = None,
) -> Queued:
    """Store a message and the job that sends it in the caller's transaction: both exist exactly when that commits.

    Args:
        session: the caller's open transaction.
        request: whom to tell what, such as an `EmailRequest`; its type says by which channel.
        sealer: seals recipient and content.
        organization_id: whose message it is.
        run_at: when to send (aware); at once unless given.
        priority: high for codes and links, normal for the rest, unless given.
        unique_key: while a job with this key has not ended, no second message is made; once it has, the next one is.

    Raises:
        InvalidMessageError: the request breaks its model, or is for a phone number that cannot exist in that form.
    """
    request = request_checked(request)
    job_id = new_id()
    row = row_for(
        request,
        sealer=sealer,
        job_id=job_id,
        organization_id=organization_id,
        correlation_id=correlation_id.get(None),
    )
    usual = Priority.HIGH if message_types.carries_code(row.kind) else Priority.NORMAL
    stored = await enqueue(
        session,
        work_of(request).job(row.id),
        organization_id=organization_id,
        run_at=run_at,
        priority=usual if priority is None else priority,
        unique_key=unique_key,
        job_id=job_id,
    )
    if stored != job_id:
        known = await session.execute(_OF_JOB, {"job_id": stored, "organization_id": organization_id})
        return Queued(known.scalar(), stored, is_new=False)
    await session.execute(_INSERT, {"rows": rows_parameter([row])})
    return Queued(row.id, job_id, is_new=True)
