"""Create a job: one way for both doors, the documented handler and the ingestion lane before it."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_api.admission.call import Call, organization_of
from singr_api.admission.idempotency import IdempotencyStatistics, Reply
from singr_api.http.form.validation import Misfit, decode_body
from singr_api.http.problems import FieldError, Problem, invalid
from singr_api.http.translations import problem_of
from singr_api.routing.rehearsing import Faults
from singr_api.wiring.organizations import Organizations
from singr_api.work.jobs.schemas import CreateJob
from singr_api.work.shared import PRIORITIES, each_once, requests_of, union_of, within_reason
from singr_config.clock import clock
from singr_jobs import (
    Debounce,
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    Ingestion,
    IntakeError,
    Jobs,
    JobType,
    ReservedError,
    Submission,
)
from singr_observability import Metrics, current_traceparent

_DAY_MS: Final = 24 * 3600 * 1000
_UUID7: Final = 7


class JobSubmitter:
    """Turns the body of an authenticated request into a committed job.

    Args:
        jobs: the types that there are; those with a request type can be created.
        ingestion: where jobs are stored.
        organizations: which ones there are.
    """

    def __init__(
        self,
        jobs: Jobs,
        ingestion: Ingestion,
        *,
        organizations: Organizations,
        metrics: Metrics,
        statistics: IdempotencyStatistics,
    ) -> None:
        self._ingestion = ingestion
        self._organizations = organizations
        self._latency = metrics.enqueue_latency.labels()
        self._statistics = statistics
        self._types = requests_of(jobs, CreateJob, "Create")
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(union_of(self._types), strict=True)

    async def submit(self, call: Call) -> Reply:
        """Store the job that the call's body (which passed `check_body`) asks for.

        Raises:
            ScopeError: the type's own scope is missing.
            Problem: the body is invalid (400, 422), or names another organization (403) or one that is none (422).
            JobsError: as `Ingestion.submit`.
        """
        try:
            request: CreateJob = decode_body(self._decoder, call.body)
        except Misfit as misfit:
            faults = Faults()
            faults.add(misfit)
            raise await faults.told(partial(self._look_at, call)) from None
        submission = self._submission(call, request)
        await self._check_organization(call, submission)
        started = time.perf_counter()
        try:
            answer = await self._ingestion.submit(submission)
        except (IdempotencyMismatchError, IdempotencyInProgressError) as error:
            self._statistics.failed(error)
            raise
        self._latency.observe(time.perf_counter() - started)
        self._statistics.answered(replayed=answer.replayed)
        location = f"/v1/jobs/{answer.job_id}"
        return Reply(answer.status, answer.body, replayed=answer.replayed, location=location)

    async def _look_at(self, call: Call, request: CreateJob) -> None:
        """Refuse what `submit` would, and store nothing."""
        submission = self._submission(call, request)
        await self._check_organization(call, submission)
        self._ingestion.check(submission)

    async def _check_organization(self, call: Call, submission: Submission) -> None:
        if call.principal.organization_id is None and not self._organizations.knows(submission.organization_id):
            await self._organizations.check(submission.organization_id)

    def _submission(self, call: Call, request: CreateJob) -> Submission:
        principal = call.principal
        job_type = self._types[type(request)]
        if job_type.scope is not None:
            principal.require(job_type.scope)
        quiet = request.debounce
        submission = Submission(
            job_type=job_type,
            payload=request.payload,  # type: ignore[attr-defined] # each type's own struct adds it
            organization_id=organization_of(call, request.organization_id, location="body"),
            credential=principal.key_id,
            idempotency_key=call.idempotency_key or "",
            method=call.method,
            path=call.target,
            body_hash=call.body_hash,
            by_platform=principal.organization_id is None,
            nonce=call.caller.nonce,
            job_id=request.id,
            priority=PRIORITIES[request.priority],
            run_at=request.run_at,
            delay=request.delay,
            attempts=request.attempts,
            timeout=request.timeout,
            unique_key=request.unique_key,
            unique_for=request.unique_for,
            replace=request.replace,
            debounce=None if quiet is None else Debounce(quiet.seconds, quiet.longest),
            concurrency_key=request.concurrency_key,
            reference=request.reference,
            labels=request.labels,
            correlation_id=call.request_id,
            traceparent=current_traceparent(),
        )
        if wrong := [*_faults(request, job_type)]:
            raise invalid(*wrong, *self._faults_of_payload(submission))
        return submission

    def _faults_of_payload(self, submission: Submission) -> Sequence[FieldError]:
        try:
            self._ingestion.check(submission)
        except IntakeError as error:
            problem = problem_of(error)
            return () if problem is None else problem.errors
        except ReservedError:  # told once all else is right
            return ()
        return ()


def _faults(request: CreateJob, job_type: JobType) -> Iterator[FieldError]:
    """What is wrong with a request of good form, but for its payload."""
    if request.concurrency_key is not None and job_type.limits is None:
        words = f"must be left out: jobs of the type {job_type.name} have no limit by key"
        yield FieldError("concurrency_key", words, "body", "invalid")
    looks: tuple[tuple[Callable[[Any], object], Any], ...] = (
        (_check_id, request.id),
        (within_reason, request.run_at),
        (each_once, request.labels),
    )
    for look, value in looks:
        try:
            look(value)
        except Problem as problem:
            yield from problem.errors


def _check_id(job_id: UUID | None) -> None:
    if job_id is None:
        return
    # Jobs are kept in weekly partitions by the time in their id: one from another time would lie in the wrong week.
    off = abs((job_id.int >> 80) - clock.time() * 1000)
    if job_id.version != _UUID7 or off > _DAY_MS:
        message = "must be a version 7 UUID (RFC 9562) made within the last day"
        raise invalid(FieldError("id", message, "body", "malformed" if job_id.version != _UUID7 else "out_of_range"))
