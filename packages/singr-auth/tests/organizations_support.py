"""A database with people and organizations, and who acts on them."""

import asyncio
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

from sqlalchemy import text

from singr_auth.accounts import ClientInfo, InvalidValueError, InvitePerson
from singr_auth.accounts.organizations import (
    ORGANIZATION_PERMISSIONS,
    Actor,
    Invitations,
    InvitedRegistration,
    Members,
    Organizations,
    OwnInvitation,
    OwnInvitations,
    Roles,
    organization_events,
)
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_db import Database, Sealer, new_id

CLIENT = ClientInfo("203.0.113.7", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")


class PlainRules:
    """Password rules without Argon2: what is tested here is not the hash."""

    def refuse_weak(self, password: Secret, *, second_factor: bool = False, personal: Any = ()) -> None:
        if len(password.reveal()) < 15:
            raise InvalidValueError("password", "must be longer")

    async def hashed(self, password: Secret) -> str:
        return f"hash of {len(password.reveal())} characters"


class House:
    """A database with people and organizations, and everything that works on them."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.notifier = RecordingNotifier()
        self.organizations = Organizations()
        self.members = Members(self.notifier)
        self.invitations = Invitations(self.notifier)
        self.own_invitations = OwnInvitations()
        self.roles = Roles(self.notifier)
        self.registration = InvitedRegistration(
            db, Sealer(Secret("s" * 40)), PlainRules(), self.invitations, self.notifier
        )

    async def person(
        self, email: str | None = None, *, status: str = "active", account_type: str = "customer", verified: bool = True
    ) -> UUID:
        user_id = new_id()
        email = email or f"{user_id}@example.org"
        async with self.db.platform() as session:
            await session.execute(
                text(
                    "INSERT INTO users (id, account_type, status, name, email, email_key, email_verified_at) VALUES"
                    " (:id, :type, :status, 'Person', :email, lower(:email), CASE WHEN :verified THEN now() END)"
                ),
                {"id": user_id, "type": account_type, "status": status, "email": email, "verified": verified},
            )
        return user_id

    async def organization(self, owner: UUID, name: str = "Blue Note") -> UUID:
        async with self.db.platform() as session:
            made = await self.organizations.create(session, user_id=owner, name=name, client=CLIENT)
        return made.organization.id

    async def join(self, organization: UUID, user_id: UUID, role: str = "customer_staff") -> UUID:
        async with self.db.platform() as session:
            await session.execute(
                text(
                    "INSERT INTO memberships (organization_id, user_id, role_id)"
                    " SELECT :organization, :user, id FROM roles WHERE name = :role"
                    " AND (organization_id = :organization OR is_system)"
                ),
                {"organization": organization, "user": user_id, "role": role},
            )
        return user_id

    async def member(self, organization: UUID, role: str = "customer_staff") -> UUID:
        return await self.join(organization, await self.person(), role)

    async def roles_of(self, organization: UUID) -> dict[UUID, str]:
        async with self.db.tenant(organization) as session:
            page = await self.members.page(session, organization)
        return {member.user_id: member.role for member in page.items}

    async def invite(self, organization: UUID, by: UUID, email: str, role: str = "customer_staff") -> tuple[UUID, str]:
        async with self.db.tenant(organization) as session:
            made = await self.invitations.create(session, organization, email=email, role=role, actor=acting(by))
        return made.id, self.notifier.last(InvitePerson).token.reveal()

    async def custom_role(self, organization: UUID, by: UUID, name: str, *permissions: str) -> UUID:
        async with self.db.tenant(organization) as session:
            role = await self.roles.create(session, organization, name=name, permissions=permissions, actor=acting(by))
        return role.id

    async def change(self, organization: UUID, by: UUID, user_id: UUID, role: str) -> None:
        async with self.db.tenant(organization) as session:
            await self.members.change_role(session, organization, user_id, role=role, actor=acting(by))

    async def remove(self, organization: UUID, by: UUID, user_id: UUID) -> None:
        async with self.db.tenant(organization) as session:
            await self.members.remove(session, organization, user_id, actor=acting(by))

    async def leave(self, organization: UUID, user_id: UUID) -> None:
        async with self.db.tenant(organization) as session:
            await self.members.leave(session, organization, actor=acting(user_id))

    async def transfer(self, organization: UUID, by: UUID, to: UUID) -> None:
        async with self.db.tenant(organization) as session:
            await self.members.transfer_ownership(session, organization, to=to, actor=acting(by))

    async def accept(self, token: str, user_id: UUID) -> Any:
        async with self.db.platform() as session:
            return await self.invitations.accept(session, token, user_id=user_id, client=CLIENT)

    async def own(self, user_id: UUID, **options: Any) -> tuple[OwnInvitation, ...]:
        async with self.db.platform() as session:
            return tuple((await self.own_invitations.page(session, user_id, **options)).items)

    async def decline(self, invitation: UUID, user_id: UUID) -> None:
        async with self.db.platform() as session:
            await self.own_invitations.decline(session, invitation, user_id=user_id, client=CLIENT)

    async def delete(self, organization: UUID, user_id: UUID) -> None:
        async with self.db.platform() as session:
            await self.organizations.delete(session, organization, user_id=user_id, client=CLIENT)

    async def open_invitations(self, organization: UUID) -> list[str]:
        """The addresses whose link would still be taken."""
        async with self.db.tenant(organization) as session:
            page = await self.invitations.page(session, organization, limit=100)
        return sorted(one.email for one in page.items if one.status == "open")

    async def count(self, table: str) -> int:
        async with self.db.platform() as session:
            return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)

    async def event_kinds(self, organization: UUID) -> list[str]:
        async with self.db.tenant(organization) as session:
            return [event.kind for event in (await organization_events(session, organization)).items]


def acting(user_id: UUID, *, whole: bool = True) -> Actor:
    """A person as the edge would hand them over, with what it remembers wrongly: nothing of it may count."""
    return Actor(f"user:{user_id}", ORGANIZATION_PERMISSIONS, user_id=user_id, client=CLIENT, whole=whole)


async def outcomes(*tries: Awaitable[Any]) -> list[str]:
    """What each of several tries at once ended in: "done" or the name of its error."""
    found = await asyncio.gather(*tries, return_exceptions=True)
    return [type(one).__name__ if isinstance(one, BaseException) else "done" for one in found]
