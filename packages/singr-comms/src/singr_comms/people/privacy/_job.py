"""The job that blanks what is left of somebody, as it is queued."""

from uuid import UUID

import msgspec


class EraseRecipient(msgspec.Struct, frozen=True, tag="recipient.erase"):
    """Blank what is left of somebody whose key is destroyed already.

    Args:
        recipient_id: whom messages name.
        prints: fingerprints of their addresses, as hexadecimal digits; of jobs of former releases.
        former: whom messages name that were sent before they were taken off the list.
        key_id: the destroyed key that keeps the fingerprints of their addresses until this is done. Whoever may read
            jobs sees none, by which addresses could be guessed.
        is_last: it has been done once: nothing that was decided before is still to come.
    """

    recipient_id: UUID
    prints: tuple[str, ...] = ()
    is_last: bool = False
    former: tuple[UUID, ...] = ()
    key_id: UUID | None = None
