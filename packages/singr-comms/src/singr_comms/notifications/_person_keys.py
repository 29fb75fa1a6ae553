"""Opens what people's own keys sealed.

Nobody keeps such a key in memory: it is read with what it opens, so that a key which is destroyed opens nothing from
that moment on.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from singr_db import PersonKey, PlatformSession, Sealer, SealError, TenantSession, key_of
from singr_db.tables import DataKey
from singr_observability import get_logger

_log = get_logger("comms.keys")


def is_erased(row: Any) -> bool:
    """Whether a message's row, read with its `key_wrapped`, can be opened by nobody any more."""
    if not row.recipient_sealed:  # blanked, whatever its status was then
        return True
    return row.key_wrapped is None and (key_of(row.recipient_sealed) or key_of(row.content_sealed)) is not None


def open_sealed(sealer: Sealer, sealed: bytes, wrapped: bytes | None, *, context: str) -> bytes:
    """Open a value that a person's key or the platform's secret sealed.

    Args:
        sealer: made from `AUTH_SECRET`.
        sealed: the value.
        wrapped: the person's key as `data_keys` holds it; None where there is none, or none any more.
        context: for what it was sealed.

    Raises:
        KeyDestroyedError: its key is not there any more.
        SealError: as `Sealer.open` raises it.
    """
    key_id = key_of(sealed)
    if key_id is None:
        return sealer.open(sealed, context=context)
    return PersonKey.unwrapped(sealer, key_id, wrapped).open(sealed, context=context)


class Keys(msgspec.Struct, frozen=True):
    """Keys of people that are there still.

    Attributes:
        known: those that could be opened.
        shut: why the others could not be.
    """

    known: dict[UUID, PersonKey]
    shut: dict[UUID, str]


async def open_keys(session: TenantSession | PlatformSession, sealer: Sealer, key_ids: Collection[UUID]) -> Keys:
    """The keys of these ids that are there still, in one query.

    One that cannot be opened is told of in the log: what it sealed is lost to this process, and nobody else's is.
    """
    keys = Keys({}, {})
    if not key_ids:
        return keys
    asked = select(DataKey.id, DataKey.wrapped).where(DataKey.id.in_(key_ids), DataKey.wrapped.is_not(None))
    for row in (await session.execute(asked)).all():
        try:
            keys.known[row.id] = PersonKey.unwrapped(sealer, row.id, row.wrapped)
        except SealError as error:
            keys.shut[row.id] = str(error)
    if keys.shut:
        some = next(iter(keys.shut))
        _log.error(
            "{} keys of people cannot be opened, such as {}: `singr-db rewrap-keys` says why", len(keys.shut), some
        )
    return keys


async def read_keys(
    session: TenantSession | PlatformSession, sealer: Sealer, key_ids: Collection[UUID]
) -> dict[UUID, PersonKey]:
    """The keys of these ids that are there still and can be opened, as `open_keys` finds them."""
    return (await open_keys(session, sealer, key_ids)).known
