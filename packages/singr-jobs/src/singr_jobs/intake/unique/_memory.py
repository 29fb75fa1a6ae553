"""Unique keys of jobs in memory, by the test's own clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Protocol
from uuid import UUID

from singr_jobs.declare._types import JobStatus
from singr_jobs.intake.unique._claims import Holding

_Key = tuple[UUID, str, str]
_UNFINISHED = frozenset({JobStatus.PENDING, JobStatus.PROCESSING})


class _Job(Protocol):
    """What is known of a job."""

    id: UUID
    organization_id: UUID
    type: str
    unique_key: str | None
    status: JobStatus
    run_at: datetime
    replaced_by: UUID | None
    started_at: datetime | None

    def end(self, status: JobStatus, at: datetime) -> None:
        """It has ended so."""


@dataclass(slots=True)
class _Claim:
    """Who holds a key; `due_by` is the bound of what takes the holder's place, which is `put_off` each time."""

    job_id: UUID
    until: datetime | None = None
    due_by: datetime | None = None
    put_off: bool = False


@dataclass
class MemoryUniqueKeys:
    """Who holds which key.

    Attributes:
        now: the time.
        jobs: those that there are, by id.
    """

    now: Callable[[], datetime]
    jobs: Mapping[UUID, _Job]
    _claims: dict[_Key, _Claim] = field(default_factory=dict)

    def hold(self, job: _Job, holding: Holding | None = None) -> UUID | None:
        """Let the job hold its key from here on; answers who holds it in its stead, if somebody does."""
        if job.unique_key is None:
            return None
        if (holder := self.kept_out_by(job, holding)) is not None:
            return holder
        key = (job.organization_id, job.type, job.unique_key)
        holding = Holding() if holding is None else holding
        claim = self._living(key)
        if claim is not None and claim.job_id != job.id:
            self._replace(self.jobs[claim.job_id], job, claim, holding)
        elif claim is None:
            until = None if holding.seconds is None else self.now() + timedelta(seconds=holding.seconds)
            self._claims[key] = _Claim(job.id, until, self._due(job, holding), holding.debounce is not None)
        return None

    def kept_out_by(self, job: _Job, holding: Holding | None = None) -> UUID | None:
        """Who holds the job's key and does not give way to it; None where nobody does."""
        claim = None if job.unique_key is None else self._living((job.organization_id, job.type, job.unique_key))
        if claim is None or claim.job_id == job.id:
            return None
        holder = self.jobs[claim.job_id]
        gives_way = holding is not None and holding.replaces and holder.status in _UNFINISHED
        return None if gives_way else holder.id

    def put_off(self, job: _Job) -> SimpleNamespace | None:
        """Until when what takes this job's place is put off (`due_by`), or `without_end`; None where nothing is."""
        key = None if job.unique_key is None else (job.organization_id, job.type, job.unique_key)
        claim = None if key is None else self._claims.get(key)
        if claim is None or claim.job_id != job.id or not claim.put_off:
            return None
        return SimpleNamespace(without_end=claim.due_by is None, due_by=claim.due_by)

    def _living(self, key: _Key) -> _Claim | None:
        claim = self._claims.get(key)
        if claim is None or self.jobs[claim.job_id].status in _UNFINISHED:
            return claim
        if claim.until is not None and claim.until > self.now():
            return claim
        del self._claims[key]
        return None

    def _replace(self, holder: _Job, job: _Job, claim: _Claim, holding: Holding) -> None:
        bound = claim.due_by if holder.status is JobStatus.PENDING and holder.started_at is None else None
        holder.replaced_by = job.id
        if holder.status is JobStatus.PENDING:
            holder.end(JobStatus.CANCELLED, self.now())
        claim.job_id, claim.due_by = job.id, self._due(job, holding, bound)
        claim.put_off = bound is not None or holding.debounce is not None

    def _due(self, job: _Job, holding: Holding, bound: datetime | None = None) -> datetime | None:
        """Set when the job is due; answers the bound for what takes its place, which is not after this one."""
        quiet = holding.debounce
        if quiet is None:
            return bound
        bounds = [bound, None if quiet.longest is None else self.now() + timedelta(seconds=quiet.longest)]
        due_by = min((one for one in bounds if one is not None), default=None)
        at = self.now() + timedelta(seconds=quiet.seconds)
        job.run_at = at if due_by is None else min(at, due_by)
        return due_by
