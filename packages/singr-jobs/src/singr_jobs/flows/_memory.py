"""Flows of jobs in memory: members wait, are counted and cancelled by the rules of the database's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from singr_jobs._plain import shown
from singr_jobs.declare._errors import FlowClosedError, FlowEndedError, FlowNotFoundError, UnknownMemberError
from singr_jobs.declare._types import JobStatus, OnFailure, Queue
from singr_jobs.flows._adding import no_member
from singr_jobs.flows._flow import STRANGER, Flow, Planned
from singr_jobs.flows._views import SHOWN, FlowView, MemberResult, MemberView
from singr_jobs.intake._enqueue import id_in_use
from singr_jobs.steering._errors import CANCELLED_WITH_ITS_FLOW

_ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})


@runtime_checkable
class KeepsFlows(Protocol):
    """What stands in for a database session, and has flows of its own (see `singr_jobs.testing`)."""

    flows: "MemoryFlows"


@dataclass
class _Kept:
    """A flow as it is kept; its counts are read from its jobs."""

    id: UUID
    organization_id: UUID
    name: str
    on_failure: OnFailure
    completion_job_id: UUID | None
    created_at: datetime
    members: list[UUID] = field(default_factory=list)
    closed_at: datetime | None = None
    cancelled_at: datetime | None = None
    finished_at: datetime | None = None


class MemoryFlows:
    """All flows of an `InMemoryJobs`.

    Args:
        now: the time.
        jobs: every job by its id, with `status`, `run_at`, `type`, `result` and `error`.
        is_given_up: whether the dead letter of a failed job was discarded.
    """

    def __init__(
        self, now: Callable[[], datetime], jobs: Mapping[UUID, Any], is_given_up: Callable[[UUID], bool]
    ) -> None:
        self._now = now
        self._jobs = jobs
        self._is_given_up = is_given_up
        self._flows: dict[UUID, _Kept] = {}
        self._after: dict[UUID, tuple[UUID, ...]] = {}
        self._waiting: dict[UUID, _Kept] = {}

    def begin(self, flow: Flow, *, organization_id: UUID) -> list[Planned] | None:
        """As a flow is made, or opened to be added to; None where one of a new flow's id is there already.

        Answers the members that are not there yet.
        """
        known = self._flows.get(flow.id)
        if flow.is_new and known is not None:
            if known.organization_id != organization_id:
                raise id_in_use("flow_id", flow.id)
            flow.check_unchanged()
            return None
        if flow.is_new:
            members = self._not_there(flow, frozenset())
            completion = None if flow.completion is None else flow.completion_id
            self._flows[flow.id] = _Kept(flow.id, organization_id, flow.name, flow.on_failure, completion, self._now())
            return members
        kept = self._found(flow.id, organization_id)
        if kept.closed_at or kept.cancelled_at:
            raise FlowClosedError(self._view(kept).state)
        if strangers := flow.named_elsewhere() - ({*kept.members} - {kept.completion_job_id}):
            raise UnknownMemberError(f"{STRANGER}, not for {shown(next(iter(strangers)))}")
        return self._not_there(flow, frozenset(kept.members))

    def _not_there(self, flow: Flow, there: frozenset[UUID]) -> list[Planned]:
        new = [planned for planned in flow.members if planned.id not in there]
        for planned in new:
            if planned.id in self._jobs:
                raise no_member(planned.id)
        return new

    def add(self, flow: Flow, members: list[Planned]) -> None:
        """The members are there: those that wait for others do so from now on."""
        kept = self._flows[flow.id]
        for planned in members:
            kept.members.append(planned.id)
            self._after[planned.id] = planned.after
            self._waiting[planned.id] = kept
        if flow.is_new and not flow.stays_open:
            kept.closed_at = self._now()
        flow.enqueued = flow.enqueued or len(flow.members)
        self.go_on()

    def go_on(self) -> None:
        """Cancel what is to be cancelled, and let go what waits for nobody any more."""
        going: set[UUID] = set()  # each is counted once, however many of its members wait
        for kept in self._flows.values():
            stops = kept.on_failure is OnFailure.STOP and kept.finished_at is None
            if stops and any(self._ends_it(one) for one in kept.members):
                kept.cancelled_at = kept.cancelled_at or self._now()
            if kept.cancelled_at is not None:
                self._cancel(kept)
            view = self._view(kept)
            over = view.completed + view.failed + view.cancelled == view.total
            is_over = over and view.state in {"completed", "cancelled"}
            kept.finished_at = (kept.finished_at or self._now()) if is_over else None
            if view.state in {"open", "running"}:
                going.add(kept.id)
        for member, kept in list(self._waiting.items()):
            if kept.id in going and self._may_go(member, kept):
                del self._waiting[member]
                self._jobs[member].run_at = max(self._jobs[member].run_at, self._now())

    def revive(self, job_id: UUID) -> None:
        """A member is to be tried again: it waits again for whom it waited for; raises FlowEndedError."""
        kept = next((kept for kept in self._flows.values() if job_id in kept.members), None)
        if kept is None:
            return
        if kept.cancelled_at is not None:
            raise FlowEndedError("cancelled", so=CANCELLED_WITH_ITS_FLOW)
        self._waiting[job_id] = kept

    def again(self, job_id: UUID) -> None:
        """A member that had failed is given back: it waits again for whom it waited for, where these run again too."""
        kept = next((kept for kept in self._flows.values() if job_id in kept.members), None)
        if kept is not None and kept.cancelled_at is None:
            self._waiting[job_id] = kept

    def waits(self, job_id: UUID) -> bool:
        """Whether it waits for others."""
        return job_id in self._waiting

    def of(self, job_id: UUID) -> tuple[FlowView, tuple[UUID, ...]]:
        """The flow of a member, and whom that waits for by name."""
        kept = next(kept for kept in self._flows.values() if job_id in kept.members)
        return self._view(kept), self._after[job_id]

    def reads(self, job_id: UUID) -> "MemoryReads | None":
        """What a member may read of its flow; None for a job without one."""
        kept = next((kept for kept in self._flows.values() if job_id in kept.members), None)
        return None if kept is None else MemoryReads(self, kept, job_id)

    def read(self, flow_id: UUID, *, organization_id: UUID) -> FlowView:
        """As `read_flow`."""
        self.go_on()
        return self._view(self._found(flow_id, organization_id))

    def all(self, *, organization_id: UUID) -> list[FlowView]:
        """All of an organization, newest first."""
        self.go_on()
        kept = [one for one in self._flows.values() if one.organization_id == organization_id]
        return [self._view(one) for one in reversed(kept)]

    def close(self, flow_id: UUID, *, organization_id: UUID) -> FlowView:
        """As `close_flow`."""
        kept = self._found(flow_id, organization_id)
        kept.closed_at = kept.closed_at or self._now()
        return self.read(flow_id, organization_id=organization_id)

    def cancel(self, flow_id: UUID, *, organization_id: UUID) -> FlowView:
        """As `cancel_flow`."""
        view = self.read(flow_id, organization_id=organization_id)
        if view.state == "completed":
            raise FlowEndedError(view.state)
        kept = self._found(flow_id, organization_id)
        kept.cancelled_at = kept.cancelled_at or self._now()
        return self.read(flow_id, organization_id=organization_id)

    def members(self, flow_id: UUID, *, organization_id: UUID | None) -> list[MemberView]:
        """As `list_members`, all of them."""
        self.go_on()
        kept = self._flows.get(flow_id)
        if kept is None or organization_id not in {None, kept.organization_id}:
            raise no_flow(flow_id)
        return [self._member(self._jobs[one], kept) for one in kept.members]

    def _member(self, job: Any, kept: _Kept) -> MemberView:
        after = sorted(self._after[job.id])
        return MemberView(
            id=job.id,
            type=job.type,
            queue=Queue.stored(job.queue),
            status="waiting" if self.waits(job.id) and job.status is JobStatus.PENDING else job.status.value,
            after=after[:SHOWN],
            more_after=len(after) > SHOWN,
            is_completion=job.id == kept.completion_job_id,
            run_at=job.run_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            error=job.error,
            reference=job.reference,
            labels=job.labels,
        )

    def results_of(self, kept: _Kept, job_id: UUID) -> list[MemberResult]:
        """What came of those that a member waited for."""
        named = sorted(self._after[job_id])
        if job_id == kept.completion_job_id and not named:
            named = sorted(one for one in kept.members if one != job_id)
        jobs = [self._jobs[one] for one in named]
        return [
            MemberResult(id=job.id, type=job.type, status=job.status, result=job.result, error=job.error)
            for job in jobs
        ]

    def _found(self, flow_id: UUID, organization_id: UUID) -> _Kept:
        kept = self._flows.get(flow_id)
        if kept is None or kept.organization_id != organization_id:
            raise no_flow(flow_id)
        return kept

    def _ends_it(self, member: UUID) -> bool:
        status = self._jobs[member].status
        return status is JobStatus.CANCELLED or (status is JobStatus.FAILED and self._is_given_up(member))

    def _cancel(self, kept: _Kept) -> None:
        for member in kept.members:
            self._waiting.pop(member, None)
            if not self._jobs[member].cancel_requested:
                self._jobs[member].cancel(self._now())

    def _may_go(self, member: UUID, kept: _Kept) -> bool:
        enough = _ENDED if kept.on_failure is OnFailure.CONTINUE else {JobStatus.COMPLETED}
        for_whom = self._after[member]
        if member == kept.completion_job_id:
            if kept.closed_at is None:
                return False
            for_whom = tuple(one for one in kept.members if one != member)
        return all(self._jobs[one].status in enough for one in for_whom)

    def _view(self, kept: _Kept) -> FlowView:
        statuses = [self._jobs[member].status for member in kept.members]
        completed, failed, cancelled = (
            statuses.count(one) for one in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
        )
        ended = completed + failed + cancelled
        stopped = kept.on_failure is OnFailure.STOP and failed
        return FlowView(
            id=kept.id,
            organization_id=kept.organization_id,
            name=kept.name,
            state="cancelled"
            if kept.cancelled_at
            else "failed"
            if stopped
            else "open"
            if kept.closed_at is None
            else "running"
            if ended < len(statuses)
            else "completed",
            on_failure=kept.on_failure,
            total=len(statuses),
            completed=completed,
            failed=failed,
            cancelled=cancelled,
            completion_job_id=kept.completion_job_id,
            created_at=kept.created_at,
            closed_at=kept.closed_at,
            cancelled_at=kept.cancelled_at,
            finished_at=kept.finished_at,
        )


class MemoryReads:
    """What a running member reads of its flow."""

    def __init__(self, flows: MemoryFlows, kept: _Kept, job_id: UUID) -> None:
        self._flows = flows
        self._kept = kept
        self._id = job_id

    async def flow(self) -> FlowView:
        """The flow as it stands."""
        return self._flows.read(self._kept.id, organization_id=self._kept.organization_id)

    async def results(self) -> list[MemberResult]:
        """What came of those that it waited for."""
        return self._flows.results_of(self._kept, self._id)


def no_flow(flow_id: UUID) -> FlowNotFoundError:
    """There is none of this id."""
    return FlowNotFoundError(f"there is no flow {flow_id}")
