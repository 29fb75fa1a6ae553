"""Passkeys as real browsers make and use them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from singr_config import Secret
from singr_db import Database
from singr_dev.browser import Browser, Page

pytestmark = pytest.mark.xdist_group("browser")

PASSWORD = Secret("a horse that staples batteries")
SCRIPT = """
const call = async (path, body, headers) => {
  const answer = await fetch(API + path, {
    method: "POST", credentials: "include", headers: {"content-type": "application/json", ...headers},
    body: body === undefined ? undefined : JSON.stringify(body)});
  return {status: answer.status, body: await answer.json()};
};
const addPasskey = async (token) => {
  const bearer = {authorization: `Bearer ${token}`};
  const options = (await call("/v1/me/passkeys/options", undefined, bearer)).body.public_key;
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = (await navigator.credentials.create({publicKey})).toJSON();
  return call("/v1/me/passkeys", {credential}, bearer);
};
const signIn = async (delivery) => {
  const options = (await call("/v1/auth/passkeys/options")).body.public_key;
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = (await navigator.credentials.get({publicKey})).toJSON();
  return call("/v1/auth/passkeys/sign-in", {credential, delivery});
};
const signInWithKey = async (email, password) => {
  const challenge_token = (await call("/v1/auth/sign-in", {email, password})).body.challenge_token;
  const options = (await call("/v1/auth/second-factor/passkey", {challenge_token})).body.public_key;
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = (await navigator.credentials.get({publicKey})).toJSON();
  return call("/v1/auth/second-factor/verify", {challenge_token, method: "passkey", credential});
};
"""


@contextlib.asynccontextmanager
async def page_server() -> AsyncIterator[str]:
    """A web app's own origin, with an empty page."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<!doctype html><p>")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://localhost:{server.sockets[0].getsockname()[1]}"


async def authenticator(page: Page, **traits: Any) -> str:
    """Give the browser a virtual authenticator; returns its id."""
    await page.command("WebAuthn.enable")
    made = await page.command(
        "WebAuthn.addVirtualAuthenticator",
        options={
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
            **traits,
        },
    )
    return str(made["authenticatorId"])


@pytest.fixture
async def web_app(settings: Any) -> AsyncIterator[tuple[str, Any]]:
    """An origin that the settings allow, and those settings."""
    async with page_server() as origin:
        allowed = {"webauthn_origins": (origin,), "webauthn_rp_id": "localhost"}
        yield (
            origin,
            msgspec.structs.replace(
                settings,
                auth=msgspec.structs.replace(settings.auth, **allowed),
                app=msgspec.structs.replace(settings.app, cors_origins=(origin,)),
            ),
        )


async def test_real_browser_registers_a_passkey_and_signs_in_with_it(
    browser: Browser, web_app: tuple[str, Any], serve_app: Callable[..., Any], client: Any, someone: Any
) -> None:
    origin, settings = web_app
    jane = await someone()
    async with serve_app(settings) as url:
        page = await browser.page()
        await page.open(origin)
        device = await authenticator(page)
        await page.run(f"window.API = {url!r}; {SCRIPT.replace('const ', 'var ')}; true")
        added = await page.run(f"addPasskey({jane.token!r})")
        assert added["status"] == 201, added
        assert added["body"]["name"] == "Chrome on Linux"
        signed_in = await page.run("signIn('body')")
        assert (signed_in["status"], signed_in["body"]["status"]) == (200, "signed_in"), signed_in
        listed = await client(url, {"authorization": f"Bearer {signed_in['body']['access_token']}"}).get(
            "/v1/me/passkeys"
        )
        assert [each["id"] for each in listed.json()["items"]] == [added["body"]["id"]]
        # its counter is set back, as that of a copied key would be
        [credential] = (await page.command("WebAuthn.getCredentials", authenticatorId=device))["credentials"]
        await page.command("WebAuthn.removeCredential", authenticatorId=device, credentialId=credential["credentialId"])
        await page.command("WebAuthn.addCredential", authenticatorId=device, credential=credential | {"signCount": 0})
        refused = await page.run("signIn('body')")
        assert refused["status"] == 401, refused


async def test_real_browser_with_a_key_that_verifies_nobody_gives_the_second_factor(
    browser: Browser, web_app: tuple[str, Any], serve_app: Callable[..., Any], someone: Any, db: Database
) -> None:
    origin, settings = web_app
    jane = await someone(password=PASSWORD)
    async with serve_app(settings) as url:
        page = await browser.page()
        await page.open(origin)
        await authenticator(
            page, protocol="u2f", transport="usb", hasResidentKey=False, hasUserVerification=False, isUserVerified=False
        )
        await page.run(f"window.API = {url!r}; {SCRIPT.replace('const ', 'var ')}; true")
        assert (await page.run(f"addPasskey({jane.token!r})"))["status"] == 201
        async with db.platform() as session:
            statement = "INSERT INTO second_factors (user_id, method, confirmed_at) VALUES (:id, 'email', now())"
            await session.execute(text(statement), {"id": jane.user_id})
        answer = await page.run(f"signInWithKey({jane.email!r}, {PASSWORD.reveal()!r})")
        assert (answer["status"], answer["body"]["status"]) == (200, "signed_in"), answer


async def test_real_browser_of_another_origin_cannot_use_the_passkey(
    browser: Browser, web_app: tuple[str, Any], serve_app: Callable[..., Any], someone: Any
) -> None:
    origin, settings = web_app
    jane = await someone()
    async with page_server() as elsewhere, serve_app(settings) as url:
        also = msgspec.structs.replace(
            settings, app=msgspec.structs.replace(settings.app, cors_origins=(origin, elsewhere))
        )
        async with serve_app(also) as open_url:
            page = await browser.page()
            await page.open(origin)
            await authenticator(page)
            script = SCRIPT.replace("const ", "var ")
            await page.run(f"window.API = {url!r}; {script}; true")
            assert (await page.run(f"addPasskey({jane.token!r})"))["status"] == 201
            await page.open(elsewhere)  # the same domain, so the browser hands the passkey out; the origin is not ours
            await page.run(f"window.API = {open_url!r}; {script}; true")
            refused = await page.run("signIn('body')")
            assert (refused["status"], refused["body"]["type"].rpartition("/")[2]) == (401, "invalid-credentials")
