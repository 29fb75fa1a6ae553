"""S1: Schemathesis, all checks and all phases, over the document that the API serves."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
import uvicorn
from sqlalchemy import text

from singr_api._serve import listen_on
from singr_api.app import create_app
from singr_auth.accounts import ServiceCredentials
from singr_config import Settings
from singr_config.constants import PERMISSIONS
from singr_db import Database, Sealer

ORGANIZATION = UUID("01920000-0000-7000-8000-000000000001")  # the one in the examples

# JSON Schema cannot say that run_at lies near, that an id is a new version 7 UUID, or that run_at and delay exclude
# each other: valid by the schema, refused by the rule, with 422 and the field's name. An id that is taken is a 409.
CONFIG = """
[[operations]]
include-name = "POST /v1/jobs"
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 409, 422]
"""

# A key belongs to one request: what is generated from one example must not be taken for another's second try.
HOOKS = """
import uuid
import schemathesis

@schemathesis.hook
def before_call(context, case, kwargs):
    key = (case.headers or {}).get("Idempotency-Key", "")
    if isinstance(key, str) and 0 < len(key) < 256 and all("!" <= letter <= "~" and letter != '"' for letter in key):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
"""


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    config = uvicorn.Config(
        create_app(settings), http="httptools", lifespan="on", log_config=None, access_log=False, ws="none"
    )
    listener = listen_on("127.0.0.1", 0)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(20):
            while not server.started:  # noqa: ASYNC110 — uvicorn gives no event to wait for
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def api_key(db: Database, settings: Settings) -> str:
    sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)
    credentials = ServiceCredentials(db, sealer, settings.ingestion)
    async with db.platform() as session:
        await session.execute(
            text("INSERT INTO organizations (id, name, slug) VALUES (:id, 'x', 'x')"), {"id": ORGANIZATION}
        )
        new = await credentials.create_api_key(session, name="x", organization_id=ORGANIZATION, scopes=PERMISSIONS)
    return new.secret.reveal()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("examples", "phases"),
    [
        pytest.param(8, "examples,fuzzing", id="short"),
        pytest.param(300, "examples,coverage,fuzzing,stateful", id="full", marks=pytest.mark.full),
    ],
)
async def test_no_generated_request_breaks_the_contract(
    settings: Settings, api_key: str, examples: int, phases: str
) -> None:
    unlimited = msgspec.structs.replace(
        settings,
        limits=msgspec.structs.replace(settings.limits, requests_per_minute=1_000_000_000),
        app=msgspec.structs.replace(settings.app, enable_request_logging=False),
    )
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "schemathesis.toml"
        configuration.write_text(CONFIG, encoding="utf-8")
        (Path(folder) / "hooks.py").write_text(HOOKS, encoding="utf-8")
        async with serving(unlimited) as url:
            process = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).parent / "schemathesis"),
                f"--config-file={configuration}",
                "run",
                f"{url}/schema/openapi.json",
                f"--url={url}",
                f"--header=x-api-key: {api_key}",
                "--checks=all",
                f"--phases={phases}",
                f"--max-examples={examples}",
                "--mode=all",
                "--seed=1",
                "--no-color",
                "--continue-on-failure",
                "--generation-database=none",
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": folder},
            )
            output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-20_000:]
