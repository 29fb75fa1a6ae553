"""What callers send and get for jobs."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.codes import RuleError
from singr_api.http.fields import PRINTABLE, Cursor, From, Limit, OrganizationId, Timestamp, Until, check_order
from singr_api.http.pages import PageOf, SearchedPageOf
from singr_api.work.shared import (
    LONGEST_DELAY_SECONDS,
    Attempts,
    JobTypeName,
    Labels,
    PriorityName,
    Reason,
    Reference,
    Timeout,
)
from singr_config.constants import PAGINATION
from singr_jobs import LONGEST_HOLD, LONGEST_KEY, JobStatus, JobView, LogLine, Queue


class DebounceJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a job waits for further requests with its unique key.

    Attributes:
        seconds: the job is due once no further request has come for this many seconds.
        longest: the job is due at the latest this many seconds after the first request; by default it can be postponed
            for as long as requests come.
    """

    seconds: Annotated[float, Meta(ge=0, le=LONGEST_DELAY_SECONDS)]
    longest: Annotated[float, Meta(ge=0, le=LONGEST_DELAY_SECONDS)] | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        if self.longest is not None and self.longest < self.seconds:
            raise RuleError("out_of_range", "longest must be at least as long as seconds")


class CreateJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What every job has beside its type and payload.

    Attributes:
        organization_id: whose job it is.
        id: your own id, so that you know it before the answer: a new version 7 UUID.
        priority: the order among due jobs of the queue.
        run_at: not before this time, now where it has passed; or `delay`, in seconds from now. Now, unless told.
        attempts: how often it is tried in all; the type's own number, unless told.
        timeout: seconds that one attempt may take; the type's own, unless told.
        unique_key: while a job of this type with the same key is unfinished, it is answered (200) instead of a new one.
        unique_for: seconds after the job is made for which its key is held even once it has ended; a day at most.
        replace: the job takes the place of the one that holds the key: that is cancelled where it waits, and not tried
            again where it runs.
        debounce: likewise, and the job is due once no other of its key has come for a while.
        concurrency_key: of a type with limits by key, the key, in place of the one that the type gives the job.
        reference: what you call the matter that the job is about: shown with it, and found by it. Several jobs may be
            about one.
        labels: what you sort your jobs by, each label once: shown with the job, and found by one or several.
    """

    organization_id: OrganizationId | None = None
    id: Annotated[UUID, Meta(description="A version 7 UUID, created within the last day.")] | None = None
    priority: PriorityName = "normal"
    run_at: Timestamp | None = None
    delay: Annotated[float, Meta(ge=0, le=LONGEST_DELAY_SECONDS, description="Seconds from now.")] | None = None
    attempts: Attempts | None = None
    timeout: Timeout | None = None
    unique_key: Annotated[str, Meta(max_length=LONGEST_KEY, pattern=PRINTABLE, description="One line.")] | None = None
    unique_for: Annotated[float, Meta(gt=0, le=LONGEST_HOLD, description="Seconds.")] | None = None
    replace: bool = False
    debounce: DebounceJob | None = None
    concurrency_key: Annotated[str, Meta(max_length=LONGEST_KEY, pattern=PRINTABLE, description="One line.")] | None = (
        None
    )
    reference: Reference | None = None
    labels: Labels = []

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        if self.run_at is not None and self.delay is not None:
            raise RuleError("conflicting_fields", "run_at and delay exclude each other: send only one")
        if self.debounce is not None and (self.run_at is not None or self.delay is not None):
            raise RuleError("conflicting_fields", "debounce says when the job is due: leave out run_at and delay")
        if self.unique_for is not None and (self.replace or self.debounce is not None):
            raise RuleError("conflicting_fields", "unique_for keeps a second job out: leave out replace and debounce")
        given = self.replace or self.unique_for is not None or self.debounce is not None
        if given and self.unique_key is None:
            raise RuleError("required", "unique_for, replace and debounce need unique_key: send it as well")


class ChangeJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to a waiting job; fields left out stay unchanged.

    Attributes:
        priority: the order among due jobs of the queue.
        run_at: the earliest start; a time in the past makes the job due now.
    """

    priority: PriorityName | None = None
    run_at: Timestamp | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        if self.priority is None and self.run_at is None:
            raise RuleError("required", "send priority, run_at or both")


class RetryJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why the job is retried.

    Attributes:
        reason: for readers of the operation log.
    """

    reason: Reason | None = None


class JobQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs to list, and how many.

    Attributes:
        status: only jobs with this status.
        type: the job type.
        queue: only jobs in this queue.
        reference: only jobs with this caller-defined reference.
        label: only jobs with this label. May be given up to ten times; jobs must have all of the labels.
    """

    organization_id: OrganizationId | None = None
    status: JobStatus | None = None
    type: JobTypeName | None = None
    queue: Queue | None = None
    reference: Reference | None = None
    label: Labels = []
    created_after: From | None = None
    created_before: Until | None = None
    order: Annotated[Literal["newest", "oldest"], Meta(description="Sort order.")] = "newest"
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        check_order(self.created_after, self.created_before)


class LogQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines, and how many.

    Attributes:
        attempt: only lines of this attempt, counted from 1.
    """

    organization_id: OrganizationId | None = None
    attempt: Annotated[int, Meta(ge=1, le=32_767)] | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class LogPage(PageOf[LogLine], frozen=True):
    """Some lines of a job's log, oldest first."""


class JobPage(SearchedPageOf[JobView], frozen=True):
    """Some jobs, newest first."""
