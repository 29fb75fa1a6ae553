"""What a process may have beside this package: used where it is loaded already, and never loaded for this.

So that enqueueing needs SQLAlchemy and msgspec alone.
"""

import os
import sys
import threading
import time
from typing import Any
from uuid import UUID

_COUNTER_BITS = 12
_RANDOM_BITS = 62
_lock = threading.Lock()
_last = 0


def new_id() -> UUID:
    """A UUID version 7 (RFC 9562); ids made by one process ascend strictly."""
    singr_db: Any = sys.modules.get("singr_db")
    if hasattr(singr_db, "new_id"):  # one source of ids in a process, or they would not ascend
        made: UUID = singr_db.new_id()
        return made
    global _last  # noqa: PLW0603 - the last id's place in time is the process's, whoever asks
    with _lock:
        # Method 3 of section 6.2: the time in 60 bits, a quarter of a microsecond each, and never the same twice.
        _last = now = max(_last + 1, (_time_ns() << _COUNTER_BITS) // 1_000_000)
    milliseconds, fraction = now >> _COUNTER_BITS, now & ((1 << _COUNTER_BITS) - 1)
    random = int.from_bytes(os.urandom(8)) >> (64 - _RANDOM_BITS)
    return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << _RANDOM_BITS | random)


def _time_ns() -> int:
    config: Any = sys.modules.get("singr_config.clock")
    read: int = config.clock.time_ns() if hasattr(config, "clock") else time.time_ns()  # noqa: TID251 — without ours
    return read


def correlation() -> tuple[str | None, str | None]:
    """The id of the request that the current work belongs to, and its W3C traceparent; None where nobody keeps them."""
    observability: Any = sys.modules.get("singr_observability")
    if not hasattr(observability, "current_traceparent"):
        return None, None
    return observability.correlation_id.get(None), observability.current_traceparent()
