"""Organizations: who may change what, one owner at least, invitations that work once, permissions that end at once."""

import asyncio
import datetime as dt
import re
import textwrap
from collections.abc import Awaitable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import text

from singr_auth import OrganizationError, ScopeError, TokenKind, new_token
from singr_auth.accounts import (
    ClientInfo,
    ConflictError,
    InvalidValueError,
    InvitePerson,
    NotAllowedError,
    NotFoundError,
    SecurityNotice,
    TokenRefusedError,
    WelcomeUser,
)
from singr_auth.accounts._access_feed import AccessFeed
from singr_auth.accounts.organizations import (
    ORGANIZATION_PERMISSIONS,
    Actor,
    Invitations,
    InvitedRegistration,
    Members,
    Organizations,
    Permissions,
    Roles,
    organization_events,
)
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_config.constants import ROLE_PERMISSIONS
from singr_db import PLATFORM_ORGANIZATION_ID, Database, new_id, seed

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
        self.roles = Roles()
        self.registration = InvitedRegistration(db, PlainRules(), self.invitations, self.notifier)

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

    async def count(self, table: str) -> int:
        async with self.db.platform() as session:
            return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)

    async def event_kinds(self, organization: UUID) -> list[str]:
        async with self.db.tenant(organization) as session:
            return [event.kind for event in (await organization_events(session, organization)).items]


def acting(user_id: UUID) -> Actor:
    """A person as the edge would hand them over, with what it remembers wrongly: nothing of it may count."""
    return Actor(f"user:{user_id}", ORGANIZATION_PERMISSIONS, user_id=user_id, client=CLIENT)


async def outcomes(*tries: Awaitable[Any]) -> list[str]:
    """What each of several tries at once ended in: "done" or the name of its error."""
    found = await asyncio.gather(*tries, return_exceptions=True)
    return [type(one).__name__ if isinstance(one, BaseException) else "done" for one in found]


@pytest.fixture
async def house(db: Database) -> House:
    await seed(db)
    return House(db)


async def test_creator_becomes_owner_with_every_permission_but_the_platforms(house: House) -> None:
    owner = await house.person()
    async with house.db.platform() as session:
        made = await house.organizations.create(session, user_id=owner, name="  Café Zoë  ", client=CLIENT)
        found = await house.organizations.of_user(session, owner)
    assert found == (made,)
    assert (made.organization.name, made.organization.slug, made.role) == ("Café Zoë", "cafe-zoe", "customer_owner")
    assert set(made.permissions) == ROLE_PERMISSIONS["customer_owner"]
    assert not {name for name in made.permissions if name.startswith(("operations:", "users:"))}
    assert await house.event_kinds(made.organization.id) == ["organization.created"]


async def test_organizations_of_one_name_have_slugs_of_their_own(house: House) -> None:
    owner = await house.person()
    ids = [await house.organization(owner, "Blue Note") for _ in range(3)]
    async with house.db.platform() as session:
        slugs = {(await house.organizations.read(session, one)).slug for one in ids}
    assert len(slugs) == 3
    assert "blue-note" in slugs


@pytest.mark.parametrize(
    "options", [{"account_type": "singer"}, {"status": "disabled"}, {"status": "pending", "verified": False}]
)
async def test_only_a_usable_customer_account_makes_an_organization(house: House, options: dict[str, Any]) -> None:
    with pytest.raises(NotAllowedError):
        await house.organization(await house.person(**options))


async def test_one_person_owns_at_most_twenty(house: House) -> None:
    owner = await house.person()
    ended = await outcomes(*(house.organization(owner, f"Venue {number}") for number in range(22)))
    assert ended.count("done") == 20
    assert ended.count("ConflictError") == 2


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "x" * 101, "a\u202eb"])
async def test_unfit_name_is_refused(house: House, name: str) -> None:
    owner = await house.person()
    with pytest.raises(InvalidValueError, match="name"):
        await house.organization(owner, name)


async def test_platform_organization_is_none_that_anybody_can_change(house: House) -> None:
    actor = Actor("env", ORGANIZATION_PERMISSIONS, platform=True)
    async with house.db.platform() as session:
        with pytest.raises(NotFoundError):
            await house.organizations.rename(session, PLATFORM_ORGANIZATION_ID, name="Mine", actor=actor)
        with pytest.raises(NotFoundError):
            await house.invitations.create(
                session, PLATFORM_ORGANIZATION_ID, email="a@example.org", role="customer_owner", actor=actor
            )


async def test_member_of_another_organization_can_change_nothing_here(house: House) -> None:
    owner, stranger = await house.person(), await house.person()
    organization, other = await house.organization(owner), await house.organization(stranger, "Elsewhere")
    staff = await house.member(organization)
    invitation, _ = await house.invite(organization, owner, "new@example.org")
    for session_of in (organization, other):
        async with house.db.tenant(session_of) as session:
            actor = acting(stranger)
            # Through the own session the fence hides the organization; through its own the person is no member.
            expected = (OrganizationError, NotFoundError)
            with pytest.raises(expected):
                await house.organizations.rename(session, organization, name="Mine", actor=actor)
            with pytest.raises(expected):
                await house.members.change_role(session, organization, staff, role="customer_owner", actor=actor)
            with pytest.raises(expected):
                await house.members.remove(session, organization, staff, actor=actor)
            with pytest.raises(expected):
                await house.members.transfer_ownership(session, organization, to=stranger, actor=actor)
            with pytest.raises(expected):
                await house.invitations.resend(session, organization, invitation, actor=actor)
            with pytest.raises(expected):
                await house.invitations.revoke(session, organization, invitation, actor=actor)
            with pytest.raises(expected):
                await house.roles.create(session, organization, name="r", permissions=[], actor=actor)
    # the other organization's own owner, naming this one's invitation and member under their own organization
    async with house.db.platform() as session:
        with pytest.raises(NotFoundError):
            await house.invitations.resend(session, other, invitation, actor=acting(stranger))
        with pytest.raises(NotFoundError):
            await house.members.remove(session, other, staff, actor=acting(stranger))
    assert await house.roles_of(organization) == {owner: "customer_owner", staff: "customer_staff"}


async def test_members_come_in_pages_of_fifty_at_most(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    everybody = {owner} | {await house.member(organization) for _ in range(52)}
    async with house.db.tenant(organization) as session:
        first = await house.members.page(session, organization, limit=100)
        second = await house.members.page(session, organization, limit=100, cursor=first.next_cursor)
    assert len(first.items) == 50
    assert second.next_cursor is None
    assert {member.user_id for member in (*first.items, *second.items)} == everybody


async def test_staff_and_managers_change_nobody(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    staff, manager = await house.member(organization), await house.member(organization, "customer_manager")
    for one in (staff, manager):
        with pytest.raises(ScopeError, match="organization:write"):
            await house.change(organization, one, staff, "customer_manager")
        with pytest.raises(ScopeError):
            await house.remove(organization, one, staff)
        with pytest.raises(ScopeError):
            await house.invite(organization, one, "x@example.org")


async def test_nobody_gives_or_takes_more_than_they_hold(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    await house.custom_role(organization, owner, "people", "organization:read", "organization:write", "venues:read")
    people, staff = await house.member(organization, "people"), await house.member(organization)
    manager = await house.member(organization, "customer_manager")
    with pytest.raises(NotAllowedError):  # up: to what they do not hold themselves
        await house.change(organization, people, people, "customer_manager")
    with pytest.raises(NotAllowedError):
        await house.change(organization, people, staff, "customer_owner")
    with pytest.raises(NotAllowedError):  # down: somebody who holds more than they do
        await house.change(organization, people, manager, "people")
    with pytest.raises(NotAllowedError):
        await house.remove(organization, people, owner)
    with pytest.raises(NotAllowedError):
        await house.invite(organization, people, "x@example.org", "customer_manager")
    with pytest.raises(NotAllowedError):
        await house.custom_role(organization, people, "more", "api_keys:write")
    await house.custom_role(organization, owner, "door", "venues:read")
    await house.invite(organization, people, "x@example.org", "door")
    doorkeeper = await house.member(organization, "door")
    await house.change(organization, people, doorkeeper, "people")
    assert (await house.roles_of(organization))[doorkeeper] == "people"


async def test_owner_role_is_given_and_taken_by_owners_alone_however_much_others_hold(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    await house.custom_role(organization, owner, "everything", *ORGANIZATION_PERMISSIONS)
    deputy, staff = await house.member(organization, "everything"), await house.member(organization)
    second = await house.member(organization, "customer_owner")
    with pytest.raises(NotAllowedError, match="owner"):
        await house.change(organization, deputy, staff, "customer_owner")
    with pytest.raises(NotAllowedError, match="owner"):
        await house.remove(organization, deputy, second)
    with pytest.raises(NotAllowedError, match="owner"):
        await house.invite(organization, deputy, "x@example.org", "customer_owner")
    credential = Actor("ak_x", ORGANIZATION_PERMISSIONS)
    async with house.db.tenant(organization) as session:
        with pytest.raises(NotAllowedError, match="owner"):
            await house.members.change_role(session, organization, staff, role="customer_owner", actor=credential)
    await house.change(organization, owner, second, "customer_staff")
    assert (await house.roles_of(organization))[second] == "customer_staff"


@pytest.mark.parametrize("role", ["admin", "support_admin", "singer", "nonsense", ""])
async def test_platform_roles_cannot_be_had_in_an_organization(house: House, role: str) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    staff = await house.member(organization)
    with pytest.raises(InvalidValueError, match="role"):
        await house.change(organization, owner, staff, role)
    with pytest.raises(InvalidValueError, match="role"):
        await house.invite(organization, owner, "x@example.org", role)


async def test_another_organizations_role_cannot_be_given(house: House) -> None:
    owner, other_owner = await house.person(), await house.person()
    organization, other = await house.organization(owner), await house.organization(other_owner, "Elsewhere")
    role = await house.custom_role(other, other_owner, "theirs", "venues:read")
    staff = await house.member(organization)
    async with house.db.platform() as session:  # without the fence: the statements themselves keep it apart
        with pytest.raises(InvalidValueError):
            await house.members.change_role(session, organization, staff, role="theirs", actor=acting(owner))
        with pytest.raises(NotFoundError):
            await house.roles.change(session, organization, role, permissions=[], actor=acting(owner))
        with pytest.raises(NotFoundError):
            await house.roles.delete(session, organization, role, actor=acting(owner))


async def test_custom_role_never_holds_what_the_platform_keeps(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    for permission in ("operations:read", "users:write", "nonsense"):
        with pytest.raises(InvalidValueError, match="permissions"):
            await house.custom_role(organization, owner, "r", permission)
    platform = Actor("env", frozenset({"organization:write", "operations:read"}), platform=True)
    async with house.db.tenant(organization) as session:
        with pytest.raises(InvalidValueError, match="permissions"):
            await house.roles.create(session, organization, name="r", permissions=["operations:read"], actor=platform)


@pytest.mark.parametrize("name", ["customer_owner", "Admin", "SINGER"])
async def test_custom_role_cannot_pose_as_a_system_role(house: House, name: str) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    with pytest.raises(InvalidValueError, match="name"):
        await house.custom_role(organization, owner, name)
    role = await house.custom_role(organization, owner, "door")
    async with house.db.tenant(organization) as session:
        with pytest.raises(InvalidValueError, match="name"):
            await house.roles.change(session, organization, role, name=name, actor=acting(owner))


async def test_system_role_cannot_be_changed_or_deleted(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    async with house.db.platform() as session:
        roles = {role.name: role for role in await house.roles.list(session, organization)}
        assert [role.name for role in roles.values() if role.system] == [
            "customer_manager",
            "customer_owner",
            "customer_staff",
        ]
        staff = roles["customer_staff"].id
        with pytest.raises(ConflictError):
            await house.roles.change(session, organization, staff, permissions=["jobs:write"], actor=acting(owner))
        with pytest.raises(ConflictError):
            await house.roles.delete(session, organization, staff, actor=acting(owner))


async def test_role_in_use_stays_and_unused_one_goes_with_its_old_invitations(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    role = await house.custom_role(organization, owner, "door", "venues:read")
    invitation, _ = await house.invite(organization, owner, "x@example.org", "door")
    keeper = await house.member(organization, "door")

    async def delete() -> None:
        async with house.db.tenant(organization) as session:
            await house.roles.delete(session, organization, role, actor=acting(owner))

    with pytest.raises(ConflictError):
        await delete()
    await house.remove(organization, owner, keeper)
    with pytest.raises(ConflictError):
        await delete()
    async with house.db.tenant(organization) as session:
        await house.invitations.revoke(session, organization, invitation, actor=acting(owner))
    await delete()
    async with house.db.tenant(organization) as session:
        assert "door" not in {one.name for one in await house.roles.list(session, organization)}


async def test_last_owner_can_neither_leave_nor_be_demoted_nor_removed(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    await house.join(organization, await house.person(status="disabled"), "customer_owner")  # nobody who could act
    for attempt in (
        house.leave(organization, owner),
        house.change(organization, owner, owner, "customer_manager"),
        house.remove(organization, owner, owner),
    ):
        with pytest.raises(ConflictError, match="last owner"):
            await attempt
    platform = Actor("env", ORGANIZATION_PERMISSIONS, platform=True)
    async with house.db.tenant(organization) as session:
        with pytest.raises(ConflictError, match="last owner"):
            await house.members.remove(session, organization, owner, actor=platform)
    assert (await house.roles_of(organization))[owner] == "customer_owner"


@pytest.mark.parametrize("way", ["leave", "demote", "remove"])
async def test_of_two_owners_who_go_at_once_one_stays(house: House, way: str) -> None:
    for _ in range(5):
        one, two = await house.person(), await house.person()
        organization = await house.organization(one)
        await house.join(organization, two, "customer_owner")
        goes = {
            "leave": lambda who, by: house.leave(organization, who),  # noqa: B023 — called in this turn
            "demote": lambda who, by: house.change(organization, by, who, "customer_staff"),  # noqa: B023 — as above
            "remove": lambda who, by: house.remove(organization, by, who),  # noqa: B023 — as above
        }[way]
        ended = await outcomes(goes(one, two), goes(two, one))
        assert ended.count("done") == 1, ended
        owners = [who for who, role in (await house.roles_of(organization)).items() if role == "customer_owner"]
        assert len(owners) == 1


async def test_transfer_makes_one_owner_and_a_manager_and_tells_both(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    heir = await house.member(organization)
    await house.transfer(organization, owner, heir)
    assert await house.roles_of(organization) == {owner: "customer_manager", heir: "customer_owner"}
    told = {notice.to.user_id for notice in house.notifier.of(SecurityNotice)}
    assert told == {owner, heir}
    assert {notice.event for notice in house.notifier.of(SecurityNotice)} == {"ownership_transferred"}
    assert (await house.event_kinds(organization))[0] == "organization.ownership_transferred"
    with pytest.raises(NotAllowedError):
        await house.transfer(organization, owner, heir)


async def test_of_many_transfers_at_once_exactly_one_happens(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    heirs = [await house.member(organization) for _ in range(8)]
    ended = await outcomes(*(house.transfer(organization, owner, heir) for heir in heirs))
    assert ended.count("done") == 1, ended
    roles = await house.roles_of(organization)
    assert sum(role == "customer_owner" for role in roles.values()) == 1
    assert roles[owner] == "customer_manager"


async def test_transfer_goes_to_an_active_member_only_and_from_an_owner_only(house: House) -> None:
    owner, stranger = await house.person(), await house.person()
    organization = await house.organization(owner)
    sleeping = await house.join(organization, await house.person(status="disabled"))
    staff = await house.member(organization)
    for to in (stranger, owner, sleeping):
        with pytest.raises(InvalidValueError, match="user_id"):
            await house.transfer(organization, owner, to)
    with pytest.raises(NotAllowedError):
        await house.transfer(organization, staff, staff)
    platform = Actor(f"user:{stranger}", ORGANIZATION_PERMISSIONS, user_id=stranger, platform=True)
    async with house.db.tenant(organization) as session:
        with pytest.raises(OrganizationError):  # a platform role makes nobody an owner
            await house.members.transfer_ownership(session, organization, to=staff, actor=platform)


async def test_invitation_is_kept_as_a_hash_and_previewed_without_being_used(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    _, token = await house.invite(organization, owner, "New.Person@Example.org")
    async with house.db.platform() as session:
        dump = await session.scalar(text("SELECT jsonb_agg(i)::text FROM invitations i"))
        for _ in range(2):
            preview = await house.invitations.preview(session, token)
    assert token not in str(dump)
    assert token.encode().hex() not in str(dump)
    assert (preview.organization_name, preview.email, preview.role) == (
        "Blue Note",
        "New.Person@Example.org",
        "customer_staff",
    )
    assert (preview.inviter_name, preview.has_account) == ("Person", False)


async def test_open_invitation_of_an_address_is_unique_whatever_its_case(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)

    async def invite(number: int) -> None:
        await house.invite(organization, owner, "ada@example.org" if number % 2 else "ADA@example.org")

    ended = await outcomes(*(invite(number) for number in range(10)))
    assert ended.count("done") == 1, ended
    assert ended.count("ConflictError") == 9
    assert len(house.notifier.of(InvitePerson)) == 1


async def test_member_cannot_be_invited_and_bad_address_is_refused(house: House) -> None:
    owner = await house.person("owner@example.org")
    organization = await house.organization(owner)
    with pytest.raises(ConflictError, match="member"):
        await house.invite(organization, owner, "OWNER@example.org")
    for address in ("", "nobody", "a@b\r\nBcc: c@example.org", "ü@example.org"):
        with pytest.raises(InvalidValueError, match="email"):
            await house.invite(organization, owner, address)


async def test_resending_kills_the_old_link_and_revives_an_expired_invitation(house: House) -> None:
    owner, guest = await house.person(), await house.person("guest@example.org")
    organization = await house.organization(owner)
    invitation, old = await house.invite(organization, owner, "guest@example.org")
    async with house.db.platform() as session:
        await session.execute(text("UPDATE invitations SET expires_at = now() - interval '1 second'"))
    with pytest.raises(TokenRefusedError):
        await house.accept(old, guest)
    async with house.db.tenant(organization) as session:
        again = await house.invitations.resend(session, organization, invitation, actor=acting(owner))
    assert again.status == "open"
    new = house.notifier.last(InvitePerson).token.reveal()
    assert new != old
    with pytest.raises(TokenRefusedError):
        await house.accept(old, guest)
    assert (await house.accept(new, guest)).organization.id == organization


async def test_expired_invitation_does_not_stand_in_the_way_of_a_new_one(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    await house.invite(organization, owner, "guest@example.org")
    async with house.db.platform() as session:
        await session.execute(text("UPDATE invitations SET expires_at = now() - interval '1 second'"))
    await house.invite(organization, owner, "guest@example.org")
    async with house.db.tenant(organization) as session:
        page = await house.invitations.page(session, organization)
    assert [one.status for one in page.items] == ["open", "revoked"]


async def test_revoked_used_expired_unknown_and_malformed_tokens_are_one_error(house: House) -> None:
    owner, guest = await house.person(), await house.person("guest@example.org")
    organization = await house.organization(owner)
    invitation, revoked = await house.invite(organization, owner, "guest@example.org")
    async with house.db.tenant(organization) as session:
        await house.invitations.revoke(session, organization, invitation, actor=acting(owner))
        with pytest.raises(ConflictError):
            await house.invitations.revoke(session, organization, invitation, actor=acting(owner))
        with pytest.raises(ConflictError):
            await house.invitations.resend(session, organization, invitation, actor=acting(owner))
    _, used = await house.invite(organization, owner, "guest@example.org")
    await house.accept(used, guest)
    unknown = new_token(TokenKind.INVITATION).secret.reveal()
    foreign = new_token(TokenKind.PASSWORD_RESET).secret.reveal()
    for token in (revoked, used, unknown, foreign, used[:-1], "", "x\0", "ü" * 53):
        with pytest.raises(TokenRefusedError):
            await house.accept(token, guest)
        with pytest.raises(TokenRefusedError):
            async with house.db.platform() as session:
                await house.invitations.preview(session, token)
        with pytest.raises(TokenRefusedError):
            await house.registration.register(token, name="G", password=Secret("x" * 20), client=CLIENT)


async def test_invitation_is_accepted_by_its_address_only_verified_and_usable(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    _, token = await house.invite(organization, owner, "guest@example.org")
    thief = await house.person("thief@example.org")
    unverified = await house.person("GUEST@example.org", status="pending", verified=False)
    for user_id in (thief, unverified, uuid4()):
        with pytest.raises(NotAllowedError, match="another address"):
            await house.accept(token, user_id)
    async with house.db.platform() as session:
        await session.execute(
            text("UPDATE users SET status = 'active', email_verified_at = now() WHERE id = :id"), {"id": unverified}
        )
    place = await house.accept(token, unverified)
    assert (place.organization.id, place.role) == (organization, "customer_staff")
    assert (await house.roles_of(organization))[unverified] == "customer_staff"


async def test_fifty_accepts_at_once_have_one_winner(house: House) -> None:
    owner, guest = await house.person(), await house.person("guest@example.org")
    organization = await house.organization(owner)
    _, token = await house.invite(organization, owner, "guest@example.org")
    ended = await outcomes(*(house.accept(token, guest) for _ in range(50)))
    assert ended.count("done") == 1, ended
    assert ended.count("TokenRefusedError") == 49
    assert (await house.event_kinds(organization)).count("member.joined") == 1


async def test_accepting_as_a_member_changes_nothing_and_leaves_the_invitation_open(house: House) -> None:
    owner, guest = await house.person(), await house.person("guest@example.org")
    organization = await house.organization(owner)
    _, token = await house.invite(organization, owner, "guest@example.org", "customer_manager")
    await house.join(organization, guest)
    with pytest.raises(ConflictError):
        await house.accept(token, guest)
    assert (await house.roles_of(organization))[guest] == "customer_staff"
    async with house.db.platform() as session:
        assert (await house.invitations.preview(session, token)).email == "guest@example.org"


async def test_removing_a_member_takes_back_the_invitations_they_sent(house: House) -> None:
    owner, accomplice = await house.person(), await house.person("accomplice@example.org")
    organization = await house.organization(owner)
    second = await house.member(organization, "customer_owner")
    _, token = await house.invite(organization, second, "accomplice@example.org", "customer_owner")
    await house.remove(organization, owner, second)
    with pytest.raises(TokenRefusedError):
        await house.accept(token, accomplice)


async def test_newcomer_registers_through_the_link_verified_and_welcomed(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    _, token = await house.invite(organization, owner, "guest@example.org", "customer_manager")
    joined = await house.registration.register(token, name=" Grace ", password=Secret("x" * 20), client=CLIENT)
    assert joined.membership.role == "customer_manager"
    async with house.db.platform() as session:
        row = (
            await session.execute(
                text("SELECT status, name, email, email_verified_at, password_hash FROM users WHERE id = :id"),
                {"id": joined.user_id},
            )
        ).one()
    assert (row.status, row.name, row.email) == ("active", "Grace", "guest@example.org")
    assert row.email_verified_at is not None
    assert row.password_hash == "hash of 20 characters"
    assert house.notifier.last(WelcomeUser).to.user_id == joined.user_id


async def test_fifty_registrations_through_one_link_make_one_account(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    _, token = await house.invite(organization, owner, "guest@example.org")
    people = await house.count("users")
    ended = await outcomes(
        *(
            house.registration.register(token, name=f"G{number}", password=Secret("x" * 20), client=CLIENT)
            for number in range(50)
        )
    )
    assert ended.count("done") == 1, ended
    assert set(ended) <= {"done", "TokenRefusedError", "ConflictError"}
    assert await house.count("users") == people + 1
    assert await house.count("memberships") == 2


async def test_link_takes_over_an_account_that_nobody_verified(house: House) -> None:
    """Somebody registers the invited address first, with a password of theirs: it must open nothing afterwards."""
    owner = await house.person()
    organization = await house.organization(owner)
    squatter = await house.person("guest@example.org", status="pending", verified=False)
    async with house.db.platform() as session:
        await session.execute(text("UPDATE users SET password_hash = 'squatter' WHERE id = :id"), {"id": squatter})
        await session.execute(
            text(
                "INSERT INTO one_time_tokens (id, token_hash, kind, user_id, expires_at) VALUES"
                " (:token, sha256('x'), 'email_verification', :id, now() + interval '1 day')"
            ),
            {"token": new_id(), "id": squatter},
        )
    _, token = await house.invite(organization, owner, "guest@example.org")
    joined = await house.registration.register(token, name="Grace", password=Secret("x" * 20), client=CLIENT)
    async with house.db.platform() as session:
        row = (
            await session.execute(text("SELECT password_hash FROM users WHERE email_key = 'guest@example.org'"))
        ).one()
        unused = await session.scalar(text("SELECT count(*) FROM one_time_tokens WHERE used_at IS NULL"))
    assert joined.user_id == squatter
    assert row.password_hash == "hash of 20 characters"
    assert unused == 0


async def test_address_with_an_account_cannot_register_again_through_a_link(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    _, token = await house.invite(organization, owner, "guest@example.org")
    for status in ("active", "disabled"):
        guest = await house.person("guest@example.org", status=status)
        with pytest.raises(ConflictError, match="has an account"):
            await house.registration.register(token, name="Grace", password=Secret("x" * 20), client=CLIENT)
        async with house.db.platform() as session:
            await session.execute(text("DELETE FROM users WHERE id = :id"), {"id": guest})
    with pytest.raises(InvalidValueError, match="password"):
        await house.registration.register(token, name="Grace", password=Secret("short"), client=CLIENT)
    await house.registration.register(token, name="Grace", password=Secret("x" * 20), client=CLIENT)


async def test_ended_account_leaves_every_organization_unless_others_would_be_left_without_an_owner(
    house: House,
) -> None:
    owner, other = await house.person(), await house.person()
    organization, alone = await house.organization(owner), await house.organization(owner, "Alone")
    guest_of = await house.organization(other, "Theirs")
    await house.join(guest_of, owner)
    staff = await house.member(organization)
    async with house.db.platform() as session:
        with pytest.raises(ConflictError, match="last owner"):
            await house.members.leave_all(session, owner)
        await session.rollback()
    await house.change(organization, owner, staff, "customer_owner")
    async with house.db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO service_credentials (id, organization_id, key_id, name, kind, secret_hash)"
                " VALUES (:id, :o, 'ak_alone', 'x', 'api_key', sha256('x'))"
            ),
            {"id": new_id(), "o": alone},
        )
        await house.members.leave_all(session, owner, client=CLIENT)
        assert await house.organizations.of_user(session, owner) == ()
        assert await session.scalar(text("SELECT revoked_at FROM service_credentials")) is not None


# What follows is remembered by processes: one that changes something, and others that have to learn of it.


@pytest.fixture
async def memory(house: House) -> Any:
    """Permissions as another process has them."""
    return Permissions(house.db, AccessFeed(house.db, remember=900))


async def gone(permissions: Permissions, user_id: UUID, organization: UUID, permission: str) -> float:
    """Seconds until another process no longer lets this pass; it may take one."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    while True:
        try:
            if permission not in await permissions.of(user_id, organization):
                return loop.time() - started
        except OrganizationError:
            return loop.time() - started
        assert loop.time() - started < 1.0, f"{permission} is still held"
        await asyncio.sleep(0.01)


async def test_permissions_are_read_once_while_nothing_changes(house: House, memory: Permissions) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    assert await memory.of(owner, organization) == ROLE_PERMISSIONS["customer_owner"]
    async with house.db.platform() as session:  # behind the feed's back: shows that the answer is remembered
        await session.execute(text("DELETE FROM memberships"))
    assert await memory.of(owner, organization) == ROLE_PERMISSIONS["customer_owner"]
    memory.forget("user", owner)
    with pytest.raises(OrganizationError):
        await memory.of(owner, organization)


async def test_answer_is_remembered_for_its_time_only(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    permissions = Permissions(house.db, AccessFeed(house.db, remember=900), seconds=0.05)
    await permissions.of(owner, organization)
    async with house.db.platform() as session:
        await session.execute(text("DELETE FROM memberships"))
    assert await gone(permissions, owner, organization, "venues:read") >= 0.0


@pytest.mark.parametrize("change", ["demoted", "removed", "left", "role_changed", "transferred"])
async def test_what_is_taken_away_is_gone_in_another_process_within_a_second(
    house: House, memory: Permissions, change: str
) -> None:
    """S10: role drop."""
    owner = await house.person()
    organization = await house.organization(owner)
    role = await house.custom_role(organization, owner, "keys", "api_keys:write", "venues:read")
    member = await house.member(organization, "keys")
    if change == "transferred":
        await house.change(organization, owner, member, "customer_owner")
    assert "api_keys:write" in await memory.of(member, organization)
    if change == "demoted":
        await house.change(organization, owner, member, "customer_staff")
    elif change == "removed":
        await house.remove(organization, owner, member)
    elif change == "left":
        await house.leave(organization, member)
    elif change == "transferred":
        await house.transfer(organization, member, await house.member(organization))
    else:
        async with house.db.tenant(organization) as session:
            await house.roles.change(session, organization, role, permissions=["venues:read"], actor=acting(owner))
    assert await gone(memory, member, organization, "api_keys:write") < 1.0


async def test_newcomer_is_let_in_at_once_though_they_were_refused_a_moment_ago(
    house: House, memory: Permissions
) -> None:
    owner, guest = await house.person(), await house.person("guest@example.org")
    organization = await house.organization(owner)
    with pytest.raises(OrganizationError):
        await memory.of(guest, organization)
    _, token = await house.invite(organization, owner, "guest@example.org")
    await house.accept(token, guest)
    assert "venues:read" in await memory.of(guest, organization)


async def test_disabled_account_holds_nothing_and_platform_role_holds_its_own(house: House) -> None:
    owner, admin = await house.person(), await house.person()
    organization = await house.organization(owner)
    async with house.db.platform() as session:
        await session.execute(text("UPDATE users SET status = 'disabled' WHERE id = :id"), {"id": owner})
        await session.execute(
            text("UPDATE users SET role_id = (SELECT id FROM roles WHERE name = 'support_admin') WHERE id = :id"),
            {"id": admin},
        )
    permissions = Permissions(house.db, AccessFeed(house.db, remember=900))
    with pytest.raises(OrganizationError):
        await permissions.of(owner, organization)
    assert await permissions.platform(admin) == ROLE_PERMISSIONS["support_admin"]
    assert await permissions.platform(owner) == frozenset()
    with pytest.raises(OrganizationError):
        await permissions.of(admin, organization)


async def test_permissions_of_a_membership_never_hold_the_platforms_own(house: House, memory: Permissions) -> None:
    """Even where a row says so that no code of ours writes."""
    owner = await house.person()
    organization = await house.organization(owner)
    role = await house.custom_role(organization, owner, "bent", "venues:read")
    member = await house.member(organization, "bent")
    async with house.db.platform() as session:
        await session.execute(
            text("INSERT INTO role_permissions (role_id, permission) VALUES (:role, 'operations:write')"),
            {"role": role},
        )
        assert "operations:write" not in (await house.organizations.of_user(session, member))[0].permissions
    assert await memory.of(member, organization) == {"venues:read"}


async def test_views_hold_no_secret(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    _, token = await house.invite(organization, owner, "guest@example.org")
    async with house.db.tenant(organization) as session:
        shown = msgspec.json.encode(
            [
                await house.invitations.page(session, organization),
                await house.members.page(session, organization),
                await organization_events(session, organization),
            ]
        )
    assert token.encode() not in shown
    assert b"hash" not in shown
    assert dt.datetime.now(dt.UTC).strftime("%Y").encode() in shown


async def test_readme_examples_of_organizations_run(house: House, memory: Permissions) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```py\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) == 2
    body = textwrap.indent("\n".join(blocks), "    ")
    scope: dict[str, Any] = {}
    exec(f"async def example(db, accounts, user_id):\n{body}", scope)
    accounts = SimpleNamespace(
        organizations=house.organizations, roles=house.roles, invitations=house.invitations, permissions=memory
    )
    await scope["example"](house.db, accounts, await house.person())
    assert house.notifier.last(InvitePerson).to.email == "jane@example.org"
