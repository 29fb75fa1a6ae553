"""Redis, which is disposable here: a client that says at once that the server is away.

Needs the extra `[redis]`.
"""

from singr_config.extras import require_extra

require_extra("singr-db", "redis", "redis")

import re
from typing import Any, Final, NoReturn

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from singr_config import RedisSettings

__all__ = ["redis_client", "refusal_of"]

_COMMAND: Final = re.compile(r"'([a-z|_-]+)' (?:command|subcommand)", re.IGNORECASE)


def redis_client(settings: RedisSettings, *, timeout: float = 2.0) -> redis.asyncio.Redis:
    """A client that gives up after `timeout` seconds and never retries by itself.

    Redis is disposable here: a caller would rather know at once that it is away than wait for it. Where none is set it
    is away for good.
    """
    if not settings.configured:
        return redis.asyncio.Redis(connection_pool=_Nowhere())
    return redis.asyncio.Redis.from_url(
        settings.url.reveal(),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


class _Nowhere(redis.asyncio.ConnectionPool):
    """Connections to a Redis that there is not."""

    async def get_connection(self, *_command: Any, **_options: Any) -> NoReturn:
        raise redis.ConnectionError("REDIS_URL is not set")


def refusal_of(error: BaseException) -> str | None:
    """Say what a server that answers refuses, and what would be right; None where it does not answer at all.

    Redis 7 gives a new user no channels, and managed ones withhold commands: the server answers a PING as ever.
    """
    if not isinstance(error, redis.ResponseError):
        return None
    said = str(error)
    if "permission" not in said.lower() and not isinstance(error, redis.exceptions.NoPermissionError):
        return type(error).__name__
    if command := _COMMAND.search(said):
        name = command[1].lower()
        return f"the user of REDIS_URL may not {name.upper()}: give it +{name}"
    if "channel" in said.lower():
        return "the user of REDIS_URL may not use the channel singr:wake: give it &singr:*"
    if "key" in said.lower():
        return "the user of REDIS_URL may not use our keys: give it ~singr:*"
    return "the user of REDIS_URL lacks a right (see ACL LOG)"
