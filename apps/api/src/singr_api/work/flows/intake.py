"""From the jobs of a request to the members of a flow: each is checked, and whom it waits for is found."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import msgspec

from singr_api.admission.call import Call
from singr_api.http.problems import UNKNOWN_MEMBER, FieldError, Problem, invalid, refused
from singr_api.http.translations import problem_of
from singr_api.work.flows.schemas import TYPES, ClosingJob, FlowJob, MadeJob
from singr_api.work.shared import PRIORITIES, each_once, within_reason
from singr_db import TenantSession, new_id
from singr_jobs import (
    EnqueueError,
    Flow,
    FlowRequests,
    IntakeError,
    ReservedError,
    TooManyWaitsError,
    UnknownMemberError,
)


class RequestedJobs:
    """The members that one request adds to a flow.

    Args:
        call: who asks.
        requests: take flows in.
        flow: the flow, new or there already.
        organization_id: whose it is.
    """

    def __init__(self, call: Call, requests: FlowRequests, flow: Flow, organization_id: UUID) -> None:
        self._call = call
        self._flow = flow
        self._taken = requests.begin(
            flow,
            organization_id=organization_id,
            created_by=call.principal.key_id,
            by_platform=call.principal.organization_id is None,
        )
        self.made: list[MadeJob] = []
        self._refs: dict[str, UUID] = {}

    def add(self, place: int, job: FlowJob) -> None:
        """Add one; raises what `POST /v1/jobs` does, by the field's name here, and where it waits for what is none."""
        after = [self._member(place, number, one) for number, one in enumerate(job.after)]
        if job.ref is not None and job.ref in self._refs:
            raise invalid(FieldError(f"jobs[{place}].ref", "must differ from those of the other jobs", "body", "taken"))
        job_id = new_id()
        struct = self._job(f"jobs[{place}]", job, job_id)
        self._flow.add(struct, after=after, job_id=job_id, **_options(f"jobs[{place}]", job))
        try:
            self._flow.check_bounds()
        except TooManyWaitsError as error:
            raise invalid(FieldError(f"jobs[{place}].after", str(error), "body", "too_many_items")) from None
        self.made.append(MadeJob(job_id, job.ref))
        if job.ref is not None:
            self._refs[job.ref] = job_id

    def then(self, job: ClosingJob) -> None:
        """Add the completion job; raises as `add`."""
        self._flow.then(self._job("then", job, self._flow.completion_id), **_options("then", job))

    async def store(self, session: TenantSession) -> None:
        """Store all of it; raises as `enqueue`, and names the field of what cannot be stored."""
        with refusing("jobs"):
            await self._taken.store(session)

    def _member(self, place: int, number: int, named: int | str) -> UUID:
        """Whom one waits for: an earlier job of the request, or a member that is there already."""
        if isinstance(named, int) and named < len(self.made):
            return self.made[named].id
        if isinstance(named, str) and named in self._refs:
            return self._refs[named]
        if isinstance(named, str) and not self._flow.is_new:
            try:
                return UUID(named)
            except ValueError:
                pass
        right = "must be the position or ref of an earlier job of this request"
        more = "" if self._flow.is_new else ", or the id of a member"
        field = f"jobs[{place}].after[{number}]"
        raise refused(UNKNOWN_MEMBER, FieldError(field, right + more, "body", "not_found"))

    def _job(self, at: str, job: ClosingJob, job_id: UUID) -> msgspec.Struct:
        job_type = TYPES[type(job)]
        if job_type.scope is not None:
            self._call.principal.require(job_type.scope)
        payload = job.payload  # type: ignore[attr-defined] # each type's own struct adds it
        try:
            return self._taken.take(job_type, payload, job_id)
        except (IntakeError, ReservedError) as error:
            problem = problem_of(error)
            assert problem is not None  # noqa: S101 - for mypy: both have a translation
            raise _moved(problem, at) from None


@contextmanager
def refusing(field: str) -> Iterator[None]:
    """What a flow, or its jobs, cannot be is the caller's mistake, and no fault of ours."""
    try:
        yield
    except UnknownMemberError:
        raise
    except EnqueueError as error:
        raise invalid(FieldError(field, str(error), "body", "invalid")) from None


def _moved(problem: Problem, at: str) -> Problem:
    problem.errors = tuple(msgspec.structs.replace(one, field=f"{at}.{one.field}") for one in problem.errors)
    return problem


def _options(at: str, job: ClosingJob) -> dict[str, Any]:
    return {
        "priority": PRIORITIES[job.priority],
        "run_at": within_reason(job.run_at, f"{at}.run_at"),
        "attempts": job.attempts,
        "timeout": job.timeout,
        "reference": job.reference,
        "labels": each_once(job.labels, f"{at}.labels"),
    }
