"""What the tests of organizations share: an API with people and organizations in it."""

import asyncio
from typing import Any
from uuid import UUID

import httpx

from singr_auth.accounts import InvitePerson
from singr_auth.accounts.organizations import Actor
from singr_config.constants import ROLE_PERMISSIONS


class Town:
    """An API with people and organizations in it."""

    def __init__(self, url: str, client: Any, someone: Any, world: Any, accounts: Any) -> None:
        self.url, self.client, self.someone, self.world, self.accounts = url, client, someone, world, accounts

    def as_(self, person: Any) -> httpx.AsyncClient:
        made: httpx.AsyncClient = self.client(self.url, person)
        return made

    async def venue(self, owner: Any, name: str = "Blue Note") -> str:
        """The path of a new organization of this person."""
        answer = await self.as_(owner).post("/v1/organizations", json={"name": name}, headers=self.world.key())
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == f"/v1/organizations/{answer.json()['id']}"
        return str(answer.headers["location"])

    async def token(self, path: str, email: str, role: str = "customer_staff") -> str:
        """The token of a new invitation, which the API itself only writes into a mail."""
        organization = UUID(path.rpartition("/")[2])
        platform = Actor("env", ROLE_PERMISSIONS["customer_owner"], platform=True)
        async with self.accounts.db.tenant(organization) as session:
            await self.accounts.invitations.create(session, organization, email=email, role=role, actor=platform)
        secret: str = self.accounts.notifier.last(InvitePerson).token.reveal()
        return secret

    async def joins(self, person: Any, path: str, role: str = "customer_staff") -> Any:
        """The person, now a member who acts for the organization of the path."""
        token = await self.token(path, person.email, role)
        answer = await self.as_(person.acting(None)).post("/v1/invitations/accept", json={"token": token})
        assert answer.status_code == 200, answer.text
        return person.acting(UUID(path.rpartition("/")[2]))

    async def until_refused(self, person: Any, path: str, slug: str) -> None:
        """Ask until this is refused (how soon: test_auth_access_feed.py); the answer has to name this problem."""
        async with asyncio.timeout(20):
            while (answer := await self.as_(person).get(path)).status_code == 200:  # noqa: ASYNC110 — nobody tells when
                await asyncio.sleep(0.2)
        assert answer.json()["type"].endswith(slug), answer.text
