"""By which fingerprints what was sent to a person is found."""

from collections.abc import Collection
from typing import Any, TypeAlias

from sqlalchemy import select

from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.channels.push import CHANNEL as PUSH
from singr_comms.channels.sms import CHANNEL as SMS
from singr_comms.notifications._person_keys import read_keys
from singr_comms.notifications._rows import RECIPIENT, mailbox_hash, prints_of
from singr_db import PlatformSession, Sealer, SealError, TenantSession
from singr_db.tables import PushDevice, Recipient

_Kept: TypeAlias = tuple[Any, bytes | None, bytes | None]
"""A channel, the fingerprint of an address of it, and the address, sealed."""


async def prints_of_person(session: TenantSession, row: Recipient, sealer: Sealer) -> set[bytes]:
    """The fingerprints of a person's addresses: as they are stored and, where they can be opened, of every secret."""
    asked = select(PushDevice.token_hash, PushDevice.token_sealed).where(
        PushDevice.organization_id == session.organization_id, PushDevice.recipient_id == row.id
    )
    kept: list[_Kept] = [
        (EMAIL, row.email_hash, row.email_sealed),
        (SMS, row.phone_hash, row.phone_sealed),
        *((PUSH, one.token_hash, one.token_sealed) for one in await session.execute(asked)),
    ]
    return await _prints(session, row, sealer, kept)


async def prints_of_email(session: TenantSession | PlatformSession, row: Any, sealer: Sealer) -> set[bytes]:
    """Those of their e-mail address alone, likewise; `row` has its columns and `key_id`."""
    return await _prints(session, row, sealer, [(EMAIL, row.email_hash, row.email_sealed)])


async def print_of_mailbox(session: TenantSession, row: Recipient, sealer: Sealer) -> bytes | None:
    """The fingerprint that limits count a person's mailbox by; None: they have no address that can be opened here."""
    if row.email_sealed is None:
        return None
    try:
        key = (await read_keys(session, sealer, {row.key_id})).get(row.key_id)
        opened = key and key.open(row.email_sealed, context=RECIPIENT)
    except SealError:
        return None
    return mailbox_hash(sealer, EMAIL.address(EMAIL.decoded(opened))) if opened else None


async def _prints(
    session: TenantSession | PlatformSession, row: Any, sealer: Sealer, kept: Collection[_Kept]
) -> set[bytes]:
    prints = {stored for _, stored, _ in kept if stored is not None}
    try:
        key = (await read_keys(session, sealer, {row.key_id})).get(row.key_id)
        for channel, _, sealed in kept:
            if key is not None and sealed is not None:
                address = channel.address(channel.decoded(key.open(sealed, context=RECIPIENT)))
                prints.update(prints_of(sealer, address))
    except SealError:  # by a secret that is not known here: what is stored has to do
        pass
    return prints
