"""What callers send and get for dead letters."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.fields import Cursor, From, Limit, Until
from singr_api.work.shared import AnyOrganization, ErrorCode, Fingerprint, JobTypeName, Reason, check_span
from singr_config.constants import PAGINATION
from singr_jobs import Queue


class LetterQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead letters to list, and how many.

    Attributes:
        state: only dead letters in this state.
        type: the job type.
        queue: only dead letters of jobs in this queue.
        job_id: only the dead letter of this job.
        failed_after: when the job failed for good.
    """

    organization_id: AnyOrganization | None = None
    state: Literal["open", "requeued", "discarded", "expired"] | None = None
    type: JobTypeName | None = None
    queue: Queue | None = None
    error_code: ErrorCode | None = None
    fingerprint: Fingerprint | None = None
    job_id: UUID | None = None
    failed_after: From | None = None
    failed_before: Until | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        check_span(self.failed_after, self.failed_before)


class GroupQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose groups.

    Attributes:
        type: the job type.
    """

    organization_id: AnyOrganization | None = None
    type: JobTypeName | None = None


class LetterOrganization(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose letter it is."""

    organization_id: AnyOrganization | None = None


class Settle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reason, kept in the operation log."""

    reason: Annotated[Reason, Meta(examples=["The provider is back."])] | None = None
