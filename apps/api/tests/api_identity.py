"""What the tests of accounts share: a password, and how one posts."""

from typing import Any

import httpx

PASSWORD = "a long road to the microphone"


async def post(api: httpx.AsyncClient, path: str, headers: Any = None, **body: Any) -> httpx.Response:
    return await api.post(path, json=body, headers=headers)
