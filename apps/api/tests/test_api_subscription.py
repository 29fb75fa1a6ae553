"""What an organization subscribed to is read by whoever may see its bills, and by nobody of another one."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_callers import ORGANIZATION, OTHER
from api_serving import serving
from sqlalchemy import insert

from singr_api.app import create_app
from singr_auth import SigningKey
from singr_auth.accounts import ServiceCredentials
from singr_config import Settings
from singr_db import Database, Sealer
from singr_db.tables import Subscription

PATH = "/v1/subscription"


@pytest.fixture
async def url(settings: Settings) -> AsyncIterator[str]:
    async with serving(create_app(settings)) as served:
        yield served


async def test_subscription_is_read_by_its_organization_alone_and_the_one_that_runs_first(
    url: str, db: Database, settings: Settings, callers: Any, client: Any, world: Any
) -> None:
    credentials = ServiceCredentials(db, Sealer(settings.auth.secret), settings.ingestion)
    keys = []
    async with db.platform() as session:
        for organization in (ORGANIZATION, OTHER):
            new = await credentials.create_signing_credential(
                session, name="bills", organization_id=organization, scopes=("billing:read",)
            )
            keys.append(client(url, SigningKey(new.key_id, new.secret)))
    owner, other = keys
    assert world.problem(await owner.get(PATH), 404, "not-found")["errors"][0]["field"] == "organization_id"
    async with db.platform() as session:
        ends = datetime.now(UTC)
        for days, status in enumerate(("active", "incomplete", "canceled"), 1):
            row = {"organization_id": ORGANIZATION, "subscription": f"sub_{days}", "customer": "cus_1"}
            row |= {"status": status, "period_end": ends + timedelta(days=days)}
            await session.execute(insert(Subscription).values(**row))
    shown = (await owner.get(PATH)).json()
    assert (shown["subscription"], shown["status"], shown["fetched_at"]) == ("sub_1", "active", None)
    world.problem(await other.get(PATH), 404, "not-found")
    world.problem(await other.get(PATH, params={"organization_id": str(ORGANIZATION)}), 403, "organization-forbidden")
    world.problem(await client(url, callers.reader).get(PATH), 403, "scope-missing")
