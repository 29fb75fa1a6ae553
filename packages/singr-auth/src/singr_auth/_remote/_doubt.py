"""What keeps callers who invent keys from shutting out those who have real ones."""

import time
from typing import Final

LOOKS_A_SECOND: Final = 5
LOOKS_AT_ONCE: Final = 60
"""How many keys that never were good may be asked about: a service has thirty processes before Singr's own limit for
its credential (6,000 a minute) is reached by them, and those whose keys were good are not counted here at all."""


class Doubt:
    """Remembers which keys, by digest, were good when last asked about, and bounds the questions about all others.

    Belongs to one event loop. Among keys that are new to this process, a real one competes with invented ones, and is
    known from then on.

    Args:
        size: how many good keys are remembered; beyond, the one that came first is new again.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._good: dict[str, None] = {}
        self._left = float(LOOKS_AT_ONCE)
        self._at = time.monotonic()

    def may_ask(self, digest: str) -> bool:
        """Tell whether there is room for this question; counts it."""
        if digest in self._good:
            return True
        now = time.monotonic()
        self._left = min(LOOKS_AT_ONCE, self._left + (now - self._at) * LOOKS_A_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def found(self, digest: str, *, good: bool) -> None:
        """Note what was answered."""
        self._good.pop(digest, None)
        if good:
            if len(self._good) >= self._size:
                del self._good[next(iter(self._good))]
            self._good[digest] = None
