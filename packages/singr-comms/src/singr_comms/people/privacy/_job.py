"""The jobs that blank what is left of somebody, as they are queued."""

from uuid import UUID

import msgspec


class EraseByKey(msgspec.Struct, frozen=True, tag="recipient.erase_by_key"):
    """Blank what is left of somebody whose key is destroyed already.

    Args:
        recipient_id: whom messages name.
        key_id: the destroyed key that keeps the fingerprints of their addresses until this is done. Whoever may read
            jobs sees none, by which addresses could be guessed.
        former: whom messages name that were sent before they were taken off the list.
        is_last: it has been done once: nothing that was decided before is still to come.
    """

    recipient_id: UUID
    key_id: UUID
    former: tuple[UUID, ...] = ()
    is_last: bool = False


class EraseRecipient(msgspec.Struct, frozen=True, tag="recipient.erase"):
    """The same, as former releases queue it. Their workers would pass over a key, so that has a type of its own.

    Args:
        recipient_id: whom messages name.
        prints: fingerprints of their addresses, as hexadecimal digits.
        is_last: it has been done once: nothing that was decided before is still to come.
        former: whom messages name that were sent before they were taken off the list.
    """

    recipient_id: UUID
    prints: tuple[str, ...] = ()
    is_last: bool = False
    former: tuple[UUID, ...] = ()
