"""What callers send and get for jobs."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.codes import RuleError
from singr_api.http.fields import END, Cursor, From, Limit, OrganizationId, Timestamp, Until, check_order
from singr_api.http.pages import PageOf, SearchedPageOf
from singr_api.work.shared import LONGEST_DELAY_SECONDS, Attempts, JobTypeName, PriorityName, Reason, Timeout
from singr_config.constants import PAGINATION
from singr_jobs import JobStatus, JobView, LogLine, Queue

_PRINTABLE = rf"^[^\x00-\x1f\x7f]+{END}"


class CreateJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What every job has beside its type and payload.

    Attributes:
        organization_id: whose job it is.
        id: your own id, so that you know it before the answer: a new version 7 UUID.
        priority: which due job of the queue goes first.
        run_at: not before this time; or `delay`, in seconds from now. Now, unless told.
        attempts: how often it is tried in all; the type's own number, unless told.
        timeout: seconds that one attempt may take; the type's own, unless told.
        unique_key: while a job of this type with the same key is unfinished, it is answered (200) instead of a new one.
        concurrency_key: of a type with limits by key, the key, in place of the one that the type gives the job.
    """

    organization_id: OrganizationId | None = None
    id: Annotated[UUID, Meta(description="Version 7, made within the last day.")] | None = None
    priority: PriorityName = "normal"
    run_at: Timestamp | None = None
    delay: Annotated[float, Meta(ge=0, le=LONGEST_DELAY_SECONDS, description="Seconds from now.")] | None = None
    attempts: Attempts | None = None
    timeout: Timeout | None = None
    unique_key: Annotated[str, Meta(max_length=200, pattern=_PRINTABLE)] | None = None
    concurrency_key: Annotated[str, Meta(max_length=200, pattern=_PRINTABLE)] | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        if self.run_at is not None and self.delay is not None:
            raise RuleError("conflicting_fields", "run_at and delay exclude each other: send one of them")


class ChangeJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of a job that waits is to be otherwise; what is left out stays.

    Attributes:
        priority: which due job of the queue goes first.
        run_at: not before this time; one that is past makes it due now.
    """

    priority: PriorityName | None = None
    run_at: Timestamp | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        if self.priority is None and self.run_at is None:
            raise RuleError("required", "send priority, run_at or both")


class RetryJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a job is tried again.

    Attributes:
        reason: for whoever reads the operation log.
    """

    reason: Reason | None = None


class JobQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs to list, and how many.

    Attributes:
        status: where the jobs stand.
        type: what the jobs do.
        queue: where the jobs wait.
    """

    organization_id: OrganizationId | None = None
    status: JobStatus | None = None
    type: JobTypeName | None = None
    queue: Queue | None = None
    created_after: From | None = None
    created_before: Until | None = None
    order: Annotated[Literal["newest", "oldest"], Meta(description="Which come first.")] = "newest"
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        check_order(self.created_after, self.created_before)


class LogQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines, and how many.

    Attributes:
        attempt: of this attempt alone, counted from 1.
    """

    organization_id: OrganizationId | None = None
    attempt: Annotated[int, Meta(ge=1, le=32_767)] | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class LogPage(PageOf[LogLine], frozen=True):
    """Some lines of a job's log, oldest first."""


class JobPage(SearchedPageOf[JobView], frozen=True):
    """Some jobs, newest first."""
