"""What callers ask for becomes a job, and what is stored with it: now (`_ingest.py`) or at the times of a schedule."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from singr_jobs.declare._errors import EnqueueError, IntakeError
from singr_jobs.declare._job_types import Intake, JobType, ReservingIntake


class Taken(NamedTuple):
    """A request as it is stored: the job, and its companion with the place of the intake that made it."""

    job: msgspec.Struct
    intake: int | None = None
    companion: msgspec.Struct | None = None


class Intakes:
    """All intakes of a process.

    Args:
        intakes: by the struct of their jobs.

    Attributes:
        inserts: the statements of their companions, by the place of their intake.
    """

    def __init__(self, intakes: Mapping[type, Intake[Any]]) -> None:
        different = list({id(intake): intake for intake in intakes.values()}.values())
        self.inserts: Sequence[str] = [intake.insert for intake in different]
        self._intakes = {struct: (different.index(intake), intake) for struct, intake in intakes.items()}
        self._checks = {
            struct: intake.check_organization
            for struct, intake in intakes.items()
            if isinstance(intake, ReservingIntake)
        }

    def take(
        self,
        job_type: JobType,
        payload: Any,
        *,
        job_id: UUID,
        organization_id: UUID,
        by_platform: bool,
        correlation_id: str | None = None,
    ) -> Taken:
        """Turn an instance of the type's request into the job.

        Raises:
            EnqueueError: callers cannot ask for this type.
            IntakeError: the payload cannot become a job.
            ReservedError: only the platform's own callers may ask for it.
        """
        struct = job_type.struct
        if job_type.request is None:
            raise EnqueueError(f"{job_type.name} cannot be created by callers")
        if struct not in self._intakes:
            if not isinstance(payload, struct):
                raise IntakeError("", f"{job_type.name} needs an intake that turns its request into the job")
            return Taken(payload)
        place, intake = self._intakes[struct]
        if not by_platform and struct in self._checks:
            self._checks[struct](payload)
        job, companion = intake.prepare(
            payload, job_id=job_id, organization_id=organization_id, correlation_id=correlation_id
        )
        return Taken(job, place, companion)
