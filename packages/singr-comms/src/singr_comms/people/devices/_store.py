"""Devices: registered, listed and taken off; a token belongs to whoever registered it last."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import select

from singr_comms.channels.push import CHANNEL as PUSH
from singr_comms.models._fields import DeviceToken, GivenLocale
from singr_comms.models._locale import canonical_locale
from singr_comms.notifications._person_keys import read_keys
from singr_comms.notifications._rows import RECIPIENT, prints_of, recipient_hash
from singr_comms.people._directory import Directory
from singr_comms.people._errors import DeviceNotFoundError, PeopleError, PersonFault, RecipientNotFoundError
from singr_comms.people._forms import formed, in_form
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.recipients._checks import ZONES
from singr_comms.people.recipients._model import RecipientInput, ZoneName
from singr_comms.people.recipients._store import hold_recipient, put_recipient, row_of
from singr_db import Sealer, TenantSession, new_id, sql_text
from singr_db.tables import PushDevice, Recipient

MOST_DEVICES: Final = 100
"""Devices of one person that are kept: the ones used last."""

# To somebody else it is another device, and its id of before leads to nothing.
_REGISTER: Final = sql_text(
    """
INSERT INTO push_devices AS d (id, organization_id, recipient_id, token_sealed, token_hash, token_masked, platform,
                               locale, time_zone, is_own)
VALUES (:id, :organization_id, :recipient_id, :token_sealed, :token_hash, :token_masked, :platform, :locale, :time_zone,
        :is_own)
ON CONFLICT (organization_id, token_hash) DO UPDATE
   SET id = CASE WHEN d.recipient_id = excluded.recipient_id THEN d.id ELSE excluded.id END,
       created_at = CASE WHEN d.recipient_id = excluded.recipient_id THEN d.created_at ELSE now() END,
       is_own = CASE WHEN d.recipient_id = excluded.recipient_id THEN d.is_own OR excluded.is_own
                     ELSE excluded.is_own END,
       recipient_id = excluded.recipient_id, token_sealed = excluded.token_sealed, platform = excluded.platform,
       locale = excluded.locale, time_zone = excluded.time_zone, last_used_at = now(), off_at = NULL, off_reason = NULL
RETURNING id
""",
    roles=("tenant",),
)
# Of the rows of one token under former secrets, one is kept, and is found by the current one from then on.
_FORGET_COPIES: Final = sql_text(
    """
DELETE FROM push_devices
 WHERE organization_id = :organization_id AND token_hash = ANY(CAST(:hashes AS bytea[])) AND id <> (
    SELECT id FROM push_devices
     WHERE organization_id = :organization_id AND token_hash = ANY(CAST(:hashes AS bytea[]))
     ORDER BY token_hash = :current DESC, last_used_at DESC, id DESC LIMIT 1)
""",
    roles=("tenant",),
)
_RENEW: Final = sql_text(
    """
UPDATE push_devices SET token_hash = :current
 WHERE organization_id = :organization_id AND token_hash = ANY(CAST(:hashes AS bytea[])) AND token_hash <> :current
""",
    roles=("tenant",),
)
_FORGET_MANY: Final = sql_text(
    """
DELETE FROM push_devices WHERE id IN (
    SELECT id FROM push_devices WHERE organization_id = :organization_id AND recipient_id = :recipient_id
     ORDER BY last_used_at DESC, id DESC OFFSET :most)
""",
    roles=("tenant",),
)
# An account's tie that ends in this moment takes what is registered by then.
_TIED: Final = sql_text(
    "SELECT id FROM recipients WHERE id = :id AND user_id IS NOT NULL FOR SHARE",
    roles=("tenant",),
)
_REMOVE: Final = sql_text(
    "DELETE FROM push_devices WHERE id = :id AND recipient_id = :recipient_id RETURNING id", roles=("tenant",)
)


class DeviceInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device to register for push notifications.

    Args:
        token: its registration token.
        platform: the device's platform.
        locale: the language of pushes on this device; the person's by default.
        time_zone: for your own use: quiet hours and digests go by the person's `time_zone`.
    """

    token: DeviceToken
    platform: Literal["ios", "android", "web"]
    locale: GivenLocale | None = None
    time_zone: ZoneName | None = None


class DeviceView(msgspec.Struct, frozen=True, kw_only=True):
    """A device registered for push notifications.

    Attributes:
        token: masked.
        last_used_at: when its app last registered it.
        off_at: since when it has been disabled, because its provider reported the token invalid. Registering it again
            enables it.
        off_reason: what the provider reported.
    """

    id: UUID
    token: str
    platform: Literal["ios", "android", "web"]
    locale: str | None
    time_zone: str | None
    created_at: datetime
    last_used_at: datetime
    off_at: datetime | None
    off_reason: str | None


async def register_device(
    session: TenantSession, recipient: Recipient, given: DeviceInput, *, sealer: Sealer, is_own: bool = False
) -> tuple[DeviceView, bool]:
    """Let a person get pushes on a device; returns it, and whether it is new to them.

    Whoever had the token before gets nothing on it from then on. Of more than 100 devices those used last are kept.

    Args:
        session: the caller's transaction, fenced to the organization.
        recipient: whose device it is.
        given: the device.
        sealer: opens the person's key.
        is_own: the person registers it themselves, by their account: it goes when the recipient is theirs no more. Once
            it is, nobody else makes it the organization's.

    Raises:
        PeopleError: a field has not its form, or the time zone is none.
        RecipientNotFoundError: they were taken off meanwhile.
    """
    given, faults = formed(given, DeviceInput)
    if not faults and given.time_zone is not None and (wrong := await ZONES.wrong(session, given.time_zone)):
        faults.append(PersonFault("time_zone", wrong, "unknown_value"))
    if faults:
        raise PeopleError(*faults)
    if not await hold_recipient(session, recipient.id):
        raise RecipientNotFoundError("external_id")
    told = {
        "platform": given.platform,
        "locale": given.locale and canonical_locale(given.locale),
        "time_zone": given.time_zone,
        "is_own": is_own,
    }
    if isinstance(session, KeepsPeople):
        kept, is_new = session.people.register(recipient.id, given.token, most=MOST_DEVICES, **told)
        return _view(kept), is_new
    if is_own and await session.scalar(_TIED, {"id": recipient.id}) is None:
        raise RecipientNotFoundError("organization_id")
    keys = await read_keys(session, sealer, {recipient.key_id})
    if recipient.key_id not in keys:
        raise RecipientNotFoundError("external_id")  # their key is lost
    made, current = new_id(), recipient_hash(sealer, given.token)
    values = {
        "id": made,
        "organization_id": session.organization_id,
        "recipient_id": recipient.id,
        "token_sealed": keys[recipient.key_id].seal(PUSH.encoded(given.token), context=RECIPIENT),
        "token_hash": current,
        "token_masked": PUSH.masked(given.token),
        **told,
    }
    await _renew(session, prints_of(sealer, given.token), current)
    device_id = (await session.execute(_REGISTER, values)).scalar_one()
    which = {"organization_id": session.organization_id, "recipient_id": recipient.id, "most": MOST_DEVICES}
    await session.execute(_FORGET_MANY, which)
    row = await session.get_one(PushDevice, device_id, populate_existing=True)
    return _view(row), device_id == made


async def list_devices(session: TenantSession, recipient: Recipient) -> tuple[DeviceView, ...]:
    """All devices of a person, the one used last first."""
    if isinstance(session, KeepsPeople):
        return tuple(map(_view, session.people.devices(recipient.id)))
    asked = (
        select(PushDevice)
        .where(PushDevice.organization_id == session.organization_id, PushDevice.recipient_id == recipient.id)
        .order_by(PushDevice.last_used_at.desc(), PushDevice.id.desc())
    )
    return tuple(_view(row) for row in await session.scalars(asked))


async def remove_device(session: TenantSession, recipient: Recipient, device_id: UUID) -> None:
    """Let a person get no more pushes on a device.

    Raises:
        DeviceNotFoundError: they have no such device.
    """
    device_id = in_form(device_id, UUID, "device_id")
    if isinstance(session, KeepsPeople):
        is_gone = session.people.remove_device(recipient.id, device_id)
    else:
        found = await session.execute(_REMOVE, {"id": device_id, "recipient_id": recipient.id})
        is_gone = found.scalar() is not None
    if not is_gone:
        raise DeviceNotFoundError


async def recipient_named(session: TenantSession, external_id: str) -> Recipient:
    """A person by the organization's own id.

    Raises:
        RecipientNotFoundError: there is none.
    """
    return await row_of(session, external_id)


async def recipient_of_member(session: TenantSession, user_id: UUID) -> Recipient:
    """A person by their account; looks only.

    Raises:
        RecipientNotFoundError: the organization does not reach them.
    """
    user_id = in_form(user_id, UUID, "user_id")
    if isinstance(session, KeepsPeople):
        row = session.people.row(user_id=user_id)
    else:
        asked = select(Recipient).where(
            Recipient.organization_id == session.organization_id, Recipient.user_id == user_id
        )
        row = await session.scalar(asked)
    if row is None:
        raise RecipientNotFoundError("organization_id")
    return row


async def member_reached(session: TenantSession, user_id: UUID, *, sealer: Sealer, directory: Directory) -> Recipient:
    """A person by their account; a member whom the organization does not reach yet becomes one whom it does.

    Under an id that is made for them and that nobody can have given to somebody else before.

    Raises:
        RecipientNotFoundError: they are neither.
    """
    try:
        return await recipient_of_member(session, user_id)
    except RecipientNotFoundError:
        pass
    given = RecipientInput(user_id=user_id)
    try:
        async with session.begin_nested():
            await put_recipient(session, f"user:{uuid4()}", given, sealer=sealer, directory=directory)
    except PeopleError:  # no member, or somebody put them in this moment
        pass
    return await recipient_of_member(session, user_id)


async def _renew(session: TenantSession, hashes: list[bytes], current: bytes) -> None:
    """Find a token by its current fingerprint, where it is known by one of a former secret."""
    if len(hashes) > 1:
        renewed = {"organization_id": session.organization_id, "hashes": hashes, "current": current}
        await session.execute(_FORGET_COPIES, renewed)
        await session.execute(_RENEW, renewed)


def _view(row: PushDevice) -> DeviceView:
    return DeviceView(
        id=row.id,
        token=row.token_masked,
        platform=row.platform,  # type: ignore[arg-type] # checked by the table
        locale=row.locale,
        time_zone=row.time_zone,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        off_at=row.off_at,
        off_reason=row.off_reason,
    )
