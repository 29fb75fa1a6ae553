"""The pages behind links in messages, as people meet them: in a real browser, from the mail to what it is for."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pyotp
import pytest
from sqlalchemy import text

from singr_auth import new_totp_secret
from singr_auth.accounts import (
    Accounts,
    ClientInfo,
    ConfirmNewEmail,
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
from singr_dev.browser import Browser, Page

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]
PASSWORD = Secret("a long road to the microphone")
OTHER_PASSWORD = "seven lights above the stage"
CLIENT = ClientInfo(address="203.0.113.77", user_agent="test")


class Tab:
    """A page, as a person uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def open(self, address: str) -> None:
        await self.page.open(address)

    async def load_again(self) -> None:
        """As F5 does, or a phone that has put the tab away meanwhile."""
        self.page._loaded.clear()
        await self.page.command("Page.reload")
        await asyncio.wait_for(self.page._loaded.wait(), 30)

    async def run(self, script: str) -> Any:
        return await self.page.run(script)

    async def until(self, condition: str) -> None:
        await self.page.wait_for(f"Boolean({condition})")

    async def text(self) -> str:
        return str(await self.run("document.body.innerText"))

    async def type(self, selector: str, text: str) -> None:
        await self.run(f"document.querySelector('{selector}').focus()")
        await self.page.command("Input.insertText", text=text)

    async def click(self, selector: str) -> None:
        """Press the mouse in the middle of what the selector finds: covered or hidden, it is not hit."""
        x, y, area = await self.run(
            f"(() => {{ const part = document.querySelector('{selector}'); part.scrollIntoView();"
            " const box = part.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2, box.width * box.height]; })()"
        )
        assert area, f"{selector} is not to be seen"
        for kind in ("mousePressed", "mouseReleased"):
            await self.page.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def cookies(self) -> dict[str, dict[str, Any]]:
        kept = await self.page.command("Network.getAllCookies")
        return {cookie["name"]: cookie for cookie in kept["cookies"]}


@pytest.fixture
async def tab(browser: Browser) -> Tab:
    """A page in a profile of its own."""
    return Tab(await browser.page())


@pytest.fixture
def site(api_url: str) -> str:
    """The API's address by its name, as people open it."""
    return api_url.replace("127.0.0.1", "localhost")


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
    await refused("This is not the sign-in that asked for it, so nothing has changed")
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


async def test_magic_link_goes_on_with_the_second_factor(
    site: str, tab: Tab, accounts: Accounts, db: Database, someone: Any
) -> None:
    ada, secret = await someone(), new_totp_secret()
    async with db.platform() as session:
        await accounts.totp.keep(session, ada.user_id, secret, step=0)
    await accounts.magic_links.request_by_email(ada.email, CLIENT)
    token = accounts.notifier.last(MagicLinkByEmail).token.reveal()  # type: ignore[attr-defined] # the recording one
    codes = pyotp.TOTP(secret.reveal())

    async def sign_in() -> None:
        await tab.open(f"{site}/auth/magic?token={token}")
        await tab.click("#confirm button")
        await tab.until("!document.querySelector('#factor').hidden")
        assert await tab.cookies() == {}
        assert "authenticator app" in await tab.text()
        now = codes.now()
        await tab.type("#code", f"{(int(now) + 1) % 1_000_000:06d}" if int(now) % 2 else f"{int(now) ^ 1:06d}")
        await tab.click("#factor button[type=submit]")
        await tab.until("!document.querySelector('#error').hidden")
        assert "That code is wrong" in await tab.text()
        await tab.run("document.querySelector('#code').value = ''")
        await tab.type("#code", codes.at(time.time()))
        await tab.click("#factor button[type=submit]")
        await tab.until("!document.querySelector('#done').hidden")
        assert "__Host-singr_access" in await tab.cookies()

    await sign_in()


ADD_PASSKEY = """
(async (token) => {
  const call = async (path, body) => (await fetch(path, {method: "POST", body: JSON.stringify(body),
    headers: {"content-type": "application/json", authorization: `Bearer ${token}`}})).json();
  const options = (await call("/v1/me/passkeys/options")).public_key;
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return call("/v1/me/passkeys", {credential: (await navigator.credentials.create({publicKey})).toJSON()});
})
"""


@contextlib.asynccontextmanager
async def door() -> AsyncIterator[tuple[str, dict[str, int]]]:
    """An origin that is known before what it leads to is served, as passkeys need it; `port` is where that is."""
    leads: dict[str, int] = {}

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", leads["port"])
        await asyncio.gather(pump(reader, outer), pump(inner, writer))

    server = await asyncio.start_server(join, "127.0.0.1", 0)
    async with server:
        yield f"http://localhost:{server.sockets[0].getsockname()[1]}", leads


async def test_passkey_is_a_second_step_where_the_browser_reads_and_writes_no_json_of_it(
    settings: Any, serve_app: Any, tab: Tab, accounts: Accounts, db: Database, someone: Any
) -> None:
    """Safari before 18.4 has passkeys, but no parseRequestOptionsFromJSON."""
    ada = await someone()
    async with door() as (origin, leads):
        auth = msgspec.structs.replace(settings.auth, webauthn_origins=(origin,), webauthn_rp_id="localhost")
        async with serve_app(msgspec.structs.replace(settings, auth=auth)) as url:
            leads["port"] = int(url.rpartition(":")[2])
            await tab.page.command("WebAuthn.enable")
            traits = dict.fromkeys(("hasUserVerification", "isUserVerified", "automaticPresenceSimulation"), True)
            options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, **traits}
            await tab.page.command("WebAuthn.addVirtualAuthenticator", options=options)
            await tab.open(f"{origin}/auth/magic")
            assert "id" in await tab.run(f"({ADD_PASSKEY})({ada.token!r})")
            async with db.platform() as session:
                await accounts.totp.keep(session, ada.user_id, new_totp_secret(), step=0)
            await accounts.magic_links.request_by_email(ada.email, CLIENT)
            token = accounts.notifier.last(MagicLinkByEmail).token.reveal()  # type: ignore[attr-defined] # the recording one
            await tab.open(f"{origin}/auth/magic?token={token}")
            await tab.run(
                "delete PublicKeyCredential.parseRequestOptionsFromJSON; delete PublicKeyCredential.prototype.toJSON"
            )
            await tab.click("#confirm button")
            await tab.until("!document.querySelector('#factor').hidden")
            await tab.run(
                "(() => { const method = document.querySelector('#method'); method.value = 'passkey';"
                " method.dispatchEvent(new Event('change')); })()"
            )
            await tab.click("#factor button[type=submit]")
            await tab.until("!document.querySelector('#done').hidden || !document.querySelector('#error').hidden")
            assert "You are signed in" in await tab.text()
            assert "__Host-singr_access" in await tab.cookies()


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
