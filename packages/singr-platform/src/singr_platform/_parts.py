"""The parts that every process is made of, built once and closed once."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from singr_config import Settings
from singr_db import Database, Sealer
from singr_db.redis import redis_client


class Parts:
    """Stores, network and seal, as the settings name them. Building it connects to nothing.

    Args:
        settings: where the stores are, and the secret to seal with.
        name: what the database shows as the application of its connections.
    """

    def __init__(self, settings: Settings, *, name: str) -> None:
        self.db = Database(settings.database, application_name=name)
        self.redis = redis_client(settings.redis)
        self.http = httpx.AsyncClient(follow_redirects=False)
        self.sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open everything; close it again in the other order. Neither store has to be there at the start."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.redis.aclose)
            stack.push_async_callback(self.http.aclose)
            await stack.enter_async_context(self.db)
            yield
