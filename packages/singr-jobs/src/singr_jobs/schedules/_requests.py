"""Schedules of HTTP callers: what they ask for is kept sealed, and passes the intake each time that it fires.

So no queue and no schedule carries in clear what a message holds, and a request that is not allowed any more stops.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_db import Sealer, new_id
from singr_jobs.declare._job_types import Intake, Jobs, JobType
from singr_jobs.declare._types import Priority
from singr_jobs.intake._intakes import Intakes
from singr_jobs.schedules._drafts import Source
from singr_jobs.schedules._errors import ScheduleError
from singr_jobs.schedules._turn import Made

MAKES: Final = ("schedules:write", "jobs:write")
"""What whoever schedules a job must be allowed to, beside the scope of its type; asked again at each fire."""


class _Request(msgspec.Struct, kw_only=True):
    """What is sealed."""

    payload: msgspec.Raw
    priority: int
    attempts: int | None
    timeout: float | None
    by_platform: bool
    reference: str | None = None
    labels: Sequence[str] = ()


class SealedRequests:
    """Seals what callers want scheduled, and makes the jobs of it when its times come; for API and worker alike.

    Args:
        jobs: the types that there are; those with a request type can be scheduled.
        intakes: by the struct of their jobs, what turns requests into these.
        sealer: seals.

    Attributes:
        types: which job types can be scheduled.
        inserts: the intakes' statements for companions.
        needs: by job type, the scopes that its maker needs.
    """

    def __init__(self, jobs: Jobs, intakes: Mapping[type, Intake[Any]], sealer: Sealer) -> None:
        self._jobs = jobs
        self._sealer = sealer
        self._intakes = Intakes(intakes)
        self.inserts = self._intakes.inserts
        requested = [job_type for job_type in jobs if job_type.request is not None]
        self.types: Sequence[str] = [job_type.name for job_type in requested]
        self.needs: Mapping[str, Sequence[str]] = {
            one.name: [*MAKES, *([one.scope] if one.scope else [])] for one in requested
        }

    def source(
        self,
        job_type: JobType,
        payload: Any,
        *,
        organization_id: UUID,
        created_by: str,
        by_platform: bool,
        priority: Priority = Priority.NORMAL,
        attempts: int | None = None,
        timeout: float | None = None,
        reference: str | None = None,
        labels: Sequence[str] = (),
    ) -> Source:
        """What a schedule keeps of a request, once it has been shown to become a job.

        Args:
            job_type: what is asked for.
            payload: an instance of its request.
            organization_id: whose jobs it makes.
            created_by: the name of who asks, "user:" and an id, or a key id.
            by_platform: who asks belongs to no organization.
            priority: as for `enqueue`.
            attempts: likewise.
            timeout: likewise.
            reference: likewise, and checked.
            labels: likewise.

        Raises:
            IntakeError: the payload cannot become a job.
            ReservedError: only the platform's own callers may ask for it.
        """
        self._intakes.take(job_type, payload, job_id=new_id(), organization_id=organization_id, by_platform=by_platform)
        request = _Request(
            payload=msgspec.Raw(msgspec.json.encode(payload)),
            priority=int(priority),
            attempts=attempts,
            timeout=timeout,
            by_platform=by_platform,
            reference=reference,
            labels=labels,
        )
        sealed = self._sealer.seal(msgspec.json.encode(request), context=_context(organization_id))
        return Source(type=job_type.name, request=sealed, created_by=created_by)

    def made(self, request: bytes, *, job_type: str, job_id: UUID, organization_id: UUID, for_platform: bool) -> Made:
        """The job of a sealed request; raises what keeps it from becoming one. `for_platform` as `Requests` has it."""
        known = self._jobs.named(job_type)
        opened = self._sealer.open(request, context=_context(organization_id))
        kept = msgspec.json.decode(opened, type=_Request)
        try:
            payload = msgspec.json.decode(kept.payload, type=known.request)
        except msgspec.ValidationError:
            raise ScheduleError("job", "is no longer valid for its type: schedule it anew") from None
        taken = self._intakes.take(
            known,
            payload,
            job_id=job_id,
            organization_id=organization_id,
            by_platform=kept.by_platform and for_platform,
        )
        columns = {
            "queue": known.queue.value,
            "priority": kept.priority,
            "payload": msgspec.Raw(msgspec.json.encode(taken.job)),
            "max_attempts": kept.attempts or known.attempts,
            "backoff": known.backoff.first,
            "timeout": kept.timeout or known.timeout,
            "concurrency_key": known.key(taken.job),
            "reference": kept.reference,
            "labels": kept.labels or None,
        }
        return Made(columns=columns, intake=taken.intake, companion=taken.companion)


def _context(organization_id: UUID) -> str:
    """The seal is bound to the organization: nobody's request is opened for another."""
    return f"schedules.request {organization_id}"
