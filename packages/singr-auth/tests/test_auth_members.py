"""Members and their roles: nobody gives more than they hold, and one owner at least stays."""

import pytest
from organizations_support import CLIENT, House, acting, outcomes
from sqlalchemy import text

from singr_auth import OrganizationError, ScopeError
from singr_auth.accounts import ConflictError, InvalidValueError, NotAllowedError, NotFoundError, SecurityNotice
from singr_auth.accounts.organizations import ORGANIZATION_PERMISSIONS, Actor
from singr_db import new_id


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
    platform = Actor(f"user:{stranger}", ORGANIZATION_PERMISSIONS, user_id=stranger, platform=True, whole=True)
    async with house.db.tenant(organization) as session:
        with pytest.raises(OrganizationError):  # a platform role makes nobody an owner
            await house.members.transfer_ownership(session, organization, to=staff, actor=platform)


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
