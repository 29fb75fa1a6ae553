"""Browsers and apps that a person signed in with: known ones are not announced, trusted ones skip the second factor."""

import datetime as dt
from typing import Final
from uuid import UUID

import msgspec

from singr_auth import TokenError, TokenKind, parse_token
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import NotFoundError
from singr_auth.accounts.audit._events import device_name, record_event
from singr_auth.accounts.proofs._presence import require_whole
from singr_db import Database, PlatformSession, sql_text

LONGEST_NAME: Final = 100
KNOWN_DEVICE_SECONDS: Final = 400 * 86_400
"""How long a device stays known that is not used: as long as browsers keep a cookie at most (RFC 6265bis)."""

_TRUSTED: Final = sql_text(
    """
    SELECT EXISTS (
        SELECT FROM devices
        WHERE token_hash = :hash AND user_id = :user_id AND revoked_at IS NULL AND expires_at > now()
          AND trusted_until > now()
    )
    """
)
_DISTRUST: Final = sql_text(
    "UPDATE devices SET trusted_until = NULL WHERE user_id = :user_id AND trusted_until IS NOT NULL"
)
_FORGET: Final = sql_text(
    """
    UPDATE devices SET revoked_at = now(), trusted_until = NULL
     WHERE user_id = :user_id AND revoked_at IS NULL AND token_hash IS DISTINCT FROM CAST(:spared AS bytea)
    """
)
_LIST: Final = sql_text(
    """
    SELECT id, device, address, created_at, last_used_at, expires_at,
           CASE WHEN trusted_until > now() THEN trusted_until END AS trusted_until
    FROM devices WHERE user_id = :user_id AND revoked_at IS NULL AND expires_at > now()
    ORDER BY last_used_at DESC, id LIMIT 100
    """
)
_REVOKE: Final = sql_text(
    """
    UPDATE devices SET revoked_at = now(), trusted_until = NULL
     WHERE id = :id AND user_id = :user_id AND revoked_at IS NULL AND expires_at > now() RETURNING device
    """
)


class DeviceView(msgspec.Struct, frozen=True):
    """A device, as its owner sees it.

    Attributes:
        device: such as "Firefox on Linux".
        address: where it was last used.
        trusted_until: until then it skips the second factor; null if it does not.
    """

    id: UUID
    device: str | None
    address: str | None
    created_at: dt.datetime
    last_used_at: dt.datetime
    expires_at: dt.datetime
    trusted_until: dt.datetime | None


class Devices:
    """What is known of people's devices.

    Args:
        db: opened.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def trusts(self, session: PlatformSession, user_id: UUID, client: ClientInfo) -> bool:
        """Tell whether the client presents the token of a device that this user said to trust."""
        presented = presented_hash(client)
        if presented is None:
            return False
        return bool(await session.scalar(_TRUSTED, {"hash": presented, "user_id": user_id}))

    async def list(self, user_id: UUID) -> tuple[DeviceView, ...]:
        """Return the devices in force, the one used last first; at most 100."""
        async with self._db.platform() as session:
            rows = (await session.execute(_LIST, {"user_id": user_id})).mappings()
            return tuple(DeviceView(**row) for row in rows)

    async def remove(self, user_id: UUID, device_id: UUID, client: ClientInfo, *, by: UUID | None = None) -> None:
        """Forget a device: its token opens nothing any more. Sessions are ended apart from it.

        Args:
            user_id: whose.
            device_id: which.
            client: from where.
            by: the session that asks; None: nothing is asked of it.

        Raises:
            NotFoundError: the user has no such device.
            ReauthenticationRequiredError: `by` has not proved the second factor that is on.
        """
        async with self._db.platform() as session:
            if by is not None:
                await require_whole(session, by)
            gone = (await session.execute(_REVOKE, {"id": device_id, "user_id": user_id})).one_or_none()
            if gone is None:
                raise NotFoundError("device")
            await record_event(
                session, "device.removed", user_id=user_id, client=client, detail={"device": gone.device}
            )


async def distrust_devices(session: PlatformSession, user_id: UUID) -> None:
    """Let no device of this user skip the second factor any more, in the caller's transaction."""
    await session.execute(_DISTRUST, {"user_id": user_id})


async def forget_devices(session: PlatformSession, user_id: UUID, *, spared: ClientInfo | None = None) -> None:
    """Let every device of this user be a stranger, and skip nothing, in the caller's transaction.

    The one that `spared` presents stays known, and is not trusted any more either.
    """
    row = {"user_id": user_id, "spared": presented_hash(spared) if spared else None}
    await session.execute(_FORGET, row)
    await distrust_devices(session, user_id)


def presented_hash(client: ClientInfo) -> bytes | None:
    """Return what the device is found by whose token the client presents; None where it presents none."""
    if client.device_token is None:
        return None
    try:
        return parse_token(TokenKind.DEVICE, client.device_token.reveal()).hash
    except TokenError:
        return None  # what is no device token counts as none: it is nothing to refuse a sign-in for


def device_of(client: ClientInfo) -> str | None:
    """Name the client's device for people; None where it does not say."""
    return device_name(client.user_agent)[:LONGEST_NAME] if client.user_agent else None
