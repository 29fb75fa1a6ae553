"""The page behind an invitation's link, as people meet it: newcomers, people with an account, people signed in."""

from typing import Any

import pytest
from api_link_pages import CLIENT, PASSWORD, Tab
from sqlalchemy import text

from singr_auth.accounts import Accounts, InvitePerson, MagicLinkByEmail
from singr_auth.accounts.organizations import Actor
from singr_db import Database, new_id

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]


async def invite(accounts: Accounts, db: Database, world: Any, email: str) -> str:
    actor = Actor(name="env", permissions=frozenset({"organization:write", "organization:read"}), platform=True)
    async with db.platform() as session:
        await session.execute(
            text("UPDATE organizations SET name = 'Blue Note' WHERE id = :id"), {"id": world.organization}
        )
        await accounts.invitations.create(session, world.organization, email=email, role="singer_host", actor=actor)
    notice: InvitePerson = accounts.notifier.last(InvitePerson)  # type: ignore[attr-defined] # the recording one
    return notice.token.reveal()


async def member(db: Database, world: Any, email: str) -> bool:
    found = text(
        "SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id"
        " WHERE u.email_key = :email AND m.organization_id = :organization"
    )
    async with db.platform() as session:
        return await session.scalar(found, {"email": email, "organization": world.organization}) is not None


async def test_invited_newcomer_registers_and_joins(
    site: str, tab: Tab, accounts: Accounts, db: Database, world: Any, someone: Any
) -> None:
    await role_for_invitations(db, world)
    token = await invite(accounts, db, world, "new@example.org")

    async def join() -> None:
        await tab.open(f"{site}/invitation?token={token}")
        await tab.until("!document.querySelector('#register').hidden")
        assert "Blue Note" in await tab.text()
        assert "I have an account" not in await tab.text()
        await tab.type("#name", "Nina")
        await tab.type("#password", PASSWORD.reveal())
        await tab.click("#register button")
        await tab.until("!document.querySelector('#done').hidden")
        assert "You are a member of Blue Note now" in await tab.text()
        assert tab.page.complaints == []

    await join()
    assert await member(db, world, "new@example.org")


async def test_invited_person_with_an_account_signs_in_and_joins(
    site: str, tab: Tab, accounts: Accounts, db: Database, world: Any, someone: Any
) -> None:
    await role_for_invitations(db, world)
    ada = await someone(password=PASSWORD)
    token = await invite(accounts, db, world, ada.email)

    async def join() -> None:
        await tab.open(f"{site}/invitation?token={token}")
        await tab.until("!document.querySelector('#join').hidden")
        assert await tab.run("document.querySelector('#address').value") == ada.email
        await tab.type("#current", "not the right password")
        await tab.click("#join button")
        await tab.until("!document.querySelector('#error').hidden")
        assert "password is wrong" in await tab.text()
        await tab.run("document.querySelector('#current').value = ''")
        await tab.type("#current", PASSWORD.reveal())
        await tab.click("#join button")
        await tab.until("!document.querySelector('#done').hidden")

    await join()
    assert await member(db, world, ada.email)


async def test_invited_person_who_is_signed_in_joins_by_a_click(
    site: str, tab: Tab, accounts: Accounts, db: Database, world: Any, someone: Any
) -> None:
    await role_for_invitations(db, world)
    ada, other = await someone(), await someone(password=PASSWORD)
    token = await invite(accounts, db, world, ada.email)

    async def sign_in_by_link(email: str) -> None:
        await accounts.magic_links.request_by_email(email, CLIENT)
        link = accounts.notifier.last(MagicLinkByEmail).token.reveal()  # type: ignore[attr-defined] # the recording one
        await tab.open(f"{site}/auth/magic?token={link}")
        await tab.click("#confirm button")
        await tab.until("!document.querySelector('#done').hidden")

    async def refused(words: str) -> None:
        await tab.click("#present button[type=submit]")
        await tab.until("!document.querySelector('#error').hidden")
        assert words in await tab.text()

    # she has no password, and is not signed in here: a link is mailed to her
    await tab.open(f"{site}/invitation?token={token}")
    await tab.until("!document.querySelector('#join').hidden")
    await tab.click("#mail")
    await tab.until("!document.querySelector('#present').hidden")
    assert f"A link is on its way to {ada.email}" in await tab.text()
    await refused("You are not signed in here")
    assert not await member(db, world, ada.email)
    # somebody else is signed in here
    await sign_in_by_link(other.email)
    await tab.open(f"{site}/invitation?token={token}")
    await tab.until("!document.querySelector('#present').hidden")
    await refused("sent to another address")
    await tab.click("#otherwise")
    assert await tab.run("!document.querySelector('#join').hidden && document.querySelector('#present').hidden")
    # she is, though her access token has run out
    await sign_in_by_link(ada.email)
    await tab.page.command("Network.deleteCookies", name="__Host-singr_access", url=site)
    await tab.open(f"{site}/invitation?token={token}")
    await tab.until("!document.querySelector('#present').hidden")
    await tab.click("#present button[type=submit]")
    await tab.until("!document.querySelector('#done').hidden")
    assert "You are a member of Blue Note now" in await tab.text()
    assert await member(db, world, ada.email)


async def role_for_invitations(db: Database, world: Any) -> None:
    async with db.platform() as session:
        await session.execute(
            text("INSERT INTO roles (id, organization_id, name, is_system) VALUES (:id, :organization, :name, false)"),
            {"id": new_id(), "organization": world.organization, "name": "singer_host"},
        )
