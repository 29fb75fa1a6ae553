"""The API on a real port before real servers, and callers of every kind."""

import asyncio
import contextlib
import datetime as dt
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from api_callers import ORGANIZATION, Callers, fill
from api_inboxes import Mailbox
from api_link_pages import Tab
from api_serving import DEADLINE, Standing, serving
from api_town import Town
from api_visitor import PASSWORD, Visitor, Visitors
from api_world import World
from codes import begun_step
from sqlalchemy import text

from singr_api.admission.csrf import CsrfGuard
from singr_api.admission.policy import PolicyTable
from singr_api.app import create_app, framework
from singr_api.http.edge import Edge
from singr_api.routing.route import Section
from singr_api.wiring.installation import Installation
from singr_api.wiring.services import Services
from singr_auth import SignedRequestAuth, SigningKey
from singr_auth.accounts import Accounts, AccountSettings, ClientInfo, SignedIn
from singr_auth.accounts.testing import RecordingNotifier, make_person
from singr_comms.people.inbox import InboxNews
from singr_config import Secret, Settings
from singr_db import Database, Sealer
from singr_db.limits import RateLimiter
from singr_db.redis import redis_client
from singr_observability import build_metrics
from singr_platform import RecipientsFollow

_numbers = itertools.count()


class Key(httpx.Auth):
    """Calls with an API key."""

    def __init__(self, key: str) -> None:
        self.key = key

    def auth_flow(self, request: httpx.Request) -> Any:
        request.headers["x-api-key"] = self.key
        yield request


class Someone(msgspec.Struct, frozen=True):
    """A person who is signed in."""

    user_id: UUID
    session_id: UUID
    email: str
    token: str
    csrf: str
    organization: UUID | None = None

    @property
    def bearer(self) -> dict[str, str]:
        """The headers of an app: the token, and the organization it acts for."""
        named = {} if self.organization is None else {"x-singr-organization": str(self.organization)}
        return {"authorization": f"Bearer {self.token}", **named}

    @property
    def cookie(self) -> dict[str, str]:
        """The headers of a browser, but for the token against forged requests."""
        headers = {"cookie": f"theme=dark; __Host-singr_access={self.token}; x=1", **self.bearer}
        del headers["authorization"]
        return headers

    @property
    def page(self) -> dict[str, str]:
        """The headers of a page of ours in a browser."""
        return {**self.cookie, "x-csrf-token": self.csrf}

    def acting(self, organization: UUID | None) -> "Someone":
        """The same person, who acts for another organization, or for none."""
        return msgspec.structs.replace(self, organization=organization)


@pytest.fixture(scope="session", autouse=True)
def _patience() -> Iterator[None]:
    """On a busy machine stores may take longer than the API waits: for Redis, a row's lock, one of its connections."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("singr_api.wiring.services.PATIENCE_SECONDS", 10.0)
        patch.setattr("singr_api.wiring.services._LOCK_TIMEOUT_S", 60.0)
        patch.setattr("singr_db.sessions._database._POOL_TIMEOUT_S", 60.0)
        yield


@pytest.fixture(scope="session")
def _filled() -> dict[str, Callers]:
    """Who calls, for each database that has been filled."""
    return {}


@pytest.fixture(scope="session")
def singr_fresh_database(_filled: dict[str, Callers]) -> Callable[[str], None]:
    """What each test's database begins with: see `fill`."""

    def write(url: str) -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:  # the loop of the test stays in place
            _filled[url] = runner.run(fill(url))

    return write


@pytest.fixture
def callers(database_url: str, _filled: dict[str, Callers]) -> Callers:
    """Credentials that each test finds in its database."""
    return _filled[database_url]


@pytest.fixture
async def accounts(db: Database, settings: Settings) -> AsyncIterator[Accounts]:
    """The flows of the API, in this process; what they tell people is in `accounts.notifier.notices`."""
    redis = redis_client(settings.redis)
    sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)
    made = Accounts(
        db,
        sealer,
        RateLimiter(redis),
        RecordingNotifier(),
        settings=AccountSettings(settings.app, settings.jwt, settings.auth),
        metrics=build_metrics(),
        follower=RecipientsFollow(sealer),
    )
    yield made
    made.close()
    await redis.aclose()


MakeSomeone = Callable[..., Any]


@pytest.fixture
async def someone(db: Database, accounts: Accounts) -> MakeSomeone:
    """Makes people who are signed in: `await someone()`, `await someone(member="customer_staff")`.

    `member` and `platform` name a role in ORGANIZATION (or `of`), or of the platform; `at` the Unix time of the token.
    """
    sealer = accounts.sealer

    async def make(
        *,
        member: str | None = None,
        of: UUID = ORGANIZATION,
        platform: str | None = None,
        at: float | None = None,
        password: Secret | None = None,
    ) -> Someone:
        email = f"someone-{os.getpid()}-{next(_numbers)}@example.org"
        user = await make_person(db, accounts.hasher, email=email, password=password)
        role = "SELECT id FROM roles WHERE name = :role AND organization_id IS NULL"
        async with db.platform() as session:
            if member is not None:
                await session.execute(
                    text(
                        "INSERT INTO memberships (organization_id, user_id, role_id)"
                        f" VALUES (:organization, :user, ({role}))"
                    ),
                    {"organization": of, "user": user.id, "role": member},
                )
            if platform is not None:
                await session.execute(
                    text(f"UPDATE users SET role_id = ({role}) WHERE id = :user"), {"user": user.id, "role": platform}
                )
        signed_in = await accounts.completion.complete(
            user.id, first_factor="password", client=ClientInfo(address="203.0.113.9", user_agent="test")
        )
        assert isinstance(signed_in, SignedIn)
        token = signed_in.access_token
        if at is not None:
            moment = dt.datetime.fromtimestamp(at, dt.UTC)
            token = accounts.issuer.issue(
                user.id, signed_in.session_id, methods=["pwd"], authenticated_at=moment, now=at
            ).token
        return Someone(
            user_id=user.id,
            session_id=signed_in.session_id,
            email=email,
            token=token.reveal(),
            csrf=CsrfGuard(sealer, ()).token(signed_in.session_id).reveal(),
            organization=of if member else None,
        )

    return make


@pytest.fixture(params=[True, False], ids=["lane", "handler"])
def lane(request: pytest.FixtureRequest) -> bool:
    """Both doors: the ingestion lane, and the documented handler behind it."""
    return bool(request.param)


@pytest.fixture
async def api_url(settings: Settings) -> AsyncIterator[str]:
    """The address of the API as it is served."""
    async with serving(create_app(settings)) as url:
        yield url


@pytest.fixture
async def door_url(settings: Settings, *, lane: bool) -> AsyncIterator[str]:
    """The address of the API, once through each door."""
    async with serving(create_app(settings, lane=lane)) as url:
        yield url


@pytest.fixture(scope="module")
def _standing() -> Iterator[Standing]:
    with Standing() as standing:
        yield standing


@pytest.fixture
def standing_url(settings: Settings, _standing: Standing) -> str:
    """The address of an API that all tests of a file share: for those that do not mind what it was asked before.

    The stores are as new for each test; what the API counts and remembers is not.
    """
    return _standing.url(settings)


@pytest.fixture
def standing_door_url(settings: Settings, _standing: Standing, *, lane: bool) -> str:
    """The address of such an API, once through each door."""
    return _standing.url(settings, lane=lane)


Client = Callable[..., httpx.AsyncClient]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Makes HTTP clients, and closes them."""
    async with contextlib.AsyncExitStack() as stack:

        def make(url: str, key: SigningKey | Someone | dict[str, str] | str | None = None) -> httpx.AsyncClient:
            auth: httpx.Auth | None = None
            headers: dict[str, str] = {}
            if isinstance(key, Someone):
                headers = key.bearer
            elif isinstance(key, dict):
                headers = key
            elif isinstance(key, SigningKey):
                auth = SignedRequestAuth(key)
            elif key is not None:
                auth = Key(key)
            made = httpx.AsyncClient(base_url=url, auth=auth, headers=headers, timeout=DEADLINE, trust_env=False)
            stack.push_async_callback(made.aclose)
            return made

        yield make


@pytest.fixture
def world(db: Database) -> World:
    """What tests talk about."""
    return World(db)


@pytest.fixture
def serve_both() -> Any:
    """Serves the API twice: with the lane, and without it."""

    @contextlib.asynccontextmanager
    async def both(settings: Settings) -> AsyncIterator[tuple[str, str]]:
        async with serving(create_app(settings)) as lane, serving(create_app(settings, lane=False)) as handler:
            yield lane, handler

    return both


@pytest.fixture
def serve_section(settings: Settings) -> Any:
    """Serves routes of a test's own behind the gate: `async with serve_section(section) as url`."""

    def serve(section: Section) -> Any:
        table = PolicyTable(route.policy for route in section.routes)
        routes = framework([route.served for route in section.routes], table)
        app = Installation(routes, Services(settings, build_metrics()))
        return serving(Edge(app, origins=(), allowed=table.allowed, secure=False))

    return serve


@pytest.fixture
def serve_app() -> Any:
    """Serves the API with settings of the test's own: `async with serve_app(settings) as url`."""

    def serve(settings: Settings, host: str = "127.0.0.1") -> Any:
        return serving(create_app(settings), host)

    return serve


@pytest.fixture
async def api(api_url: str, client: Any) -> httpx.AsyncClient:
    """A client of nobody's."""
    made: httpx.AsyncClient = client(api_url)
    return made


@pytest.fixture
async def tab(browser: Any) -> Tab:
    """A page in a profile of its own."""
    return Tab(await browser.page())


@pytest.fixture
def site(api_url: str) -> str:
    """The API's address by its name, as people open it."""
    return api_url.replace("127.0.0.1", "localhost")


@pytest.fixture
async def town(api_url: str, client: Any, someone: Any, world: Any, accounts: Any) -> Town:
    """An API with people and organizations in it."""
    return Town(api_url, client, someone, world, accounts)


@pytest.fixture
def visitor(someone: Any, accounts: Accounts, client: Any, api_url: str) -> Iterator[Visitors]:
    """Makes people with clients of their own."""

    async def make(**options: Any) -> Visitor:
        person = await someone(password=PASSWORD, **options)
        return Visitor(person, accounts, client(api_url, person))

    with begun_step():
        yield make


@pytest.fixture
async def mailbox(db: Database, settings: Settings) -> AsyncIterator[Mailbox]:
    """What puts things into people's inboxes, and tells screens of them."""
    redis = redis_client(settings.redis)
    news = InboxNews(redis)
    news.attach(db.session_info)
    yield Mailbox(db, Sealer(settings.auth.secret))
    await news.close()
    await redis.aclose()
