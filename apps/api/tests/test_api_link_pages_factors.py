"""Second factors on the page behind a sign-in link: codes of an authenticator app, and passkeys."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pyotp
import pytest
from api_link_pages import CLIENT, Tab

from singr_auth import new_totp_secret
from singr_auth.accounts import Accounts, MagicLinkByEmail
from singr_db import Database

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]


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
