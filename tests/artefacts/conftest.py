"""A running API with a signing credential and an API key, and Node's tools. What is not there is a failure."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from sites import Site

from singr_auth.accounts import ServiceCredentials
from singr_config import load_settings
from singr_config.constants import PERMISSIONS
from singr_db import Database, Sealer, seed, upgrade
from singr_dev.testing import SharedServers, clone

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DOCUMENT = ROOT / "docs" / "openapi.yaml"
ORGANIZATION = "01920000-0000-7000-8000-000000000001"  # the one in the examples

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class RunningApi:
    """Where it listens, and who may call it."""

    address: str
    key_id: str
    signing_secret: str
    api_key: str


@pytest.fixture(scope="session")
def node() -> Run:
    """Run Node with a script of this folder, or with a tool that is installed here."""
    program = shutil.which("node")
    if program is None:
        pytest.fail("Node is not installed. Debian: apt-get install nodejs npm")
    if not (HERE / "node_modules" / ".package-lock.json").exists():
        pytest.fail("Node's tools are not installed: make artefacts does it")

    def run(script: str, *arguments: str, timeout: float = 120) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [program, script, *arguments], cwd=HERE, capture_output=True, text=True, timeout=timeout, check=False
        )

    return run


@pytest.fixture(scope="session")
def running_api(
    shared_servers: SharedServers, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningApi]:
    """One API for all of these tests, as a process, on a database of its own."""
    clone(shared_servers.postgres.url("postgres"), shared_servers.template(upgrade), "artefacts")
    site = Site(
        shared_servers.postgres.url("artefacts"),
        redis_url,
        tmp_path_factory.mktemp("logs"),
        {"AUTH_SECRET": "artefacts-auth-secret-0123456789-abcdef", "API_RATE_LIMIT_MAX": "1000000"},
    )
    key_id, secret, api_key = asyncio.run(_credentials(site))
    with site.run_api() as process:
        yield RunningApi(process.address, key_id, secret, api_key)


async def _credentials(site: Site) -> tuple[str, str, str]:
    settings = load_settings(site.environment, env_file=None)
    async with Database(settings.database, application_name="artefacts") as db:
        await seed(db)
        credentials = ServiceCredentials(db, Sealer(settings.auth.secret), settings.ingestion)
        async with db.platform() as session:
            connection = await session.connection()
            await connection.exec_driver_sql(
                "INSERT INTO organizations (id, name, slug) VALUES (%s, 'Blue Note', 'blue-note')", (ORGANIZATION,)
            )
            signing = await credentials.create_signing_credential(
                session, name="artefacts", organization_id=None, scopes=PERMISSIONS
            )
            key = await credentials.create_api_key(
                session, name="artefacts", organization_id=UUID(ORGANIZATION), scopes=PERMISSIONS
            )
    return signing.key_id, signing.secret.reveal(), key.secret.reveal()
