"""A Singr that answers about one API key, for services that ask it."""

import json
from typing import Any

import httpx

from singr_auth import RemoteAccess, SigningKey, new_api_key, new_signing_secret

KEY = new_api_key().secret.reveal()
OWN = "01920000-0000-7000-8000-000000000001"
FOREIGN = "01920000-0000-7000-8000-0000000000ff"
SIGNED_IN = {"x-api-key": KEY}


async def answering(scope: Any, receive: Any, send: Any) -> None:
    """Singr as an ASGI app: the key is in force in `OWN`, and may read jobs."""
    told = {"active": True, "scope": "jobs:read", "client_id": "ak_x", "organization_id": OWN}
    known = KEY.encode() in (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(told if known else {"active": False}).encode()})


def access(app: Any = answering) -> RemoteAccess:
    """Know callers by that Singr."""
    return RemoteAccess(
        "https://singr.example",
        issuer="i",
        audience="a",
        credential=SigningKey("svc", new_signing_secret()),
        client=httpx.AsyncClient(transport=httpx.ASGITransport(app)),
    )


async def unreachable(scope: Any, receive: Any, send: Any) -> None:
    """Singr, while it cannot be asked."""
    await send({"type": "http.response.start", "status": 502, "headers": []})
    await send({"type": "http.response.body", "body": b""})
