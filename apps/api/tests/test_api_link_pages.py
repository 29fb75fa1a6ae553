"""The pages behind links in messages, as people meet them: in a real browser, from the mail to what it is for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pyotp
import pytest
from sqlalchemy import text

from singr_auth import new_totp_secret
from singr_auth.accounts import (
    Accounts,
    ClientInfo,
    InvitePerson,
    MagicLinkByEmail,
    NewAccount,
    ResetPassword,
    SignedIn,
    VerifyEmail,
)
from singr_auth.accounts.organizations import Actor
from singr_config import Secret
from singr_db import Database, new_id
from singr_dev.chromium import Chromium, Tab, chromium, find_chromium

BROWSER = find_chromium()
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed on this machine"),
    pytest.mark.timeout(180),
]
PASSWORD = Secret("a long road to the microphone")
OTHER_PASSWORD = "seven lights above the stage"
CLIENT = ClientInfo(address="203.0.113.77", user_agent="test")


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """One browser for all tests of this file."""
    with chromium(str(BROWSER)) as running:
        yield running


@pytest.fixture
async def tab(browser: Chromium) -> AsyncIterator[Tab]:
    """A page in a profile of its own."""
    opened = await asyncio.to_thread(browser.tab)
    yield opened
    await asyncio.to_thread(opened.close)


@pytest.fixture
def site(api_url: str) -> str:
    """The API's address by its name, as people open it."""
    return api_url.replace("127.0.0.1", "localhost")


async def person(steps: Callable[[], Any]) -> Any:
    """Do what a person does, while the API goes on answering."""
    return await asyncio.to_thread(steps)


async def unused(db: Database) -> int:
    """How many links can still be used."""
    async with db.platform() as session:
        return int(await session.scalar(text("SELECT count(*) FROM one_time_tokens WHERE used_at IS NULL")) or 0)


async def test_address_is_confirmed_by_a_click_and_by_nothing_before(
    site: str, tab: Tab, accounts: Accounts, db: Database, someone: Any
) -> None:
    new = NewAccount(account_type="singer", email="ada@example.org", name="Ada", password=PASSWORD)
    await accounts.registration.register(new, CLIENT)
    token = accounts.notifier.last(VerifyEmail).token.reveal()  # type: ignore[attr-defined] # the recording one

    def open_it() -> None:
        tab.open(f"{site}/verify-email?token={token}")
        tab.until("!document.querySelector('#confirm').hidden")
        assert token not in tab.run("location.href")
        assert token not in tab.run("document.documentElement.outerHTML")

    await person(open_it)
    assert await unused(db) == 1

    def confirm() -> None:
        tab.click("#confirm button")
        tab.until("!document.querySelector('#done').hidden")
        assert "Your address is confirmed" in tab.text()
        assert tab.run("document.activeElement.id") == "done"  # a screen reader goes on there
        assert tab.complaints == []

    await person(confirm)
    assert await unused(db) == 0
    signed_in = await accounts.password_sign_in.sign_in("ada@example.org", PASSWORD, CLIENT)
    assert isinstance(signed_in, SignedIn)

    def again() -> None:
        tab.open(f"{site}/verify-email?token={token}")
        tab.click("#confirm button")
        tab.until("!document.querySelector('#error').hidden")
        assert "expired, or was used before" in tab.text()
        assert "http" not in tab.run("document.querySelector('#error').innerText")

    await person(again)


async def test_link_that_is_cut_short_says_so(site: str, tab: Tab) -> None:
    def look() -> None:
        for path in ("/verify-email", "/reset-password", "/auth/magic", "/invitation?token="):
            tab.open(site + path)
            tab.until("!document.querySelector('#error').hidden")
            assert "not whole" in tab.text()
            assert tab.run("[...document.querySelectorAll('button')].every((one) => !one.offsetParent)")

    await person(look)


async def test_new_password_is_chosen_and_signs_in(site: str, tab: Tab, accounts: Accounts, someone: Any) -> None:
    ada = await someone(password=PASSWORD)
    await accounts.recovery.forgot(ada.email, CLIENT)
    token = accounts.notifier.last(ResetPassword).token.reveal()  # type: ignore[attr-defined] # the recording one

    def choose() -> None:
        tab.open(f"{site}/reset-password?token={token}")
        tab.type("#password", OTHER_PASSWORD)
        tab.type("#again", OTHER_PASSWORD + "x")
        tab.click("#reset button")
        tab.until("!document.querySelector('#error').hidden")
        assert "not the same" in tab.text()
        tab.run("document.querySelector('#password').value = document.querySelector('#again').value = ''")
        for field in ("#password", "#again"):
            tab.type(field, "password1234567")
        tab.click("#reset button")
        tab.until("document.querySelector('#error').innerText && !/not the same/.test(document.body.innerText)")
        assert "password" in tab.run("document.querySelector('#error').innerText").lower()
        tab.run("document.querySelector('#password').value = document.querySelector('#again').value = ''")
        for field in ("#password", "#again"):
            tab.type(field, OTHER_PASSWORD)
        tab.click("#reset button")
        tab.until("!document.querySelector('#done').hidden")

    await person(choose)
    signed_in = await accounts.password_sign_in.sign_in(ada.email, Secret(OTHER_PASSWORD), CLIENT)
    assert isinstance(signed_in, SignedIn)


async def test_magic_link_signs_in_where_no_script_reads_the_tokens(
    site: str, tab: Tab, accounts: Accounts, someone: Any
) -> None:
    ada = await someone()
    await accounts.magic_links.request_by_email(ada.email, CLIENT)
    token = accounts.notifier.last(MagicLinkByEmail).token.reveal()  # type: ignore[attr-defined] # the recording one

    def sign_in() -> None:
        tab.open(f"{site}/auth/magic?token={token}")
        assert tab.cookies() == {}
        tab.click("#confirm button")
        tab.until("!document.querySelector('#done').hidden")
        assert tab.complaints == []

    await person(sign_in)
    cookies = await person(tab.cookies)
    assert {name: (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) for name, cookie in cookies.items()} == {
        "__Host-singr_access": (True, True, "Lax"),
        "__Secure-singr_refresh": (True, True, "Strict"),
        "__Secure-singr_device": (True, True, "Strict"),
        "__Host-singr_csrf": (False, True, "Strict"),
    }

    def use_it() -> None:
        me = "fetch('/v1/me').then((answer) => answer.json())"
        assert tab.run(me)["email"] == ada.email
        assert "access" not in tab.run("document.cookie")
        change = "fetch('/v1/me', {method: 'PATCH', headers: {'content-type': 'application/json', %s}, body: '%s'})"
        body = '{"name": "Ada King"}'
        assert tab.run(f"{change % ('', body)}.then((answer) => answer.status)") == 403
        csrf = "'x-csrf-token': document.cookie.match(/singr_csrf=([^;]+)/)[1]"
        assert tab.run(f"{change % (csrf, body)}.then((answer) => answer.status)") == 200
        refresh = (
            "fetch('/v1/auth/refresh', {method: 'POST', headers: {'content-type': 'application/json'},"
            ' body: \'{"delivery": "cookie"}\'}).then((answer) => answer.json())'
        )
        refreshed = tab.run(refresh)
        assert (refreshed["status"], "access_token" in refreshed) == ("signed_in", False)
        assert refreshed["csrf_token"] == cookies["__Host-singr_csrf"]["value"]

    await person(use_it)
    assert (await person(tab.cookies))["__Secure-singr_refresh"] != cookies["__Secure-singr_refresh"]


async def test_magic_link_goes_on_with_the_second_factor(
    site: str, tab: Tab, accounts: Accounts, db: Database, someone: Any
) -> None:
    ada, secret = await someone(), new_totp_secret()
    async with db.platform() as session:
        await accounts.totp.keep(session, ada.user_id, secret, step=0)
    await accounts.magic_links.request_by_email(ada.email, CLIENT)
    token = accounts.notifier.last(MagicLinkByEmail).token.reveal()  # type: ignore[attr-defined] # the recording one
    codes = pyotp.TOTP(secret.reveal())

    def sign_in() -> None:
        tab.open(f"{site}/auth/magic?token={token}")
        tab.click("#confirm button")
        tab.until("!document.querySelector('#factor').hidden")
        assert tab.cookies() == {}
        assert "authenticator app" in tab.text()
        now = codes.now()
        tab.type("#code", f"{(int(now) + 1) % 1_000_000:06d}" if int(now) % 2 else f"{int(now) ^ 1:06d}")
        tab.click("#factor button[type=submit]")
        tab.until("!document.querySelector('#error').hidden")
        assert "That code is wrong" in tab.text()
        tab.run("document.querySelector('#code').value = ''")
        tab.type("#code", codes.at(time.time()))
        tab.click("#factor button[type=submit]")
        tab.until("!document.querySelector('#done').hidden")
        assert "__Host-singr_access" in tab.cookies()

    await person(sign_in)


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

    def join() -> None:
        tab.open(f"{site}/invitation?token={token}")
        tab.until("!document.querySelector('#register').hidden")
        assert "Blue Note" in tab.text()
        assert "I have an account" not in tab.text()
        tab.type("#name", "Nina")
        tab.type("#password", PASSWORD.reveal())
        tab.click("#register button")
        tab.until("!document.querySelector('#done').hidden")
        assert "You are a member of Blue Note now" in tab.text()
        assert tab.complaints == []

    await person(join)
    assert await member(db, world, "new@example.org")


async def test_invited_person_with_an_account_signs_in_and_joins(
    site: str, tab: Tab, accounts: Accounts, db: Database, world: Any, someone: Any
) -> None:
    await role_for_invitations(db, world)
    ada = await someone(password=PASSWORD)
    token = await invite(accounts, db, world, ada.email)

    def join() -> None:
        tab.open(f"{site}/invitation?token={token}")
        tab.until("!document.querySelector('#join').hidden")
        assert tab.run("document.querySelector('#address').value") == ada.email
        tab.type("#current", "not the right password")
        tab.click("#join button")
        tab.until("!document.querySelector('#error').hidden")
        assert "password is wrong" in tab.text()
        tab.run("document.querySelector('#current').value = ''")
        tab.type("#current", PASSWORD.reveal())
        tab.click("#join button")
        tab.until("!document.querySelector('#done').hidden")

    await person(join)
    assert await member(db, world, ada.email)


async def role_for_invitations(db: Database, world: Any) -> None:
    async with db.platform() as session:
        await session.execute(
            text("INSERT INTO roles (id, organization_id, name, is_system) VALUES (:id, :organization, :name, false)"),
            {"id": new_id(), "organization": world.organization, "name": "singer_host"},
        )
