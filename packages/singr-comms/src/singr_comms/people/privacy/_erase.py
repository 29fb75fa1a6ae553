"""Erasing: the person's key is destroyed and their row is gone when the caller's transaction commits."""

from typing import Final
from uuid import UUID

from sqlalchemy import select

from singr_comms.catalogue._given import is_name
from singr_comms.people._errors import RecipientNotFoundError
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.exporting._withdrawing import withdraw_exports
from singr_comms.people.inbox._news import note_news
from singr_comms.people.preferences._carrying import keep_ended
from singr_comms.people.privacy._job import EraseByKey
from singr_comms.people.privacy._prints import prints_of_person
from singr_db import Sealer, TenantSession, new_id, sql_text
from singr_db.operation_log import log_operation
from singr_db.tables import Recipient
from singr_jobs import enqueue

_RELEASED: Final = sql_text(
    """
SELECT id, recipient_id, prints FROM data_keys
 WHERE organization_id = :organization_id AND external_id = :external_id ORDER BY id FOR UPDATE
""",
    roles=("tenant",),
)
_DESTROY: Final = sql_text(
    """
UPDATE data_keys SET wrapped = NULL, destroyed_at = coalesce(destroyed_at, clock_timestamp()), external_id = NULL,
       recipient_id = NULL, user_id = NULL,
       prints = CASE id WHEN :holder THEN CAST(:prints AS bytea[]) END
 WHERE id = ANY(CAST(:key_ids AS uuid[]))
""",
    roles=("tenant",),
)
_DELETE: Final = sql_text("DELETE FROM recipients WHERE id = :id", roles=("tenant",))


async def erase_recipient(session: TenantSession, external_id: str, *, sealer: Sealer) -> UUID:
    """Forget a person; returns the job that blanks what is left of them.

    Once the caller's transaction commits, nobody opens anything that their key sealed: name, addresses, tokens of
    devices and whom messages go to; in backups, too, where the key is not in them. The row, their devices, topics and
    choices are gone; the categories that they ended themselves are suppressed for their addresses. The job then ends
    what waits (`suppressed`, `erased`), and blanks addresses, masks and words in the log of deliveries, of messages
    that named only their address too, and what notifications say that named them and nobody else who is left. The
    fingerprints of addresses that want nothing more are kept: they go on holding messages back, and nobody is found by
    them. Those by which the job finds what went to their addresses are kept by the destroyed key until it is done, and
    the job itself says none. Who was taken off the list is erased as well, and so is what they were before they came
    back.

    Args:
        session: the caller's transaction, fenced to the organization; who acts in it is put down.
        external_id: the organization's own id of the person.
        sealer: finds what was sent to them under former secrets, too.

    Raises:
        RecipientNotFoundError: there is none, and never was, or they are erased already.
    """
    if not is_name(external_id):
        raise RecipientNotFoundError("external_id")
    if isinstance(session, KeepsPeople):
        if not session.people.erase(external_id):
            raise RecipientNotFoundError("external_id")
        return new_id()
    asked = select(Recipient).where(
        Recipient.organization_id == session.organization_id, Recipient.external_id == external_id
    )
    row = await session.scalar(asked.with_for_update())
    which = {"organization_id": session.organization_id, "external_id": external_id}
    released = (await session.execute(_RELEASED, which)).all()
    if row is None and not released:
        raise RecipientNotFoundError("external_id")
    ids = [one.recipient_id for one in released]
    key_ids = [one.id for one in released]
    prints = {bytes(one) for former in released for one in former.prints}
    if row is not None:
        ids.insert(0, row.id)
        key_ids.append(row.key_id)
        prints |= await prints_of_person(session, row, sealer)
    await keep_ended(session, [external_id])
    await withdraw_exports(session, ids)
    await session.execute(_DESTROY, {"key_ids": key_ids, "holder": key_ids[-1], "prints": sorted(prints)})
    if row is not None:
        await session.execute(_DELETE, {"id": row.id})
    note_news(session, ids)
    await log_operation(session, "recipient.erase", ids[0])
    job = EraseByKey(ids[0], key_ids[-1], former=tuple(ids[1:]))
    return await enqueue(session, job, organization_id=session.organization_id)
