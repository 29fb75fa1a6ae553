"""The pages behind links in messages, as people meet them: in a real browser, from the mail to what it is for."""

import json
from typing import Any

import pytest
from api_link_pages import CLIENT, PASSWORD, Tab
from sqlalchemy import text

from singr_auth.accounts import (
    Accounts,
    ConfirmNewEmail,
    MagicLinkByEmail,
    NewAccount,
    ResetPassword,
    SignedIn,
    VerifyEmail,
)
from singr_config import Secret
from singr_db import Database

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]
OTHER_PASSWORD = "seven lights above the stage"


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

    async def open_it() -> None:
        await tab.open(f"{site}/verify-email?token={token}")
        await tab.until("!document.querySelector('#confirm').hidden")
        assert token not in await tab.run("location.href")
        assert token not in await tab.run("document.documentElement.outerHTML")

    await open_it()
    assert await unused(db) == 1

    async def confirm() -> None:
        await tab.click("#confirm button")
        await tab.until("!document.querySelector('#done').hidden")
        assert "Your address is confirmed" in await tab.text()
        assert await tab.run("document.activeElement.id") == "done"  # a screen reader goes on there
        assert tab.page.complaints == []

    await confirm()
    assert await unused(db) == 0
    signed_in = await accounts.password_sign_in.sign_in("ada@example.org", PASSWORD, CLIENT)
    assert isinstance(signed_in, SignedIn)

    async def again() -> None:
        await tab.open(f"{site}/verify-email?token={token}")
        await tab.click("#confirm button")
        await tab.until("!document.querySelector('#error').hidden")
        assert "expired or has already been used" in await tab.text()
        assert "http" not in await tab.run("document.querySelector('#error').innerText")

    await again()

    async def ask_for_a_new_one() -> None:
        await tab.click("#new-link")
        await tab.type("#anew-address", "ada@example.org")
        await tab.click("#anew button")
        await tab.until("!document.querySelector('#sent').hidden")
        assert "a new link is on its way" in await tab.text()

    await ask_for_a_new_one()


async def test_page_that_is_loaded_again_still_knows_its_link(
    site: str, tab: Tab, accounts: Accounts, someone: Any
) -> None:
    ada = await someone()
    await accounts.magic_links.request_by_email(ada.email, CLIENT)
    token = accounts.notifier.last(MagicLinkByEmail).token.reveal()  # type: ignore[attr-defined] # the recording one
    await tab.open(f"{site}/auth/magic?token={token}")
    for _ in range(2):
        await tab.load_again()
        await tab.until("!document.querySelector('#confirm').hidden")
        assert token not in await tab.run("location.href")
    await tab.click("#confirm button")
    await tab.until("!document.querySelector('#done').hidden")


async def test_link_that_is_cut_short_says_so(site: str, tab: Tab) -> None:
    async def look() -> None:
        for path in ("/verify-email", "/reset-password", "/auth/magic", "/invitation?token="):
            await tab.open(site + path)
            await tab.until("!document.querySelector('#error').hidden")
            assert "This link is incomplete." in await tab.text()
            assert await tab.run("Boolean(document.querySelector('#ways .way').offsetParent)")
            assert await tab.run("[...document.querySelectorAll('button')].every((one) => !one.offsetParent)")

    await look()


async def test_link_of_no_use_leaves_the_ways_on_and_no_button_that_does_nothing(site: str, tab: Tab) -> None:
    await tab.open(f"{site}/verify-email?token={'A' * 43}")
    await tab.until("!document.querySelector('#confirm').hidden")
    await tab.click("#confirm button")
    await tab.until("!document.querySelector('#ways').hidden")
    assert await tab.run("document.querySelector('#confirm').hidden")


async def test_page_is_as_wide_as_a_phone_whatever_names_and_addresses_it_shows(site: str, tab: Tab) -> None:
    await tab.page.command(
        "Emulation.setDeviceMetricsOverride", width=360, height=640, deviceScaleFactor=1, mobile=False
    )
    await tab.open(f"{site}/invitation?token={'A' * 43}")
    await tab.until("!document.querySelector('#error').hidden")
    await tab.run("invited.hidden = present.hidden = false; invitation.textContent = 'a'.repeat(200) + '@example.org'")
    assert await tab.run("document.documentElement.scrollWidth") <= 360


async def test_new_password_is_chosen_and_signs_in(site: str, tab: Tab, accounts: Accounts, someone: Any) -> None:
    ada = await someone(password=PASSWORD)
    await accounts.recovery.forgot(ada.email, CLIENT)
    token = accounts.notifier.last(ResetPassword).token.reveal()  # type: ignore[attr-defined] # the recording one

    async def choose() -> None:
        await tab.open(f"{site}/reset-password?token={token}")
        await tab.type("#password", OTHER_PASSWORD)
        await tab.type("#again", OTHER_PASSWORD + "x")
        await tab.click("#reset button")
        await tab.until("!document.querySelector('#error').hidden")
        assert "not the same" in await tab.text()
        await tab.run("document.querySelector('#password').value = document.querySelector('#again').value = ''")
        for field in ("#password", "#again"):
            await tab.type(field, "password1234567")
        await tab.click("#reset button")
        await tab.until("document.querySelector('#error').innerText && !/not the same/.test(document.body.innerText)")
        said = await tab.run("document.querySelector('#error').innerText")
        assert said.startswith("This password, or its pattern, is one of the first that attackers try.")
        assert said.endswith("Use several unusual words.")
        await tab.run("document.querySelector('#password').value = document.querySelector('#again').value = ''")
        for field in ("#password", "#again"):
            await tab.type(field, OTHER_PASSWORD)
        await tab.click("#reset button")
        await tab.until("!document.querySelector('#done').hidden")

    await choose()
    signed_in = await accounts.password_sign_in.sign_in(ada.email, Secret(OTHER_PASSWORD), CLIENT)
    assert isinstance(signed_in, SignedIn)


async def test_magic_link_signs_in_where_no_script_reads_the_tokens(
    site: str, tab: Tab, accounts: Accounts, someone: Any
) -> None:
    ada = await someone()
    await accounts.magic_links.request_by_email(ada.email, CLIENT)
    token = accounts.notifier.last(MagicLinkByEmail).token.reveal()  # type: ignore[attr-defined] # the recording one

    async def sign_in() -> None:
        await tab.open(f"{site}/auth/magic?token={token}")
        assert await tab.cookies() == {}
        await tab.click("#confirm button")
        await tab.until("!document.querySelector('#done').hidden")
        assert tab.page.complaints == []

    await sign_in()
    cookies = await tab.cookies()
    assert {name: (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) for name, cookie in cookies.items()} == {
        "__Host-singr_access": (True, True, "Lax"),
        "__Secure-singr_refresh": (True, True, "Strict"),
        "__Secure-singr_device": (True, True, "Strict"),
        "__Host-singr_csrf": (False, True, "Strict"),
    }

    async def use_it() -> None:
        me = "fetch('/v1/me').then((answer) => answer.json())"
        assert (await tab.run(me))["email"] == ada.email
        assert "access" not in await tab.run("document.cookie")
        change = "fetch('/v1/me', {method: 'PATCH', headers: {'content-type': 'application/json', %s}, body: '%s'})"
        body = '{"name": "Ada King"}'
        assert await tab.run(f"{change % ('', body)}.then((answer) => answer.status)") == 403
        csrf = "'x-csrf-token': document.cookie.match(/singr_csrf=([^;]+)/)[1]"
        assert await tab.run(f"{change % (csrf, body)}.then((answer) => answer.status)") == 200
        refresh = (
            "fetch('/v1/auth/refresh', {method: 'POST', headers: {'content-type': 'application/json'},"
            ' body: \'{"delivery": "cookie"}\'}).then((answer) => answer.json())'
        )
        refreshed = await tab.run(refresh)
        assert (refreshed["status"], "access_token" in refreshed) == ("signed_in", False)
        assert refreshed["csrf_token"] == cookies["__Host-singr_csrf"]["value"]

    await use_it()
    assert (await tab.cookies())["__Secure-singr_refresh"] != cookies["__Secure-singr_refresh"]


async def test_new_address_is_confirmed_where_it_was_asked_for_and_undone_from_the_old_one(
    site: str, tab: Tab, accounts: Accounts, db: Database, someone: Any
) -> None:
    ada = await someone()
    await accounts.magic_links.request_by_email(ada.email, CLIENT)
    sign_in = accounts.notifier.last(MagicLinkByEmail).token.reveal()  # type: ignore[attr-defined] # the recording one
    await accounts.email_change.request(ada.user_id, ada.session_id, "ada.king@example.org", CLIENT)
    link = accounts.notifier.last(ConfirmNewEmail).token.reveal()  # type: ignore[attr-defined] # the recording one

    async def address() -> str:
        async with db.platform() as session:
            found = await session.scalar(text("SELECT email FROM users WHERE id = :id"), {"id": ada.user_id})
        return str(found)

    async def refused(words: str) -> None:
        await tab.open(f"{site}/change-email?token={link}")
        await tab.click("#confirm button")
        await tab.until("!document.querySelector('#error').hidden")
        assert words in await tab.text()
        assert await address() == ada.email

    await refused("You are not signed in here, so nothing has changed")
    await tab.open(f"{site}/auth/magic?token={sign_in}")
    await tab.click("#confirm button")
    await tab.until("!document.querySelector('#done').hidden")
    await refused("This is not the session that asked for the change, so nothing has changed")
    async with db.platform() as session:  # as if this browser's sign-in had asked
        [theirs] = await session.scalars(
            text("SELECT id FROM auth_sessions WHERE user_id = :id AND delivery = 'cookie'"), {"id": ada.user_id}
        )
    await accounts.email_change.request(ada.user_id, theirs, "ada.king@example.org", CLIENT)
    link = accounts.notifier.last(ConfirmNewEmail).token.reveal()  # type: ignore[attr-defined] # the recording one
    await tab.open(f"{site}/change-email?token={link}")
    await tab.click("#confirm button")
    await tab.until("!document.querySelector('#done').hidden")
    assert await address() == "ada.king@example.org"
    async with db.platform() as session:
        sealed = await session.scalar(text("SELECT content_sealed FROM messages WHERE kind = 'email_changed'"))
    words = json.loads(accounts.sealer.open(bytes(sealed), context="messages.content"))
    await tab.open(f"{site}/undo-email-change?{words['undo_link'].partition('?')[2]}")
    await tab.click("#confirm button")
    await tab.until("!document.querySelector('#done').hidden")
    assert "The account is yours again" in await tab.text()
    assert await address() == ada.email
