"""What a session has proved, read and written in the caller's transaction."""

from typing import Any, Final
from uuid import UUID

from singr_auth.accounts._errors import ReauthenticationRequiredError, SessionEndedError
from singr_db import PlatformSession, sql_text

RECENT_SECONDS: Final = 900

# A device that is trusted skips the second factor at sign-in, but not before a change of how the account is opened: one
# factor alone, be it stolen, must not take the other away.
_STANDING: Final = sql_text(
    """
    SELECT authenticated_at > clock_timestamp() - make_interval(secs => :seconds) AS recent,
           'mfa' = ANY(methods) OR NOT EXISTS (
               SELECT FROM second_factors f WHERE f.user_id = auth_sessions.user_id AND f.confirmed_at IS NOT NULL
           ) AS whole
    FROM auth_sessions WHERE id = :session_id AND revoked_at IS NULL
    """
)
_WHOLE: Final = sql_text(
    "UPDATE auth_sessions SET methods = methods || ARRAY['mfa'] WHERE id = :session_id AND NOT 'mfa' = ANY(methods)"
)


async def require_recent(session: PlatformSession, session_id: UUID) -> None:
    """Return where presence was proved in this session within the last 15 minutes, and as `require_whole` asks.

    Raises:
        ReauthenticationRequiredError: it is longer ago, or of one factor alone, or the session has ended.
    """
    row = await _standing(session, session_id)
    if row is None or not row.recent:
        raise ReauthenticationRequiredError
    if not row.whole:
        raise ReauthenticationRequiredError(second_factor=True)


async def require_whole(session: PlatformSession, session_id: UUID) -> None:
    """Return where this session proved, whenever, what the account asks for today: a second factor where one is on.

    Raises:
        ReauthenticationRequiredError: it proved one factor alone, say before the second one was on.
        SessionEndedError: it has ended.
    """
    row = await _standing(session, session_id)
    if row is None:
        raise SessionEndedError
    if not row.whole:
        raise ReauthenticationRequiredError(second_factor=True)


async def is_whole(session: PlatformSession, session_id: UUID) -> bool:
    """Tell whether `require_whole` would return."""
    row = await _standing(session, session_id)
    return row is not None and bool(row.whole)


async def count_as_whole(session: PlatformSession, session_id: UUID) -> None:
    """Let a session that turned the second factor on count as one that proved it."""
    await session.execute(_WHOLE, {"session_id": session_id})


async def _standing(session: PlatformSession, session_id: UUID) -> Any:
    parameters = {"session_id": session_id, "seconds": RECENT_SECONDS}
    return (await session.execute(_STANDING, parameters)).one_or_none()
