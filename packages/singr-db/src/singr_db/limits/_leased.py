"""Rate limits with fewer round trips: a busy key leases its next places."""

import asyncio
import time
from dataclasses import dataclass

from singr_db.limits._rate import Decision, RateLimiter

# A lease that is used up sooner than this is worth doubling; one that lasts longer is worth halving.
_BRISK = 0.05
_LIFETIME = 1.0


@dataclass(slots=True)
class _Lease:
    limit: int
    size: int = 1
    left: int = 0
    taken_at: float = 0.0
    decision: Decision | None = None
    refill: "asyncio.Task[None] | None" = None


class LeasedLimiter:
    """The same counting with fewer questions: a busy key takes its next few places at a time.

    A key that is asked for now and then takes one place a time, as with `RateLimiter`. One that is asked for many times
    in a twentieth of a second takes up to `share` of its limit ahead, to be used within a second, and asks for the next
    while the last are being used, so that nobody has to wait. Places are always taken before they are used, so no more
    than the limit is ever admitted in the windows by which they are taken; what a process took and did not use is lost
    to the others, `share` at the most.
    For limits that guard secrets, use `RateLimiter` itself.
    """

    def __init__(self, limiter: RateLimiter, *, share: float = 0.01) -> None:
        self._limiter = limiter
        self._share = share
        self._leases: dict[str, _Lease] = {}

    async def check(self, key: str, *, limit: int, window: float) -> Decision:
        """One place of `limit` per `window` seconds under `key`; raises as `RateLimiter.check`."""
        lease = self._leases.get(key)
        if lease is None or lease.limit != limit:
            if len(self._leases) > 10_000:  # noqa: PLR2004 - more callers than are busy at once: begin anew
                self._leases.clear()
            lease = self._leases[key] = _Lease(limit)
        while True:
            decision = lease.decision
            if lease.left and decision is not None and time.monotonic() - lease.taken_at < _LIFETIME:
                lease.left -= 1
                if lease.left < lease.size // 4 and lease.refill is None and decision.granted:
                    self._refill(lease, key, window)
                return Decision(
                    allowed=True,
                    granted=1,
                    limit=limit,
                    remaining=decision.remaining + lease.left,
                    reset_after=decision.reset_after,
                    retry_after=0,
                )
            await asyncio.shield(lease.refill or self._refill(lease, key, window))
            if not lease.left and lease.decision is not None and not lease.decision.granted:
                return lease.decision

    def _refill(self, lease: _Lease, key: str, window: float) -> "asyncio.Task[None]":
        lease.refill = asyncio.create_task(self._fill(lease, key, window))
        lease.refill.add_done_callback(_heard)
        return lease.refill

    async def _fill(self, lease: _Lease, key: str, window: float) -> None:
        age = time.monotonic() - lease.taken_at
        if age >= _LIFETIME:
            lease.left = 0
        most = max(1, int(lease.limit * self._share))
        lease.size = min(most, lease.size * 2) if age < _BRISK else max(1, lease.size // 2)
        ahead = max(1, min(lease.size, most - lease.left))
        try:
            lease.decision = await self._limiter.take(key, limit=lease.limit, window=window, up_to=ahead)
            lease.left, lease.taken_at = lease.left + lease.decision.granted, time.monotonic()
        finally:
            lease.refill = None


def _heard(filling: "asyncio.Task[None]") -> None:
    """Its error is its waiters' to raise; where all of them went away, nobody misses it."""
    if not filling.cancelled():
        filling.exception()
