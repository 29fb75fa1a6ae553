"""Limits by key of jobs in memory, by the test's own clock."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from singr_jobs.declare._job_types import Jobs

_Key = tuple[UUID, str, str]


class MemoryKeys:
    """When jobs may start, by the rates of their keys and by what holds those back.

    Jobs in memory run one after the other, so that no limit of what runs at once is ever reached.
    """

    def __init__(self, jobs: Jobs, now: Callable[[], datetime]) -> None:
        self._jobs = jobs
        self._now = now
        self._starts: dict[_Key, list[datetime]] = {}
        self._held: dict[_Key, datetime] = {}

    def may_start_at(self, row: dict[str, Any]) -> datetime:
        """When a job with this row may start, as far as its key goes."""
        key = _key(row)
        now = self._now()
        if key is None:
            return now
        held = self._held.get(key, now)
        limits = self._jobs.named(row["type"]).limits
        if limits is None or limits.rate is None:
            return max(now, held)
        starts = self._starts.get(key, [])[-limits.rate.count :]
        full = len(starts) == limits.rate.count
        return max(now, held, starts[0] + timedelta(seconds=limits.rate.seconds)) if full else max(now, held)

    def started(self, row: dict[str, Any]) -> None:
        """A job with this row starts now."""
        key = _key(row)
        if key is not None:
            self._starts.setdefault(key, []).append(self._now())

    def hold(self, row: dict[str, Any], seconds: float) -> None:
        """Its handler asks that nothing of its key starts for so long."""
        key = _key(row)
        if key is not None:
            self._held[key] = max(self._held.get(key, self._now()), self._now() + timedelta(seconds=seconds))


def _key(row: dict[str, Any]) -> _Key | None:
    key = row.get("concurrency_key")
    return None if key is None else (row["organization_id"], row["type"], key)
