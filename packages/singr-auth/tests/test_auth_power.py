"""Power is given away, and made to last, by sessions that proved what the account asks for today."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from factors_support import Someone
from organizations_support import acting
from standing_support import Place

from singr_auth.accounts import ReauthenticationRequiredError
from singr_auth.accounts.organizations import Actor
from singr_db import Database

Act = Callable[[Place, Actor], Awaitable[Any]]


@pytest.fixture
async def place(db: Database) -> Place:
    made = Place(db)
    await made.prepare()
    return made


def _change(person: str, role: str) -> Act:
    async def act(place: Place, actor: Actor) -> None:
        user_id: UUID = place.mallory if person == "owner" else await place.house.member(place.organization)
        async with place.db.tenant(place.organization) as session:
            await place.house.members.change_role(session, place.organization, user_id, role=role, actor=actor)

    return act


def _remove(role: str) -> Act:
    async def act(place: Place, actor: Actor) -> None:
        user_id = await place.house.member(place.organization, role)
        async with place.db.tenant(place.organization) as session:
            await place.house.members.remove(session, place.organization, user_id, actor=actor)

    return act


def _invite(role: str) -> Act:
    async def act(place: Place, actor: Actor) -> None:
        if role == "Keymaker":
            await place.house.custom_role(place.organization, place.owner, role, "api_keys:write")
        async with place.db.tenant(place.organization) as session:
            await place.house.invitations.create(
                session, place.organization, email="friend@example.org", role=role, actor=actor
            )

    return act


def _key(kind: Any, **options: Any) -> Act:
    async def act(place: Place, actor: Actor) -> None:
        async with place.db.tenant(place.organization) as session:
            given = {"name": "till", "scopes": ["jobs:read"], **options}
            await place.manager.create(session, place.organization, kind, actor=actor, **given)

    return act


async def _rotate(place: Place, actor: Actor) -> None:
    await place.rotate(await place.key(place.owner, scopes=["jobs:read"], holder="organization"), actor)


def _role(*permissions: str) -> Act:
    async def act(place: Place, actor: Actor) -> None:
        async with place.db.tenant(place.organization) as session:
            await place.house.roles.create(
                session, place.organization, name="Door", permissions=permissions, actor=actor
            )

    return act


def _regrow(before: str, *after: str) -> Act:
    async def act(place: Place, actor: Actor) -> None:
        role = await place.house.custom_role(place.organization, place.owner, "Door", before)
        async with place.db.tenant(place.organization) as session:
            await place.house.roles.change(session, place.organization, role, permissions=after, actor=actor)

    return act


async def _resend(place: Place, actor: Actor) -> None:
    invitation, _ = await place.house.invite(place.organization, place.owner, "f@example.org", "customer_owner")
    async with place.db.tenant(place.organization) as session:
        await place.house.invitations.resend(session, place.organization, invitation, actor=actor)


async def _leave(place: Place, actor: Actor) -> None:
    async with place.db.tenant(place.organization) as session:
        await place.house.members.leave(session, place.organization, actor=actor)


async def _revoke(place: Place, actor: Actor) -> None:
    key = await place.key(place.owner)
    async with place.db.tenant(place.organization) as session:
        await place.manager.revoke(session, place.organization, "api_key", key.key_id, actor=actor)


POWERFUL: dict[str, Act] = {
    "make somebody an owner": _change("member", "customer_owner"),
    "demote an owner": _change("owner", "customer_staff"),
    "remove an owner": _remove("customer_owner"),
    "leave as an owner": _leave,
    "invite an owner": _invite("customer_owner"),
    "invite a maker of keys": _invite("Keymaker"),
    "send an owner's invitation again": _resend,
    "make a key of the organization": _key("api_key", holder="organization"),
    "make a key of one's own": _key("api_key"),
    "make a signing credential": _key("signing"),
    "rotate a key of the organization": _rotate,
    "make a role that changes people": _role("organization:write"),
    "make a role that makes keys": _role("api_keys:write"),
    "let a role grow": _regrow("venues:read", "venues:read", "jobs:write"),
    "shrink a role that had power": _regrow("organization:write", "venues:read"),
}
SMALL: dict[str, Act] = {
    "make somebody a manager": _change("member", "customer_manager"),
    "remove somebody of the staff": _remove("customer_staff"),
    "invite staff": _invite("customer_staff"),
    "make a small role": _role("venues:read"),
    "revoke a key": _revoke,
}


@pytest.mark.parametrize("act", POWERFUL.values(), ids=POWERFUL)
async def test_session_of_one_factor_where_two_are_on_hands_no_power_on(place: Place, act: Act) -> None:
    with pytest.raises(ReauthenticationRequiredError, match="second factor"):
        await act(place, acting(place.owner, whole=False))


@pytest.mark.parametrize("act", POWERFUL.values(), ids=POWERFUL)
async def test_session_that_proved_what_the_account_asks_for_hands_power_on(place: Place, act: Act) -> None:
    await act(place, acting(place.owner))


@pytest.mark.parametrize("act", SMALL.values(), ids=SMALL)
async def test_what_gives_no_lasting_power_asks_for_no_more_than_a_session(place: Place, act: Act) -> None:
    await act(place, acting(place.owner, whole=False))


async def test_session_from_before_the_second_factor_is_not_whole_until_it_proves_it(someone: Someone) -> None:
    presence = someone.accounts.reauthentication
    old = someone.session_id
    assert await presence.is_whole(old)
    await someone.arrive_again()
    await someone.add_totp()
    assert await presence.is_whole(someone.session_id)
    assert not await presence.is_whole(old)
    await presence.by_totp(someone.user_id, old, someone.code(), someone.client)
    assert await presence.is_whole(old)


async def test_ended_session_is_not_whole(someone: Someone) -> None:
    await someone.accounts.sessions.revoke(someone.user_id, someone.session_id, someone.client)
    assert not await someone.accounts.reauthentication.is_whole(someone.session_id)
