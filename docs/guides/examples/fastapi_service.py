"""A FastAPI service that knows Singr's people and programs.

pip install 'singr-auth[fastapi]' uvicorn; then: uvicorn --factory fastapi_service:from_environment
"""

import os
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI

from singr_auth import AccessToken, Principal, RemoteAccess, SigningKey
from singr_auth.fastapi import SingrAuth
from singr_config import Secret


def build(access: RemoteAccess) -> FastAPI:
    """Build the service."""
    singr = SingrAuth(access)
    app = FastAPI(lifespan=singr.lifespan)

    @app.get("/me")
    async def me(person: Annotated[AccessToken, Depends(singr.person)]) -> dict[str, Any]:
        """Anybody who is signed in."""
        return {"user_id": str(person.user_id), "methods": list(person.methods)}

    @app.get("/feed")
    async def feed(program: Annotated[Principal, Depends(singr.api_key)]) -> dict[str, Any]:
        """Any program with an API key."""
        return {"for": str(program.organization_id)}

    @app.post("/organizations/{organization_id}/playlists", status_code=201)
    async def make_playlist(
        organization_id: UUID, caller: Annotated[Principal, Depends(singr.require("requests:process"))]
    ) -> dict[str, str]:
        """Whoever may process requests in this organization: a person, or a program."""
        return {"by": caller.key_id, "organization": str(organization_id)}

    return app


def from_environment() -> FastAPI:
    """Build the service for the API at SINGR_URL."""
    return build(
        RemoteAccess(
            os.environ["SINGR_URL"],
            issuer=os.environ["SINGR_ISSUER"],
            audience=os.environ["SINGR_AUDIENCE"],
            credential=SigningKey(os.environ["SINGR_KEY"], Secret(os.environ["SINGR_SECRET"])),
        )
    )
