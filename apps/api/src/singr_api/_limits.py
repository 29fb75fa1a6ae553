"""Rate limits with their headers (draft-ietf-httpapi-ratelimit-headers-10), counted atomically in Redis.

All of them fail open: they keep load away, they guard no secret (keys are 256 random bits). While Redis is away nothing
is counted, and no request waits for it: one in a second asks whether it is back.
"""

import time
from typing import Final

import redis

from singr_api._problems import RATE_LIMITED, Problem
from singr_auth import Principal
from singr_jobs import LeasedLimiter
from singr_observability import get_logger

WINDOW_SECONDS: Final = 60
FEWEST_FAILED_SIGN_INS: Final = 60
PATIENCE_SECONDS: Final = 0.25
_AWAY_SECONDS: Final = 1.0
_log = get_logger("singr_api.limits")

Headers = list[tuple[bytes, bytes]]


class Limits:
    """Counts requests per credential and per address."""

    def __init__(self, limiter: LeasedLimiter, *, requests_per_minute: int) -> None:
        self._limiter = limiter
        self._quota = requests_per_minute
        self._failures = max(FEWEST_FAILED_SIGN_INS, requests_per_minute // 10)
        self._away_until = 0.0

    async def credential(self, principal: Principal) -> Headers:
        """Count a request of a credential; returns the headers that tell where it stands.

        Raises:
            Problem: it has asked too often (429, with Retry-After).
        """
        return await self._count("credential", principal.key_id, self._quota)

    async def person(self, key_id: str) -> Headers:
        """Count a request of a signed-in person, wherever they sit; returns and raises as `credential`."""
        return await self._count("credential", key_id, self._quota)

    async def address(self, address: str) -> Headers:
        """Count an anonymous request; returns and raises as `credential`."""
        return await self._count("address", address, self._quota)

    async def failed_sign_in(self, address: str) -> Headers:
        """Count a request whose caller could not prove who it is; returns and raises as `credential`."""
        return await self._count("failed-sign-in", address, self._failures)

    async def _count(self, policy: str, subject: str, quota: int) -> Headers:
        headers = [(b"ratelimit-policy", f'"{policy}";q={quota};w={WINDOW_SECONDS}'.encode())]
        if time.monotonic() < self._away_until:
            return headers
        try:
            decision = await self._limiter.check(f"{policy}:{subject}", limit=quota, window=WINDOW_SECONDS)
        except (redis.RedisError, OSError, TimeoutError) as error:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            _log.warning("rate limits are open while Redis is away: {}", type(error).__name__)
            return headers
        state = f'"{policy}";r={decision.remaining};t={decision.reset_after}'
        headers.append((b"ratelimit", state.encode()))
        if decision.allowed:
            return headers
        wait = max(1, decision.retry_after)
        raise Problem(
            RATE_LIMITED,
            f"At most {quota} requests in {WINDOW_SECONDS} seconds ({policy}). Wait {wait} seconds.",
            headers={name.decode(): value.decode() for name, value in headers} | {"retry-after": str(wait)},
        )
