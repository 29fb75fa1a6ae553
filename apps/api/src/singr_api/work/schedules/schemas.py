"""What callers send and get for schedules."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, cast

import msgspec
from msgspec import Meta

from singr_api.http.codes import RuleError
from singr_api.http.fields import LINE, Cursor, Limit, OrganizationId, Timestamp
from singr_api.http.pages import PageOf, SearchedPageOf
from singr_api.work.shared import Attempts, Labels, PriorityName, Reference, Timeout, requests_of, union_of
from singr_config.constants import PAGINATION
from singr_jobs.schedules import Cron, Every, FireView, Once, Preview, ScheduleView
from singr_platform import all_jobs

_DAY: Final = 86_400
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=LINE, examples=["nightly"])]
Expression = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="Five fields (minute, hour, day of the month, month, weekday), or six with seconds first.",
        examples=["30 2 * * 1-5"],
    ),
]
ZoneName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="The IANA name of the time zone for the expression; UTC by default.",
        examples=["Europe/Berlin"],
    ),
]
Interval = Annotated[float, Meta(ge=1, le=366 * _DAY, description="Seconds between times, counted from the start.")]


class Times(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a schedule fires: by exactly one of `cron`, `every` and `at`.

    Attributes:
        at: once, at this time.
        starts: no time before this one.
        ends: no time after this one.
    """

    cron: Expression | None = None
    time_zone: ZoneName | None = None
    every: Interval | None = None
    at: Timestamp | None = None
    starts: Timestamp | None = None
    ends: Timestamp | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        if sum(part is not None for part in (self.cron, self.every, self.at)) != 1:
            raise RuleError("conflicting_fields", "send exactly one of cron, every and at")
        if self.time_zone is not None and self.cron is None:
            raise RuleError(
                "conflicting_fields", "time_zone can only be sent with cron: the others do not depend on it"
            )

    @property
    def when(self) -> Cron | Every | Once:
        """The rule; raises ScheduleError where it is none."""
        if self.cron is not None:
            return Cron(self.cron, self.time_zone or "UTC")
        return Every(self.every) if self.every is not None else Once(cast("dt.datetime", self.at))


class ScheduledJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What a scheduled job has beside its type and payload.

    Attributes:
        priority: the order among due jobs of the queue.
        attempts: how often it is tried in all; the type's own number, unless told.
        timeout: seconds that one attempt may take; the type's own, unless told.
        reference: what you call the matter that its jobs are about: shown with each, and found by it.
        labels: what you sort your jobs by, each label once: shown with each, and found by one or several.
    """

    priority: PriorityName = "normal"
    attempts: Attempts | None = None
    timeout: Timeout | None = None
    reference: Reference | None = None
    labels: Labels = []


TYPES: Final = requests_of(all_jobs(), ScheduledJob, "Scheduled")
"""What each kind of scheduled job is a request for."""
if TYPE_CHECKING:
    AnyJob: TypeAlias = ScheduledJob
else:
    AnyJob = union_of(TYPES)


class CreateSchedule(Times, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job, and when to create it.

    Attributes:
        name: unique among the organization's schedules; an existing schedule with this name is replaced.
        job: the job to create each time, as in `POST /v1/jobs`. It is stored encrypted, and checked again each time.
        jitter: each time is delayed randomly by up to this many seconds, but never past the next time.
        missed: of the times missed while no worker was running, only the latest is made up for (`latest`), none that is
            more than a minute late (`skip`), or all, one after the other (`all`, with `overlap: queue`).
        missed_within: for how many seconds a missed time can be made up for; one day by default.
        overlap: what happens at a time while a job of an earlier one is unfinished: no job is created (`skip`, the
            default), it waits (`queue`), or it replaces the earlier job (`cancel_running`).
        pause_after: after this many of its jobs in a row have failed for good, the schedule is paused, with a
            `problem`; never by default.
    """

    name: Name
    job: AnyJob
    jitter: Annotated[float, Meta(ge=0, le=_DAY)] = 0
    missed: Literal["latest", "skip", "all"] = "latest"
    missed_within: Annotated[float, Meta(ge=60, le=31 * _DAY)] = _DAY
    overlap: Literal["skip", "queue", "cancel_running"] | None = None
    pause_after: Annotated[int, Meta(ge=1, le=20)] | None = None


class PreviewSchedule(Times, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a schedule would create jobs.

    Attributes:
        after: times after this one; now by default.
        count: how many.
    """

    after: Timestamp | None = None
    count: Annotated[int, Meta(ge=1, le=100)] = 5


class Fire(msgspec.Struct, frozen=True):
    """One time, in the schedule's time zone and in UTC."""

    local: Annotated[str, Meta(examples=["2026-11-30T02:30:00+01:00"])]
    utc: dt.datetime


class PreviewView(msgspec.Struct, frozen=True):
    """A schedule's times described in English, and the next of them."""

    in_words: str
    next_fires: tuple[Fire, ...]

    @classmethod
    def of(cls, told: Preview, zone: dt.tzinfo) -> "PreviewView":
        """Return it as it is answered."""
        fires = tuple(Fire(time.astimezone(zone).isoformat(), time) for time in told.next_fires)
        return cls(told.in_words, fires)


class ScheduleQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which schedules to list, and how many.

    Attributes:
        state: only schedules in this state.
    """

    organization_id: OrganizationId | None = None
    state: Literal["active", "paused", "ended"] | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class FireQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many, and from where on."""

    organization_id: OrganizationId | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class SchedulePage(SearchedPageOf[ScheduleView], frozen=True):
    """Some schedules, newest first."""


class FirePage(PageOf[FireView], frozen=True):
    """The history of some times, most recent first."""


def options_of(body: CreateSchedule) -> dict[str, Any]:
    """Return how its times are met."""
    return {
        "missed": body.missed,
        "missed_within": body.missed_within,
        "overlap": body.overlap,
        "jitter": body.jitter,
        "starts": body.starts,
        "ends": body.ends,
        "pause_after": body.pause_after,
    }
