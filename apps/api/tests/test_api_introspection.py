"""What an API key is worth, asked over HTTP by a service that was called with it (RFC 7662)."""

import asyncio
from typing import Any

import msgspec
import pytest

from singr_auth import SigningKey, new_api_key
from singr_auth.accounts import ServiceCredentials
from singr_db import Sealer

PATH = "/v1/introspect"


@pytest.fixture
async def ask(api_url: str, client: Any, world: Any, someone: Any) -> Any:
    """Asks with a credential of an organization; `ask.make(...)` makes keys in it."""
    owner = await someone(member="customer_owner")

    class Ask:
        async def make(self, **body: Any) -> dict[str, Any]:
            form = {"name": "Till", "scopes": ["jobs:read"]} | body
            answer = await client(api_url, owner).post("/v1/api-keys", json=form, headers=world.key())
            assert answer.status_code == 201, answer.text
            made: dict[str, Any] = answer.json()
            return made

        async def __call__(self, token: str, caller: Any = None, **more: str) -> Any:
            asking = caller or (await self.make(scopes=["api_keys:introspect"]))["secret"]
            return await client(api_url, asking).post(PATH, data={"token": token, **more})

    return Ask()


async def test_key_in_force_is_active_with_what_it_may_do_now(ask: Any, world: Any) -> None:
    key = await ask.make(scopes=["jobs:read", "api_keys:read"])
    answer = await ask(key["secret"], token_type_hint="access_token")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "active": True,
        "scope": "api_keys:read jobs:read",
        "client_id": key["key_id"],
        "token_type": "api_key",
        "organization_id": str(world.organization),
    }
    assert answer.headers["cache-control"] == "no-store"


async def test_answer_says_when_the_key_expires(ask: Any) -> None:
    key = await ask.make(expires_at="2030-01-01T00:00:00Z")
    assert (await ask(key["secret"])).json()["exp"] == 1893456000


@pytest.mark.parametrize("what", ["unknown", "mistyped", "nonsense", "revoked"])
async def test_key_that_opens_nothing_is_inactive_and_nothing_else(
    api_url: str, client: Any, ask: Any, someone: Any, what: str
) -> None:
    key = await ask.make()
    mistyped = key["secret"][:-1] + ("y" if key["secret"].endswith("x") else "x")
    token = {"mistyped": mistyped, "nonsense": "é\0", "unknown": ""}.get(what) or key["secret"]
    if what == "unknown":
        token = new_api_key().secret.reveal()
    if what == "revoked":
        owner = await someone(member="customer_owner")
        assert (await client(api_url, owner).delete(f"/v1/api-keys/{key['key_id']}")).status_code == 200
        async with asyncio.timeout(20):  # how soon: test_auth_access_feed.py
            while (await ask(token)).json()["active"]:  # noqa: ASYNC110 — nobody tells when
                await asyncio.sleep(0.2)
    answer = await ask(token)
    assert (answer.status_code, answer.json()) == (200, {"active": False})


async def test_key_of_another_organization_is_inactive_but_the_platform_is_told(
    ask: Any, world: Any, settings: Any
) -> None:
    key = await ask.make()
    sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)
    credentials = ServiceCredentials(world.db, sealer, settings.ingestion)
    askers = []
    async with world.db.platform() as session:
        for organization_id in (world.other, None):
            new = await credentials.create_signing_credential(
                session, name="asker", organization_id=organization_id, scopes=["api_keys:introspect"]
            )
            askers.append(SigningKey(new.key_id, new.secret))
    foreign, platform = askers
    answer = await ask(key["secret"], foreign)
    assert (answer.status_code, answer.json()) == (200, {"active": False})
    assert (await ask(key["secret"], platform)).json()["active"]


async def test_asking_takes_its_own_scope(api_url: str, client: Any, ask: Any, world: Any) -> None:
    key = await ask.make(scopes=["jobs:read", "api_keys:read"])
    world.problem(await ask(key["secret"], key["secret"]), 403, "scope-missing")
    anonymous = await client(api_url).post(PATH, data={"token": key["secret"]})
    assert anonymous.status_code == 401


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": {"token": "x"}}, 415),
        ({"data": {}}, 422),
        ({"data": {"token": ""}}, 422),
        ({"data": {"token": ["a", "b"]}}, 422),
        ({"data": {"token": "x" * 1025}}, 422),
        ({"content": b"\xff=\xff", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 422),
        ({"content": b"a&" * 50, "headers": {"content-type": "application/x-www-form-urlencoded"}}, 422),
    ],
)
async def test_form_that_is_none_is_refused(api_url: str, client: Any, ask: Any, sent: Any, status: int) -> None:
    asking = (await ask.make(scopes=["api_keys:introspect"]))["secret"]
    sent = {"headers": {"content-type": "application/x-www-form-urlencoded"}, **sent} if status == 422 else sent
    answer = await client(api_url, asking).post(PATH, **sent)
    assert answer.status_code == status, answer.text


async def test_questions_have_a_limit_of_their_own_that_takes_nothing_of_a_tenants(
    settings: Any, serve_app: Any, client: Any, callers: Any, someone: Any, world: Any
) -> None:
    owner = await someone(member="customer_owner")
    limits = msgspec.structs.replace(settings.limits, requests_per_minute=2)
    async with serve_app(msgspec.structs.replace(settings, limits=limits)) as url:
        form = {"name": "Till", "scopes": ["api_keys:introspect", "jobs:read"]}
        made = (await client(url, owner).post("/v1/api-keys", json=form, headers=world.key())).json()
        asking = client(url, made["secret"])
        answers = [await asking.post(PATH, data={"token": callers.api_key}) for _ in range(21)]

        assert [answer.status_code for answer in answers] == [200] * 20 + [429]
        assert answers[0].headers["ratelimit-policy"] == '"asking";q=20;w=60'
        assert (await asking.get("/v1/jobs")).status_code == 200
        assert (await client(url, callers.own).get("/v1/jobs")).status_code == 200
