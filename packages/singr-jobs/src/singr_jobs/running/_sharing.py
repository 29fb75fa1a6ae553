"""How the places of one queue in this process are shared between the organizations whose jobs come.

Turns alone are not enough where jobs take their time: who floods a queue has every place as it comes free, and whoever
comes then waits until something ends. So those that usually have their share or more leave to the others what these
usually have and some more, a quarter of the places at the least, for as long as others come (decision 71). They are
kept by how many the large ones have in hand, not by how many places are free: what began together ends together, and
then every place is free at once. Of four to six places a part of one counts as one, up to half of all (decision 108).

Where jobs are quick, those of whoever is known to be quick come freely, and wait here for moments: in a queue of quick
jobs only the slow ones have shares, of all places but a quarter, and so have at first those of whom nothing is known.
One of each begins all the same while nobody is known to be quick, and one of another where one alone has all of them:
else newcomers with a job each would have every place that is kept for the quick.
"""

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final
from uuid import UUID

from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._claims import Shares
from singr_jobs.taking._rules import OwnRules

# For so many seconds whoever came counts as one of those that share; what is usual is a mean over about a second.
_LATELY: Final = 10.0
_USUAL: Final = 1.0
_PRUNED_EVERY: Final = 1.0
# One of so many places is kept back at the least, and no more of them beyond what others usually have: by chance
# numbers are twice their root above their mean. Of few places three times, since a mean of a second is no exact one.
_KEPT_OF: Final = 4
_ROOTS: Final = 2
_ROOTS_OF_FEW: Final = 3
_SEVERAL: Final = 2
# Jobs of fewer seconds are quick. An organization's mean is one of about so many of its handlers' times, so that one
# that goes on for as many times as long makes it slow; where nothing is known yet, the first time is the mean.
QUICK: Final = 0.02
_MEMORY: Final = 16
# A part of a place counts as one where it nearly is: else a quarter of three places would be one of them.
_NEARLY: Final = 0.04
# Whoever is quick is told to the take with as many as this where others may have none.
_ANY_NUMBER: Final = 1 << 30
_AS_ANYBODY: Final = OwnRules()
_NOTHING_SET: Final[Mapping[UUID, OwnRules]] = MappingProxyType({})


class _Held:
    """What one organization has in hand, and what it has had in the mean, up to a time.

    The mean is one of the time since it came, at first: who comes beside a flood is reckoned with from then on.
    Its handlers take so many `seconds` in the mean, 0.0 while none has ended; of those that are `running` some are
    `late`, since they go on for so long that this alone makes it slow.
    """

    __slots__ = ("_at", "_sum", "_weight", "is_quick", "late", "now", "running", "seconds", "seen")

    def __init__(self, at: float) -> None:
        self.now = 0
        self.seen = at
        self.running = self.late = 0
        self.seconds = 0.0
        self.is_quick = False
        self._at = at
        self._sum = 0.0
        self._weight = 0.0

    @property
    def usual(self) -> float:
        return self._sum / self._weight if self._weight else self.now

    @property
    def is_slow(self) -> bool:
        return self.late > 0 or self.seconds >= QUICK

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
        self._others: dict[UUID, _Held] = {}  # that are not known to be quick
        self._at_work: dict[_Held, None] = {}  # whose handlers run: as many as places at the most
        self._pruned_at = 0.0

    def took(self, jobs: Iterable[ClaimedJob], now: float) -> None:
        """These came into hand."""
        self._prune(now)
        for job in jobs:
            held = self._held.get(job.organization_id)
            if held is None:
                held = self._held[job.organization_id] = self._others[job.organization_id] = _Held(now)
            job.share = held
            held.look(now)
            held.now += 1
            held.seen = now

    def parted_with(self, job: ClaimedJob, now: float) -> None:
        """This one is out of hand."""
        held = self._held[job.organization_id]
        held.look(now)
        held.now -= 1

    def look(self, job: ClaimedJob, seconds: float) -> None:
        """Its handler has run for so long, and goes on."""
        held: _Held = job.share
        if not job.late and seconds >= (QUICK * _MEMORY if held.seconds else QUICK):
            job.late = True
            held.late += 1
            self._judge(job.organization_id, held)

    def began(self, job: ClaimedJob) -> None:
        """Its handler has a place."""
        held: _Held = job.share
        held.running += 1
        self._at_work[held] = None

    def freed(self, job: ClaimedJob) -> None:
        """Its handler has a place no more."""
        held: _Held = job.share
        held.running -= 1
        if not held.running:
            self._at_work.pop(held, None)
        if job.late:
            job.late = False
            held.late -= 1

    def ended(self, job: ClaimedJob, seconds: float) -> None:
        """Its handler has ended, after so long."""
        self.freed(job)
        held: _Held = job.share
        held.seconds += (seconds - held.seconds) / _MEMORY if held.seconds else seconds
        if held.is_quick is not (held.seconds < QUICK and not held.late):
            self._judge(job.organization_id, held)

    def _judge(self, whose: UUID, held: _Held) -> None:
        held.is_quick = 0 < held.seconds < QUICK and not held.late
        if held.is_quick:
            self._others.pop(whose, None)
        else:
            self._others[whose] = held

    def is_slow(self, whose: UUID) -> bool:
        """Whether the organization's jobs are known to take their time."""
        return whose in self._others and self._others[whose].is_slow

    def may_begin(self, job: ClaimedJob, concurrency: int, *, is_quick: bool) -> bool:
        """Whether a place is its own: who is not known to be quick leaves some to others.

        It does in a queue that `is_quick` or has somebody who is.
        """
        held: _Held = job.share
        if held.is_quick:
            return True
        if held.running:
            return not (is_quick or self.knows_quick) or self.left_to_the_slow(concurrency) > 0
        return self._may_join(concurrency, (other for other in self._at_work if not other.is_quick))

    @property
    def knows_quick(self) -> bool:
        """Whether somebody's jobs are known to be quick."""
        return len(self._held) > len(self._others)

    def full_of_slow(self, concurrency: int) -> bool:
        """Whether those that are slow have all that is not kept for the quick, so that nobody else begins soon."""
        return not self._may_join(concurrency, (held for held in self._at_work if held.is_slow))

    def _may_join(self, concurrency: int, beside: Iterable[_Held]) -> bool:
        """Whether one of an organization that has no place may begin beside these.

        What is kept for the quick is not its own, except where one alone has all the rest.
        """
        kept = _quarter(concurrency)
        if not kept or not self.knows_quick:
            return True
        running = [held.running for held in beside]
        return sum(running) < concurrency - kept or len(running) == 1

    def left_to_the_slow(self, concurrency: int) -> int:
        """How many more places those may have that are not known to be quick; all, where nobody shares."""
        if len(self._held) < _SEVERAL and not self.knows_quick:
            return concurrency
        running = sum(held.running for held in self._at_work if not held.is_quick)
        return max(0, concurrency - _quarter(concurrency) - running)

    def shares_of_the_slow(
        self, concurrency: int, now: float, own: Mapping[UUID, OwnRules] = _NOTHING_SET
    ) -> Shares | None:
        """The same as `shares` in a queue of quick jobs: how many more of those may come that are known to be slow."""
        slow = {whose: held for whose, held in self._others.items() if held.is_slow}
        if not slow or len(self._held) < _SEVERAL:
            return None
        most = concurrency - _quarter(concurrency)
        among_them = self.shares(most, now, own, slow)
        free = max(0, most - sum(held.now for held in slow.values()))
        each = {whose: max(free, 1 - held.now) for whose, held in slow.items()}
        if among_them is not None:
            each |= {whose: min(each[whose], share) for whose, share in among_them.each.items()}
        return Shares(each)

    def left_to_the_quick(self, concurrency: int, now: float, shares: Shares | None) -> Shares | None:
        """The same shares, and none for whoever is not known to be quick where nothing of theirs would begin soon."""
        self._prune(now)
        return self.of_the_quick(shares) if self.full_of_slow(concurrency) else shares

    def of_the_quick(self, shares: Shares | None) -> Shares:
        """The same shares, and none for whoever is not known to be quick."""
        each = shares.each if shares is not None else {}
        return Shares(
            {whose: each.get(whose, _ANY_NUMBER) for whose in self._held if whose not in self._others}, others=0
        )

    def shares(
        self,
        concurrency: int,
        now: float,
        own: Mapping[UUID, OwnRules] = _NOTHING_SET,
        only: Mapping[UUID, _Held] | None = None,
    ) -> Shares | None:
        """How many more of each organization may come into hand; None where none shares with another.

        Args:
            concurrency: places of the queue here.
            now: of the monotonic clock.
            own: what operators have set for organizations in the queue.
            only: those that share, if not all.
        """
        all_of = self._held if only is None else only
        if len(all_of) < _SEVERAL:
            return None
        sharing = {whose: held for whose, held in all_of.items() if held.now or now - held.seen < _LATELY}
        if len(sharing) < _SEVERAL:
            return None
        for held in sharing.values():
            held.look(now)
        weights = {whose: own.get(whose, _AS_ANYBODY).weight for whose in sharing}
        even = {whose: concurrency * weight / sum(weights.values()) for whose, weight in weights.items()}
        large = {whose: held for whose, held in sharing.items() if held.usual >= _about(even[whose], concurrency)}
        small = {whose: held for whose, held in sharing.items() if whose not in large}
        left = concurrency - _kept(concurrency, small, own) - sum(held.now for held in large.values())
        rounded = _whole if small and _is_few(concurrency) else math.ceil
        # Who has more than its share, such as jobs that hang, has it at the cost of the others that have much.
        over = [whose for whose, held in sharing.items() if held.now > even[whose]]
        rest = concurrency - sum(sharing[whose].now for whose in over)
        among = sum(weight for whose, weight in weights.items() if whose not in over)
        every = sum(weights[whose] for whose in large)
        return Shares(
            {
                whose: max(
                    0,
                    math.ceil(left * weights[whose] / every),
                    0 if whose in over else rounded(rest * weights[whose] / among) - held.now,
                )
                for whose, held in large.items()
            }
        )

    def _prune(self, now: float) -> None:
        if now - self._pruned_at >= _PRUNED_EVERY:
            self._pruned_at = now
            self._held = {
                whose: held
                for whose, held in self._held.items()
                if held.now or held.running or now - held.seen < _LATELY
            }
            self._others = {whose: held for whose, held in self._others.items() if whose in self._held}


def _is_few(concurrency: int) -> bool:
    """Whether a quarter of so many places is one: four to six."""
    return _quarter(concurrency) == 1


def _whole(share: float) -> int:
    """A share in whole places: one at the least."""
    return max(1, math.floor(share))


def _about(even: float, concurrency: int) -> float:
    """How many are about a share: one less, and of less than one place half of it.

    Of few places half of it, since whoever is kept from more than its share has less in the mean.
    """
    if _is_few(concurrency):
        return max(even / 2, 1.0 if even > 1 else 0.0)
    return max(math.ceil(even) - 1, even / 2)


def _kept(concurrency: int, small: Mapping[UUID, _Held], own: Mapping[UUID, OwnRules]) -> int:
    """How many places are for those that have less than their share.

    Of few places as many as they wish, rounded up, and not more than half: a part of a place keeps nobody from waiting.
    """
    usual = sum(held.usual for held in small.values())
    limits = {whose: own.get(whose, _AS_ANYBODY).most for whose in small}
    # What a limit keeps from growing needs no room to grow.
    growth = sum(math.inf if most is None else max(0.0, most - small[whose].usual) for whose, most in limits.items())
    quarter, root = concurrency / _KEPT_OF, math.sqrt(usual)
    if _is_few(concurrency):
        wished = math.ceil(usual + min(growth, _ROOTS_OF_FEW * root))
        return max(_quarter(concurrency), min(wished, math.ceil(concurrency / 2)))
    kept = max(quarter, usual + min(quarter, growth, _ROOTS * root))
    return math.floor(kept + concurrency * _NEARLY)


def _quarter(concurrency: int) -> int:
    """How many places are kept at the least."""
    return math.floor(concurrency / _KEPT_OF + concurrency * _NEARLY)
