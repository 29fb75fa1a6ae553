"""Flows as their organization and their members see them."""

from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from singr_jobs.declare._types import JobStatus, OnFailure
from singr_jobs.declare._views import AnyQueue, JobError, error_view

SHOWN: Final = 100
"""So many of those that a member waits for are told."""
FlowState: TypeAlias = Literal["open", "running", "completed", "failed", "cancelled"]
MemberStatus: TypeAlias = Literal["waiting", "pending", "processing", "completed", "failed", "cancelled"]


class FlowView(msgspec.Struct, frozen=True, kw_only=True):
    """A flow and its progress: how many of its `total` members have ended, by outcome.

    The completion job is one of them.
    """

    id: UUID
    organization_id: UUID
    name: str
    state: FlowState
    on_failure: OnFailure
    total: int
    completed: int
    failed: int
    cancelled: int
    completion_job_id: UUID | None
    created_at: datetime
    closed_at: datetime | None
    cancelled_at: datetime | None
    finished_at: datetime | None


class MemberResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a member that another one waited for: its result, as JSON gives it back, or its error."""

    id: UUID
    type: str
    status: JobStatus
    result: Any = None
    error: JobError | None = None


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a flow.

    Attributes:
        status: as for any job; `waiting` if it waits for others.
        after: the members that it waits for, at most 100 of them.
        more_after: whether there are more of these.
        is_completion: whether it is the completion job, which waits for all others.
        reference: the caller's reference for its subject.
        labels: the caller's labels.
    """

    id: UUID
    type: str
    queue: AnyQueue
    status: MemberStatus
    after: list[UUID]
    more_after: bool
    is_completion: bool
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: JobError | None
    reference: str | None = None
    labels: tuple[str, ...] = ()


def flow_view(stored: Any) -> FlowView:
    """A flow, from anything with the columns of its row as attributes.

    One that was over, and of which a member runs again, is not: that its row remembers when it was is not told.
    """
    columns = {name: getattr(stored, name) for name in FlowView.__struct_fields__}
    over = stored.state in {"completed", "cancelled"}
    at = stored.finished_at if over else None
    return FlowView(**columns | {"on_failure": OnFailure(stored.on_failure), "finished_at": at})


def member_result(stored: Any) -> MemberResult:
    """What came of a job, from anything with the columns of its row as attributes."""
    return MemberResult(
        id=stored.id,
        type=stored.type,
        status=JobStatus(stored.status),
        result=stored.result,
        error=error_view(stored.error),
    )
