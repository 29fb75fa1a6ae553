"""What operators do with other people's accounts: find, disable, enable, sign out; and the switch for incidents."""

import datetime as dt
from itertools import combinations
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import ConflictError, NotAllowedError, NotFoundError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.audit._trail import SecurityEventView, trail
from singr_auth.accounts.notices._notices import AccountType, Notifier, SecurityEventName
from singr_auth.accounts.notices._sending import send_security_notice
from singr_auth.accounts.organizations._actor import Actor
from singr_auth.accounts.organizations._consequences import organizations_concerned, settle_person
from singr_auth.accounts.people._users import User, UserStatus, email_key, user_by_id
from singr_auth.accounts.proofs._one_time import OneTimeTokens
from singr_auth.accounts.sessions._access_feed import note_change
from singr_auth.accounts.sessions._sessions import Sessions
from singr_config.constants import PAGINATION
from singr_db import PlatformSession, sql_text
from singr_db.pages import BEHIND, Page, decode_cursor, page_of

_COLUMNS: Final = """
    u.id, u.account_type, u.status, u.name, u.email, u.email_verified_at IS NOT NULL AS email_verified,
    u.phone_masked AS phone, r.name AS platform_role, u.created_at, u.last_sign_in_at, u.disabled_at
"""
_ONE: Final = sql_text(f"SELECT {_COLUMNS} FROM users u LEFT JOIN roles r ON r.id = u.role_id WHERE u.id = :id")  # noqa: S608 — the columns are ours
_FILTERS: Final = {"status": "u.status = :status", "key": "u.email_key = :key", "role": "r.name = :role"}
# A statement for each choice of filters: one that asked which are given could use the index of none.
_PAGES: Final = {
    given: sql_text(
        f"""
    SELECT {_COLUMNS} FROM users u LEFT JOIN roles r ON r.id = u.role_id
    WHERE {" AND ".join(("u.id < " + BEHIND, *(_FILTERS[name] for name in given)))}
    ORDER BY u.id DESC LIMIT :limit
    """  # noqa: S608 — the columns and conditions are ours
    )
    for many in range(len(_FILTERS) + 1)
    for given in combinations(_FILTERS, many)
}
_DISABLE: Final = sql_text("UPDATE users SET status = 'disabled', disabled_at = now() WHERE id = :id")
_ENABLE: Final = sql_text(
    """
    UPDATE users SET status = CASE WHEN email_verified_at IS NULL THEN 'pending' ELSE 'active' END, disabled_at = NULL
    WHERE id = :id
    """
)
_END_EVERY_SESSION: Final = sql_text(
    "UPDATE auth_sessions SET revoked_at = now(), revoked_reason = 'incident' WHERE revoked_at IS NULL"
)
# now() is the time of the transaction: exactly the rows of the statement before.
_TELL_EVERY_SESSION: Final = sql_text(
    """
    INSERT INTO access_changes (kind, subject)
    SELECT 'session', id FROM auth_sessions WHERE revoked_at = now() AND revoked_reason = 'incident'
    """
)
_COUNT_ENDED: Final = sql_text(
    "SELECT count(*) FROM auth_sessions WHERE revoked_at = now() AND revoked_reason = 'incident'"
)
_FORGET_EVERY_DEVICE: Final = sql_text(
    "UPDATE devices SET revoked_at = now(), trusted_until = NULL WHERE revoked_at IS NULL"
)
_CLOSE_EVERY_CHALLENGE: Final = sql_text("UPDATE auth_challenges SET used_at = now() WHERE used_at IS NULL")
_KILL_EVERY_LINK: Final = sql_text("UPDATE one_time_tokens SET used_at = now() WHERE used_at IS NULL")
_KILL_EVERY_UNDO: Final = sql_text("UPDATE email_changes SET used_at = now() WHERE used_at IS NULL")
_REVOKE_EVERY_INVITATION: Final = sql_text(
    "UPDATE invitations SET revoked_at = now() WHERE accepted_at IS NULL AND revoked_at IS NULL"
)
# In the order in which sign-ins lock them.
_INCIDENT: Final = (
    _KILL_EVERY_LINK,
    _KILL_EVERY_UNDO,
    _CLOSE_EVERY_CHALLENGE,
    _FORGET_EVERY_DEVICE,
    _REVOKE_EVERY_INVITATION,
)
# Every sign-in locks a row of `users` before anything else. However many sessions there are: an incident waits for all.
_ALONE: Final = (
    text("SET LOCAL statement_timeout = 0"),
    text("SET LOCAL lock_timeout = 0"),
    text("LOCK TABLE users IN EXCLUSIVE MODE"),
)


class UserSummary(msgspec.Struct, frozen=True):
    """An account, as operators see it.

    Attributes:
        email: null once deleted.
        phone: masked; null if there is none.
        platform_role: a role on Singr itself, such as "admin".
    """

    id: UUID
    account_type: AccountType
    status: UserStatus
    name: str
    email: str | None
    email_verified: bool
    phone: str | None
    platform_role: str | None
    created_at: dt.datetime
    last_sign_in_at: dt.datetime | None
    disabled_at: dt.datetime | None


class Administration:
    """Accounts in the hands of operators. Everything here works in a session that the caller gives and commits.

    Args:
        notifier: tells owners; None: nobody is told, as from a shell that can send nothing.
        sessions: ends them.
        one_time: the tokens.
    """

    def __init__(self, *, notifier: Notifier | None, sessions: Sessions, one_time: OneTimeTokens) -> None:
        self._notifier = notifier
        self._sessions = sessions
        self._one_time = one_time

    async def users(
        self,
        session: PlatformSession,
        *,
        limit: int = PAGINATION.default,
        cursor: str | None = None,
        status: UserStatus | None = None,
        email: str | None = None,
        platform_role: str | None = None,
    ) -> Page[UserSummary]:
        """Return a page of accounts, newest first.

        Args:
            session: a platform session.
            limit: how many at most.
            cursor: `next_cursor` of the page before.
            status: those in this state only.
            email: the one with this address only.
            platform_role: those with this role on the platform only.

        Raises:
            InvalidCursor: the cursor is malformed.
        """
        row = {
            "limit": limit + 1,
            "after": None if cursor is None else decode_cursor(cursor),
            "status": status,
            "key": None if email is None else email_key(email) or "",
            "role": platform_role,
        }
        statement = _PAGES[tuple(name for name in _FILTERS if row[name] is not None)]
        found = [UserSummary(**user) for user in (await session.execute(statement, row)).mappings()]
        return page_of(found, limit=limit, row_id=lambda user: user.id)

    async def user(self, session: PlatformSession, user_id: UUID) -> UserSummary:
        """Return one account.

        Raises:
            NotFoundError: there is none.
        """
        return await _summary(session, user_id)

    async def events(
        self, session: PlatformSession, user_id: UUID, *, limit: int = PAGINATION.default, cursor: str | None = None
    ) -> Page[SecurityEventView]:
        """Return a page of an account's audit trail, newest first; it names who did what, and from where.

        Raises:
            NotFoundError: there is no such account.
            InvalidCursor: the cursor is malformed.
        """
        await _summary(session, user_id)
        return await trail(session, user_id, limit=limit, cursor=cursor, to_owner=False)

    async def disable(
        self, session: PlatformSession, user_id: UUID, *, actor: str, client: ClientInfo | None = None
    ) -> UserSummary:
        """Shut an account: its sessions end at once, and nothing signs in to it. Again: changes nothing.

        Credentials that the person holds and open invitations that they sent are revoked, and the organizations' other
        owners told. None of it comes back with the account.

        Args:
            session: a platform session.
            user_id: whose account.
            actor: who does it: "user:<id>", a credential's key id or "system".
            client: from where.

        Raises:
            NotFoundError: there is no such account.
            ConflictError: it was deleted.
            NotAllowedError: it is the actor's own.
        """
        user = await _living(session, user_id, actor)
        if user.status != "disabled":
            concerned = await organizations_concerned(session, user_id)
            await session.execute(_DISABLE, {"id": user_id})
            ended = await self._sessions.revoke_all(session, user_id, reason="account.disabled")
            await self._note(session, user_id, "account.disabled", actor=actor, client=client, ended=ended)
            await self._tell(session, user, "account_disabled")
            await settle_person(session, concerned, actor=Actor(actor), notifier=self._notifier)
        return await _summary(session, user_id)

    async def enable(
        self, session: PlatformSession, user_id: UUID, *, actor: str, client: ClientInfo | None = None
    ) -> UserSummary:
        """Open an account again that was disabled; its owner signs in anew. Arguments and errors as `disable`."""
        user = await _living(session, user_id, actor)
        if user.status == "disabled":
            await session.execute(_ENABLE, {"id": user_id})
            await self._note(session, user_id, "account.enabled", actor=actor, client=client)
            await self._tell(session, user, "account_enabled")
        return await _summary(session, user_id)

    async def revoke_sessions(
        self, session: PlatformSession, user_id: UUID, *, actor: str, client: ClientInfo | None = None
    ) -> int:
        """End all sessions of an account, as `Sessions.revoke_all`, and tell its owner; returns how many ended.

        Raises:
            NotFoundError: there is no such account.
        """
        user = await user_by_id(session, user_id, lock=True)
        if user is None:
            raise NotFoundError("user")
        ended = await self._sessions.revoke_all(session, user_id, reason="operator")
        await self._note(session, user_id, "sessions.revoked", actor=actor, client=client, ended=ended)
        await self._tell(session, user, "sessions_ended")
        return ended

    async def revoke_everything(self, session: PlatformSession, *, actor: str) -> int:
        """For incidents: end every session of everybody, and make every link, challenge and known device worthless.

        Passwords, second factors and API keys stay, as do jobs that wait. Access tokens are refused within a second.
        Nobody signs in while this runs: what a sign-in has under way is over before it, or sees what it did.

        Returns:
            How many sessions ended.
        """
        for statement in _ALONE:
            await session.execute(statement)
        await session.execute(_END_EVERY_SESSION)
        ended = int(await session.scalar(_COUNT_ENDED) or 0)
        for statement in _INCIDENT:
            await session.execute(statement)
        await record_event(session, "sessions.revoked_everywhere", actor=actor, detail={"ended": ended})
        await session.execute(_TELL_EVERY_SESSION)
        return ended

    async def _tell(self, session: PlatformSession, user: User, event: SecurityEventName) -> None:
        # from where is not the owner's business: it was somebody of the staff
        if self._notifier is not None and user.email_verified_at is not None:
            await send_security_notice(session, self._notifier, user.target, event, None)

    @staticmethod
    async def _note(
        session: PlatformSession,
        user_id: UUID,
        kind: str,
        *,
        actor: str,
        client: ClientInfo | None,
        **detail: Any,
    ) -> None:
        await record_event(session, kind, user_id=user_id, actor=actor, client=client, detail=detail)
        await note_change(session, "user", user_id)


async def _living(session: PlatformSession, user_id: UUID, actor: str) -> User:
    if actor == f"user:{user_id}":
        raise NotAllowedError("You cannot disable or enable your own account: ask another operator.")
    user = await user_by_id(session, user_id, lock=True)
    if user is None:
        raise NotFoundError("user")
    if user.status == "deleted":
        raise ConflictError("The account was permanently deleted by its owner.")
    return user


async def _summary(session: PlatformSession, user_id: UUID) -> UserSummary:
    row = (await session.execute(_ONE, {"id": user_id})).mappings().one_or_none()
    if row is None:
        raise NotFoundError("user")
    return UserSummary(**row)
