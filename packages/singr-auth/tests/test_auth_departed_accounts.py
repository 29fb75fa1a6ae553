"""What is left of an account that its owner deleted: the audit trail, and nothing that says whose it was."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from organizations_support import House
from sqlalchemy import text

from singr_auth.accounts import Accounts, ClientInfo, SignedIn, collect_accounts
from singr_auth.accounts.people._users import User
from singr_db import Database

_TABLES = text("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")


class Invited:
    """Somebody whom five organizations invited, and what became of it."""

    def __init__(self, db: Database, accounts: Accounts, house: House, user: User, signed_in: SignedIn) -> None:
        self.db, self.accounts, self.house, self.user, self.signed_in = db, accounts, house, user, signed_in
        self.organizations: dict[str, UUID] = {}

    async def invite(self, become: str) -> None:
        """One more invitation."""
        owner = await self.house.person()
        self.organizations[become] = await self.house.organization(owner)
        invitation, token = await self.house.invite(self.organizations[become], owner, self.user.email)
        match become:
            case "accepted":
                await self.house.accept(token, self.user.id)
            case "declined":
                await self.house.decline(invitation, self.user.id)
            case "expired":
                await self.run("UPDATE invitations SET expires_at = now() WHERE id = :id", id=invitation)
            case "lapsed":
                await self.run("DELETE FROM memberships WHERE user_id = :id", id=owner)

    async def run(self, statement: str, **values: Any) -> None:
        async with self.db.platform() as session:
            await session.execute(text(statement), values)

    async def delete(self, client: ClientInfo) -> None:
        """The account ends."""
        await self.accounts.profiles.delete(self.user.id, self.signed_in.session_id, client)

    async def named(self) -> list[str]:
        """The tables in which the address stands."""
        async with self.db.platform() as session:
            found = []
            for table in await session.scalars(_TABLES):
                rows = await session.scalars(text(f"SELECT t::text FROM {table} AS t"))
                found += [table for row in rows if self.user.email in row]
            return sorted(found)

    async def told(self, become: str) -> list[str]:
        """The addresses that an organization sees among its invitations."""
        async with self.db.tenant(self.organizations[become]) as session:
            page = await self.house.invitations.page(session, self.organizations[become])
        return [invitation.email for invitation in page.items]


@pytest.fixture
async def invited(db: Database, accounts: Accounts, house: House, person: Any, sign_in: Callable[..., Any]) -> Invited:
    user = await person()
    return Invited(db, accounts, house, user, await sign_in(user))


async def test_address_of_a_deleted_account_stands_nowhere(invited: Invited, client: Callable[..., ClientInfo]) -> None:
    for become in ("accepted", "declined", "expired", "lapsed"):
        await invited.invite(become)
        assert await invited.told(become) == [invited.user.email]
    await invited.delete(client())
    assert await invited.named() == []
    assert [await invited.told(become) for become in invited.organizations] == [[]] * 4


async def test_address_under_which_an_invitation_was_accepted_goes_though_the_account_moved_on(
    invited: Invited, client: Callable[..., ClientInfo]
) -> None:
    await invited.invite("accepted")
    await invited.run(
        "UPDATE users SET email = id || '@x.example', email_key = id || '@x.example' WHERE id = :id", id=invited.user.id
    )
    await invited.delete(client())
    assert await invited.named() == []


async def test_invitation_that_is_open_is_its_address_s_and_stays(
    invited: Invited, client: Callable[..., ClientInfo]
) -> None:
    await invited.invite("open")
    await invited.delete(client())
    assert await invited.told("open") == [invited.user.email]


async def test_account_with_an_address_that_nobody_verified_takes_no_invitations_along(
    invited: Invited, client: Callable[..., ClientInfo]
) -> None:
    await invited.invite("expired")
    await invited.run("UPDATE users SET email_verified_at = NULL WHERE id = :id", id=invited.user.id)
    await invited.delete(client())
    assert await invited.told("expired") == [invited.user.email]


async def test_what_accounts_accepted_that_are_gone_by_now_goes_with_the_next_tidying(invited: Invited) -> None:
    await invited.invite("accepted")
    assert await collect_accounts(invited.db) == 0
    await invited.run(
        "UPDATE users SET status = 'deleted', email = NULL, email_key = NULL WHERE id = :id", id=invited.user.id
    )
    assert await collect_accounts(invited.db) == 1
    assert await invited.told("accepted") == []


async def test_audit_trail_outlives_the_account_that_it_tells_of(
    invited: Invited, client: Callable[..., ClientInfo]
) -> None:
    await invited.delete(client(address="2001:db8:5::/64"))
    async with invited.db.platform() as session:
        rows = await session.execute(
            text("SELECT kind, host(address::inet), device FROM security_events WHERE user_id = :id ORDER BY id"),
            {"id": invited.user.id},
        )
        assert [tuple(row) for row in rows][-1] == ("account.deleted", "2001:db8:5::", "Firefox on Linux")
