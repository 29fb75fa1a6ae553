"""What callers send and get for flows."""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.fields import LINE, Cursor, Limit, OrganizationId, Timestamp
from singr_api.http.pages import PageOf
from singr_api.work.shared import Attempts, Labels, PriorityName, Reference, Timeout, requests_of, union_of
from singr_config.constants import PAGINATION
from singr_jobs import FlowView, JobType, MemberView
from singr_platform import all_jobs

MOST: Final = 1000
"""So many jobs come with one request."""
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=LINE, examples=["import 42"])]
Ref = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=LINE,
        description="Your name for the job within this request, so that later jobs in it can wait for it.",
        examples=["read"],
    ),
]
Position = Annotated[int, Meta(ge=0, lt=MOST)]
After = Annotated[
    list[Position | Ref],
    Meta(
        max_length=MOST,
        description="The jobs that it waits for: earlier ones in this request, by position (from 0) or `ref`;"
        " existing members by id. All jobs of a request together can have at most 10,000 dependencies: if many wait"
        " for the same jobs, let one job wait for these, and the many for that one.",
        examples=[["read"]],
    ),
]


class ClosingJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What a job of a flow has beside its type and payload.

    Attributes:
        priority: the order among due jobs of the queue.
        run_at: not before this time, whoever it waits for.
        attempts: how often it is tried in all; the type's own number, unless told.
        timeout: seconds that one attempt may take; the type's own, unless told.
        reference: what you call the matter that it is about: shown with it, and found by it.
        labels: what you sort your jobs by, each label once: shown with it, and found by one or several.
    """

    priority: PriorityName = "normal"
    run_at: Timestamp | None = None
    attempts: Attempts | None = None
    timeout: Timeout | None = None
    reference: Reference | None = None
    labels: Labels = []


class FlowJob(ClosingJob, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member of a flow."""

    ref: Ref | None = None
    after: After = []


_MEMBERS: Final = requests_of(all_jobs(), FlowJob, "Flow")
_CLOSINGS: Final = requests_of(all_jobs(), ClosingJob, "Closing")
TYPES: Final[dict[Any, JobType]] = {**_MEMBERS, **_CLOSINGS}
"""What each kind of job of a flow is a request for."""
if TYPE_CHECKING:
    AnyMember: TypeAlias = FlowJob
    AnyClosing: TypeAlias = ClosingJob
else:
    AnyMember = union_of(_MEMBERS)
    AnyClosing = union_of(_CLOSINGS)

Members = Annotated[list[AnyMember], Meta(max_length=MOST)]


class CreateFlow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Related jobs and their dependencies.

    Attributes:
        name: the flow's display name.
        on_failure: with `stop`, a member that fails for good stops the flow until it is requeued and completes, or is
            discarded, which cancels the rest; with `continue`, jobs that depend on a member run however that member
            ended.
        close: whether these are all its members; otherwise more can be added until it is closed.
        jobs: its members, at most 1,000 in one request.
        then: the completion job, which runs once all others have ended and the flow is closed.
    """

    name: Name
    on_failure: Literal["stop", "continue"] = "stop"
    close: bool = True
    jobs: Members = []
    then: AnyClosing | None = None


class AddJobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """More members for an open flow.

    Attributes:
        jobs: as when creating a flow.
        close: whether to close the flow with these.
    """

    jobs: Annotated[list[AnyMember], Meta(min_length=1, max_length=MOST)]
    close: bool = False


class MadeJob(msgspec.Struct, frozen=True):
    """A created member, in the order of the request."""

    id: UUID
    ref: str | None


class FlowMade(FlowView, frozen=True, kw_only=True):
    """A flow, with the members that the request created."""

    jobs: list[MadeJob]


class FlowQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which flows to list, and how many.

    Attributes:
        state: only flows in this state.
    """

    organization_id: OrganizationId | None = None
    state: Literal["open", "running", "completed", "failed", "cancelled"] | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class GraphQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many members, and from where on."""

    organization_id: OrganizationId | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class FlowPage(PageOf[FlowView], frozen=True):
    """Some flows, newest first."""


class MemberPage(PageOf[MemberView], frozen=True):
    """Some members, in the order in which they were added."""
