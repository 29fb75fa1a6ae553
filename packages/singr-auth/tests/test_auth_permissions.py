"""Permissions, remembered by processes: one changes something, and others have to learn of it at once."""

import asyncio
from uuid import UUID

import pytest
from organizations_support import House, acting
from sqlalchemy import text

from singr_auth import OrganizationError
from singr_auth.accounts.organizations import Permissions
from singr_auth.accounts.sessions._access_feed import AccessFeed
from singr_config.constants import ROLE_PERMISSIONS


async def gone(permissions: Permissions, user_id: UUID, organization: UUID, permission: str) -> None:
    """Wait until another process no longer lets this pass (how soon: test_auth_access_feed.py)."""
    async with asyncio.timeout(20):
        while True:
            try:
                if permission not in await permissions.of(user_id, organization):
                    return
            except OrganizationError:
                return
            await asyncio.sleep(0.05)


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
    await gone(permissions, owner, organization, "venues:read")


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
    await gone(memory, member, organization, "api_keys:write")


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
