"""Invitations: a link works once, for its own address, and makes one account at most."""

from typing import Any
from uuid import uuid4

import pytest
from organizations_support import CLIENT, House, acting, outcomes
from sqlalchemy import text

from singr_auth import TokenKind, new_token
from singr_auth.accounts import (
    ConflictError,
    InvalidValueError,
    InvitePerson,
    NotAllowedError,
    NotFoundError,
    TokenRefusedError,
    WelcomeUser,
)
from singr_auth.accounts.organizations import organization_events
from singr_config import Secret
from singr_db import new_id
from singr_dev.clock import VirtualClock


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


async def test_resending_kills_the_old_link_and_revives_an_expired_invitation(
    clock: VirtualClock, house: House
) -> None:
    owner, guest = await house.person(), await house.person("guest@example.org")
    organization = await house.organization(owner)
    invitation, old = await house.invite(organization, owner, "guest@example.org")
    clock.advance(days=7)
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


async def test_expired_invitation_does_not_stand_in_the_way_of_a_new_one(clock: VirtualClock, house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    await house.invite(organization, owner, "guest@example.org")
    clock.advance(days=7)
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


async def test_open_invitations_do_not_outlive_the_standing_of_who_sent_them(house: House) -> None:
    """Whoever loses ownership, or goes, would else come back through a link of their own."""
    owner = await house.person()
    organization = await house.organization(owner)
    ways: dict[str, Any] = {
        "demoted": lambda who: house.change(organization, owner, who, "customer_manager"),
        "left": lambda who: house.leave(organization, who),
        "transferred": lambda who: house.transfer(organization, who, heir),
    }
    await house.invite(organization, owner, "by-another@example.org")
    for way, end in ways.items():
        second, heir = await house.member(organization, "customer_owner"), await house.member(organization)
        accomplice = await house.person(f"{way}@example.org")
        _, token = await house.invite(organization, second, f"{way}@example.org", "customer_owner")
        await end(second)
        with pytest.raises(TokenRefusedError):
            await house.accept(token, accomplice)
    assert await house.open_invitations(organization) == ["by-another@example.org"]


async def test_open_invitations_stay_where_a_new_role_takes_nothing_away(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    await house.custom_role(organization, owner, "people", "organization:read", "organization:write", "venues:read")
    await house.custom_role(organization, owner, "door", "venues:read")
    await house.custom_role(organization, owner, "less", "organization:read", "organization:write")
    helper = await house.member(organization, "people")
    await house.invite(organization, helper, "x@example.org", "door")
    await house.change(organization, owner, helper, "customer_owner")
    assert await house.open_invitations(organization) == ["x@example.org"]
    await house.change(organization, owner, helper, "people")  # who can still give what was offered
    assert await house.open_invitations(organization) == ["x@example.org"]
    await house.change(organization, owner, helper, "less")
    assert await house.open_invitations(organization) == []


async def test_ended_account_leaves_no_open_invitation_and_an_empty_organization_none_at_all(house: House) -> None:
    owner, other = await house.person(), await house.person()
    shared, alone = await house.organization(other), await house.organization(owner, "Alone")
    await house.join(shared, owner, "customer_owner")
    await house.invite(shared, owner, "mine@example.org")
    await house.invite(shared, other, "theirs@example.org")
    await house.invite(alone, owner, "mine@example.org")
    former = await house.member(alone, "customer_owner")
    await house.invite(alone, former, "theirs@example.org")
    async with house.db.platform() as session:  # gone without a word, as before invitations were taken back
        await session.execute(text("DELETE FROM memberships WHERE user_id = :id"), {"id": former})
        await house.members.leave_all(session, owner, client=CLIENT)
    assert await house.open_invitations(shared) == ["theirs@example.org"]
    assert await house.open_invitations(alone) == []


async def test_person_sees_open_invitations_to_their_verified_address_alone(house: House) -> None:
    owner, guest = await house.person(), await house.person("guest@example.org")
    organization, other = await house.organization(owner), await house.organization(owner, "Red Note")
    first, token = await house.invite(organization, owner, "GUEST@example.org", "customer_manager")
    second, _ = await house.invite(other, owner, "guest@example.org")
    await house.invite(other, owner, "somebody@example.org")
    assert [(one.id, one.organization_name, one.role, one.inviter_name) for one in await house.own(guest)] == [
        (second, "Red Note", "customer_staff", "Person"),
        (first, "Blue Note", "customer_manager", "Person"),
    ]
    assert token not in str(await house.own(guest))
    async with house.db.platform() as session:
        page = await house.own_invitations.page(session, guest, limit=1)
        rest = await house.own_invitations.page(session, guest, limit=1, cursor=page.next_cursor)
    assert [one.id for one in (*page.items, *rest.items)] == [second, first]
    assert rest.next_cursor is None
    for change in ("email_verified_at = NULL", "status = 'disabled', email_verified_at = now()"):
        async with house.db.platform() as session:
            await session.execute(text(f"UPDATE users SET {change} WHERE id = :id"), {"id": guest})
        assert await house.own(guest) == ()
        with pytest.raises(NotFoundError):
            await house.decline(first, guest)
    assert await house.own(owner) == ()


async def test_declined_invitation_is_revoked_and_written_down(house: House) -> None:
    owner, guest = await house.person(), await house.person("guest@example.org")
    thief = await house.person("thief@example.org")
    organization = await house.organization(owner)
    invitation, token = await house.invite(organization, owner, "guest@example.org")
    for stranger in (thief, owner, uuid4()):
        with pytest.raises(NotFoundError):
            await house.decline(invitation, stranger)
    await house.decline(invitation, guest)
    assert await house.own(guest) == ()
    with pytest.raises(TokenRefusedError):
        await house.accept(token, guest)
    with pytest.raises(NotFoundError):
        await house.decline(invitation, guest)
    async with house.db.tenant(organization) as session:
        listed = await house.invitations.page(session, organization)
        event = (await organization_events(session, organization)).items[0]
    assert [one.status for one in listed.items] == ["revoked"]
    assert (event.kind, event.actor, event.user_id) == ("invitation.declined", f"user:{guest}", guest)
    assert event.detail == {"invitation": str(invitation)}
    await house.invite(organization, owner, "guest@example.org")  # nothing stands in the way of asking again


async def test_of_declining_and_accepting_at_once_one_happens(house: House) -> None:
    owner, guest = await house.person(), await house.person("guest@example.org")
    for number in range(5):
        organization = await house.organization(owner, f"Venue {number}")
        invitation, token = await house.invite(organization, owner, "guest@example.org")
        ended = await outcomes(house.accept(token, guest), house.decline(invitation, guest))
        assert ended.count("done") == 1, ended


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
