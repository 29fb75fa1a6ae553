"""What carries words from process to process: Redis, where nobody brings another carrier."""

from collections.abc import AsyncGenerator
from typing import Final, Protocol

import redis.asyncio

from singr_config import RabbitSettings
from singr_config.extras import is_installed
from singr_db.redis import hear_channel, refusal_of
from singr_jobs.declare._types import Exponential

CHANNEL: Final = "singr:wake"
RECONNECT: Final = Exponential(0.4, longest=5.0)
"""Seconds until a carrier that is away is asked again, by the number of failures in a row."""


class CarrierSettings(Protocol):
    """The sections that say what carries; `singr_config.Settings` fits."""

    @property
    def rabbitmq(self) -> RabbitSettings:
        """RabbitMQ, where a site has one."""
        ...


def check_carrier(settings: CarrierSettings) -> list[str]:
    """Return a line for each reason why what the settings choose cannot carry anything, the variable first."""
    if settings.rabbitmq.configured and not is_installed("pika"):
        return ["RABBITMQ_URL: pika is not installed: install singr-jobs[rabbitmq], which brings it"]
    return []


class Carrier(Protocol):
    """Says something to every process that listens, and hears what others say. It may lose words; it keeps none."""

    async def publish(self, message: str) -> None:
        """Say it; raises redis.RedisError or OSError, within seconds, where it does not get through."""
        ...

    def hear(self) -> AsyncGenerator[bytes | str | None, None]:
        """Yield every message, until the connection ends with an error.

        None comes first, once all that is said from now on will be heard.
        """
        ...

    def refusal(self, error: Exception) -> str | None:
        """Say what a server that answers refuses, and what would be right; None where it does not answer at all."""
        ...

    async def close(self) -> None:
        """Let go of what is the carrier's own."""
        ...


class RedisCarrier:
    """A channel of Redis, over a client that belongs to somebody else."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def publish(self, message: str) -> None:
        """See Carrier."""
        await self._client.publish(CHANNEL, message)

    def hear(self) -> AsyncGenerator[bytes | str | None, None]:
        """See Carrier."""
        return hear_channel(self._client, CHANNEL)

    def refusal(self, error: Exception) -> str | None:
        """See Carrier."""
        return refusal_of(error)

    async def close(self) -> None:
        """See Carrier."""
