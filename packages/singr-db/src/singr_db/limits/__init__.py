"""Rate limits counted in Redis, atomically over all processes, and how a busy caller asks seldom.

Needs the extra `[redis]`.
"""

from singr_config.extras import require_extra

require_extra("singr-db", "redis", "redis")

from singr_db.limits._leased import LeasedLimiter
from singr_db.limits._rate import Decision, LimitCheck, RateLimiter

__all__ = ["Decision", "LeasedLimiter", "LimitCheck", "RateLimiter"]
