"""Whoever loses their standing: nothing that they set in motion does more than they may."""

from collections.abc import Awaitable, Callable

import pytest
from organizations_support import CLIENT, acting
from sqlalchemy import text
from standing_support import SCOPES, Place

from singr_auth import OrganizationError, ScopeError
from singr_auth.accounts import NotAllowedError, SecurityNotice, TokenRefusedError
from singr_auth.accounts.organizations import ORGANIZATION_PERMISSIONS, Actor
from singr_db import Database, seed

Change = Callable[[Place], Awaitable[None]]


@pytest.fixture
async def place(db: Database) -> Place:
    made = Place(db)
    await made.prepare()
    return made


async def removed(place: Place) -> None:
    await place.house.remove(place.organization, place.owner, place.mallory)


async def left(place: Place) -> None:
    await place.house.leave(place.organization, place.mallory)


async def demoted(place: Place) -> None:
    await place.house.change(place.organization, place.owner, place.mallory, "customer_staff")


async def handed_over(place: Place) -> None:
    heir = await place.house.member(place.organization)
    await place.house.transfer(place.organization, place.mallory, heir)


async def disabled(place: Place) -> None:
    async with place.db.platform() as session:
        await place.administration.disable(session, place.mallory, actor="operator")


async def deleted(place: Place) -> None:
    async with place.db.platform() as session:
        await place.house.members.leave_all(session, place.mallory)


async def written_by_hand(place: Place) -> None:
    await place.sql("DELETE FROM memberships WHERE user_id = :user", user=place.mallory)


WAYS = [removed, left, demoted, handed_over, disabled, deleted, written_by_hand]


@pytest.mark.parametrize("lose", WAYS)
async def test_key_of_whoever_lost_their_standing_changes_nobody_and_makes_no_key(place: Place, lose: Change) -> None:
    key = await place.key()
    await lose(place)
    may = await place.may(key)
    assert may is None or not may & {"organization:write", "api_keys:write", "billing:write"}
    for attempt in (
        lambda: place.key(place.program(key), scopes=["jobs:read"]),
        lambda: _invite(place, place.program(key)),
        lambda: _raise(place, place.program(key)),
    ):
        with pytest.raises((OrganizationError, ScopeError)):
            await attempt()


@pytest.mark.parametrize("lose", [removed, left, disabled, deleted])
async def test_key_of_whoever_is_gone_is_refused_and_stays_so(place: Place, lose: Change) -> None:
    key, child = await place.key(), None
    child = await place.key(place.program(key), scopes=["jobs:read"])
    await lose(place)
    assert await place.may(key) is None
    assert await place.may(child) is None
    await place.sql("UPDATE users SET status = 'active' WHERE id = :user", user=place.mallory)
    await place.sql("DELETE FROM memberships WHERE user_id = :user", user=place.mallory)
    await place.house.join(place.organization, place.mallory, "customer_owner")
    assert await place.may(key) is None


@pytest.mark.parametrize("lose", [removed, demoted, handed_over, disabled])
async def test_owners_are_told_and_it_is_written_down(place: Place, lose: Change) -> None:
    await place.key()
    place.house.notifier.clear()
    await lose(place)
    told = {notice.event for notice in place.house.notifier.of(SecurityNotice)}
    assert told & {"credentials_revoked", "credentials_narrowed"}
    kinds = await place.house.event_kinds(place.organization)
    assert {"credentials.revoked", "credentials.narrowed"} & set(kinds)


async def test_removal_lists_what_it_revoked(place: Place) -> None:
    key = await place.key(name="Mallory's till")
    invitation, _ = await place.house.invite(place.organization, place.mallory, "friend@example.org")
    async with place.db.tenant(place.organization) as session:
        lost = await place.house.members.remove(session, place.organization, place.mallory, actor=acting(place.owner))
    assert [(one.key_id, one.name) for one in lost.revoked_credentials] == [(key.key_id, "Mallory's till")]
    assert [(one.id, one.email) for one in lost.revoked_invitations] == [(invitation, "friend@example.org")]


async def test_demotion_narrows_and_lists_it_and_takes_nothing_from_others(place: Place) -> None:
    key, theirs = await place.key(), await place.key(place.owner)
    async with place.db.tenant(place.organization) as session:
        changed = await place.house.members.change_role(
            session, place.organization, place.mallory, role="customer_staff", actor=acting(place.owner)
        )
    assert [one.key_id for one in changed.consequences.narrowed_credentials] == [key.key_id]
    assert changed.consequences.revoked_credentials == ()
    assert await place.may(theirs) == set(SCOPES)


async def test_custom_role_that_loses_a_permission_narrows_keys_and_revokes_invitations(place: Place) -> None:
    role = await place.house.custom_role(
        place.organization, place.owner, "People", "organization:write", "venues:read", "api_keys:write", "jobs:read"
    )
    await place.house.custom_role(place.organization, place.owner, "Door", "venues:read")
    helper = await place.house.member(place.organization, "People")
    key = await place.key(helper, scopes=["jobs:read", "venues:read"])
    _, token = await place.house.invite(place.organization, helper, "guest@example.org", "Door")
    async with place.db.tenant(place.organization) as session:
        changed = await place.house.roles.change(
            session,
            place.organization,
            role,
            permissions=["organization:write", "api_keys:write", "jobs:read"],
            actor=acting(place.owner),
        )
    assert await place.may(key) == {"jobs:read"}
    assert [one.email for one in changed.consequences.revoked_invitations] == ["guest@example.org"]
    with pytest.raises(TokenRefusedError):
        await place.house.accept(token, await place.house.person("guest@example.org"))


@pytest.mark.parametrize("lose", WAYS)
async def test_invitation_of_whoever_lost_their_standing_opens_nothing(place: Place, lose: Change) -> None:
    _, by_hand = await place.house.invite(place.organization, place.mallory, "one@example.org", "customer_owner")
    guests = [await place.house.person("one@example.org"), await place.house.person("two@example.org")]
    program = place.program(await place.key(scopes=sorted(ORGANIZATION_PERMISSIONS)))
    by_key = await _invite(place, program, "two@example.org")
    await lose(place)
    for token, guest in zip((by_hand, by_key), guests, strict=True):
        with pytest.raises(TokenRefusedError):
            await place.house.accept(token, guest)
        assert await place.house.own(guest) == ()


async def test_invitation_is_judged_when_it_is_accepted(place: Place) -> None:
    """What the offered role holds by then is what the inviter would give away."""
    role = await place.house.custom_role(place.organization, place.owner, "Door", "venues:read")
    await place.house.custom_role(place.organization, place.owner, "People", "organization:write", "venues:read")
    helper = await place.house.member(place.organization, "People")
    _, token = await place.house.invite(place.organization, helper, "guest@example.org", "Door")
    await place.sql("INSERT INTO role_permissions VALUES (:role, 'billing:write')", role=role)
    with pytest.raises(TokenRefusedError):
        await place.house.accept(token, await place.house.person("guest@example.org"))


async def test_whoever_sends_an_invitation_again_answers_for_it(place: Place) -> None:
    invitation, _ = await place.house.invite(place.organization, place.mallory, "guest@example.org")
    async with place.db.tenant(place.organization) as session:
        await place.house.invitations.resend(session, place.organization, invitation, actor=acting(place.owner))
    token = place.house.notifier.notices[-1].token.reveal()  # type: ignore[union-attr] # the last notice invites
    await removed(place)
    assert await place.house.accept(token, await place.house.person("guest@example.org"))


async def test_key_of_the_organization_itself_is_an_owners_choice_and_outlives_them(place: Place) -> None:
    key = await place.key(holder="organization")
    await removed(place)
    assert await place.may(key) == set(SCOPES)
    helper = await place.house.member(
        place.organization, await _role(place, "Keys", "api_keys:write", "jobs:read", "organization:write")
    )
    for actor in (acting(helper), place.program(await place.key(helper, scopes=["api_keys:write", "jobs:read"]))):
        with pytest.raises(NotAllowedError, match="owner"):
            await place.key(actor, scopes=["jobs:read"], holder="organization")


async def test_secret_of_the_organizations_own_key_is_not_handed_to_who_is_no_owner(place: Place) -> None:
    key = await place.key(place.owner, scopes=["jobs:read"], holder="organization")
    helper = await place.house.member(place.organization, await _role(place, "Keys", "api_keys:write", "jobs:read"))
    with pytest.raises(NotAllowedError, match="owner"):
        await place.rotate(key, acting(helper))
    assert (await place.rotate(key, acting(place.owner))).holder_id is None


async def test_rotated_key_is_held_by_whoever_was_given_its_secret(place: Place) -> None:
    key = await place.key(place.owner, scopes=["jobs:read"])
    successor = await place.rotate(key, acting(place.mallory))
    await removed(place)
    assert await place.may(successor) is None


async def test_keys_that_a_revoked_key_made_are_revoked_with_it_but_not_a_persons_successor(place: Place) -> None:
    key = await place.key(place.owner, holder="organization")
    child = await place.key(place.program(key), scopes=["jobs:read"])
    successor = await place.rotate(key, acting(place.owner))
    await place.revoke(key)
    assert await place.may(child) is None
    assert await place.may(successor) == set(SCOPES)


async def test_invitation_that_a_revoked_key_sent_is_revoked_with_it(place: Place) -> None:
    key = await place.key(place.owner, scopes=sorted(ORGANIZATION_PERMISSIONS), holder="organization")
    token = await _invite(place, place.program(key))
    await place.revoke(key)
    assert await place.house.open_invitations(place.organization) == []
    with pytest.raises(TokenRefusedError):
        await place.house.accept(token, await place.house.person("friend@example.org"))


async def test_system_role_that_a_new_version_shrinks_is_read_again_by_every_process(place: Place) -> None:
    key = await place.key(scopes=["jobs:read"])
    await place.sql(
        "INSERT INTO role_permissions SELECT id, 'users:read' FROM roles WHERE name = 'customer_owner' AND is_system"
    )
    await seed(place.db)  # as a release does that takes something from a role
    async with place.db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM access_changes WHERE kind = 'user' AND subject IS NULL"))
    assert await place.may(key) == {"jobs:read"}


async def test_key_that_a_platform_administrator_made_goes_with_their_role(place: Place) -> None:
    admin = await place.house.person()
    await place.sql("UPDATE users SET role_id = (SELECT id FROM roles WHERE name = 'admin') WHERE id = :u", u=admin)
    actor = Actor(f"user:{admin}", ORGANIZATION_PERMISSIONS, user_id=admin, platform=True, client=CLIENT, whole=True)
    key = await place.key(actor, scopes=sorted(ORGANIZATION_PERMISSIONS))
    assert await place.may(key) == ORGANIZATION_PERMISSIONS
    token = await _invite(place, place.program(key))
    await place.sql("UPDATE users SET role_id = NULL WHERE id = :u", u=admin)
    assert await place.may(key) is None
    with pytest.raises(TokenRefusedError):
        await place.house.accept(token, await place.house.person("friend@example.org"))


async def test_list_says_who_holds_a_key_and_what_it_may_do_now(place: Place) -> None:
    key = await place.key()
    await demoted(place)
    async with place.db.tenant(place.organization) as session:
        shown = await place.manager.read(session, place.organization, "api_key", key.key_id)
    assert shown.holder_id == place.mallory
    assert set(shown.scopes) == set(SCOPES)
    assert set(shown.effective_scopes) == await place.may(key)


@pytest.mark.parametrize("lose", [removed, left, demoted, disabled, deleted])
async def test_jobs_that_wait_are_cancelled_with_the_right_to_ask_for_them(place: Place, lose: Change) -> None:
    key, own = await place.key(scopes=["jobs:write"]), await place.key(scopes=["jobs:write"], holder="organization")
    for maker, later in (
        (f"user:{place.mallory}", True),
        (f"user:{place.mallory}", False),
        (f"user:{place.owner}", True),
        (key.key_id, True),
        (own.key_id, True),
    ):
        await place.waiting_job(maker, later=later)
    await lose(place)
    assert await place.jobs() == {
        (f"user:{place.mallory}", True): "cancelled",
        (f"user:{place.mallory}", False): "pending",
        (f"user:{place.owner}", True): "pending",
        (key.key_id, True): "cancelled",
        (own.key_id, True): "pending",
    }


async def _invite(place: Place, actor: Actor, email: str = "friend@example.org") -> str:
    async with place.db.tenant(place.organization) as session:
        await place.house.invitations.create(
            session, place.organization, email=email, role="customer_staff", actor=actor
        )
    return place.house.notifier.notices[-1].token.reveal()  # type: ignore[union-attr, no-any-return] # it invites


async def _raise(place: Place, actor: Actor) -> None:
    async with place.db.tenant(place.organization) as session:
        await place.house.members.change_role(
            session, place.organization, place.mallory, role="customer_manager", actor=actor
        )


async def _role(place: Place, name: str, *permissions: str) -> str:
    await place.house.custom_role(place.organization, place.owner, name, *permissions)
    return name
