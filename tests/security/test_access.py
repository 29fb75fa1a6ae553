"""S3 in full: every route, asked by every single scope and by every credential that should open nothing."""

import datetime as dt
import re
from uuid import uuid4

import httpx
import pytest
from faults.harness import Site
from faults.site_callers import OTHER, Callers, client, sms

from singr_api._policy import POLICIES, Access, Policy
from singr_auth import SignedRequestAuth, SigningKey
from singr_auth.accounts import NewCredential
from singr_config import Secret
from singr_config.constants import PERMISSIONS

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

GUARDED = [policy for policy in POLICIES if policy.access is Access.CALLER]
OPEN = [policy for policy in POLICIES if policy.access is Access.ANONYMOUS]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")


async def test_every_route_admits_its_scope_and_no_other_and_no_dead_credential(site: Site):
    """24 scopes and 8 credentials that open nothing, by every route; and every method that is in no policy."""
    callers = Callers(site)
    single = {scope: await callers.make([scope]) for scope in PERMISSIONS}
    past = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    all_of_them = await callers.make(PERMISSIONS)
    dead = {
        "expired": await callers.make(PERMISSIONS, until=past),
        "revoked": await callers.make(PERMISSIONS, revoked=True),
    }
    dead_signers = {
        "expired signer": await callers.make(PERMISSIONS, signing=True, until=past),
        "revoked signer": await callers.make(PERMISSIONS, signing=True, revoked=True),
    }
    signer = await callers.make(PERMISSIONS, signing=True)
    foreign = await callers.make(PERMISSIONS, organization_id=OTHER)
    with site.api(processes=2) as api:
        async with client(api.address, all_of_them) as owner:
            job = (await owner.post("/v1/jobs", json=sms(), headers=key())).raise_for_status().json()
        message_id = job["payload"]["message_id"]

        async def ask(policy: Policy, **how: NewCredential | httpx.Auth | dict[str, str]) -> httpx.Response:
            path = policy.path.replace("{job_id}", job["id"]).replace("{delivery_id}", message_id)
            credential = how.get("credential")
            async with client(api.address, credential if isinstance(credential, NewCredential) else None) as caller:
                auth, headers = how.get("auth"), how.get("headers")
                return await caller.request(
                    policy.method,
                    path,
                    headers=key() | (headers if isinstance(headers, dict) else {}),
                    auth=auth if isinstance(auth, httpx.Auth) else None,
                )

        for policy in GUARDED:
            name = f"{policy.method} {policy.path}"
            for scope, credential in single.items():
                answer = await ask(policy, credential=credential)
                assert (answer.status_code == 403) == (scope != policy.scope), f"{name} by {scope}: {answer.text}"
                assert answer.status_code not in {401, 404, 405, 500}, f"{name} by {scope}: {answer.text}"
            refused = {
                "nobody": await ask(policy),
                **{who: await ask(policy, credential=credential) for who, credential in dead.items()},
                **{who: await ask(policy, auth=signed(credential)) for who, credential in dead_signers.items()},
                "forged signer": await ask(policy, auth=SignedRequestAuth(SigningKey(signer.key_id, Secret("guess")))),
                "key with a letter changed": await ask(policy, headers={"x-api-key": changed(all_of_them)}),
                "key id as key": await ask(policy, headers={"x-api-key": all_of_them.key_id}),
                "signing secret as key": await ask(policy, headers={"x-api-key": signer.secret.reveal()}),
            }
            assert {who: answer.status_code for who, answer in refused.items()} == dict.fromkeys(refused, 401), name
            assert (await ask(policy, auth=signed(signer))).status_code not in {401, 403, 405, 500}, name
            stranger = await ask(policy, credential=foreign)
            assert job["id"] not in stranger.text.replace(policy_path(policy, job["id"]), ""), name
            assert stranger.status_code == (404 if "{" in policy.path else stranger.status_code), name
        for policy in OPEN:
            assert (await ask(policy)).status_code == 200, policy.path
        await unlisted_methods(api.address, all_of_them)


async def unlisted_methods(address: str, credential: NewCredential) -> None:
    """Assert that what is in no policy is not there, for the best credential there is."""
    async with client(address, credential) as caller:
        for path in dict.fromkeys(policy.path for policy in POLICIES):
            known = {policy.method for policy in POLICIES if policy.path == path}
            for method in set(METHODS) - known:
                answer = await caller.request(method, re.sub(r"\{\w+\}", str(uuid4()), path), headers=key())
                assert answer.status_code == 405, f"{method} {path}: {answer.status_code}"
        for path in ("/", "/v1", "/v1/secrets", "/v2/jobs", "/admin", "/docs", "/v1/jobs/../../metrics/json2"):
            assert (await caller.get(path)).status_code == 404, path


def key() -> dict[str, str]:
    return {"idempotency-key": uuid4().hex}


def signed(credential: NewCredential) -> SignedRequestAuth:
    return SignedRequestAuth(SigningKey(credential.key_id, credential.secret))


def changed(credential: NewCredential) -> str:
    text = credential.secret.reveal()
    middle = len(text) // 2
    return text[:middle] + ("a" if text[middle] != "a" else "b") + text[middle + 1 :]


def policy_path(policy: Policy, job_id: str) -> str:
    """What a refusal repeats of the request itself."""
    return policy.path.replace("{job_id}", job_id)
