"""Rate limits with their headers (draft-ietf-httpapi-ratelimit-headers-10), counted atomically in Redis.

| counted by | name | requests in a minute |
|---|---|---|
| a service's credential; a person, about themselves | `credential` | `API_RATE_LIMIT_MAX` |
| a service's credential that asks about keys | `asking` | `ASKING_SHARES` times `API_RATE_LIMIT_MAX` |
| a person who acts for an organization | `customer` | `RATE_LIMIT_CUSTOMER_API` |
| a person who acts for the platform | `admin` | `RATE_LIMIT_ADMIN_API` |
| an organization, over all of its credentials and people | `tenant` | `TENANT_SHARES` times `API_RATE_LIMIT_MAX` |
| an organization, of logos to be fetched, whatever comes of it | `logo` | `LOGO_TRIES` in an hour |
| an address, of requests for anybody | `address` | `API_RATE_LIMIT_MAX` |
| an address, of requests that prove nothing | `failed-sign-in` | a tenth of it, 60 at least |

The headers tell of the first of a request's limits, unless its tenant's refuses it.

All of them fail open: they keep load away, they guard no secret (keys are 256 random bits). While Redis is away nothing
is counted, and no request waits for it: one in a second asks whether it is back.
"""

import math
import time
from typing import Final, Literal

import redis

from singr_api.http.problems import RATE_LIMITED, Problem
from singr_auth import Principal
from singr_config.constants import RATE_LIMITS, RateLimit, RateLimits
from singr_db.limits import LeasedLimiter
from singr_observability import get_logger

WINDOW_SECONDS: Final = 60
FEWEST_FAILED_SIGN_INS: Final = 60
TENANT_SHARES: Final = 10
"""How many credentials' worth of requests an organization has: one of them run wild leaves the others room."""

ASKING_SHARES: Final = 10
"""How much more a service may ask about its callers' keys: who calls it, and how often, is not in its hands."""

LOGO_TRIES: Final = 30
"""How often an hour an organization may have a logo fetched: each try is a call of ours to a host that it names."""

PATIENCE_SECONDS: Final = 0.25
_AWAY_SECONDS: Final = 1.0
_log = get_logger("singr_api.limits")

Headers = list[tuple[bytes, bytes]]
Counted = Literal["credential", "asking", "customer", "admin", "tenant", "logo", "address", "failed-sign-in"]


class Limits:
    """Counts requests per credential, person, tenant and address.

    Args:
        limiter: counts.
        requests_per_minute: of one credential, person or address.
        rates: of people who act for an organization or the platform; None: the product's own.
    """

    def __init__(self, limiter: LeasedLimiter, *, requests_per_minute: int, rates: RateLimits | None = None) -> None:
        rates = rates or RATE_LIMITS
        each, failures = requests_per_minute, max(FEWEST_FAILED_SIGN_INS, requests_per_minute // 10)
        self._limiter = limiter
        self._limits: dict[Counted, RateLimit] = {
            "credential": RateLimit(each, WINDOW_SECONDS),
            "asking": RateLimit(each * ASKING_SHARES, WINDOW_SECONDS),
            "customer": rates.customer_api,
            "admin": rates.admin_api,
            "tenant": RateLimit(each * TENANT_SHARES, WINDOW_SECONDS),
            "logo": RateLimit(LOGO_TRIES, 3600),
            "address": RateLimit(each, WINDOW_SECONDS),
            "failed-sign-in": RateLimit(failures, WINDOW_SECONDS),
        }
        self._away_until = 0.0
        self._is_away = False

    async def caller(self, principal: Principal, *, asking: bool = False) -> Headers:
        """Count a request of a service, or of a person who acts for an organization or the platform, and of its tenant.

        A question about somebody else's credential (`asking`) takes nothing of a tenant's share. What its own limit
        refuses is not counted for the tenant either: nobody uses up their colleagues' share by asking in vain. Returns
        and raises as `count`.
        """
        tenant = principal.organization_id
        if asking:
            return await self.count("asking", principal.key_id)
        if principal.user_id is None:
            headers = await self.count("credential", principal.key_id)
        else:
            headers = await self.count("admin" if tenant is None else "customer", principal.key_id)
        if tenant is not None:
            await self.count("tenant", str(tenant))
        return headers

    async def count(self, policy: Counted, subject: str) -> Headers:
        """Count a request of this credential, person, tenant or address; returns the headers that tell where it stands.

        Raises:
            Problem: it has asked too often (429, with Retry-After).
        """
        quota, window = self._limits[policy].limit, self._limits[policy].window
        headers = [(b"ratelimit-policy", f'"{policy}";q={quota};w={window}'.encode())]
        if time.monotonic() < self._away_until:
            return headers
        try:
            decision = await self._limiter.check(f"{policy}:{subject}", limit=quota, window=window)
        except (redis.RedisError, OSError, TimeoutError) as error:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            self._tell(type(error).__name__)
            return headers
        self._tell(None)
        state = f'"{policy}";r={decision.remaining};t={math.ceil(decision.reset_after)}'
        headers.append((b"ratelimit", state.encode()))
        if decision.allowed:
            return headers
        wait = max(1, math.ceil(decision.retry_after))
        raise Problem(
            RATE_LIMITED,
            f"At most {quota} requests in {window} seconds ({policy}). Wait {wait} second{'' if wait == 1 else 's'}.",
            headers={name.decode(): value.decode() for name, value in headers} | {"retry-after": str(wait)},
        )

    def _tell(self, why: str | None) -> None:
        """Say when Redis goes away, and when it is back; not at each request in between."""
        if why is not None and not self._is_away:
            _log.warning("rate limits are open while Redis is away: {}", why)
        elif why is None and self._is_away:
            _log.info("rate limits count again")
        self._is_away = why is not None
