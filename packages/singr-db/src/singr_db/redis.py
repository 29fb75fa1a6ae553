"""Redis, which is disposable here: a client that says at once that the server is away.

Needs the extra `[redis]`.
"""

from singr_config.extras import require_extra

require_extra("singr-db", "redis", "redis")

import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from singr_config import RedisSettings

__all__ = ["redis_client"]


def redis_client(settings: RedisSettings, *, timeout: float = 2.0) -> redis.asyncio.Redis:
    """A client that gives up after ``timeout`` seconds and never retries by itself.

    Redis is disposable here: a caller would rather know at once that it is away than wait for it.
    """
    return redis.asyncio.Redis.from_url(
        settings.url.reveal(),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
