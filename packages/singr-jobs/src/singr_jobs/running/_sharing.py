"""How the places of one queue in this process are shared between the organizations whose jobs come.

Turns alone are not enough where jobs take their time: who floods a queue has every place as it comes free, and whoever
comes then waits until something ends. So those that usually have their share or more leave to the others what these
usually have and some more, a quarter of the places at the least, for as long as others come (decision 71). They are
kept by how many the large ones have in hand, not by how many places are free: what began together ends together, and
then every place is free at once.
"""

import math
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._claims import Shares

# For so many seconds whoever came counts as one of those that share; what is usual is a mean over about a second.
_LATELY: Final = 10.0
_USUAL: Final = 1.0
_PRUNED_EVERY: Final = 1.0
# One of so many places is kept back at the least, and no more of them beyond what others usually have: by chance
# numbers are twice their root above their mean.
_KEPT_OF: Final = 4
_ROOTS: Final = 2
_SEVERAL: Final = 2


class _Held:
    """What one organization has in hand, and what it has had in the mean, up to a time.

    The mean is one of the time since it came, at first: who comes beside a flood is reckoned with from then on.
    """

    __slots__ = ("_at", "_sum", "_weight", "now", "seen")

    def __init__(self, at: float) -> None:
        self.now = 0
        self.seen = at
        self._at = at
        self._sum = 0.0
        self._weight = 0.0

    @property
    def usual(self) -> float:
        return self._sum / self._weight if self._weight else self.now

    def look(self, at: float) -> None:
        """Reckon in what it has had until now."""
        part = -math.expm1((self._at - at) / _USUAL)
        self._sum += (self.now - self._sum) * part
        self._weight += (1 - self._weight) * part
        self._at = at


class Sharing:
    """Who has how many of the queue's jobs in hand here, now and usually. Every time is one of the monotonic clock."""

    def __init__(self) -> None:
        self._held: dict[UUID, _Held] = {}
        self._pruned_at = 0.0

    def took(self, jobs: Iterable[ClaimedJob], now: float) -> None:
        """These came into hand."""
        self._prune(now)
        for job in jobs:
            held = self._held.get(job.organization_id)
            if held is None:
                held = self._held[job.organization_id] = _Held(now)
            held.look(now)
            held.now += 1
            held.seen = now

    def parted_with(self, job: ClaimedJob, now: float) -> None:
        """This one is out of hand."""
        held = self._held[job.organization_id]
        held.look(now)
        held.now -= 1

    def shares(self, concurrency: int, now: float) -> Shares | None:
        """How many more of each organization may come into hand; None where none shares with another."""
        if len(self._held) < _SEVERAL:
            return None
        sharing = {whose: held for whose, held in self._held.items() if now - held.seen < _LATELY}
        if len(sharing) < _SEVERAL:
            return None
        for held in self._held.values():
            held.look(now)
        even = concurrency / len(sharing)
        share = math.ceil(even)
        usually = max(share - 1, even / 2)  # about a share: of less than one place, half of it
        large = {whose: held for whose, held in self._held.items() if held.usual >= usually}
        others = sum(held.usual for whose, held in sharing.items() if whose not in large)
        quarter = concurrency / _KEPT_OF
        kept = max(quarter, others + min(quarter, _ROOTS * math.sqrt(others)))
        left = concurrency - math.ceil(kept) - sum(held.now for held in large.values())
        return Shares({whose: max(0, share - held.now, left) for whose, held in large.items()})

    def _prune(self, now: float) -> None:
        if now - self._pruned_at >= _PRUNED_EVERY:
            self._pruned_at = now
            self._held = {whose: held for whose, held in self._held.items() if held.now or now - held.seen < _LATELY}
