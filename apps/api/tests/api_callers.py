"""Who calls in the tests of the API: rows that each test's database begins with, and the keys to them."""

import datetime as dt
from uuid import UUID

import msgspec
from sqlalchemy import text

from singr_auth import SigningKey
from singr_auth.accounts import ServiceCredentials
from singr_config.testing import settings_for_tests
from singr_db import DEMO_ORGANIZATION_ID, Database, PlatformSession, Sealer, seed

ORGANIZATION = UUID("01920000-0000-7000-8000-0000000000a1")
OTHER = UUID("01920000-0000-7000-8000-0000000000b2")
SCOPES = ("jobs:read", "jobs:write", "notifications:read", "notifications:write", "operations:read")


class Callers(msgspec.Struct):
    """One credential of each kind."""

    platform: SigningKey
    own: SigningKey
    other: SigningKey
    reader: SigningKey
    expired: SigningKey
    api_key: str
    platform_key: str


async def fill(url: str) -> Callers:
    """Write what every test of the API may count on: roles, three organizations, a credential of each kind."""
    settings = settings_for_tests(DATABASE_URL=url)
    sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)
    async with Database(settings.database, application_name="singr-tests") as db:
        await seed(db)
        credentials = ServiceCredentials(db, sealer, settings.ingestion)
        async with db.platform() as session:
            for number, organization in enumerate((ORGANIZATION, OTHER, DEMO_ORGANIZATION_ID)):
                await session.execute(
                    text("INSERT INTO organizations (id, name, slug) VALUES (:id, :name, :name)"),
                    {"id": organization, "name": f"organization-{number}"},
                )
            return await _credentials(credentials, session)


async def _credentials(credentials: ServiceCredentials, session: PlatformSession) -> Callers:
    async def signing(organization: UUID | None, *scopes: str, until: dt.datetime | None = None) -> SigningKey:
        new = await credentials.create_signing_credential(
            session, name="test", organization_id=organization, scopes=scopes, expires_at=until
        )
        return SigningKey(new.key_id, new.secret)

    async def key(organization: UUID | None) -> str:
        new = await credentials.create_api_key(session, name="test", organization_id=organization, scopes=SCOPES)
        return new.secret.reveal()

    return Callers(
        platform=await signing(None, *SCOPES, "operations:write"),
        own=await signing(ORGANIZATION, *SCOPES),
        other=await signing(OTHER, *SCOPES),
        reader=await signing(ORGANIZATION, "jobs:read"),
        expired=await signing(ORGANIZATION, *SCOPES, until=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)),
        api_key=await key(ORGANIZATION),
        platform_key=await key(None),
    )
