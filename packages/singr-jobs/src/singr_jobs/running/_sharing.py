"""How the places of one queue in this process are shared between the organizations whose jobs come.

Turns alone are not enough where jobs take their time: who floods a queue has every place as it comes free, and whoever
comes then waits until something ends. So a quarter of the places is kept back from those that usually have their share
or more, for as long as others come; who usually has less may take any (decision 71).
"""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._claims import Shares

# For so many seconds whoever came counts as one of those that share; what is usual is a mean over about a second.
_LATELY: Final = 10.0
_USUAL: Final = 1.0
_PRUNED_EVERY: Final = 1.0
# One of so many places is kept back.
_KEPT_OF: Final = 4
_NOTHING: Final = 0.05
_SEVERAL: Final = 2


class Sharing:
    """Who has how many of the queue's jobs in hand here, now and usually."""

    def __init__(self) -> None:
        self._held: Counter[UUID] = Counter()
        self._seen: dict[UUID, float] = {}
        self._usual: dict[UUID, float] = {}
        self._looked_at = 0.0
        self._pruned_at = 0.0

    def took(self, jobs: Iterable[ClaimedJob], now: float) -> None:
        """These came into hand; `now` on the monotonic clock."""
        for job in jobs:
            self._held[job.organization_id] += 1
            self._seen[job.organization_id] = now

    def parted_with(self, job: ClaimedJob) -> None:
        """This one is out of hand."""
        left = self._held[job.organization_id] - 1
        if left > 0:
            self._held[job.organization_id] = left
        else:
            del self._held[job.organization_id]

    def shares(self, concurrency: int, free: int, now: float) -> Shares | None:
        """How many more of each organization may come into hand; None where none shares with another."""
        if len(self._seen) < _SEVERAL:
            return None
        self._look(now)
        if len(self._seen) < _SEVERAL:
            return None
        share = math.ceil(concurrency / len(self._seen))
        beyond = free - math.ceil(concurrency / _KEPT_OF)
        return Shares(
            {
                whose: max(0, share - self._held[whose], beyond)
                for whose, usual in self._usual.items()
                if usual >= share - 1
            }
        )

    def _look(self, now: float) -> None:
        part = -math.expm1((self._looked_at - now) / _USUAL)
        self._looked_at = now
        for whose in self._held.keys() | self._usual.keys():
            usual = self._usual.get(whose, 0.0)
            self._usual[whose] = usual + (self._held[whose] - usual) * part
        if now - self._pruned_at >= _PRUNED_EVERY:
            self._pruned_at = now
            self._seen = {whose: at for whose, at in self._seen.items() if now - at < _LATELY}
            self._usual = {whose: usual for whose, usual in self._usual.items() if usual > _NOTHING}
