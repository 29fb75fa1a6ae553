"""Accounts as operators of the platform find and change them over HTTP, and nobody else does."""

import asyncio
from typing import Any

import httpx
from api_identity import PASSWORD, post

from singr_auth import SigningKey
from singr_auth.accounts import ServiceCredentials
from singr_config import Secret, Settings
from singr_db import Database, Sealer


async def test_operator_finds_disables_and_enables_an_account(api: httpx.AsyncClient, someone: Any, world: Any) -> None:
    admin, ada = await someone(platform="admin"), await someone(password=Secret(PASSWORD))
    found = await api.get("/v1/users", params={"email": ada.email.upper()}, headers=admin.bearer)
    assert [user["id"] for user in found.json()["items"]] == [str(ada.user_id)]
    key = world.key()
    done = await api.post(f"/v1/users/{ada.user_id}/disable", headers={**admin.bearer, **key})
    assert (done.status_code, done.json()["status"]) == (200, "disabled")
    again = await api.post(f"/v1/users/{ada.user_id}/disable", headers={**admin.bearer, **key})
    assert (again.text, again.headers["idempotency-replayed"]) == (done.text, "true")
    await asyncio.sleep(0.6)  # the access feed is read at most half a second late
    world.problem(await api.get("/v1/me", headers=ada.bearer), 401, "token-revoked")
    assert (await post(api, "/v1/auth/sign-in", email=ada.email, password=PASSWORD)).status_code == 401
    listed = await api.get("/v1/users?status=disabled", headers=admin.bearer)
    assert [user["email"] for user in listed.json()["items"]] == [ada.email]
    done = await api.post(f"/v1/users/{ada.user_id}/enable", headers={**admin.bearer, **world.key()})
    assert done.json()["status"] == "active"
    assert (await post(api, "/v1/auth/sign-in", email=ada.email, password=PASSWORD)).status_code == 200
    ended = await api.post(f"/v1/users/{ada.user_id}/revoke-sessions", headers={**admin.bearer, **world.key()})
    assert ended.json() == {"ended": 1}
    own = await api.post(f"/v1/users/{admin.user_id}/disable", headers={**admin.bearer, **world.key()})
    world.problem(own, 403, "not-allowed")
    nobody = await api.post(f"/v1/users/{ada.session_id}/disable", headers={**admin.bearer, **world.key()})
    world.problem(nobody, 404, "not-found")
    assert (await api.get("/v1/users?limit=51", headers=admin.bearer)).status_code == 422
    trail = await api.get(f"/v1/users/{ada.user_id}/security-events?limit=2", headers=admin.bearer)
    [newest, _] = trail.json()["items"]
    assert (newest["kind"], newest["actor"]) == ("sessions.revoked", f"user:{admin.user_id}")
    following = await api.get(trail.links["next"]["url"], headers=admin.bearer)
    assert following.json()["items"][0]["kind"] == "account.enabled"
    theirs = await api.get(f"/v1/users/{admin.user_id}/sessions", headers=admin.bearer)
    assert [one["id"] for one in theirs.json()["items"]] == [str(admin.session_id)]
    assert (await api.get(f"/v1/users/{ada.user_id}/sessions", headers=admin.bearer)).json() == {"items": []}
    for what in ("sessions", "security-events"):
        missing = await api.get(f"/v1/users/{ada.session_id}/{what}", headers=admin.bearer)
        world.problem(missing, 404, "not-found")


async def test_accounts_are_nobodys_business_but_the_platforms(
    api: httpx.AsyncClient, api_url: str, client: Any, someone: Any, db: Database, settings: Settings, world: Any
) -> None:
    ada, owner, support = (
        await someone(),
        await someone(member="customer_owner"),
        await someone(platform="support_admin"),
    )
    world.problem(await api.get("/v1/users", headers=ada.bearer), 422, "invalid")  # acts for nobody
    world.problem(await api.get("/v1/users", headers=owner.bearer), 403, "scope-missing")
    assert (await api.get(f"/v1/users/{ada.user_id}", headers=support.bearer)).status_code == 200
    answer = await api.post(f"/v1/users/{ada.user_id}/disable", headers={**support.bearer, **world.key()})
    world.problem(answer, 403, "scope-missing")
    sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)
    credentials = ServiceCredentials(db, sealer, settings.ingestion)
    async with db.platform() as session:
        new = await credentials.create_signing_credential(
            session, name="x", organization_id=world.organization, scopes=["users:read", "users:write"]
        )
    theirs = client(api_url, SigningKey(new.key_id, new.secret))
    world.problem(await theirs.get("/v1/users"), 403, "organization-forbidden")
    answer = await theirs.post(f"/v1/users/{ada.user_id}/disable", headers=world.key())
    world.problem(answer, 403, "organization-forbidden")
