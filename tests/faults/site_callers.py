"""Callers of a site: organizations with credentials of their own, and clients that reach every API process."""

import datetime as dt
from collections.abc import Iterable
from uuid import UUID

import httpx
from faults.harness import ORGANIZATION, Site

from singr_auth.accounts import NewCredential, ServiceCredentials
from singr_config import load_settings
from singr_db import Database, Sealer

OTHER = UUID("01920000-0000-7000-8000-000000000002")


class Callers:
    """Makes credentials as the API of the site will find them."""

    def __init__(self, site: Site) -> None:
        self._settings = load_settings(site.environment, env_file=None)
        site.sql(f"INSERT INTO organizations (id, name, slug) VALUES ('{OTHER}', 'Other Karaoke', 'other')")

    async def make(
        self,
        scopes: Iterable[str],
        *,
        organization_id: UUID | None = ORGANIZATION,
        signing: bool = False,
        until: dt.datetime | None = None,
        revoked: bool = False,
    ) -> NewCredential:
        """A credential with these scopes."""
        sealer = Sealer(self._settings.auth.secret, self._settings.auth.previous_secrets)
        async with Database(self._settings.database, application_name="callers") as database:
            credentials = ServiceCredentials(database, sealer, self._settings.ingestion)
            create = credentials.create_signing_credential if signing else credentials.create_api_key
            async with database.platform() as session:
                new = await create(
                    session, name="test", organization_id=organization_id, scopes=scopes, expires_at=until
                )
                if revoked:
                    assert await credentials.revoke(session, new.key_id)
        return new


def client(address: str, key: NewCredential | None = None, *, connections: int = 100) -> httpx.AsyncClient:
    """A client whose requests at once have a connection each, so that they spread over the API's processes."""
    headers = {} if key is None else {"x-api-key": key.secret.reveal()}
    limits = httpx.Limits(max_connections=connections)
    return httpx.AsyncClient(base_url=address, headers=headers, limits=limits, timeout=60.0, trust_env=False)


def sms(text: str = "You are next.", organization_id: UUID = ORGANIZATION) -> dict[str, object]:
    """A valid request for a text message, which nobody sends before its test is over."""
    return {
        "type": "sms.send",
        "organization_id": str(organization_id),
        "payload": {"to": "+15555550100", "message": {"kind": "plain", "text": text}},
    }
