"""Erasing: the person's key is destroyed and their row is gone when the caller's transaction commits."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from singr_comms.people._errors import RecipientNotFoundError
from singr_comms.people.privacy._job import EraseRecipient
from singr_db import TenantSession, sql_text
from singr_db.operation_log import log_operation
from singr_db.tables import PushDevice, Recipient
from singr_jobs import enqueue

_DESTROY: Final = sql_text(
    "UPDATE data_keys SET wrapped = NULL, destroyed_at = clock_timestamp() WHERE id = :key_id AND wrapped IS NOT NULL",
    roles=("tenant",),
)
_DELETE: Final = sql_text("DELETE FROM recipients WHERE id = :id", roles=("tenant",))


async def erase_recipient(session: TenantSession, external_id: str) -> UUID:
    """Forget a person; returns the job that blanks what is left of them.

    Once the caller's transaction commits, nobody opens anything that their key sealed: name, addresses, tokens of
    devices and whom messages go to; in backups, too, where the key is not in them. The row, their devices, topics and
    choices are gone. The job then ends what waits (`suppressed`, `erased`), and blanks addresses, masks and words in
    the log of deliveries, of messages that named only their address too. The fingerprints of addresses that want
    nothing more are kept: they go on holding messages back, and nobody is found by them.

    Args:
        session: the caller's transaction, fenced to the organization; who acts in it is put down.
        external_id: the organization's own id of the person.

    Raises:
        RecipientNotFoundError: there is none.
    """
    asked = select(Recipient).where(
        Recipient.organization_id == session.organization_id, Recipient.external_id == external_id
    )
    row = await session.scalar(asked.with_for_update())
    if row is None:
        raise RecipientNotFoundError("external_id")
    tokens = select(PushDevice.token_hash).where(
        PushDevice.organization_id == session.organization_id, PushDevice.recipient_id == row.id
    )
    hashes: list[Any] = [row.email_hash, row.phone_hash, *(await session.scalars(tokens))]
    job = EraseRecipient(row.id, tuple(one.hex() for one in hashes if one is not None))
    await session.execute(_DESTROY, {"key_id": row.key_id})
    await session.execute(_DELETE, {"id": row.id})
    await log_operation(session, "recipient.erase", row.id)
    return await enqueue(session, job, organization_id=session.organization_id)
