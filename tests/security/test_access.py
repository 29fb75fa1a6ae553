"""S3 in full: every route of the policy table, asked by every kind of caller; new routes are asked by themselves."""

import asyncio
import datetime as dt
import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import pytest
from faults.harness import ORGANIZATION, Site
from faults.site_callers import OTHER, Callers, client, sms

from singr_api.admission.csrf import CsrfGuard
from singr_api.admission.people import SAFE
from singr_api.admission.policy import Access, Policy
from singr_api.wiring.routes import policy_table
from singr_auth import SignedRequestAuth, SigningKey
from singr_auth.accounts import Accounts, AccountSettings, ClientInfo, NewCredential, SignedIn
from singr_auth.accounts.testing import RecordingNotifier, make_person
from singr_config import Secret, load_settings
from singr_config.constants import PERMISSIONS, ROLE_PERMISSIONS
from singr_db import Database, Sealer, seed
from singr_db.limits import RateLimiter
from singr_db.redis import redis_client
from singr_observability import build_metrics

POLICIES = policy_table().policies

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

GUARDED = [policy for policy in POLICIES if policy.access is Access.CALLER]
BY_LINK = ("/v1/unsubscribe/{token}", "/preferences/{token}")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")


@pytest.fixture
def site(site: Site) -> Site:
    """Believes us about where requests come from: each from somewhere else, or their failures would be limited."""
    site.environ |= {"TRUSTED_PROXIES": "127.0.0.1/32"}
    return site


async def test_every_route_admits_its_scope_and_no_other_and_no_dead_credential(site: Site):
    """Every scope and eight credentials that open nothing, by every route."""
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
        async with client(api.address) as caller:
            for policy in GUARDED:
                name = f"{policy.method} {policy.path}"
                for scope, credential in single.items():
                    answer = await ask(caller, policy, job, api_key(credential))
                    lacking = policy.scope is not None and scope != policy.scope
                    assert (missing(answer) == policy.scope) == lacking, f"{name} by {scope}: {answer.text}"
                    assert answer.status_code not in {401, 405, 500}, f"{name} by {scope}: {answer.text}"
                refused = {
                    "nobody": await ask(caller, policy, job),
                    **{who: await ask(caller, policy, job, api_key(one)) for who, one in dead.items()},
                    **{who: await ask(caller, policy, job, auth=signed(one)) for who, one in dead_signers.items()},
                    "forged signer": await ask(
                        caller, policy, job, auth=SignedRequestAuth(SigningKey(signer.key_id, Secret("guess" * 8)))
                    ),
                    "key with a letter changed": await ask(caller, policy, job, {"x-api-key": changed(all_of_them)}),
                    "key id as key": await ask(caller, policy, job, {"x-api-key": all_of_them.key_id}),
                    "secret as key": await ask(caller, policy, job, {"x-api-key": signer.secret.reveal()}),
                    "key as token": await ask(
                        caller, policy, job, {"authorization": f"Bearer {all_of_them.secret.reveal()}"}
                    ),
                }
                assert {who: answer.status_code for who, answer in refused.items()} == dict.fromkeys(refused, 401), name
                answer = await ask(caller, policy, job, auth=signed(signer))
                assert answer.status_code not in {401, 405, 500}, f"{name}: {answer.text}"
                assert (answer.status_code == 403) == bool(policy.platform), f"{name}: {answer.text}"
                stranger = await ask(caller, policy, job, api_key(foreign))
                assert job["id"] not in stranger.text.replace(path_of(policy, job), ""), name
                if policy.in_organization:
                    assert kind(stranger) == "organization-forbidden", f"{name}: {stranger.text}"
                elif "{" in policy.path:
                    assert stranger.status_code in {400, 403, 404, 422}, f"{name}: {stranger.text}"
            await unlisted_methods(api.address, all_of_them)


async def test_every_route_admits_the_people_whom_its_policy_names(site: Site):
    """Members of nothing, of another organization and of this one, an administrator; dead and borrowed tokens."""
    callers = Callers(site)
    service = await callers.make(PERMISSIONS)
    async with people_of(site) as people:
        expired = await people.make("customer_owner", at=time.time() - 1000)
        ended = await people.make("customer_owner", ended=True)
        with site.api(processes=2) as api:
            async with client(api.address) as caller:
                await asyncio.sleep(1.0)  # what is promised: every process knows of a session's end within a second
                for policy in POLICIES:
                    check = check_provider if policy.access is Access.PROVIDER else check_people
                    await check(caller, policy, people, (service, expired, ended))


async def check_provider(
    caller: httpx.AsyncClient, policy: Policy, people: "People", given: "tuple[NewCredential, Someone, Someone]"
) -> None:
    """Ask a route for providers as a service, and as people in every right: none of it proves a provider."""
    service, expired, _ = given
    owner, admin = await people.make("customer_owner"), await people.make(None, platform="admin")
    keyed = {"x-api-key": service.secret.reveal()}
    for headers in ({}, keyed, owner.bearer, owner.cookie, admin.bearer, expired.bearer):
        answer = await ask(caller, policy, None, headers)
        assert (answer.status_code, kind(answer)) == (401, "callback-refused"), policy.path


async def check_people(
    caller: httpx.AsyncClient, policy: Policy, people: "People", given: "tuple[NewCredential, Someone, Someone]"
) -> None:
    """Ask one route as everybody; people in force are new, since what a route does may end a session, or an account."""
    service, expired, ended = given
    name = f"{policy.method} {policy.path}"
    expected: dict[str, set[str]] = {}
    met: dict[str, str] = {}
    owner = await people.make("customer_owner")
    kinds = {
        "user": await people.make(None),
        "foreign": await people.make("customer_owner", organization=OTHER),
        "viewer": await people.make("customer_staff"),
        "owner": owner,
        "admin": await people.make(None, platform="admin"),
    }
    for who, person in kinds.items():
        answer = await ask(caller, policy, None, person.bearer)
        assert answer.status_code not in {401, 405, 500}, f"{name} by {who}: {answer.text}"
        met[who], expected[who] = refusal(answer), allowed(policy, who)
    for who, headers in (
        ("expired", expired.bearer),
        ("ended", ended.bearer),
        ("forged", owner.bearer | {"authorization": f"Bearer {forged(owner.token)}"}),
        ("refresh as access", owner.bearer | {"authorization": f"Bearer {owner.refresh}"}),
        ("two kinds", owner.bearer | {"x-api-key": service.secret.reveal()}),
        ("cookie alone", owner.cookie),
        ("another's csrf token", owner.cookie | {"x-csrf-token": expired.csrf}),
        ("another site's page", owner.cookie | {"x-csrf-token": owner.csrf, "origin": "https://evil.example"}),
    ):
        answer = await ask(caller, policy, None, headers)
        met[who], expected[who] = refusal(answer), refused(policy, who)
    wrong = {who: (met[who], expected[who]) for who in met if met[who] not in expected[who]}
    assert not wrong, f"{name}: {wrong}"


def allowed(policy: Policy, who: str) -> set[str]:
    """Which refusals a person may meet; "" is none."""
    if policy.access.admits_strangers:
        return {""}
    if policy.access is Access.USER:  # the flow behind a route of an organization asks for membership itself
        return {"", "organization-forbidden", "not-allowed"} if policy.in_organization else {""}
    if who == "foreign" or (who == "user" and policy.in_organization):
        return {"organization-forbidden"}
    if who == "user":
        return {"invalid: x-singr-organization"}
    role = {"owner": "customer_owner", "viewer": "customer_staff", "admin": "admin"}[who]
    if policy.scope is not None and policy.scope not in ROLE_PERMISSIONS[role]:
        return {"scope-missing"}
    return {""}


def refused(policy: Policy, who: str) -> set[str]:
    """Which refusal a token that should open nothing meets."""
    if policy.access is Access.ANONYMOUS:
        if policy.method == "POST" and policy.path in BY_LINK:  # mail programs post it; its token is all it takes
            return {""}
        return {"csrf-refused"} if who == "another site's page" and policy.method not in SAFE else {""}
    if policy.method in SAFE and who in {"cookie alone", "another's csrf token", "another site's page"}:
        return allowed(policy, "owner") | {"token-revoked"}
    return {
        "expired": {"token-expired"},
        "ended": {"token-revoked"},
        "forged": {"token-refused"},
        "refresh as access": {"token-refused"},
        "two kinds": {"credentials-ambiguous"},
    }.get(who, {"csrf-refused", "token-revoked"})  # the owner's own request before may have ended their session


def refusal(answer: httpx.Response) -> str:
    """The kind of a refusal that tells who was not let in; what else a route says of an empty request is no matter."""
    found = kind(answer)
    if found == "invalid" and any(one["field"] == "x-singr-organization" for one in answer.json()["errors"]):
        return "invalid: x-singr-organization"
    guards = r"token-.*|.*-forbidden|scope-missing|not-allowed|csrf-.*|credentials-.*|person-.*|unauthenticated"
    return found if re.fullmatch(guards, found) else ""


def kind(answer: httpx.Response) -> str:
    """The kind of problem; "" where there is none."""
    if answer.headers.get("content-type") != "application/problem+json":
        return ""
    return str(answer.json()["type"]).rpartition("/")[2]


def missing(answer: httpx.Response) -> str:
    """The scope that a refusal names; "" for another answer. Some routes ask for that of a job's type as well."""
    found = (
        re.search(r"lacks the (?:scope|permission) ([a-z:_-]+)", answer.text)
        if kind(answer) == "scope-missing"
        else None
    )
    return found[1] if found else ""


async def ask(
    caller: httpx.AsyncClient,
    policy: Policy,
    job: dict[str, dict[str, str]] | None,
    headers: dict[str, str] | None = None,
    *,
    auth: httpx.Auth | None = None,
) -> httpx.Response:
    """Send an empty object where a body is due; the address is another each time."""
    body = {"json": {}} if policy.takes_body else {}
    somewhere = {"x-forwarded-for": f"198.18.{random.randrange(256)}.{random.randrange(1, 255)}"}
    return await caller.request(
        policy.method,
        path_of(policy, job),
        headers=key() | somewhere | (headers or {}),
        auth=auth,
        **body,  # type: ignore[arg-type]  # one keyword or none
    )


def path_of(policy: Policy, job: dict[str, dict[str, str]] | None) -> str:
    """The route's path, filled in: the one organization, the job and message there are, and things that are not."""
    known = {"organization_id": str(ORGANIZATION), "method": "totp"}
    if policy.access is Access.PROVIDER:
        known |= {"webhook": "mailjet", "part": "secret"}
    if job is not None:
        known |= {"job_id": str(job["id"]), "delivery_id": job["payload"]["message_id"]}
    return re.sub(r"\{(\w+)\}", lambda name: known.get(name[1], "01920000-0000-7000-8000-00000000dead"), policy.path)


async def unlisted_methods(address: str, credential: NewCredential) -> None:
    """Assert that what is in no policy is not there, for the best credential there is."""
    async with client(address, credential) as caller:
        for path in dict.fromkeys(policy.path for policy in POLICIES):
            known = {policy.method for policy in POLICIES if policy.path == path}
            for method in set(METHODS) - known:
                answer = await caller.request(method, re.sub(r"\{\w+\}", str(uuid4()), path), headers=key())
                assert answer.status_code == 405, f"{method} {path}: {answer.status_code}"
        for path in ("/v1", "/v1/secrets", "/v2/jobs", "/admin", "/docs/", "/v1/jobs/../../metrics/json2"):
            assert (await caller.get(path)).status_code == 404, path


def key() -> dict[str, str]:
    return {"idempotency-key": uuid4().hex}


def api_key(credential: NewCredential) -> dict[str, str]:
    return {"x-api-key": credential.secret.reveal()}


def signed(credential: NewCredential) -> SignedRequestAuth:
    return SignedRequestAuth(SigningKey(credential.key_id, credential.secret))


def changed(credential: NewCredential) -> str:
    text = credential.secret.reveal()
    middle = len(text) // 2
    return text[:middle] + ("a" if text[middle] != "a" else "b") + text[middle + 1 :]


def forged(token: str) -> str:
    """The same token under a signature of the right form."""
    head, _, signature = token.rpartition(".")
    return f"{head}.{'B' * 10}{signature[10:]}"


@dataclass(frozen=True)
class Someone:
    """A person who is signed in, and the organization they name."""

    token: str
    refresh: str
    csrf: str
    named: dict[str, str]

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}", **self.named}

    @property
    def cookie(self) -> dict[str, str]:
        return {"cookie": f"__Host-singr_access={self.token}", **self.named}


class People:
    """Makes people as the API of the site will find them."""

    def __init__(self, site: Site, db: Database, accounts: Accounts) -> None:
        self._site = site
        self._db = db
        self._accounts = accounts

    async def make(
        self,
        role: str | None,
        *,
        organization: UUID = ORGANIZATION,
        platform: str | None = None,
        at: float | None = None,
        ended: bool = False,
    ) -> Someone:
        """Somebody signed in, with a role in an organization or on the platform; always for ORGANIZATION, if any."""
        user = await make_person(self._db, self._accounts.hasher, email=f"{uuid4().hex}@example.org")
        roles = "SELECT id FROM roles WHERE organization_id IS NULL AND name = %s"
        if role is not None:
            self._site.sql(
                f"INSERT INTO memberships (organization_id, user_id, role_id) VALUES (%s, %s, ({roles}))",
                (organization, user.id, role),
            )
        if platform is not None:
            self._site.sql(f"UPDATE users SET role_id = ({roles}) WHERE id = %s", (platform, user.id))
        client_info = ClientInfo(address="203.0.113.9", user_agent="test")
        signed_in = await self._accounts.completion.complete(user.id, first_factor="password", client=client_info)
        assert isinstance(signed_in, SignedIn)
        token = signed_in.access_token
        if at is not None:
            moment = dt.datetime.fromtimestamp(at, dt.UTC)
            session_id = signed_in.session_id
            token = self._accounts.issuer.issue(
                user.id, session_id, methods=["pwd"], authenticated_at=moment, now=at
            ).token
        if ended:
            async with self._db.platform() as session:
                await self._accounts.sessions.revoke_all(session, user.id, reason="signed_out")
        return Someone(
            token=token.reveal(),
            refresh=signed_in.refresh_token.reveal(),
            csrf=CsrfGuard(self._accounts.sealer, ()).token(signed_in.session_id).reveal(),
            named={"x-singr-organization": str(ORGANIZATION)} if role is not None else {},
        )


@asynccontextmanager
async def people_of(site: Site) -> AsyncIterator[People]:
    """The flows of the site's API, in this process."""
    settings = load_settings(site.environment, env_file=None)
    redis = redis_client(settings.redis)
    async with Database(settings.database, application_name="people") as db:
        await seed(db)
        accounts = Accounts(
            db,
            Sealer(settings.auth.secret, settings.auth.previous_secrets),
            RateLimiter(redis),
            RecordingNotifier(),
            settings=AccountSettings(settings.app, settings.jwt, settings.auth),
            metrics=build_metrics(),
        )
        yield People(site, db, accounts)
        accounts.close()
        await redis.aclose()
