"""A Litestar service that knows Singr's people and programs.

pip install 'singr-auth[litestar]' uvicorn; then: uvicorn --factory litestar_service:from_environment
"""

import os
from typing import Any
from uuid import UUID

from litestar import Litestar, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from singr_auth import AccessToken, Principal, RemoteAccess, SigningKey
from singr_auth.litestar import SingrAuth
from singr_config import Secret


def build(access: RemoteAccess) -> Litestar:
    """Build the service."""
    singr = SingrAuth(access)

    @get("/me", guards=[singr.person_guard], dependencies={"person": singr.person})
    async def me(person: NamedDependency[AccessToken]) -> dict[str, Any]:
        """Anybody who is signed in."""
        return {"user_id": str(person.user_id), "methods": list(person.methods)}

    @get("/feed", guards=[singr.api_key_guard], dependencies={"program": singr.api_key})
    async def feed(program: NamedDependency[Principal]) -> dict[str, Any]:
        """Any program with an API key."""
        return {"for": str(program.organization_id)}

    @post(
        "/organizations/{organization_id:uuid}/playlists",
        guards=[singr.guard("requests:process")],
        dependencies={"caller": singr.require("requests:process")},
    )
    async def make_playlist(organization_id: FromPath[UUID], caller: NamedDependency[Principal]) -> dict[str, str]:
        """Whoever may process requests in this organization: a person, or a program."""
        return {"by": caller.key_id, "organization": str(organization_id)}

    return Litestar([me, feed, make_playlist], plugins=[singr], openapi_config=None)


def from_environment() -> Litestar:
    """Build the service for the API at SINGR_URL."""
    return build(
        RemoteAccess(
            os.environ["SINGR_URL"],
            issuer=os.environ["SINGR_ISSUER"],
            audience=os.environ["SINGR_AUDIENCE"],
            credential=SigningKey(os.environ["SINGR_KEY"], Secret(os.environ["SINGR_SECRET"])),
        )
    )
