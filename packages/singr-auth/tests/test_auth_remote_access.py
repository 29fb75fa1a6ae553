"""What a service asks of Singr about its callers, and what it remembers."""

import asyncio
import datetime as dt
import gc
import json
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import httpx
import pytest
from joserfc.jwk import ECKey

from singr_auth import (
    AccessTokenIssuer,
    KeyRing,
    RefusedError,
    RemoteAccess,
    SigningKey,
    new_api_key,
    new_signing_secret,
)
from singr_config import Secret

KEY = new_api_key().secret
ORGANIZATION = "01920000-0000-7000-8000-000000000001"


class Singr:
    """Singr's introspection as an ASGI app: what it was asked, and what it says."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.told: dict[str, Any] = {
            "active": True,
            "scope": "jobs:read jobs:write",
            "client_id": "ak_x",
            "token_type": "api_key",
            "organization_id": ORGANIZATION,
            "something": "that a later version adds",
        }
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        body = (await receive())["body"].decode()
        await self.gate.wait()
        [token] = parse_qs(body)["token"]
        self.asked.append(token)
        self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        told = self.told if token == KEY.reveal() else {"active": False}
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})


@pytest.fixture
def singr() -> Singr:
    return Singr()


@pytest.fixture
async def client(singr: Singr) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(singr)) as found:
        yield found


def access(client: httpx.AsyncClient, credential: Any = None, **options: Any) -> RemoteAccess:
    given = credential or SigningKey("svc", new_signing_secret())
    return RemoteAccess("https://singr.example/", issuer="i", audience="a", credential=given, client=client, **options)


async def test_key_in_force_is_whose_singr_says(singr: Singr, client: httpx.AsyncClient) -> None:
    principal = await access(client).api_key(KEY.reveal())
    assert (principal.key_id, str(principal.organization_id), principal.method) == ("ak_x", ORGANIZATION, "api_key")
    assert principal.scopes == {"jobs:read", "jobs:write"}
    assert singr.headers[0]["content-type"] == "application/x-www-form-urlencoded"
    assert singr.headers[0]["x-singr-signature"].startswith("v1=")


async def test_service_may_ask_with_an_api_key_of_its_own(singr: Singr, client: httpx.AsyncClient) -> None:
    own = new_api_key().secret
    await access(client, own).api_key(KEY.reveal())
    assert singr.headers[0]["x-api-key"] == own.reveal()


async def test_answers_are_remembered_and_many_at_once_ask_once(singr: Singr, client: httpx.AsyncClient) -> None:
    asking = access(client)
    singr.gate.clear()
    waiting = [asyncio.create_task(asking.api_key(KEY.reveal())) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # one that goes away takes nobody along
    singr.gate.set()
    found = await asyncio.gather(*waiting[1:])
    assert {one.key_id for one in found} == {"ak_x"}
    await asking.api_key(KEY.reveal())
    stranger = new_api_key().secret.reveal()
    for _ in range(3):
        with pytest.raises(RefusedError):
            await asking.api_key(stranger)
    assert singr.asked == [KEY.reveal(), stranger]
    assert KEY.reveal() not in repr(vars(asking))


async def test_revoked_key_is_refused_once_its_answer_is_old(singr: Singr, client: httpx.AsyncClient) -> None:
    asking = access(client, remembered=0.0)
    await asking.api_key(KEY.reveal())
    singr.told = {"active": False}
    with pytest.raises(RefusedError) as caught:
        await asking.api_key(KEY.reveal())
    assert caught.value.status == 401


async def test_key_that_expires_while_it_is_remembered_is_refused(singr: Singr, client: httpx.AsyncClient) -> None:
    singr.told["exp"] = 1
    with pytest.raises(RefusedError, match="expired") as caught:
        await access(client).api_key(KEY.reveal())
    assert caught.value.status == 401


@pytest.mark.parametrize(
    "presented", [None, "", "nonsense", KEY.reveal()[:-1] + "!", "é"], ids=["none", "empty", "text", "mistyped", "é"]
)
async def test_what_cannot_be_a_key_is_refused_without_asking(
    singr: Singr, client: httpx.AsyncClient, presented: str | None
) -> None:
    with pytest.raises(RefusedError) as caught:
        await access(client).api_key(presented)
    assert caught.value.status == 401
    assert singr.asked == []


@pytest.mark.parametrize("status", [401, 403, 429, 500, 302])
async def test_refusal_of_the_service_itself_is_no_word_about_the_caller(
    singr: Singr, client: httpx.AsyncClient, status: int
) -> None:
    asking = access(client)
    singr.status = status
    with pytest.raises(RefusedError) as caught:
        await asking.api_key(KEY.reveal())
    assert caught.value.status == 503
    singr.status = 200
    assert (await asking.api_key(KEY.reveal())).key_id == "ak_x"  # a failure is not remembered


async def test_without_a_credential_no_key_is_taken(singr: Singr, client: httpx.AsyncClient) -> None:
    asking = RemoteAccess("https://singr.example", issuer="i", audience="a", client=client)
    with pytest.raises(RefusedError) as caught:
        await asking.api_key(KEY.reveal())
    assert (caught.value.status, singr.asked) == (401, [])


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"authorization": "Bearer x", "api_key": KEY.reveal()}, 400),
        ({"api_key": KEY.reveal(), "organization": "not an id"}, 400),
        ({"api_key": KEY.reveal(), "organization": "01920000-0000-7000-8000-0000000000ff"}, 403),
        ({"api_key": KEY.reveal(), "scope": "billing:write"}, 403),
        ({}, 401),
    ],
    ids=["both kinds", "no id", "another organization", "another scope", "nothing"],
)
async def test_caller_is_refused_with_what_to_answer(
    client: httpx.AsyncClient, given: dict[str, str], status: int
) -> None:
    asked: dict[str, Any] = {"authorization": None, "api_key": None, "organization": None, "scope": "jobs:read"}
    with pytest.raises(RefusedError) as caught:
        await access(client).caller(**(asked | given))
    assert caught.value.status == status
    assert KEY.reveal() not in caught.value.detail


async def test_who_sends_nothing_is_told_of_each_kind_that_is_taken(client: httpx.AsyncClient) -> None:
    nothing: dict[str, Any] = {"authorization": None, "api_key": None, "organization": None, "scope": "jobs:read"}
    without_keys = RemoteAccess("https://singr.example", issuer="i", audience="a", client=client)
    for asking, has_keys in ((access(client), True), (without_keys, False)):
        with pytest.raises(RefusedError, match="authorization: Bearer") as caught:
            await asking.caller(**nothing)
        assert caught.value.headers == {"www-authenticate": "Bearer"}
        assert ("x-api-key" in caught.value.detail) is has_keys


def test_plain_http_is_refused_but_on_this_machine() -> None:
    with pytest.raises(ValueError, match="https"):
        RemoteAccess("http://singr.example", issuer="i", audience="a", credential=Secret("x"))


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://a b/",
            "https://h/base?x=1",
            "https://h/base#x",
            "https://h/?",
            "https://user:word@h",
            "https://h/a b",
        ),
        *("https://h\n.example", "https://h%20a/", "https://h_{x}/", "h.example", "https://", "https://h:port"),
    ],
)
def test_address_to_which_no_path_can_be_added_is_refused_in_words(url: str) -> None:
    with pytest.raises(ValueError, match=r"^The address of Singr's API .*\.$") as caught:
        RemoteAccess(url, issuer="i", audience="a")
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://api.example/base/", "https://[::1]:8443", "https://bücher.example"])
def test_address_may_have_a_path_a_port_and_any_alphabet(url: str) -> None:
    RemoteAccess(url, issuer="i", audience="a")


@pytest.mark.parametrize("closing", [True, False])
def test_next_event_loop_is_served_as_the_first(closing: bool) -> None:  # noqa: FBT001 — a case of the test
    with served() as url, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # whoever does not close has Python tell so
        asking = RemoteAccess(url, issuer="i", audience="a", credential=new_api_key().secret, remembered=0.0)
        token = issued()

        async def start(asking: RemoteAccess) -> str:
            with pytest.raises(RefusedError) as caught:
                await asking.person(f"Bearer {token}")
            assert caught.value.status == 401  # by a key that is not in the set, which was fetched
            found = (await asking.api_key(KEY.reveal())).key_id
            if closing:
                await asking.aclose()
            return found

        assert [asyncio.run(start(asking)) for _ in range(3)] == ["ak_x"] * 3
        del asking
        gc.collect()


async def test_access_serves_on_after_it_was_closed() -> None:
    with served() as url:
        asking = RemoteAccess(url, issuer="i", audience="a", credential=new_api_key().secret, remembered=0.0)
        for _ in range(2):
            assert (await asking.api_key(KEY.reveal())).key_id == "ak_x"
            await asking.aclose()


async def test_client_that_its_owner_closed_is_no_fault_of_the_caller(singr: Singr) -> None:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(singr))
    await client.aclose()
    asking = access(client)
    for refused in (asking.api_key(KEY.reveal()), asking.person(f"Bearer {issued()}")):
        with pytest.raises(RefusedError) as caught:
            await refused
        assert caught.value.status == 503


def issued() -> str:
    """Make a token by a key that no set holds."""
    pem = ECKey.generate_key("P-256", private=True).as_pem(private=True).decode()
    issuer = AccessTokenIssuer(KeyRing.from_pem(Secret(pem)), issuer="i", audience="a", ttl=60)
    return issuer.issue(
        UUID(int=1), UUID(int=2), methods=["pwd"], authenticated_at=dt.datetime.now(dt.UTC)
    ).token.reveal()


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open, and belong to the loop that made them
    told = json.dumps({"active": True, "client_id": "ak_x"}).encode()
    keys = json.dumps(
        KeyRing.from_pem(Secret(ECKey.generate_key("P-256").as_pem(private=True).decode())).jwks()
    ).encode()

    def do_GET(self) -> None:
        self._answer(self.keys)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(self.told)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def served() -> Iterator[str]:
    """Serve Singr's key set and introspection over TCP."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


async def test_invented_keys_shut_nobody_out_whose_key_was_good(singr: Singr, client: httpx.AsyncClient) -> None:
    remote = access(client, remembered=0.0)
    await remote.api_key(KEY.reveal())

    refused = set()
    for _ in range(200):
        with pytest.raises(RefusedError) as error:
            await remote.api_key(new_api_key().secret.reveal())
        refused.add(error.value.status)
        principal = await remote.api_key(KEY.reveal())

    assert refused == {401, 503}, "some were asked about, and then no more of them"
    assert principal.key_id == "ak_x"
    assert len([token for token in singr.asked if token != KEY.reveal()]) < 200


async def test_key_that_was_revoked_is_new_again(singr: Singr, client: httpx.AsyncClient) -> None:
    remote = access(client, remembered=0.0)
    await remote.api_key(KEY.reveal())
    singr.told = {"active": False}
    with pytest.raises(RefusedError):
        await remote.api_key(KEY.reveal())

    statuses = set()
    for _ in range(200):
        with pytest.raises(RefusedError) as error:
            await remote.api_key(KEY.reveal())
        statuses.add(error.value.status)

    assert 503 in statuses
