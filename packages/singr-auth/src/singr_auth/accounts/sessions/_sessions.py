"""Sessions: one for each sign-in, listed, and ended one by one or all at once."""

import datetime as dt
from typing import Final
from uuid import UUID

import msgspec

from singr_auth import TokenError, TokenKind, parse_token
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import NotFoundError, SessionEndedError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.proofs._one_time import OneTimeTokens
from singr_auth.accounts.proofs._presence import require_whole
from singr_auth.accounts.sessions._access_feed import note_sessions_ended
from singr_auth.accounts.sessions._devices import forget_devices
from singr_config import Secret
from singr_db import Database, PlatformSession, sql_text

_LIST: Final = sql_text(
    """
    SELECT id, id IS NOT DISTINCT FROM CAST(:current AS uuid) AS current, device, user_agent, address, methods,
           authenticated_at, created_at, last_used_at, least(idle_expires_at, expires_at) AS expires_at
    FROM auth_sessions
    WHERE user_id = :user_id AND revoked_at IS NULL AND least(idle_expires_at, expires_at) > now()
    ORDER BY last_used_at DESC, id DESC LIMIT 200
    """
)
_LIVING: Final = sql_text(
    """
    SELECT 1 FROM auth_sessions
     WHERE id = :id AND user_id = :user_id AND revoked_at IS NULL AND least(idle_expires_at, expires_at) > now()
    """
)
_OF_TOKEN: Final = sql_text(
    """
    SELECT s.id, s.user_id FROM refresh_tokens t JOIN auth_sessions s ON s.id = t.session_id
     WHERE t.token_hash = :hash
    """
)
_REVOKE: Final = sql_text(
    """
    UPDATE auth_sessions SET revoked_at = now(), revoked_reason = :reason
     WHERE id = :id AND user_id = :user_id AND revoked_at IS NULL RETURNING id
    """
)
_REVOKE_ALL: Final = sql_text(
    """
    UPDATE auth_sessions SET revoked_at = now(), revoked_reason = :reason
     WHERE user_id = :user_id AND revoked_at IS NULL AND id IS DISTINCT FROM CAST(:keep AS uuid) RETURNING id
    """
)
_HOLD: Final = sql_text("SELECT 1 FROM users WHERE id = :user_id FOR NO KEY UPDATE")
_CLOSE_CHALLENGES: Final = sql_text(
    """
    UPDATE auth_challenges SET used_at = now()
     WHERE user_id = :user_id AND kind = 'second_factor' AND first_factor IS NOT NULL AND used_at IS NULL
    """
)


class SessionView(msgspec.Struct, frozen=True):
    """A session, as its owner sees it.

    Attributes:
        current: whether it is the session of this request.
        device: such as "Firefox on Linux".
        address: where it was last used.
        methods: how its owner authenticated (RFC 8176 amr values).
        expires_at: when it ends unless it is used before then.
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
            return await self.list_within(session, user_id, current=current)

    async def list_within(
        self, session: PlatformSession, user_id: UUID, *, current: UUID | None = None
    ) -> tuple[SessionView, ...]:
        """The same in the caller's transaction, who so waits for no second one."""
        rows = (await session.execute(_LIST, {"user_id": user_id, "current": current})).mappings()
        return tuple(SessionView(**{**row, "methods": tuple(row["methods"])}) for row in rows)

    async def require_living(self, session: PlatformSession, user_id: UUID, session_id: UUID) -> None:
        """Return where a session of a user has not ended: for what outlives an access token, and ends with the session.

        Raises:
            SessionEndedError: it has, or is no session of theirs.
        """
        if await session.scalar(_LIVING, {"id": session_id, "user_id": user_id}) is None:
            raise SessionEndedError

    async def revoke(self, user_id: UUID, session_id: UUID, client: ClientInfo, *, by: UUID | None = None) -> None:
        """End one session of a user, by its owner.

        Args:
            user_id: whose.
            session_id: which.
            client: from where.
            by: the session that asks; it ends itself at any time, and others where it proved all that the account asks
                for. None: nothing is asked.

        Raises:
            NotFoundError: the user has no such session, or it was ended before.
            ReauthenticationRequiredError: `by` has not proved the second factor that is on.
        """
        async with self._db.platform() as session:
            if by is not None and by != session_id:
                await require_whole(session, by)
            if not await self._revoke(session, user_id, session_id, "revoked"):
                raise NotFoundError("session")
            detail = {"session_id": str(session_id)}
            await record_event(session, "session.revoked", user_id=user_id, client=client, detail=detail)

    async def sign_out(self, user_id: UUID, session_id: UUID, client: ClientInfo) -> None:
        """End the session that asks; does nothing where it was ended meanwhile."""
        async with self._db.platform() as session:
            await self._sign_out(session, user_id, session_id, client)

    async def sign_out_by_token(self, presented: Secret, client: ClientInfo) -> None:
        """End the session that a refresh token belongs to, used or not; does nothing where it belongs to none.

        Whoever holds a token of a session may end it, however old the token is: nothing is opened by that, and nothing
        is told (RFC 7009, section 2.2).
        """
        try:
            token = parse_token(TokenKind.REFRESH, presented.reveal())
        except TokenError:
            return
        async with self._db.platform() as session:
            found = (await session.execute(_OF_TOKEN, {"hash": token.hash})).one_or_none()
            if found is not None:
                await self._sign_out(session, found.user_id, found.id, client)

    async def sign_out_everywhere(self, user_id: UUID, client: ClientInfo, *, keep: UUID | None = None) -> int:
        """End all sessions of a user but `keep`; returns how many ended. Otherwise as `revoke_all`.

        Raises:
            ReauthenticationRequiredError: `keep` has not proved the second factor that is on: whoever holds it could
                put the owner out. To end all of them asks for nothing.
        """
        async with self._db.platform() as session:
            await session.execute(_HOLD, {"user_id": user_id})
            if keep is not None:
                await require_whole(session, keep)
            spared = client if keep else None
            ended = await self.revoke_all(session, user_id, reason="sign_out_everywhere", keep=keep, spared=spared)
            await record_event(
                session, "session.signed_out_everywhere", user_id=user_id, client=client, detail={"ended": ended}
            )
        return ended

    async def revoke_all(
        self,
        session: PlatformSession,
        user_id: UUID,
        *,
        reason: str,
        keep: UUID | None = None,
        spared: ClientInfo | None = None,
    ) -> int:
        """End all sessions of a user but `keep`, in the caller's transaction; returns how many ended.

        Whatever else lies about opens nothing either: links in mails, changes of address that wait for one, sign-ins
        that wait for a second factor. Every device is a stranger from now on but the one that `spared` presents, and
        none skips the second factor. Change or lock the user's row first: a sign-in that runs beside holds its lock,
        and ends before this or does not happen.
        """
        ended = await session.scalars(_REVOKE_ALL, {"user_id": user_id, "reason": reason, "keep": keep})
        ids = list(ended)
        await OneTimeTokens.kill(session, user_id)
        await session.execute(_CLOSE_CHALLENGES, {"user_id": user_id})
        await forget_devices(session, user_id, spared=spared)
        await note_sessions_ended(session, ids)
        return len(ids)

    async def _sign_out(self, session: PlatformSession, user_id: UUID, session_id: UUID, client: ClientInfo) -> None:
        if await self._revoke(session, user_id, session_id, "sign_out"):
            detail = {"session_id": str(session_id)}
            await record_event(session, "session.signed_out", user_id=user_id, client=client, detail=detail)

    async def _revoke(self, session: PlatformSession, user_id: UUID, session_id: UUID, reason: str) -> bool:
        row = {"id": session_id, "user_id": user_id, "reason": reason}
        ended = await session.scalar(_REVOKE, row)
        if ended is None:
            return False
        await note_sessions_ended(session, [session_id])
        return True
