"""Limits by key of jobs in memory, by the test's own clock."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from singr_jobs.declare._job_types import Jobs
from singr_jobs.declare._types import JobStatus, Rate
from singr_jobs.memory._job import MemoryJob

_Key = tuple[UUID, str, str]


@runtime_checkable
class KeepsKeys(Protocol):
    """What stands in for a platform's session, and has limits by key of its own (see `singr_jobs.testing`)."""

    keys: "MemoryKeys"


class MemoryKeys:
    """When jobs may start, by the limits of their keys and by what holds those back.

    Args:
        jobs: what the types declare.
        now: the time.
        every: the jobs that there are, by id.
    """

    def __init__(self, jobs: Jobs, now: Callable[[], datetime], every: Mapping[UUID, MemoryJob]) -> None:
        self._jobs = jobs
        self._now = now
        self._every = every
        self._set: dict[str, dict[str, Any]] = {}
        self._starts: dict[_Key, list[datetime]] = {}
        self._held: dict[_Key, datetime] = {}

    def declared(self, job_type: str) -> SimpleNamespace | None:
        """What a type declares and what is set in its place, as a row of `job_limits`; None where it has no limits."""
        limits = self._jobs.named(job_type).limits if job_type in self._jobs else None
        if limits is None:
            return None
        rate = limits.rate
        return SimpleNamespace(
            type=job_type,
            concurrency=limits.concurrency,
            rate_count=rate and rate.count,
            rate_seconds=rate and rate.seconds,
            **dict.fromkeys(("set_concurrency", "set_rate_count", "set_rate_seconds")) | self._set.get(job_type, {}),
        )

    def all(self) -> list[SimpleNamespace]:
        """Of all types that have limits, by name."""
        rows = (self.declared(name) for name in sorted(self._jobs.limited))
        return [row for row in rows if row is not None]

    def set(self, job_type: str, given: dict[str, Any]) -> SimpleNamespace | None:
        """Hold its keys to other limits than it declares; answers as `declared`."""
        self._set[job_type] = self._set.get(job_type, {}) | given
        return self.declared(job_type)

    def is_full(self, job: MemoryJob) -> bool:
        """Whether as many of its key run as may run at once."""
        most = self._concurrency(job)
        return most is not None and len(self.running(job)) >= most

    def running(self, job: MemoryJob) -> list[UUID]:
        """Others of its key that run."""
        key = _key(job)
        others = (one for one in self._every.values() if one is not job and one.status is JobStatus.PROCESSING)
        return [one.id for one in others if key is not None and _key(one) == key]

    def same(self, job: MemoryJob) -> list[MemoryJob]:
        """Those of its key, itself among them; none where it has no key."""
        key = _key(job)
        return [] if key is None else [one for one in self._every.values() if _key(one) == key]

    def may_start_at(self, job: MemoryJob) -> datetime:
        """When a job may start, as far as what holds its key back and its rate go; now, or later."""
        return max(self._now(), self.held_until(job) or self._now(), self.counts_until(job) or self._now())

    def held_until(self, job: MemoryJob) -> datetime | None:
        """Until when a handler asked that nothing of its key starts; None where none did."""
        key = _key(job)
        until = None if key is None else self._held.get(key)
        return until if until is not None and until > self._now() else None

    def counts_until(self, job: MemoryJob) -> datetime | None:
        """Where as many of its key have started as its rate allows, until when that is so; else None."""
        key, rate = _key(job), self._rate(job)
        if key is None or rate is None:
            return None
        starts = self._starts.get(key, [])[-rate.count :]
        until = starts[0] + timedelta(seconds=rate.seconds) if len(starts) == rate.count else None
        return until if until is not None and until > self._now() else None

    def started(self, job: MemoryJob) -> None:
        """A job starts now."""
        key = _key(job)
        if key is not None:
            self._starts.setdefault(key, []).append(self._now())

    def hold(self, job: MemoryJob, seconds: float) -> None:
        """Its handler asks that nothing of its key starts for so long."""
        key = _key(job)
        if key is not None:
            self._held[key] = max(self._held.get(key, self._now()), self._now() + timedelta(seconds=seconds))

    def _concurrency(self, job: MemoryJob) -> int | None:
        row = None if _key(job) is None else self.declared(job.type)
        if row is None:
            return None
        most: int | None = row.concurrency if row.set_concurrency is None else row.set_concurrency
        return most

    def _rate(self, job: MemoryJob) -> Rate | None:
        row = None if _key(job) is None else self.declared(job.type)
        if row is None or (row.set_rate_count or row.rate_count) is None:
            return None
        return Rate(row.set_rate_count or row.rate_count, row.set_rate_seconds or row.rate_seconds)


def _key(job: MemoryJob) -> _Key | None:
    key = job.concurrency_key
    return None if key is None else (job.organization_id, job.type, key)
