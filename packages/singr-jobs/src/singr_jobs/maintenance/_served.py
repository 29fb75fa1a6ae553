"""Which job types are run from which queues, as every worker says of itself in Redis."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import redis
import redis.asyncio

KEY: Final = "singr:served"
LASTS: Final = 60
"""Seconds for which a worker's word is good: it says it four times in that time."""


def _pairs(words: Iterable[bytes]) -> frozenset[tuple[str, str]]:
    found = (word.decode(errors="replace").partition(" ") for word in words)
    return frozenset((queue, job_type) for queue, _, job_type in found)


class Served:
    """What this process serves is told to the others, and what they serve is known here.

    Redis is disposable: while it is away, what was heard last is taken to be so still.
    """

    def __init__(self, client: redis.asyncio.Redis, *, queues: Iterable[str], types: Callable[[], list[str]]) -> None:
        self._client = client
        self._queues = tuple(queues)
        self._types = types
        self._heard: frozenset[tuple[str, str]] = frozenset()

    async def pairs(self) -> frozenset[tuple[str, str]]:
        """Each queue with each type that some live worker runs from it, this one included."""
        ours = frozenset((queue, job_type) for queue in self._queues for job_type in self._types())
        try:
            self._heard = await self._exchanged(ours)
        except (redis.RedisError, OSError):
            return self._heard | ours
        return self._heard

    async def _exchanged(self, ours: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        now, _ = await self._client.time()  # its clock: those of hosts may differ by more than this lasts
        words: Mapping[str, int] = {f"{queue} {job_type}": now + LASTS for queue, job_type in ours}
        pipeline = self._client.pipeline(transaction=False)
        if words:
            pipeline.zadd(KEY, words)
        pipeline.zremrangebyscore(KEY, "-inf", now)
        pipeline.zrange(KEY, 0, -1)
        *_, said = await pipeline.execute()
        return _pairs(said)
