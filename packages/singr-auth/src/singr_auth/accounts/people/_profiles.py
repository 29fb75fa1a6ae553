"""A person's own account: what they see of it, their name, their audit trail, and its end."""

import datetime as dt
from typing import Final
from uuid import UUID

import msgspec

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import NotFoundError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.audit._trail import SecurityEventView, trail
from singr_auth.accounts.factors._reauthentication import Reauthentication
from singr_auth.accounts.notices._following import Follower
from singr_auth.accounts.notices._notices import AccountType, EmailTarget, Notifier
from singr_auth.accounts.notices._sending import send_security_notice
from singr_auth.accounts.organizations import Actor, Members
from singr_auth.accounts.organizations._consequences import lock_concerned, organizations_concerned, settle_person
from singr_auth.accounts.organizations._invitations import ENDED
from singr_auth.accounts.people._users import User, checked_name, user_by_id
from singr_auth.accounts.sessions._access_feed import note_change
from singr_auth.accounts.sessions._sessions import Sessions
from singr_config.constants import PAGINATION
from singr_db import Database, PlatformSession, sql_text
from singr_db.pages import Page

_RENAME: Final = sql_text("UPDATE users SET name = :name WHERE id = :id")
_FACTORS: Final = sql_text(
    """
    SELECT ARRAY(
        SELECT method FROM second_factors WHERE user_id = :id AND confirmed_at IS NOT NULL ORDER BY method
    ) AS second_factors,
    (SELECT count(*) FROM passkeys WHERE user_id = :id) AS passkeys,
    (SELECT name FROM roles WHERE roles.id = (SELECT role_id FROM users WHERE users.id = :id)) AS platform_role
    """
)
_ORGANIZATIONS: Final = sql_text(
    """
    SELECT o.id, o.name, o.slug, r.name AS role
    FROM memberships m JOIN organizations o ON o.id = m.organization_id JOIN roles r ON r.id = m.role_id
    WHERE m.user_id = :id ORDER BY o.name, o.id LIMIT 200
    """
)
_ANONYMISE: Final = sql_text(
    """
    UPDATE users SET status = 'deleted', name = 'Deleted user', email = NULL, email_key = NULL,
        email_verified_at = NULL, phone_sealed = NULL, phone_hash = NULL, phone_masked = NULL, phone_verified_at = NULL,
        password_hash = NULL, password_changed_at = NULL, role_id = NULL, deleted_at = now()
    WHERE id = :id
    """
)
_ERASED: Final = (
    "passkeys",
    "second_factors",
    "backup_codes",
    "devices",
    "auth_challenges",
    "one_time_tokens",
    "email_changes",
)
_ERASE: Final = tuple(sql_text(f"DELETE FROM {table} WHERE user_id = :id") for table in _ERASED)  # noqa: S608 — the names are ours
# An address that is not verified may be anybody's; an invitation that is open is the address's, whoever has it next.
_ERASE_INVITATIONS: Final = sql_text(
    f"""
    DELETE FROM invitations i WHERE i.accepted_by = :id
        OR (i.email_key = :key AND (i.accepted_at IS NOT NULL OR i.revoked_at IS NOT NULL OR {ENDED}))
    """  # noqa: S608 — our own words
)
_UNNAME_SESSIONS: Final = sql_text("UPDATE auth_sessions SET user_agent = NULL, address = NULL WHERE user_id = :id")


class OrganizationOfUser(msgspec.Struct, frozen=True):
    """An organization that a person is a member of, and their role."""

    id: UUID
    name: str
    slug: str
    role: str


class Profile(msgspec.Struct, frozen=True):
    """An account, as its owner sees it.

    Attributes:
        phone: masked; null if there is none.
        second_factors: the active ones, such as "totp".
        passkeys: how many there are.
        platform_role: a role on Singr itself, such as "admin".
    """

    id: UUID
    account_type: AccountType
    name: str
    email: str
    email_verified: bool
    phone: str | None
    phone_verified: bool
    has_password: bool
    second_factors: tuple[str, ...]
    passkeys: int
    platform_role: str | None
    organizations: tuple[OrganizationOfUser, ...]
    created_at: dt.datetime
    last_sign_in_at: dt.datetime | None


class Profiles:
    """What people do with their own accounts.

    Args:
        db: where accounts are kept.
        notifier: tells of the account's end.
        sessions: ends them.
        members: takes people out of their organizations.
        reauthentication: asks for a recent proof of presence.
        follower: hears of a new name, and of the account's end.
    """

    def __init__(
        self,
        db: Database,
        *,
        notifier: Notifier,
        sessions: Sessions,
        members: Members,
        reauthentication: Reauthentication,
        follower: Follower,
    ) -> None:
        self._db = db
        self._notifier = notifier
        self._sessions = sessions
        self._members = members
        self._reauthentication = reauthentication
        self._follower = follower

    async def read(self, user_id: UUID) -> Profile:
        """Return a person's account.

        Raises:
            NotFoundError: it is not in force any more.
        """
        async with self._db.platform() as session:
            return await self._profile(session, await _in_force(session, user_id))

    async def rename(self, user_id: UUID, name: str, client: ClientInfo) -> Profile:
        """Change the name.

        Raises:
            InvalidValueError: it is none.
            NotFoundError: the account is not in force any more.
        """
        name = checked_name(name)
        async with self._db.platform() as session:
            user = await _in_force(session, user_id, lock=True)
            if user.name != name:
                await session.execute(_RENAME, {"id": user_id, "name": name})
                await record_event(session, "account.renamed", user_id=user_id, client=client)
                await self._follower.account_changed(session, user.target, EmailTarget(user.email, name, user_id))
            return await self._profile(session, msgspec.structs.replace(user, name=name))

    async def delete(self, user_id: UUID, session_id: UUID, client: ClientInfo) -> None:
        """End the account: its sessions end, its address is free again, and nothing in its row says whose it was.

        Invitations to it that have ended go with it. The audit trail stays whole, or whoever broke in would erase their
        traces with the account: what was done, from which network address and on what kind of device, under the
        account's id, until the operator deletes it.

        Raises:
            ReauthenticationRequiredError: the last proof of presence is too old.
            ConflictError: an organization with other members would be left without an owner.
            NotFoundError: the account is not in force any more.
        """
        await self._reauthentication.require_recent(session_id)
        async with self._db.platform() as session:
            user = await _in_force(session, user_id, lock=True)
            await lock_concerned(session, user_id)
            await self._members.leave_all(session, user_id, client=client)
            concerned = await organizations_concerned(session, user_id)  # a platform role reaches beyond memberships
            await record_event(session, "account.deleted", user_id=user_id, client=client)
            await send_security_notice(session, self._notifier, user.target, "account_deleted", client)
            await session.execute(_ANONYMISE, {"id": user_id})
            await self._follower.account_changed(session, user.target, None)
            actor = Actor(f"user:{user_id}", user_id=user_id, client=client)
            await settle_person(session, concerned, actor=actor, notifier=self._notifier)
            await self._sessions.revoke_all(session, user_id, reason="account.deleted")
            verified = user.email_key if user.email_verified_at is not None else None
            for statement in (*_ERASE, _ERASE_INVITATIONS, _UNNAME_SESSIONS):
                await session.execute(statement, {"id": user_id, "key": verified})
            await note_change(session, "user", user_id)

    async def events(
        self, user_id: UUID, *, limit: int = PAGINATION.default, cursor: str | None = None
    ) -> Page[SecurityEventView]:
        """Return a page of the account's audit trail, newest first.

        Raises:
            InvalidCursor: the cursor is malformed.
        """
        async with self._db.platform() as session:
            return await trail(session, user_id, limit=limit, cursor=cursor, to_owner=True)

    @staticmethod
    async def _profile(session: PlatformSession, user: User) -> Profile:
        factors = (await session.execute(_FACTORS, {"id": user.id})).one()
        organizations = (await session.execute(_ORGANIZATIONS, {"id": user.id})).mappings()
        return Profile(
            id=user.id,
            account_type=user.account_type,
            name=user.name,
            email=user.email,
            email_verified=user.email_verified_at is not None,
            phone=user.phone_masked,
            phone_verified=user.phone_verified_at is not None,
            has_password=user.password_hash is not None,
            second_factors=tuple(factors.second_factors),
            passkeys=factors.passkeys,
            platform_role=factors.platform_role,
            organizations=tuple(OrganizationOfUser(**row) for row in organizations),
            created_at=user.created_at,
            last_sign_in_at=user.last_sign_in_at,
        )


async def _in_force(session: PlatformSession, user_id: UUID, *, lock: bool = False) -> User:
    user = await user_by_id(session, user_id, lock=lock)
    if user is None or not user.usable:
        raise NotFoundError("account")
    return user
