"""Opens what people's own keys sealed.

Nobody keeps such a key in memory: it is read with what it opens, so that a key which is destroyed opens nothing from
that moment on.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

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


async def read_keys(
    session: TenantSession | PlatformSession, sealer: Sealer, key_ids: Collection[UUID]
) -> dict[UUID, PersonKey]:
    """The keys of these ids that are there still and can be opened, in one query.

    One that cannot is told of in the log: what it sealed is lost, and nobody else's is.
    """
    if not key_ids:
        return {}
    asked = select(DataKey.id, DataKey.wrapped).where(DataKey.id.in_(key_ids), DataKey.wrapped.is_not(None))
    rows: Any = await session.execute(asked)
    known: dict[UUID, PersonKey] = {}
    broken: list[str] = []
    for row in rows:
        try:
            known[row.id] = PersonKey.unwrapped(sealer, row.id, row.wrapped)
        except SealError:
            broken.append(str(row.id))
    if broken:
        _log.error(
            "{} keys of people cannot be opened, such as {}: `singr-db rewrap-keys` says why", len(broken), broken[0]
        )
    return known
