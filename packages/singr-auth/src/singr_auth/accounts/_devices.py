"""Browsers and apps that a person signed in with: known ones are not announced, trusted ones skip the second factor."""

import datetime as dt
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from singr_auth import TokenError, TokenKind, new_token, parse_token
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import NotFoundError
from singr_auth.accounts._events import device_name, record_event
from singr_config import Secret
from singr_db import Database, PlatformSession, new_id

LONGEST_NAME: Final = 100

_FIND: Final = text(
    """
    SELECT id, coalesce(trusted_until > now(), false) AS trusted FROM devices
    WHERE token_hash = :hash AND user_id = :user_id AND revoked_at IS NULL AND expires_at > now()
    """
)
_ANY: Final = text("SELECT EXISTS (SELECT FROM devices WHERE user_id = :user_id)")
_INSERT: Final = text(
    """
    INSERT INTO devices (id, user_id, token_hash, device, address, expires_at, trusted_until)
    VALUES (:id, :user_id, :hash, :device, :address, now() + make_interval(secs => :ttl),
            CASE WHEN :trust THEN now() + make_interval(secs => :ttl) END)
    """
)
_USED: Final = text(
    """
    UPDATE devices SET last_used_at = now(), address = :address, device = :device,
           expires_at = now() + make_interval(secs => :ttl),
           trusted_until = CASE WHEN :trust THEN now() + make_interval(secs => :ttl) ELSE trusted_until END
     WHERE id = :id
    """
)
_DISTRUST: Final = text(
    "UPDATE devices SET trusted_until = NULL WHERE user_id = :user_id AND trusted_until IS NOT NULL"
)
_LIST: Final = text(
    """
    SELECT id, device, address, created_at, last_used_at, expires_at,
           CASE WHEN trusted_until > now() THEN trusted_until END AS trusted_until
    FROM devices WHERE user_id = :user_id AND revoked_at IS NULL AND expires_at > now()
    ORDER BY last_used_at DESC, id LIMIT 100
    """
)
_REVOKE: Final = text(
    """
    UPDATE devices SET revoked_at = now(), trusted_until = NULL
     WHERE id = :id AND user_id = :user_id AND revoked_at IS NULL AND expires_at > now() RETURNING device
    """
)


class DeviceView(msgspec.Struct, frozen=True):
    """A device, as its owner sees it.

    Attributes:
        device: such as "Firefox on Linux".
        address: where it was used last.
        trusted_until: until then it skips the second factor; None: it does not.
    """

    id: UUID
    device: str | None
    address: str | None
    created_at: dt.datetime
    last_used_at: dt.datetime
    expires_at: dt.datetime
    trusted_until: dt.datetime | None


class KnownDevice(msgspec.Struct, frozen=True):
    """A device whose token was presented and is in force for this user."""

    id: UUID
    trusted: bool


class NewDevice(msgspec.Struct, frozen=True):
    """A device seen for the first time; `first` where the user had none before."""

    token: Secret
    first: bool


class Devices:
    """What is known of people's devices.

    Args:
        db: opened.
        ttl: seconds for which an unused device stays known, and for which trust lasts.
    """

    def __init__(self, db: Database, *, ttl: int) -> None:
        self._db = db
        self._ttl = ttl

    async def recognise(self, session: PlatformSession, user_id: UUID, client: ClientInfo) -> KnownDevice | None:
        """Return the device whose token the client presents, if it is this user's and in force."""
        if client.device_token is None:
            return None
        try:
            presented = parse_token(TokenKind.DEVICE, client.device_token.reveal())
        except TokenError:
            return None
        row = (await session.execute(_FIND, {"hash": presented.hash, "user_id": user_id})).one_or_none()
        return None if row is None else KnownDevice(row.id, row.trusted)

    async def remember(
        self, session: PlatformSession, user_id: UUID, client: ClientInfo, *, trust: bool
    ) -> NewDevice | None:
        """Write down that this device signed in, and that it is trusted from now on where `trust` says so.

        Returns:
            None where the device was known; else what it is to present from now on.
        """
        known = await self.recognise(session, user_id, client)
        row: dict[str, Any] = {
            "device": device_of(client),
            "address": client.address,
            "ttl": self._ttl,
            "trust": trust,
        }
        if known is not None:
            await session.execute(_USED, row | {"id": known.id})
            return None
        first = not await session.scalar(_ANY, {"user_id": user_id})
        token = new_token(TokenKind.DEVICE)
        await session.execute(_INSERT, row | {"id": new_id(), "user_id": user_id, "hash": token.hash})
        return NewDevice(token.secret, first)

    async def list(self, user_id: UUID) -> tuple[DeviceView, ...]:
        """Return the devices in force, the one used last first; at most 100."""
        async with self._db.platform() as session:
            rows = (await session.execute(_LIST, {"user_id": user_id})).mappings()
            return tuple(DeviceView(**row) for row in rows)

    async def remove(self, user_id: UUID, device_id: UUID, client: ClientInfo) -> None:
        """Forget a device: its token opens nothing any more. Sessions are ended apart from it.

        Raises:
            NotFoundError: the user has no such device.
        """
        async with self._db.platform() as session:
            gone = (await session.execute(_REVOKE, {"id": device_id, "user_id": user_id})).one_or_none()
            if gone is None:
                raise NotFoundError("device")
            await record_event(
                session, "device.removed", user_id=user_id, client=client, detail={"device": gone.device}
            )


async def distrust_devices(session: PlatformSession, user_id: UUID) -> None:
    """Let no device of this user skip the second factor any more, in the caller's transaction."""
    await session.execute(_DISTRUST, {"user_id": user_id})


def device_of(client: ClientInfo) -> str | None:
    """Name the client's device for people; None where it does not say."""
    return device_name(client.user_agent)[:LONGEST_NAME] if client.user_agent else None
