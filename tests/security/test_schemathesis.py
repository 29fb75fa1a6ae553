"""S1: Schemathesis, all checks and all phases, over the document that the API serves."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import msgspec
import pytest
import uvicorn
from sqlalchemy import text

from singr_api.app import create_app
from singr_auth import PasswordHasher
from singr_auth.accounts import ServiceCredentials
from singr_auth.accounts.testing import make_person
from singr_config import Secret, Settings
from singr_config.constants import PERMISSIONS, RateLimit, RateLimits
from singr_db import Database, Sealer, seed
from singr_observability.server import bounded, listen_on

ORGANIZATION = UUID("01920000-0000-7000-8000-000000000001")  # the one in the examples

PASSWORD = Secret("a long road to the microphone")

# JSON Schema cannot say that run_at lies near, that an id is a new version 7 UUID, or that run_at and delay exclude
# each other: valid by the schema, refused by the rule, with 422 and the field's name. An id that is taken is a 409.
CONFIG = """
[[operations]]
include-name = "POST /v1/jobs"
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 409, 422]

# Nor that cron, every and at exclude each other, and what is a cron expression (422).
[[operations]]
include-name = ["POST /v1/schedules", "POST /v1/schedules/preview"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 409, 422, 429]

# Nor that a job waits for jobs before it, which filters fit which targets, and that something is to be changed (422).
[[operations]]
include-name = ["POST /v1/flows", "POST /v1/flows/{flow_id}/jobs", "POST /v1/bulk-actions", "PATCH /v1/jobs/{job_id}"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 422, 429]

# Nor that created_after comes before created_before, and failed_after before failed_before (422).
[[operations]]
include-name = ["GET /v1/jobs", "GET /v1/deliveries", "GET /v1/dead-letters", "GET /v1/dead-letters/groups"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 422, 429]

# Nor that from comes before to, which type goes by which channel, who sends it, and that at lies ahead (422).
[[operations]]
include-name = ["GET /v1/statistics/deliveries", "GET /v1/deliveries/explain", "POST /v1/deliveries/explain"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 422, 429]

# Nor what data a type takes, who is a recipient of the organization's, and that people are named in one way (422).
[[operations]]
include-name = [
    "POST /v1/notifications", "POST /v1/notifications/preview", "POST /v1/notifications/{notification_id}/cancel",
    "POST /v1/topics/{key}/members", "PATCH /v1/preferences", "PUT /v1/recipients/{external_id}",
]
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 422, 429]

# Nor that a picture can be fetched, that two colours can be told apart, and what variables a type has (422).
[[operations]]
include-name = ["PUT /v1/branding", "PUT /v1/template-overrides/{type}/{channel}/{locale}"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 422, 429]

# Nor that a token or a code is a real one (400), that a password is none of the common ones, that a code comes with its
# address, that a role is one of the organization's, that an expiry lies ahead, that a form has 10 fields at most (422).
[[operations]]
include-path-regex = "^/v1/(auth|me|invitations|organizations|api-keys|service-credentials|users|introspect)"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 404, 409, 422, 429]
# Bodies there are limited to 64 KiB: one that is too long by the schema may be too long to be read at all.
checks.negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429]
"""

# What ends the session that the person calls with: everything after it would be refused.
ENDS_THE_SESSION = (
    "POST /v1/auth/sign-out",
    "POST /v1/auth/sign-out-everywhere",
    "DELETE /v1/auth/sessions/{session_id}",
    "DELETE /v1/me",
    "DELETE /v1/organizations/{organization_id}",
)

# A key belongs to one request: what is generated from one example must not be taken for another's second try.
# And a request carries one credential, the caller's, not those that are made up for the other ways to sign in.
HOOKS = """
import gc
import os
import uuid
import schemathesis

# All that it has loaded and made up stays to its end: to look for garbage in it was a fifth of what the run costs.
gc.freeze()
gc.set_threshold(200_000, 20, 100)

OTHERS = {"service": ("Authorization", "x-csrf-token"), "person": ("x-api-key",)}[os.environ["SCHEMATHESIS_CALLER"]]
SIGNATURE = ("x-singr-key", "x-singr-timestamp", "x-singr-nonce", "x-singr-signature")

@schemathesis.hook
def before_call(context, case, kwargs):
    for name in (*OTHERS, *SIGNATURE):
        (case.headers or {}).pop(name, None)
    (case.cookies or {}).clear()
    key = (case.headers or {}).get("Idempotency-Key", "")
    if isinstance(key, str) and 0 < len(key) < 256 and all("!" <= letter <= "~" and letter != '"' for letter in key):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
"""


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    config = uvicorn.Config(
        create_app(settings), http=bounded(), lifespan="on", log_config=None, access_log=False, ws="none"
    )
    listener = listen_on("127.0.0.1", 0, settings="a test")
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
    await seed(db)
    async with db.platform() as session:
        await session.execute(
            text("INSERT INTO organizations (id, name, slug) VALUES (:id, 'x', 'x')"), {"id": ORGANIZATION}
        )
        new = await credentials.create_api_key(session, name="x", organization_id=ORGANIZATION, scopes=PERMISSIONS)
    return new.secret.reveal()


async def person(db: Database, url: str) -> list[str]:
    """The headers of the owner of ORGANIZATION, signed in."""
    hasher = PasswordHasher()
    owner = await make_person(db, hasher, email="owner@example.org", password=PASSWORD)
    hasher.close()
    async with db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO memberships (organization_id, user_id, role_id)"
                " SELECT :organization, :user, id FROM roles WHERE name = 'customer_owner'"
            ),
            {"organization": ORGANIZATION, "user": owner.id},
        )
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        signed_in = await client.post(
            "/v1/auth/sign-in", json={"email": "owner@example.org", "password": PASSWORD.reveal()}
        )
    return [f"Authorization: Bearer {signed_in.json()['access_token']}", f"x-singr-organization: {ORGANIZATION}"]


@pytest.mark.timeout(5400)
@pytest.mark.parametrize("caller", ["service", pytest.param("person", marks=pytest.mark.full)])
@pytest.mark.parametrize(
    ("examples", "phases"),
    [
        # The first that is made up is always a valid request, the second mostly not: with one, none is refused.
        pytest.param(2, "examples,fuzzing", id="short"),
        pytest.param(300, "examples,coverage,fuzzing,stateful", id="full", marks=pytest.mark.full),
    ],
)
async def test_no_generated_request_breaks_the_contract(
    settings: Settings, db: Database, api_key: str, examples: int, phases: str, caller: str,
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config,
) -> None:  # fmt: skip
    plenty = RateLimit(1_000_000_000, 60)  # a person may ask 100 times a minute, and no setting changes that
    monkeypatch.setattr("singr_api.admission.limits.RATE_LIMITS", RateLimits(customer_api=plenty, admin_api=plenty))
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
            headers = [f"x-api-key: {api_key}"] if caller == "service" else await person(db, url)
            process = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).parent / "schemathesis"),
                f"--config-file={configuration}",
                "run",
                f"{url}/schema/openapi.json",
                f"--url={url}",
                *(f"--header={header}" for header in headers),
                *(f"--exclude-name={name}" for name in ENDS_THE_SESSION if caller == "person"),
                "--exclude-name=GET /schema/openapi.yaml",  # longer than what is kept of an answer, and so cut off
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
                env={
                    **os.environ,
                    # what Hypothesis knows of letters, 3 CPU-seconds where it has to find out
                    "HYPOTHESIS_STORAGE_DIRECTORY": str(pytestconfig.rootpath / ".hypothesis"),
                    "SCHEMATHESIS_HOOKS": "hooks",
                    "SCHEMATHESIS_CALLER": caller,
                    "PYTHONPATH": folder,
                },
            )
            output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-20_000:]
