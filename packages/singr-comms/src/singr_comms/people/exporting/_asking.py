"""Asking for an export, in the caller's transaction."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from singr_comms._errors import CommsError
from singr_comms.people._errors import RecipientNotFoundError
from singr_comms.people.exporting._job import RemoveExport, WriteExport
from singr_comms.people.privacy._prints import print_of_mailbox
from singr_comms.people.recipients._store import hold_recipient, row_of
from singr_config import LimitSettings
from singr_db import PLATFORM_ORGANIZATION_ID, Sealer, TenantSession, new_id, note_object, sql_text
from singr_db.operation_log import log_operation
from singr_jobs import enqueue

# An export that was not written by then never is: its job has failed for good.
_WRITTEN_WITHIN: Final = timedelta(days=1)

_SETTLED_AFTER: Final = timedelta(hours=24)
"""So long after an organization changed where the link would go, it goes nowhere."""

_LIMITS: Final = LimitSettings()

_ADD: Final = sql_text(
    """
INSERT INTO data_exports (id, organization_id, subject_id, recipient_id, user_id, expires_at)
VALUES (:id, :organization_id, :subject_id, :recipient_id, :user_id, now() + CAST(:within AS interval))
ON CONFLICT (organization_id, subject_id) DO NOTHING RETURNING expires_at
""",
    roles=("tenant",),
)
# Of one that is over, whose job failed or was cancelled (it has the export's own id), whose link did not come, or
# was to go where the person was reached before.
_MAKE_ROOM: Final = sql_text(
    """
DELETE FROM data_exports AS e
 WHERE e.organization_id = :organization_id AND e.subject_id = :subject_id
   AND (e.expires_at <= now() OR e.state = 'queued' AND EXISTS (
        SELECT FROM jobs AS j WHERE j.id = e.id AND j.status IN ('failed', 'cancelled'))
     OR e.state = 'ready' AND EXISTS (
        SELECT FROM messages AS m WHERE m.id = e.message_id AND m.status IN ('suppressed', 'failed', 'bounced'))
     OR e.created_at < (SELECT address_changed_at FROM recipients AS r WHERE r.id = :recipient_id))
RETURNING id, e.state = 'queued' OR EXISTS (
        SELECT FROM messages AS m WHERE m.id = e.message_id AND m.status IN ('suppressed', 'failed')) AS is_unsent
""",
    roles=("tenant",),
)
_STANDS: Final = sql_text(
    """
SELECT greatest(extract(epoch FROM expires_at - now()), 1)::int FROM data_exports
 WHERE organization_id = :organization_id AND subject_id = :subject_id
""",
    roles=("tenant",),
)
# Of all organizations together, so it is counted by a function of the platform's.
_COUNT: Final = sql_text(
    """
SELECT why, seconds
  FROM count_export_to(:id, CAST(:address AS bytea), CAST(:mailbox AS bytea), :per_address, :per_organization)
""",
    roles=("tenant",),
)
_FORGET: Final = sql_text("SELECT forget_export(:id)", roles=("tenant",))
_OF_MEMBER: Final = sql_text(
    "SELECT id FROM recipients WHERE organization_id = :organization_id AND user_id = :user_id FOR KEY SHARE",
    roles=("tenant",),
)
# Who is changing it at this moment is waited for; who does so afterwards is later than this.
_SETTLES: Final = sql_text(
    """
SELECT ceil(extract(epoch FROM address_changed_at + CAST(:wait AS interval) - now()))::int FROM recipients
 WHERE id = :recipient_id FOR SHARE
""",
    roles=("tenant",),
)


class NoAddressError(CommsError, ValueError):
    """The person has no e-mail address, to which the link to their data could go."""

    def __init__(
        self, words: str = "This recipient has no e-mail address, to which the link could go: add one first."
    ) -> None:
        super().__init__(words)


class AddressHeldBackError(NoAddressError):
    """They have none that the link may go to: it is dead, or its reader complained."""

    def __init__(self) -> None:
        super().__init__(
            "No link goes to this recipient's e-mail address: it is dead, or its reader complained of your messages or"
            " of an export. With an account, they can ask for their data themselves."
        )


class ExportStandsError(CommsError):
    """There is an export of this person already, or it is being written: one at a time.

    Attributes:
        retry_after: seconds until it is gone.
    """

    def __init__(
        self,
        retry_after: int,
        words: str = "An export of this person was asked for already; another can be requested once it is gone.",
    ) -> None:
        super().__init__(words)
        self.retry_after = retry_after


class ExportLimitError(ExportStandsError):
    """The organization has asked for as many exports as it may, or as many went to this address as may.

    Attributes:
        retry_after: seconds until it can be asked for.
    """

    def __init__(self, why: str, retry_after: int) -> None:
        super().__init__(
            retry_after,
            "Your organization has asked for as many exports as it may in 24 hours."
            if why == "organization"
            else "An export for this recipient's e-mail address, or for the same mailbox under another tag, was"
            " requested within the last 24 hours.",
        )


class AddressChangedError(CommsError):
    """The organization has changed where the link to a person's data would go; it may be its own address.

    Attributes:
        retry_after: seconds until it can be asked for.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            "The e-mail address or account of this recipient was changed within the last 24 hours, or they were put on"
            " the list again: the link would go there. Ask again once these are over."
        )
        self.retry_after = retry_after


async def ask_export(
    session: TenantSession, external_id: str, *, sealer: Sealer, limits: LimitSettings = _LIMITS
) -> UUID:
    """Have everything that an organization keeps about a person written out for them; returns the job that does so.

    The link goes to the person's own e-mail address, that of their account where they have one, and to nobody else.
    Where it did not come there, or they have another address by now, what was written is removed and the next one is
    made. It comes from the platform, and people cannot opt out of it: so one goes to a mailbox in 24 hours, whichever
    recipients of the organization have it, by whatever tag in their address, and a few of all organizations.

    Args:
        session: the caller's transaction, fenced to the organization; who acts in it is put down.
        external_id: the organization's own id of the person.
        sealer: made from `AUTH_SECRET`: opens the address, and gives the fingerprint of its mailbox.
        limits: `exports_per_address`, `exports_per_organization`.

    Raises:
        RecipientNotFoundError: there is none.
        NoAddressError: they have no e-mail address.
        AddressHeldBackError: it is dead, or its reader complained of the organization's messages, or of an export.
        AddressChangedError: the organization has changed it within 24 hours, or put them again who had been taken off.
        ExportStandsError: there is one already.
        ExportLimitError: one went to this mailbox within 24 hours, or there were too many.
    """
    row = await row_of(session, external_id)
    if not await hold_recipient(session, row.id):
        raise RecipientNotFoundError("external_id")
    if row.email_sealed is None and row.user_id is None:
        raise NoAddressError
    await log_operation(session, "recipient.export", row.id)
    address = row.email_hash if row.email_hash is not None else f"user {row.user_id}".encode()
    count = {
        "address": address,
        "mailbox": await print_of_mailbox(session, row, sealer) or address,
        "per_address": limits.exports_per_address,
        "per_organization": limits.exports_per_organization,
    }
    return await _asked(session, session.organization_id, row.id, recipient_id=row.id, count=count)


async def ask_my_export(session: TenantSession, user_id: UUID) -> UUID:
    """Have everything written out that is kept about a person with an account; returns the job that does so.

    That is what the account itself is, and what the session's organization keeps about them, where it reaches them. The
    link goes to the account's address.

    Args:
        session: fenced to the organization; to the platform's own for the account alone.
        user_id: the account of whoever asks.

    Raises:
        AddressChangedError: the organization has made this recipient theirs within 24 hours, or put them again.
        ExportStandsError: there is one already.
    """
    organization_id = session.organization_id
    named = {"organization_id": organization_id, "user_id": user_id}
    recipient_id = None
    if organization_id != PLATFORM_ORGANIZATION_ID:
        recipient_id = await session.scalar(_OF_MEMBER, named)
    return await _asked(session, organization_id, user_id, recipient_id=recipient_id, user_id=user_id)


async def _asked(
    session: TenantSession,
    organization_id: UUID,
    subject_id: UUID,
    *,
    recipient_id: UUID | None = None,
    user_id: UUID | None = None,
    count: Mapping[str, Any] | None = None,
) -> UUID:
    at = {"recipient_id": recipient_id}
    wait = await session.scalar(_SETTLES, at | {"wait": _SETTLED_AFTER})
    if wait is not None and wait > 0:
        raise AddressChangedError(wait)
    export_id = new_id()
    values = {
        "id": export_id,
        "organization_id": organization_id,
        "subject_id": subject_id,
        "recipient_id": recipient_id,
        "user_id": user_id,
        "within": _WRITTEN_WITHIN,
    }
    stands = {"organization_id": organization_id, "subject_id": subject_id}
    for former in (await session.execute(_MAKE_ROOM, stands | at)).all():
        await enqueue(session, RemoveExport(former.id), organization_id=organization_id)
        if former.is_unsent:
            await session.execute(_FORGET, {"id": former.id})
    until = await session.scalar(_ADD, values)
    if until is None:
        raise ExportStandsError(await session.scalar(_STANDS, stands) or 1)
    if count is not None:
        await _count(session, {"id": export_id, **count})
    await note_object(session, "export", export_id, organization_id=organization_id)
    await enqueue(session, RemoveExport(export_id), organization_id=organization_id, run_at=until)
    return await enqueue(session, WriteExport(export_id), organization_id=organization_id, job_id=export_id)


async def _count(session: TenantSession, values: Mapping[str, Any]) -> None:
    """Count one that an organization asks for; the transaction of one that is refused is the caller's to undo."""
    refused = (await session.execute(_COUNT, values)).first()
    if refused is None:
        return
    if refused.why == "held_back":
        raise AddressHeldBackError
    raise ExportLimitError(refused.why, max(refused.seconds, 1))
