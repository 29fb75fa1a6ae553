"""The parts that every process is made of, built once and closed once."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import redis.asyncio

from singr_config import Settings
from singr_db import Database, Sealer
from singr_db.redis import redis_client
from singr_jobs import Carrier, TicketTransport, redis_transport


class Parts:
    """Stores, network and seal, as the settings name them. Building it connects to nothing.

    Args:
        settings: where the stores are, and the secret to seal with.
        name: what the database shows as the application of its connections.
        lock_timeout: seconds for which its statements wait for somebody else's lock, as of `Database`.
        patience: seconds after which a server that says nothing is asked for a sign of life, as of `Database`.
    """

    def __init__(
        self, settings: Settings, *, name: str, lock_timeout: float | None = None, patience: float | None = None
    ) -> None:
        self._settings = settings
        self.db = Database(settings.database, application_name=name, lock_timeout=lock_timeout, patience=patience)
        self.redis = redis_client(settings.redis)
        self.http = httpx.AsyncClient(follow_redirects=False)
        self.sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)

    def carrier(self) -> redis.asyncio.Redis | Carrier:
        """What a `Waker` says its words by: RabbitMQ where the site has one, else Redis. The Waker closes it."""
        if not self._settings.rabbitmq.configured:
            return self.redis
        from singr_jobs.rabbit import rabbit_carrier  # noqa: PLC0415 - needs an extra, which others do without

        return rabbit_carrier(self._settings.rabbitmq)

    def transport(self) -> TicketTransport:
        """What a worker sends and receives tickets by, and words where that is RabbitMQ. The worker stops it."""
        if not self._settings.rabbitmq.configured:
            return redis_transport(self._settings.redis)
        from singr_jobs.rabbit import rabbit_transport  # noqa: PLC0415 - as above

        return rabbit_transport(self._settings.rabbitmq)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open everything; close it again in the other order. Neither store has to be there at the start."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.redis.aclose)
            stack.push_async_callback(self.http.aclose)
            await stack.enter_async_context(self.db)
            yield
