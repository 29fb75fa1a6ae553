"""The services of the guide do what the guide says, against the real API."""

import asyncio
import base64
import importlib.util
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import msgspec
import pytest
from comms_guides import own_types

from singr_auth import (
    RemoteAccess,
    RemoteKeys,
    SignedRequestAuth,
    SigningKey,
    new_api_key,
    new_signing_secret,
    sign_request,
)
from singr_auth.accounts import Accounts
from singr_config import Secret, Settings
from singr_db import Database

GUIDES = Path(__file__).resolve().parents[3] / "docs" / "guides"
SECRET = new_signing_secret()


def example(name: str) -> ModuleType:
    if str(GUIDES / "examples") not in sys.path:
        sys.path.append(str(GUIDES / "examples"))  # they import each other, as in one folder of a service
    spec = importlib.util.spec_from_file_location(f"guide_{name}", GUIDES / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # Litestar looks annotations up there
    spec.loader.exec_module(module)
    return module


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
async def keys(api_url: str) -> AsyncIterator[RemoteKeys]:
    found = RemoteKeys(f"{api_url}/.well-known/jwks.json")
    yield found
    await found.aclose()


@pytest.fixture
def songs(keys: RemoteKeys, settings: Settings) -> Callable[..., httpx.AsyncClient]:
    """Clients of the plain ASGI service."""
    asgi = example("asgi_service")
    people = asgi.People(keys, issuer=settings.jwt.issuer, audience=settings.jwt.audience)
    service = asgi.Songs(people, asgi.Services({"billing": SECRET, "kiosk": SECRET}))

    def client(**options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://songs.example", **options)

    return client


async def test_plain_service_knows_people_by_their_tokens_and_refuses_everything_else(
    songs: Any, someone: Any, accounts: Accounts
) -> None:
    jane = await someone()
    async with songs() as http:
        answer = await http.get("/songs", headers=bearer(jane.token))
        assert (answer.status_code, answer.json()) == (200, {"for": str(jane.user_id), "songs": []})
        header, payload, signature = jane.token.split(".")
        unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "at+jwt"}).encode()).decode().rstrip("=")
        expired = await someone(at=time.time() - 1000)
        for token in (expired.token, f"{unsigned}.{payload}.", f"{header}.{payload}.{signature[::-1]}", "", "x" * 9000):
            refused = await http.get("/songs", headers=bearer(token))
            assert refused.status_code == 401, token
            assert "invalid_token" in refused.headers["www-authenticate"]
            assert jane.token not in refused.text
        assert (await http.get("/songs")).status_code == 401
        assert (await http.get("/songs", headers={"authorization": f"Basic {jane.token}"})).status_code == 401


async def test_plain_service_wants_a_fresh_proof_of_presence_for_what_cannot_be_undone(
    songs: Any, someone: Any
) -> None:
    fresh, earlier = await someone(), await someone(at=time.time() - 600)
    async with songs() as http:
        assert (await http.delete("/songs", headers=bearer(fresh.token))).status_code == 200
        assert (await http.delete("/songs", headers=bearer(earlier.token))).status_code == 403


async def test_plain_service_takes_signed_requests_once_and_by_scope(songs: Any) -> None:
    body = json.dumps({"title": "Feeling Good"}).encode()
    async with songs(auth=SignedRequestAuth(SigningKey("billing", SECRET))) as billing:
        assert (await billing.post("/songs?from=billing", content=body)).json() == {"songs": ["Feeling Good"]}
    async with songs(auth=SignedRequestAuth(SigningKey("kiosk", SECRET))) as kiosk:
        refused = await kiosk.post("/songs", content=body)
        assert (refused.status_code, "songs:write" in refused.text) == (403, True)
    async with songs() as http:
        headers = sign_request(SigningKey("billing", SECRET), method="POST", path="/songs", body=body)
        assert (await http.post("/songs", content=body, headers=headers)).status_code == 200
        for changed in ({"content": body}, {"content": b"{}"}):
            assert (await http.post("/songs", headers=headers, **changed)).status_code == 401
        stranger = sign_request(SigningKey("nobody", SECRET), method="POST", path="/songs", body=body)
        assert (await http.post("/songs", content=body, headers=stranger)).status_code == 401
        assert (await http.post("/songs", content=b"x" * 70_000)).status_code == 413


async def until_refused(send: Callable[[], Awaitable[httpx.Response]]) -> None:
    async with asyncio.timeout(5):
        while (await send()).status_code != 401:  # noqa: ASYNC110 — remembered for seconds, then asked
            await asyncio.sleep(0.05)


BOTH = pytest.mark.parametrize("framework", ["fastapi", "litestar"])


@pytest.fixture
async def asker(api_url: str, client: Any, someone: Any, world: Any) -> SigningKey:
    """The service's own credential."""
    owner = await someone(member="customer_owner")
    form = {"name": "playlists", "scopes": ["api_keys:introspect"], "holder": "organization"}
    made = await client(api_url, owner).post("/v1/service-credentials", json=form, headers=world.key())
    assert made.status_code == 201, made.text
    return SigningKey(made.json()["key_id"], Secret(made.json()["secret"]))


@pytest.fixture
async def playlists(
    api_url: str, settings: Settings, asker: SigningKey, framework: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service, on either framework."""
    access = RemoteAccess(
        api_url, issuer=settings.jwt.issuer, audience=settings.jwt.audience, credential=asker, remembered=0.5
    )
    app = example(f"{framework}_service").build(access)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://playlists.example") as http:
        yield http
    await access.aclose()


@BOTH
async def test_ready_service_gives_each_person_the_permissions_of_their_role(
    playlists: httpx.AsyncClient, someone: Any, world: Any
) -> None:
    path = f"/organizations/{world.organization}/playlists"
    owner, stranger = await someone(member="customer_owner"), await someone()
    elsewhere = await someone(member="customer_owner", of=world.other)
    me = await playlists.get("/me", headers=bearer(stranger.token))
    assert (me.status_code, me.json()) == (200, {"user_id": str(stranger.user_id), "methods": ["pwd"]})
    for _ in range(2):  # asked, and remembered
        made = await playlists.post(path, headers=bearer(owner.token))
        assert made.status_code == 201, made.text
        assert made.json() == {"by": f"user:{owner.user_id}", "organization": str(world.organization)}
    for other in (stranger, elsewhere):
        assert (await playlists.post(path, headers=bearer(other.token))).status_code == 403
    for headers in ({}, bearer("nonsense"), {"authorization": "Basic x"}):
        refused = await playlists.post(path, headers=headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")


@BOTH
async def test_ready_service_takes_api_keys_by_scope_and_organization_and_no_revoked_one(
    api_url: str, client: Any, playlists: httpx.AsyncClient, someone: Any, world: Any
) -> None:
    owner = await someone(member="customer_owner")

    async def key(*scopes: str) -> dict[str, Any]:
        form = {"name": "till", "scopes": list(scopes)}
        made = await client(api_url, owner).post("/v1/api-keys", json=form, headers=world.key())
        found: dict[str, Any] = made.json()
        return found

    path = f"/organizations/{world.organization}/playlists"
    strong, weak = await key("requests:process"), await key("jobs:read")
    for made, status in ((strong, 201), (weak, 403)):
        answer = await playlists.post(path, headers={"x-api-key": made["secret"]})
        assert answer.status_code == status, answer.text
    foreign = f"/organizations/{world.other}/playlists"
    assert (await playlists.post(foreign, headers={"x-api-key": strong["secret"]})).status_code == 403
    feed = await playlists.get("/feed", headers={"x-api-key": weak["secret"]})
    assert (feed.status_code, feed.json()) == (200, {"for": str(world.organization)})
    for nothing in ("", "nonsense", new_api_key().secret.reveal(), strong["secret"][:-1]):
        assert (await playlists.get("/feed", headers={"x-api-key": nothing})).status_code == 401
    both = {"x-api-key": strong["secret"], **bearer(owner.token)}
    assert (await playlists.post(path, headers=both)).status_code == 400
    assert (await client(api_url, owner).delete(f"/v1/api-keys/{weak['key_id']}")).status_code == 200
    await until_refused(lambda: playlists.get("/feed", headers={"x-api-key": weak["secret"]}))


@BOTH
async def test_ready_service_learns_of_an_ended_session_where_it_asks(
    playlists: httpx.AsyncClient, someone: Any, world: Any, accounts: Accounts, db: Database
) -> None:
    owner = await someone(member="customer_owner")
    async with db.platform() as session:
        await accounts.sessions.revoke_all(session, owner.user_id, reason="signed_out")
    path = f"/organizations/{world.organization}/playlists"
    await until_refused(lambda: playlists.post(path, headers=bearer(owner.token)))


@BOTH
async def test_ready_service_answers_503_while_singr_cannot_be_asked(
    settings: Settings, asker: SigningKey, framework: str
) -> None:
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away")

    async with httpx.AsyncClient(transport=httpx.MockTransport(away)) as nobody:
        access = RemoteAccess("https://singr.example", issuer="i", audience="a", credential=asker, client=nobody)
        app = example(f"{framework}_service").build(access)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://playlists.example") as http:
            answer = await http.get("/feed", headers={"x-api-key": new_api_key().secret.reveal()})
    assert answer.status_code == 503, answer.text


async def test_signed_call_is_accepted_and_repeated_safely_after_a_lost_answer(
    api_url: str, callers: Any, world: Any
) -> None:
    calling = example("calling")
    seen: list[str] = []

    def lossy(request: httpx.Request) -> None:
        seen.append(request.headers["idempotency-key"] + request.headers["x-singr-nonce"])
        if len(seen) == 1:
            raise httpx.ReadTimeout("lost", request=request)

    def call() -> dict[str, Any]:
        with httpx.Client(
            base_url=api_url,
            auth=SignedRequestAuth(callers.own),
            trust_env=False,
            event_hooks={"request": [lossy]},
        ) as client:
            accepted: dict[str, Any] = calling.text_message(client, str(world.organization), "+15555550100", "Next.")
            return accepted

    job = await asyncio.to_thread(call)  # the API runs on this loop
    assert job["type"] == "sms.send"
    assert len(seen) == len(set(seen)) == 2


async def test_message_of_an_own_type_is_asked_for_once_and_followed_to_its_end(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, callers: Any, world: Any, client: Any, serve_app: Any
) -> None:
    own_types(monkeypatch)  # in earnest an installed distribution names them
    app = msgspec.structs.replace(settings.app, message_link_origins=("https://parcels.example",))
    calls = example("parcel_calls")
    organization = str(world.organization)
    async with serve_app(msgspec.structs.replace(settings, app=app)) as url:
        with httpx.Client(base_url=url, auth=SignedRequestAuth(callers.own), trust_env=False) as signed:
            to = (signed, organization, "7", "jane@example.org")
            jobs = [await asyncio.to_thread(calls.has_come, *to, "Jane") for _ in range(2)]
            with pytest.raises(calls.NotTakenError) as refused:
                await asyncio.to_thread(calls.has_come, signed, organization, "8", "nobody", "J" * 500)
            cancelled = await client(url, callers.own).post(f"/v1/jobs/{jobs[0]}/cancel", headers=world.key())
            ended = await asyncio.to_thread(calls.came_of, signed, jobs[0])
    assert len(set(jobs)) == 1
    assert {"payload.to.email", "payload.message.user_name"} <= refused.value.faults.keys()
    assert (cancelled.status_code, ended["status"]) == (200, "cancelled"), cancelled.text


def test_guide_shows_the_examples_as_they_are_tested() -> None:
    guide = "".join(page.read_text(encoding="utf-8") for page in GUIDES.glob("*.md"))
    for path in sorted((GUIDES / "examples").glob("*.py")):
        assert f"(examples/{path.name})" in guide
    programs = [path.read_text(encoding="utf-8") for path in (GUIDES / "examples").rglob("*.py")]
    for block in guide.split("```python\n")[1:]:
        code = block.split("```")[0].strip("\n")
        assert any(code in program for program in programs), code
