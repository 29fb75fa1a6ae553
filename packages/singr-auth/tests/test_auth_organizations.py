"""Organizations: who may make and change one, and nothing of theirs for strangers."""

import datetime as dt
import re
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from organizations_support import CLIENT, House, acting, outcomes
from sqlalchemy import text

from singr_auth import OrganizationError
from singr_auth.accounts import (
    ConflictError,
    InvalidValueError,
    InvitePerson,
    NotAllowedError,
    NotFoundError,
    TokenRefusedError,
)
from singr_auth.accounts.organizations import ORGANIZATION_PERMISSIONS, Actor, Permissions, organization_events
from singr_config.constants import ROLE_PERMISSIONS
from singr_db import PLATFORM_ORGANIZATION_ID, new_id


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


async def test_owner_deletes_an_organization_and_makes_room_for_another(house: House) -> None:
    owner, guest = await house.person(), await house.person("guest@example.org")
    *_, organization = [await house.organization(owner, f"Venue {number}") for number in range(20)]
    with pytest.raises(ConflictError, match="delete one"):
        await house.organization(owner, "One more")
    await house.custom_role(organization, owner, "door", "venues:read")
    _, token = await house.invite(organization, owner, "guest@example.org", "door")
    async with house.db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO service_credentials (id, organization_id, key_id, name, kind, secret_hash)"
                " VALUES (gen_random_uuid(), :organization, 'ak_gone', 'x', 'api_key', sha256('x'))"
            ),
            {"organization": organization},
        )
    await house.delete(organization, owner)
    with pytest.raises(TokenRefusedError):
        await house.accept(token, guest)
    for table in ("invitations", "service_credentials", "roles", "memberships"):
        async with house.db.platform() as session:
            left = text(f"SELECT count(*) FROM {table} WHERE organization_id = :organization")
            assert await session.scalar(left, {"organization": organization}) == 0, table
    async with house.db.platform() as session:
        with pytest.raises(NotFoundError):
            await house.organizations.read(session, organization)
    with pytest.raises(NotFoundError):
        await house.delete(organization, owner)
    assert (await house.event_kinds(organization))[0] == "organization.deleted"
    await house.organization(owner, "One more")


async def test_organization_is_deleted_by_its_owner_alone_and_without_other_members(house: House) -> None:
    owner, stranger = await house.person(), await house.person()
    organization = await house.organization(owner)
    await house.custom_role(organization, owner, "everything", *ORGANIZATION_PERMISSIONS)
    deputy = await house.member(organization, "everything")
    with pytest.raises(NotAllowedError, match="owner"):
        await house.delete(organization, deputy)
    with pytest.raises(OrganizationError):
        await house.delete(organization, stranger)
    with pytest.raises(NotFoundError):
        await house.delete(PLATFORM_ORGANIZATION_ID, owner)
    with pytest.raises(ConflictError, match="members"):
        await house.delete(organization, owner)
    assert set(await house.roles_of(organization)) == {owner, deputy}


@pytest.mark.parametrize(("status", "end"), [("pending", "ConflictError"), ("completed", "done")])
async def test_organization_with_unfinished_jobs_cannot_be_deleted(house: House, status: str, end: str) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    async with house.db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO jobs (id, organization_id, type, queue, status, payload, max_attempts, backoff, timeout)"
                " VALUES (:id, :organization, 'sms.send', 'default', :status, '{}', 1, 1, 1)"
            ),
            {"id": new_id(), "organization": organization, "status": status},
        )
    assert await outcomes(house.delete(organization, owner)) == [end]
    assert await house.count("jobs") == 1


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


async def test_database_without_system_roles_makes_no_organization_and_says_what_is_missing(house: House) -> None:
    owner = await house.person()
    async with house.db.platform() as session:
        await session.execute(text("UPDATE roles SET name = 'renamed' WHERE name = 'customer_owner'"))
    with pytest.raises(RuntimeError, match="singr-db seed"):
        async with house.db.platform() as session:
            await house.organizations.create(session, user_id=owner, name="Blue Note", client=CLIENT)
    async with house.db.platform() as session:
        await session.execute(text("UPDATE roles SET name = 'customer_owner' WHERE name = 'renamed'"))
        assert await session.scalar(text("SELECT count(*) FROM organizations WHERE name = 'Blue Note'")) == 0
