"""How fast jobs of a queue may start, counted in Redis over all processes."""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

import redis

from singr_db.limits import RateLimiter
from singr_jobs.declare._types import Queue, Rate
from singr_jobs.taking._claimed import ClaimedJob


class Rates:
    """Which of the jobs that were taken may start now, and until when others need not be asked for.

    Args:
        limiter: counts over all processes; while it is away, each process spreads its jobs evenly.
    """

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        self._not_before: dict[tuple[Queue, UUID | None], float] = {}

    def may_start(self, queue: Queue) -> bool:
        """Whether any job of the queue may start."""
        return _now() >= self._not_before.get((queue, None), 0.0)

    def shut(self, queue: Queue) -> dict[UUID, int]:
        """The organizations none of whose jobs may start."""
        now = _now()
        return {
            organization: 0
            for (of, organization), at in self._not_before.items()
            if of == queue and organization is not None and at > now
        }

    def forget(self) -> None:
        """Ask anew for all: rates have changed."""
        self._not_before.clear()

    def next_at(self) -> float:
        """When the next may that may not now, on the loop's clock; infinity where there is none."""
        now = _now()
        for which in [which for which, at in self._not_before.items() if at <= now]:
            del self._not_before[which]
        return min(self._not_before.values(), default=float("inf"))

    async def admitted(
        self, queue: Queue, jobs: Sequence[ClaimedJob], rate: Rate | None, each: Mapping[UUID, Rate]
    ) -> list[ClaimedJob]:
        """The part of the jobs that may start now, by the rates of organizations and by that of the queue."""
        admitted = list(jobs)
        for organization, its_rate in each.items() if jobs else ():
            theirs = [job for job in admitted if job.organization_id == organization]
            if theirs:
                granted = await self._granted(queue, organization, its_rate, len(theirs))
                refused = {job.id for job in theirs[granted:]}
                admitted = [job for job in admitted if job.id not in refused]
        if rate is None or not admitted:
            return admitted
        return admitted[: await self._granted(queue, None, rate, len(admitted))]

    async def _granted(self, queue: Queue, organization: UUID | None, rate: Rate, wanted: int) -> int:
        key = f"queue:{queue}" if organization is None else f"queue:{queue}:{organization}"
        try:
            decision = await self._limiter.take(key, limit=rate.count, window=rate.seconds, up_to=wanted)
            # No true answer exceeds the window: whoever writes to Redis must not stop a queue for longer.
            granted = decision.granted
            pause = min(decision.reset_after, rate.seconds) if decision.remaining == 0 else 0.0
        except (redis.RedisError, OSError):
            # Without the shared counter this process spreads its jobs evenly: one at a time, never a burst.
            granted, pause = 1, rate.seconds / rate.count
        if pause:
            self._not_before[queue, organization] = _now() + pause
        return granted


def _now() -> float:
    return asyncio.get_running_loop().time()
