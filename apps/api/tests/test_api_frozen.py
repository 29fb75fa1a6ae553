"""PostgreSQL that is frozen: it answers nobody, and hangs up on nobody. No route lets its caller wait for ever."""

import asyncio
import re
from contextlib import AsyncExitStack
from typing import Any, ClassVar
from uuid import uuid4

import httpx
import msgspec
import pytest
from api_serving import DEADLINE, serving
from sqlalchemy import text

from singr_api.admission.policy import Access, Policy
from singr_api.app import create_app
from singr_api.wiring.routes import policy_table
from singr_config import Secret
from singr_db import Database

IDLE = 30
READS = [policy for policy in policy_table().policies if policy.method == "GET"]
# What is told without the database: pages, and what is wrong with a request or its caller.
NEEDS_NONE = frozenset({200, 302, 403, 404, 422})


@pytest.fixture
def _asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who calls was found out before, so that each request comes as far as what its route does itself."""
    monkeypatch.setattr("singr_auth.accounts.sessions._access_feed._STALE_SECONDS", 3600.0)
    monkeypatch.setattr("singr_api.wiring.services._PATIENCE_S", 2.0)
    monkeypatch.setattr("singr_platform._parts.Database", Kept)
    monkeypatch.setattr(Kept, "made", [])


class Kept(Database):
    """Known to the test."""

    made: ClassVar[list[Database]] = []

    def __init__(self, *settings: Any, **options: Any) -> None:
        super().__init__(*settings, **options)
        self.made.append(self)


async def leave_idle(database: Database, number: int) -> None:
    """Have so many connections for sessions that were used, and lie in the pool: each is asked before it is lent."""
    async with AsyncExitStack() as sessions:
        for _ in range(number):
            session = await sessions.enter_async_context(database.platform())
            await session.execute(text("SELECT 1"))


@pytest.mark.usefixtures("_asked_once")
async def test_no_route_that_reads_waits_for_a_frozen_database(
    settings: Any, faulty: Any, client: Any, someone: Any, callers: Any, world: Any
) -> None:
    proxy = faulty(settings.database.url.reveal())
    joint = "&" if "?" in proxy.url else "?"
    database = msgspec.structs.replace(
        settings.database, url=Secret(f"{proxy.url}{joint}connect_timeout=2"), pool_size=IDLE
    )
    async with serving(create_app(msgspec.structs.replace(settings, database=database))) as url:
        member, platform = client(url, await someone(member="customer_owner")), client(url, callers.platform)
        # known from now on, and with connections that were used
        async with asyncio.timeout(DEADLINE):
            for caller, path in ((member, "/v1/jobs"), (platform, "/v1/queues")):
                while (await caller.get(path)).status_code != 200:  # noqa: ASYNC110 - on a busy machine: none is awaited
                    await asyncio.sleep(0.1)
        await leave_idle(Kept.made[0], IDLE)
        proxy.drop(1.0)
        ways = [(policy, _caller(policy, member, platform, client(url))) for policy in READS]
        answers = await asyncio.gather(*(caller.get(_path(policy)) for policy, caller in ways))
        proxy.restore()
        proxy.cut()
    away = 0
    for (policy, _), answer in zip(ways, answers, strict=True):
        said = f"{policy.path}: {answer.status_code} {answer.text[:200]}"
        if answer.status_code == 503 and policy.path != "/ready" and policy.json:
            world.problem(answer, 503, "unavailable")
            away += 1
        else:
            assert answer.status_code in {*NEEDS_NONE, 503}, said
    assert away > len(READS) // 2, "most of what is read is read from the database"


def _caller(
    policy: Policy, member: httpx.AsyncClient, platform: httpx.AsyncClient, nobody: httpx.AsyncClient
) -> httpx.AsyncClient:
    if policy.access is Access.ANONYMOUS:
        return nobody
    return platform if policy.platform else member


def _path(policy: Policy) -> str:
    return re.sub(r"\{\w+\}", lambda match: "x" * 40 if "token" in match[0] else str(uuid4()), policy.path)
