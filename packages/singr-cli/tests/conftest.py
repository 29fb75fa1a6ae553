"""The API on a real port before real servers, and `singr` beside it."""

import asyncio
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from api_serving import Standing
from sqlalchemy import text

from singr_auth.accounts import ServiceCredentials
from singr_cli import main
from singr_config import Settings
from singr_config.constants import PERMISSIONS
from singr_config.testing import settings_for_tests
from singr_db import Database, Sealer, seed

ORGANIZATION = UUID("01920000-0000-7000-8000-0000000000a1")


class Keys(msgspec.Struct):
    """Credentials that each test finds in its database."""

    owner: str
    reader: str
    key_id: str
    secret: str


class Outcome(msgspec.Struct):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def items(self) -> list[dict[str, Any]]:
        """What it printed as JSON Lines."""
        return [msgspec.json.decode(line) for line in self.out.splitlines()]

    @property
    def one(self) -> dict[str, Any]:
        """The one line that it printed."""
        assert self.code == 0, self.err
        [item] = self.items
        return item


async def fill(url: str) -> Keys:
    settings = settings_for_tests(DATABASE_URL=url)
    sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)
    async with Database(settings.database, application_name="singr-tests") as db:
        await seed(db)
        made = ServiceCredentials(db, sealer, settings.ingestion)
        async with db.platform() as session:
            insert = text("INSERT INTO organizations (id, name, slug) VALUES (:id, 'one', 'one')")
            await session.execute(insert, {"id": ORGANIZATION})
            every = tuple(PERMISSIONS)
            owner = await made.create_api_key(session, name="owner", organization_id=ORGANIZATION, scopes=every)
            reader = await made.create_api_key(
                session, name="reader", organization_id=ORGANIZATION, scopes=("jobs:read",)
            )
            signing = await made.create_signing_credential(session, name="all", organization_id=None, scopes=every)
    return Keys(owner.secret.reveal(), reader.secret.reveal(), signing.key_id, signing.secret.reveal())


@pytest.fixture(scope="session")
def _filled() -> dict[str, Keys]:
    return {}


@pytest.fixture(scope="session")
def singr_fresh_database(_filled: dict[str, Keys]) -> Callable[[str], None]:
    def write(url: str) -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:  # the loop of the test stays in place
            _filled[url] = runner.run(fill(url))

    return write


@pytest.fixture
def keys(database_url: str, _filled: dict[str, Keys]) -> Keys:
    return _filled[database_url]


@pytest.fixture(scope="module")
def _standing() -> Iterator[Standing]:
    with Standing() as standing:
        yield standing


@pytest.fixture
def api_url(settings: Settings, _standing: Standing) -> str:
    return _standing.url(settings)


@pytest.fixture
def sql(database_url: str) -> Iterator[Any]:
    """Runs statements in the test's database: `sql("…")`."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield lambda statement: connection.execute(statement)  # noqa: PLW0108 — the cursor is nobody's


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's configuration of the test's own, and nothing said by the environment."""
    for name in [name for name in os.environ if name.startswith("SINGR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


Singr = Callable[..., Outcome]


@pytest.fixture
def bare(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Singr:
    """Runs `singr` in this process, for nobody: `bare("jobs", "list")`."""

    def run(*arguments: str, given: str = "") -> Outcome:
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        capsys.readouterr()
        code = main(arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def singr(bare: Singr, api_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Singr:
    """Runs `singr` in this process, with a key that may do everything in its organization."""
    monkeypatch.setenv("SINGR_URL", api_url)
    monkeypatch.setenv("SINGR_API_KEY", keys.owner)
    return bare


@pytest.fixture
def environ(home: Path, api_url: str, keys: Keys) -> dict[str, str]:
    """The environment of `singr` as a process."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "SINGR_URL": api_url, "SINGR_API_KEY": keys.owner}
