"""Accounts on real servers, with a notifier that keeps what it is given, and people who may sign in."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from authenticator import SoftAuthenticator
from codes import begun_step
from factors_support import Clients, Make, Person, SignIn, Someone, Verifier
from organizations_support import House
from passkeys_support import Holder, Holders
from sqlalchemy import event

from singr_auth.accounts import Accounts, AccountSettings, ClientInfo, SignedIn
from singr_auth.accounts.notices import _sending
from singr_auth.accounts.organizations import Permissions
from singr_auth.accounts.people._users import User
from singr_auth.accounts.sessions._access_feed import AccessFeed
from singr_auth.accounts.testing import RecordingNotifier, make_person
from singr_config import DatabaseSettings, Secret, Settings
from singr_db import Database, Sealer, seed
from singr_db.limits import RateLimiter
from singr_db.redis import redis_client
from singr_observability import build_metrics

PASSWORD = Secret("correct horse battery staple 42")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def singr_fresh_database() -> Callable[[str], None]:
    """Each test's database begins with the system roles: to seed them takes longer than most of what tests do."""

    async def fill(url: str) -> None:
        async with Database(DatabaseSettings(url=Secret(url)), application_name="roles") as db:
            await seed(db)

    def write(url: str) -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:  # the loop of the test stays in place
            runner.run(fill(url))

    return write


@pytest.fixture
def notifier() -> RecordingNotifier:
    """What people were told: `notifier.notices`, `notifier.last(VerifyEmail)`."""
    return RecordingNotifier()


@pytest.fixture
def notices_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tells without the wait that evens out how long an answer takes: what differs must not hide behind it."""
    monkeypatch.setattr(_sending, "EVEN_SECONDS", 0.0)


@pytest.fixture
def sealer(settings: Settings) -> Sealer:
    """The sealer of `accounts`."""
    return Sealer(settings.auth.secret, settings.auth.previous_secrets)


@pytest.fixture
async def make_accounts(
    db: Database, settings: Settings, sealer: Sealer, notifier: RecordingNotifier
) -> AsyncIterator[Callable[..., Accounts]]:
    """Makes one more process's worth of accounts on the same servers; closes them."""
    made: list[tuple[Accounts, Any]] = []

    def make(**changed: Any) -> Accounts:
        client = redis_client(changed.pop("redis", settings.redis))
        seals = changed.pop("sealer", sealer)
        sections = AccountSettings(app=settings.app, jwt=settings.jwt, auth=settings.auth)
        options = {"settings": sections, "metrics": build_metrics(), **changed}
        accounts = Accounts(db, seals, RateLimiter(client), notifier, **options)
        made.append((accounts, client))
        return accounts

    yield make
    for accounts, client in made:
        accounts.close()
        await client.aclose()


@pytest.fixture
def accounts(make_accounts: Callable[..., Accounts]) -> Accounts:
    """All flows, wired together as an app wires them."""
    return make_accounts()


@pytest.fixture
def person(db: Database, accounts: Accounts) -> Person:
    """Makes a person: `await person()`, `await person(verified=False)`, `await person(password=None)`."""

    async def make(email: str | None = None, *, password: Secret | None = PASSWORD, **changed: Any) -> User:
        address = email or f"person-{os.getpid()}-{next(_numbers)}@example.org"
        return await make_person(db, accounts.hasher, email=address, password=password, **changed)

    return make


@pytest.fixture
def client() -> Callable[..., ClientInfo]:
    """Makes callers, each from an address of its own: `client()`, `client(device_token=…)`."""

    def make(**changed: Any) -> ClientInfo:
        address = f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::/64"
        browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        return ClientInfo(**{"address": address, "user_agent": browser, **changed})

    return make


@pytest.fixture
def sign_in(accounts: Accounts, client: Clients) -> SignIn:
    """Signs a person in, past the first factor."""

    async def sign(user: User, **changed: Any) -> SignedIn:
        result = await accounts.completion.complete(user.id, first_factor="password", client=client(**changed))
        assert isinstance(result, SignedIn)
        return result

    return sign


@pytest.fixture
def holder(accounts: Accounts, db: Database, person: Person, client: Clients) -> Holders:
    """Makes people who hold an authenticator and are signed in: `await holder()`, `await holder(counts=False)`."""

    async def make(**traits: Any) -> Holder:
        user, where = await person(), client()
        result = await accounts.completion.complete(user.id, first_factor="password", client=where)
        assert isinstance(result, SignedIn)
        found = Holder(accounts, db, user, result.session_id, where)
        found.device = SoftAuthenticator(**traits)
        return found

    return make


@pytest.fixture
def password() -> Secret:
    """The password of everybody whom `person` makes."""
    return PASSWORD


@pytest.fixture
def noting(db: Database) -> Callable[[], AbstractContextManager[list[str]]]:
    """Collects what a block sends to the database: `with noting() as statements`, the first words of each."""

    @contextlib.contextmanager
    def noted() -> Iterator[list[str]]:
        statements: list[str] = []

        def note(*arguments: Any) -> None:
            statements.append(" ".join(arguments[2].split()[:4]))

        async def hot(connection: psycopg.AsyncConnection[Any], query: str, *arguments: Any, **more: Any) -> Any:
            statements.append(" ".join(query.split()[:4]))
            return await execute(connection, query, *arguments, **more)

        execute = psycopg.AsyncConnection.execute
        event.listen(db.engine.sync_engine, "before_cursor_execute", note)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(psycopg.AsyncConnection, "execute", hot)  # `db.psycopg` passes SQLAlchemy by
                yield statements
        finally:
            event.remove(db.engine.sync_engine, "before_cursor_execute", note)

    return noted


@pytest.fixture
def verifier() -> Verifier:
    """The verification service of `someone`."""
    return Verifier()


@pytest.fixture
async def someone(
    make_accounts: Make, verifier: Verifier, db: Database, notifier: RecordingNotifier, person: Person, client: Clients
) -> AsyncIterator[Someone]:
    """A person who is signed in and has no second factor yet."""
    made = Someone(make_accounts(phone_verifier=verifier), db, notifier, client)
    await made.arrive(await person())
    notifier.clear()
    with begun_step():
        yield made


@pytest.fixture
def house(db: Database) -> House:
    """Organizations, with the system roles and nobody in them yet."""
    return House(db)


@pytest.fixture
async def memory(house: House) -> Any:
    """Permissions as another process has them."""
    return Permissions(house.db, AccessFeed(house.db, remember=900))


@pytest.fixture
def database_log(shared_servers: Any) -> Callable[[], str]:
    """What PostgreSQL has written into its log since the test began."""
    path = shared_servers.postgres.log
    start = path.stat().st_size

    def read() -> str:
        with path.open(encoding="utf-8", errors="replace") as file:
            file.seek(start)
            return str(file.read())

    return read
