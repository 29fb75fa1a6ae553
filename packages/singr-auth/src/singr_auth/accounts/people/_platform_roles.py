"""Roles on the platform itself: who runs Singr. Given and taken from a shell, by whoever may reach the database."""

from typing import Any, Final, Literal, get_args
from uuid import UUID

from singr_auth.accounts._errors import ConflictError, NotFoundError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.organizations._actor import Actor
from singr_auth.accounts.organizations._consequences import Consequences, organizations_concerned, settle_person
from singr_auth.accounts.people._users import user_by_id
from singr_auth.accounts.sessions._access_feed import note_change
from singr_db import PlatformSession, sql_text

PlatformRole = Literal["admin", "support_admin"]
PLATFORM_ROLES: Final[tuple[str, ...]] = get_args(PlatformRole)

_NOW: Final = sql_text("SELECT r.name FROM users u JOIN roles r ON r.id = u.role_id WHERE u.id = :id")
_ROLE: Final = sql_text("SELECT id FROM roles WHERE is_system AND organization_id IS NULL AND name = :name")
_SET: Final = sql_text("UPDATE users SET role_id = :role_id WHERE id = :id")
_PROTECTED: Final = sql_text(
    """
    SELECT EXISTS (SELECT FROM second_factors WHERE user_id = :id AND confirmed_at IS NOT NULL)
        OR EXISTS (SELECT FROM passkeys WHERE user_id = :id)
    """
)


class PlatformRoles:
    """Gives and takes roles on the platform, in the caller's transaction, which the caller commits."""

    async def grant(self, session: PlatformSession, user_id: UUID, role: PlatformRole, *, actor: str) -> bool:
        """Give a person a role on the platform, in place of the one they had; in force within a second.

        Args:
            session: a platform session.
            user_id: whose account; active, so its address is verified.
            role: which one.
            actor: who does it: "user:<id>", a credential's key id, or "operator-shell".

        Returns:
            Whether a second factor or a passkey guards the account: it should.

        Raises:
            NotFoundError: there is no such account.
            ConflictError: it is not in force; or the system roles are missing.
        """
        user = await user_by_id(session, user_id, lock=True)
        if user is None:
            raise NotFoundError("user")
        if not user.usable:
            raise ConflictError(f"The account is {user.status}: a role on the platform requires an active account.")
        role_id = await session.scalar(_ROLE, {"name": role})
        if role_id is None:
            raise ConflictError("The system roles are missing: run singr-db seed first.")
        await self._set(session, user_id, role_id, actor=actor, kind="platform_role.granted", role=role)
        return bool(await session.scalar(_PROTECTED, {"id": user_id}))

    async def revoke(self, session: PlatformSession, user_id: UUID, *, actor: str) -> dict[UUID, Consequences]:
        """Remove a person's role on the platform; refused everywhere within a second, to credentials they hold too.

        Returns:
            What it took in each organization that it concerned.

        Raises:
            NotFoundError: there is no such account.
            ConflictError: they have none.
        """
        if await user_by_id(session, user_id, lock=True) is None:
            raise NotFoundError("user")
        role = await session.scalar(_NOW, {"id": user_id})
        if role is None:
            raise ConflictError("They have no role on the platform.")
        concerned = await organizations_concerned(session, user_id)
        await self._set(session, user_id, None, actor=actor, kind="platform_role.revoked", role=role)
        return await settle_person(session, concerned, actor=Actor(actor), notifier=None)

    @staticmethod
    async def _set(
        session: PlatformSession, user_id: UUID, role_id: UUID | None, *, actor: str, kind: str, role: str
    ) -> None:
        before: Any = await session.scalar(_NOW, {"id": user_id})
        await session.execute(_SET, {"id": user_id, "role_id": role_id})
        await note_change(session, "user", user_id)
        await record_event(session, kind, user_id=user_id, actor=actor, detail={"role": role, "before": before})
