"""Remote keys: fetched when needed, once for all who wait, never by the flood, and not trusted beyond their age."""

import asyncio
import datetime as dt
import gzip
import json
from collections.abc import Callable
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from singr_auth import (
    AccessTokenError,
    AccessTokenIssuer,
    KeyRing,
    KeysUnavailableError,
    RemoteAccessTokenVerifier,
    RemoteKeys,
)
from singr_auth._remote import _keys as remote_keys
from singr_config import Secret

URL = "https://api.example/.well-known/jwks.json"
USER = UUID(int=1)


def ring() -> KeyRing:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return KeyRing.from_pem(Secret(pem.decode()))


FIRST, SECOND, STRANGER = ring(), ring(), ring()


def issue(keys: KeyRing = FIRST) -> str:
    issuer = AccessTokenIssuer(keys, issuer="us", audience="api", ttl=900)
    return issuer.issue(USER, UUID(int=2), methods=["pwd"], authenticated_at=dt.datetime.now(dt.UTC)).token.reveal()


class Clock:
    """Monotonic time that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(remote_keys, "time", clock)
    return clock


class Site:
    """The issuer, as its key set's address answers."""

    def __init__(self, keys: KeyRing = FIRST) -> None:
        self.asked = 0
        self.called = asyncio.Event()
        self.requests: list[httpx.Request] = []
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(200, json=keys.jwks())
        self.gate = asyncio.Event()
        self.gate.set()
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._serve))
        self.keys = RemoteKeys(URL, client=self.client)
        self.verifier = RemoteAccessTokenVerifier(self.keys, issuer="us", audience="api")

    async def _serve(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        self.requests.append(request)
        self.called.set()
        await self.gate.wait()
        return self.answer()

    def publish(self, keys: KeyRing) -> None:
        self.answer = lambda: httpx.Response(200, json=keys.jwks())

    async def settle(self) -> None:
        """Wait until a fetch that goes on beside the requests has ended."""
        for _ in range(100):
            if self.keys._here.get().fetching is None:
                return
            await asyncio.sleep(0)
        raise AssertionError("the fetch does not end")


@pytest.fixture
def site(clock: Clock) -> Site:
    return Site()


async def test_the_keys_are_fetched_once_and_then_remembered(site: Site, clock: Clock) -> None:
    for _ in range(5):
        assert (await site.verifier.verify(issue())).user_id == USER
        clock.now += 50
    assert site.asked == 1
    assert str(site.requests[0].url) == URL
    assert "authorization" not in site.requests[0].headers


async def test_fifty_at_once_cause_one_fetch(site: Site) -> None:
    site.gate.clear()
    tasks = [asyncio.create_task(site.verifier.verify(issue())) for _ in range(50)]
    await site.called.wait()
    site.gate.set()
    assert {access.user_id for access in await asyncio.gather(*tasks)} == {USER}
    assert site.asked == 1


async def test_a_caller_that_goes_away_does_not_end_the_fetch_of_the_others(site: Site) -> None:
    site.gate.clear()
    leaving, staying = (asyncio.create_task(site.verifier.verify(issue())) for _ in range(2))
    await site.called.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    site.gate.set()
    assert (await staying).user_id == USER
    assert site.asked == 1


async def test_a_new_key_is_found_when_a_token_names_it(site: Site, clock: Clock) -> None:
    await site.verifier.verify(issue())
    site.publish(SECOND)
    clock.now += 61
    assert (await site.verifier.verify(issue(SECOND))).user_id == USER
    assert site.asked == 2


async def test_a_flood_of_unknown_keys_reaches_the_issuer_once_a_minute(site: Site, clock: Clock) -> None:
    await site.verifier.verify(issue())
    forged = issue(STRANGER)
    for _ in range(240):
        with pytest.raises(AccessTokenError) as caught:
            await site.verifier.verify(forged)
        assert caught.value.code == "signature"
        clock.now += 0.5
    assert site.asked <= 1 + 2 + 1


async def test_what_has_not_even_the_form_of_a_token_causes_no_fetch(site: Site) -> None:
    for text in ("", "a.b.c", "x" * 5000):
        with pytest.raises(AccessTokenError):
            await site.verifier.verify(text)
    assert site.asked == 0


async def test_a_key_taken_out_of_the_set_is_refused_once_the_set_is_old(site: Site, clock: Clock) -> None:
    token = issue()
    await site.verifier.verify(token)
    site.publish(SECOND)
    clock.now += 299
    await site.verifier.verify(token)
    clock.now += 2
    await site.verifier.verify(token)  # served from the old set, while the new one is on its way
    await site.settle()
    with pytest.raises(AccessTokenError) as caught:
        await site.verifier.verify(token)
    assert caught.value.code == "signature"


async def test_renewing_an_old_set_keeps_nobody_waiting(site: Site, clock: Clock) -> None:
    await site.verifier.verify(issue())
    clock.now += 301
    site.gate.clear()
    for _ in range(10):
        await asyncio.wait_for(site.verifier.verify(issue()), 5)
    await asyncio.sleep(0)
    assert site.asked == 2
    site.gate.set()
    await site.settle()


BAD_ANSWERS: dict[str, Callable[[], httpx.Response]] = {
    "500": lambda: httpx.Response(500, json=SECOND.jwks()),
    "404": lambda: httpx.Response(404),
    "redirect": lambda: httpx.Response(302, headers={"location": "https://attacker.example/jwks.json"}),
    "no JSON": lambda: httpx.Response(200, text="<html>"),
    "no set": lambda: httpx.Response(200, json={"error": "x"}),
    "a list": lambda: httpx.Response(200, json=[]),
    "no key": lambda: httpx.Response(200, json={"keys": []}),
    "other keys": lambda: httpx.Response(200, json={"keys": [{"kty": "RSA"}]}),
    "private": lambda: httpx.Response(200, json={"keys": [{**SECOND.jwks()["keys"][0], "d": "x"}]}),
    "huge": lambda: httpx.Response(200, text=json.dumps({**SECOND.jwks(), "x": "x" * 70_000})),
    "packed": lambda: httpx.Response(
        200, headers={"content-encoding": "gzip"}, content=gzip.compress(json.dumps(SECOND.jwks()).encode())
    ),
    "too many": lambda: httpx.Response(200, json={"keys": SECOND.jwks()["keys"] * 33}),
    "deep": lambda: httpx.Response(200, text='{"keys":' * 5_000),
    "not UTF-8": lambda: httpx.Response(200, content=b'{"keys": "\xff"}'),
}


def _refuse() -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def _hang() -> httpx.Response:
    raise httpx.ReadTimeout("no answer")


@pytest.mark.parametrize("name", [*BAD_ANSWERS, "refused", "hanging"])
async def test_an_issuer_that_fails_is_told_from_a_bad_token_and_tried_again(
    site: Site, clock: Clock, name: str
) -> None:
    site.answer = {**BAD_ANSWERS, "refused": _refuse, "hanging": _hang}[name]
    for _ in range(3):
        with pytest.raises(KeysUnavailableError):
            await site.verifier.verify(issue())
    assert site.asked == 1  # not once for each request
    site.publish(FIRST)
    clock.now += 6
    assert (await site.verifier.verify(issue())).user_id == USER


@pytest.mark.parametrize("name", [*BAD_ANSWERS, "refused"])
async def test_known_keys_serve_on_while_the_issuer_fails_but_not_for_ever(site: Site, clock: Clock, name: str) -> None:
    await site.verifier.verify(issue())
    site.answer = {**BAD_ANSWERS, "refused": _refuse}[name]
    for _ in range(10):
        clock.now += 350
        await site.verifier.verify(issue())
        await site.settle()
    assert site.asked == 11
    clock.now += 500
    with pytest.raises(KeysUnavailableError):
        await site.verifier.verify(issue())
    assert site.keys.find(FIRST.signing_kid) is None


async def test_the_wrong_audience_is_refused_as_with_keys_at_hand(site: Site) -> None:
    other = RemoteAccessTokenVerifier(site.keys, issuer="us", audience="another")
    with pytest.raises(AccessTokenError) as caught:
        await other.verify(issue())
    assert caught.value.code == "claims"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example",
        "ftp://api.example/k",
        "data:,keys",
        "http://api.example/k",
        "https://",
        "http://127.0.0.1.attacker.example/",
        "http://10.0.0.1/",
        "https://api.example:99999/k",
        "https://[::1/k",
        "https://api.example/\0",
    ],
)
def test_an_address_that_can_be_altered_on_its_way_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        RemoteKeys(url)


async def test_plain_http_is_for_this_machine_or_by_name() -> None:
    for keys in (
        RemoteKeys("http://localhost:3000/k"),
        RemoteKeys("http://127.0.0.1/k"),
        RemoteKeys("http://[::1]:3000/k"),
        RemoteKeys("http://singr-api:3000/k", allow_http=True),
    ):
        await keys.aclose()


async def test_closing_ends_a_fetch_and_leaves_a_borrowed_client_open(site: Site) -> None:
    site.gate.clear()
    waiting = asyncio.create_task(site.verifier.verify(issue()))
    await site.called.wait()
    await site.keys.aclose()
    with pytest.raises(KeysUnavailableError):
        await waiting
    assert not site.client.is_closed
    await site.client.aclose()
    own = RemoteKeys(URL)
    client = own._here.get().client
    await own.aclose()
    assert client.is_closed
