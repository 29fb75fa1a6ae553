"""What callers send and get for bulk actions."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from singr_api.http.codes import RuleError
from singr_api.http.fields import Cursor, From, Limit, Until, check_order
from singr_api.http.pages import PageOf
from singr_api.work.shared import (
    PRIORITIES,
    AnyOrganization,
    ErrorCode,
    Fingerprint,
    JobTypeName,
    PriorityName,
    Reason,
    check_span,
)
from singr_config.constants import PAGINATION
from singr_jobs import BulkActionView, BulkFilter, BulkPreview, Queue

__all__ = ["BulkOrganization", "BulkPage", "BulkPreview", "BulkQuery", "CreateBulkAction"]


class Filter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Matches what fits every part of it; a part left out fits anything.

    Only unfinished jobs and open dead letters match.

    Attributes:
        type: the job type.
        queue: the queue of the jobs.
        failed_after: for dead letters.
        created_after: for jobs.
    """

    type: JobTypeName | None = None
    queue: Queue | None = None
    error_code: ErrorCode | None = None
    fingerprint: Fingerprint | None = None
    failed_after: From | None = None
    failed_before: Until | None = None
    created_after: From | None = None
    created_before: Until | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        check_span(self.failed_after, self.failed_before)
        check_order(self.created_after, self.created_before)

    @property
    def plain(self) -> BulkFilter:
        """As it is kept."""
        given = {**msgspec.structs.asdict(self), "queue": None if self.queue is None else self.queue.value}
        return BulkFilter(**given)


class CreateBulkAction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do, and to which jobs or dead letters.

    Attributes:
        action: for dead letters `requeue` or `discard`, for jobs `cancel` or `reprioritize`.
        target: what the filter applies to; determined by the action.
        priority: the new priority, for `reprioritize`.
        rate_per_minute: the maximum number processed per minute; as fast as possible by default.
        reason: the reason, for the operation log; required to discard more than 100.
        dry_run: only count, and show examples.
    """

    action: Literal["requeue", "discard", "cancel", "reprioritize"]
    target: Literal["dead_letters", "jobs"] | None = None
    filter: Filter
    priority: PriorityName | None = None
    rate_per_minute: Annotated[int, Meta(ge=1, le=30_000)] | None = None
    reason: Annotated[Reason, Meta(examples=["The provider is back."])] | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        letters = self.action in {"requeue", "discard"}
        if self.target is not None and (self.target == "dead_letters") != letters:
            right = "dead_letters" if letters else "jobs"
            raise RuleError(
                "conflicting_fields", f"{self.action} applies to {right}: name that target, or leave it out"
            )
        if (self.action == "reprioritize") != (self.priority is not None):
            raise RuleError("conflicting_fields", "priority can only be sent with reprioritize")

    @property
    def given_priority(self) -> int | None:
        """The priority as it is kept."""
        return None if self.priority is None else PRIORITIES[self.priority]


class BulkQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose bulk actions to list, and how many."""

    organization_id: AnyOrganization | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class BulkOrganization(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """On whose jobs or dead letters."""

    organization_id: AnyOrganization | None = None


class BulkPage(PageOf[BulkActionView], frozen=True):
    """Some bulk actions, the latest first."""
