"""Sessions: one for each sign-in, listed, and ended one by one or all at once."""

import datetime as dt
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from singr_auth.accounts._access_feed import note_sessions_ended
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._devices import distrust_devices
from singr_auth.accounts._errors import NotFoundError
from singr_auth.accounts._events import record_event
from singr_db import Database, PlatformSession

_LIST: Final = text(
    """
    SELECT id, id IS NOT DISTINCT FROM CAST(:current AS uuid) AS current, device, user_agent, address, methods,
           authenticated_at, created_at, last_used_at, least(idle_expires_at, expires_at) AS expires_at
    FROM auth_sessions
    WHERE user_id = :user_id AND revoked_at IS NULL AND least(idle_expires_at, expires_at) > now()
    ORDER BY last_used_at DESC, id DESC LIMIT 200
    """
)
_REVOKE: Final = text(
    """
    UPDATE auth_sessions SET revoked_at = now(), revoked_reason = :reason
     WHERE id = :id AND user_id = :user_id AND revoked_at IS NULL RETURNING id
    """
)
_REVOKE_ALL: Final = text(
    """
    UPDATE auth_sessions SET revoked_at = now(), revoked_reason = :reason
     WHERE user_id = :user_id AND revoked_at IS NULL AND id IS DISTINCT FROM CAST(:keep AS uuid) RETURNING id
    """
)
_CLOSE_CHALLENGES: Final = text(
    """
    UPDATE auth_challenges SET used_at = now()
     WHERE user_id = :user_id AND kind = 'second_factor' AND first_factor IS NOT NULL AND used_at IS NULL
    """
)


class SessionView(msgspec.Struct, frozen=True):
    """A session, as its owner sees it.

    Attributes:
        current: it is the one that asks.
        device: such as "Firefox on Linux".
        address: where it was used last.
        methods: how its owner proved to be it (RFC 8176 amr values).
        expires_at: when it ends unless it is used before.
    """

    id: UUID
    current: bool
    device: str | None
    user_agent: str | None
    address: str | None
    methods: tuple[str, ...]
    authenticated_at: dt.datetime
    created_at: dt.datetime
    last_used_at: dt.datetime
    expires_at: dt.datetime


class Sessions:
    """Lists and ends sessions.

    A session ends when it was unused for some time, at the latest after some more (`SessionOpening`), or when it is
    revoked; then its refresh tokens open nothing, and its access tokens are refused within a second wherever the access
    feed is read.

    Args:
        db: opened.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, user_id: UUID, *, current: UUID | None = None) -> tuple[SessionView, ...]:
        """Return the living sessions of a user, the one used last first; at most 200."""
        async with self._db.platform() as session:
            rows = (await session.execute(_LIST, {"user_id": user_id, "current": current})).mappings()
            return tuple(SessionView(**{**row, "methods": tuple(row["methods"])}) for row in rows)

    async def revoke(self, user_id: UUID, session_id: UUID, client: ClientInfo) -> None:
        """End one session of a user, by its owner.

        Raises:
            NotFoundError: the user has no such session, or it was ended before.
        """
        async with self._db.platform() as session:
            if not await self._revoke(session, user_id, session_id, "revoked"):
                raise NotFoundError("session")
            detail = {"session_id": str(session_id)}
            await record_event(session, "session.revoked", user_id=user_id, client=client, detail=detail)

    async def sign_out(self, user_id: UUID, session_id: UUID, client: ClientInfo) -> None:
        """End the session that asks; does nothing where it was ended meanwhile."""
        async with self._db.platform() as session:
            if await self._revoke(session, user_id, session_id, "sign_out"):
                detail = {"session_id": str(session_id)}
                await record_event(session, "session.signed_out", user_id=user_id, client=client, detail=detail)

    async def sign_out_everywhere(self, user_id: UUID, client: ClientInfo, *, keep: UUID | None = None) -> int:
        """End all sessions of a user but `keep`, and let no device skip the second factor; returns how many ended."""
        async with self._db.platform() as session:
            ended = await self.revoke_all(session, user_id, reason="sign_out_everywhere", keep=keep)
            await record_event(
                session, "session.signed_out_everywhere", user_id=user_id, client=client, detail={"ended": ended}
            )
        return ended

    async def revoke_all(
        self, session: PlatformSession, user_id: UUID, *, reason: str, keep: UUID | None = None
    ) -> int:
        """End all sessions of a user but `keep`, in the caller's transaction; returns how many ended.

        No device skips the second factor any more, and sign-ins that wait for one have to begin anew. Change the user's
        row first: a sign-in that runs beside holds its lock, and ends before this or does not happen.
        """
        ended = await session.scalars(_REVOKE_ALL, {"user_id": user_id, "reason": reason, "keep": keep})
        ids = list(ended)
        await session.execute(_CLOSE_CHALLENGES, {"user_id": user_id})
        await distrust_devices(session, user_id)
        await note_sessions_ended(session, ids)
        return len(ids)

    async def _revoke(self, session: PlatformSession, user_id: UUID, session_id: UUID, reason: str) -> bool:
        row = {"id": session_id, "user_id": user_id, "reason": reason}
        ended = await session.scalar(_REVOKE, row)
        if ended is None:
            return False
        await note_sessions_ended(session, [session_id])
        return True
