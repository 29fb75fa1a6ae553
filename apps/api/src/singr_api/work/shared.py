"""What callers ask for when they want a job, now or at its times."""

import datetime as dt
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, Literal, TypeVar, Union, cast
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.admission.call import Call, named_by, organization_of
from singr_api.http.codes import RuleError
from singr_api.http.fields import END, LINE, PRINTABLE
from singr_api.http.problems import NOT_ALLOWED, FieldError, Location, Problem, invalid
from singr_auth import Principal
from singr_config.clock import clock
from singr_db import Database, PlatformSession, TenantSession, sql_text
from singr_db.operation_log import LONGEST_REASON, REASON_PATTERN
from singr_jobs import (
    JOB_TYPE_LENGTH,
    JOB_TYPE_PATTERN,
    LONGEST_LABEL,
    LONGEST_REFERENCE,
    MOST_LABELS,
    JobType,
    Priority,
)
from singr_jobs.queues import LONGEST_RATE, MOST_STARTS, SHORTEST_RATE
from singr_platform import all_jobs

S = TypeVar("S", bound=msgspec.Struct)

PriorityName = Literal["high", "normal", "low"]
Attempts = Annotated[int, Meta(ge=1, le=100)]
Timeout = Annotated[float, Meta(ge=1, le=86_400, description="Seconds.")]

Reference = Annotated[str, Meta(min_length=1, max_length=LONGEST_REFERENCE, pattern=LINE, examples=["alert-4711"])]

Label = Annotated[str, Meta(min_length=1, max_length=LONGEST_LABEL, pattern=LINE, examples=["import"])]
Labels = Annotated[
    list[Label],
    Meta(max_length=MOST_LABELS, examples=[["import", "eu"]], extra_json_schema={"uniqueItems": True}),
]

RateCount = Annotated[int, Meta(ge=1, le=MOST_STARTS)]
RateSeconds = Annotated[float, Meta(ge=SHORTEST_RATE, le=LONGEST_RATE)]

JobTypeName = Annotated[
    str, Meta(max_length=JOB_TYPE_LENGTH, pattern=f"^{JOB_TYPE_PATTERN}{END}", examples=["sms.send"])
]
ErrorCode = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=PRINTABLE,
        description="Code of the last error.",
        examples=["provider_unavailable"],
    ),
]
Fingerprint = Annotated[
    str,
    Meta(
        pattern=f"^[0-9a-f]{{16}}{END}",
        description="Fingerprint of one kind of failure.",
        examples=["5f0c1d2e3a4b5c6d"],
    ),
]
Reason = Annotated[
    str, Meta(min_length=1, max_length=LONGEST_REASON, pattern=REASON_PATTERN, description="The reason, in one line.")
]
AnyOrganization = Annotated[
    UUID,
    Meta(
        description="An organization's own credential may leave it out; without it, a platform credential sees all of"
        " them.",
        examples=["01920000-0000-7000-8000-000000000001"],
    ),
]

LONGEST_DELAY_SECONDS: Final = 366 * 86_400

_READERS: Final = ("platform", "tenant")
_OF_JOB: Final = sql_text("SELECT type FROM jobs WHERE id = :id AND organization_id = :organization_id", roles=_READERS)
_OF_FLOW: Final = sql_text(
    "SELECT DISTINCT type FROM jobs WHERE flow_id = :id AND organization_id = :organization_id", roles=_READERS
)
_OF_SCHEDULE: Final = sql_text(
    "SELECT type FROM schedules WHERE id = :id AND organization_id = :organization_id", roles=_READERS
)
_OF_NAMED_SCHEDULE: Final = sql_text(
    "SELECT type FROM schedules WHERE name = :name AND organization_id = :organization_id", roles=_READERS
)
Session = TenantSession | PlatformSession
PRIORITIES: Final = {"high": Priority.HIGH, "normal": Priority.NORMAL, "low": Priority.LOW}


def within_reason(run_at: dt.datetime | None, field: str = "run_at") -> dt.datetime | None:
    """Refuse a time that is far from now: whoever names one has made a mistake."""
    if run_at is not None and abs((run_at - clock.now()).total_seconds()) > LONGEST_DELAY_SECONDS:
        raise invalid(FieldError(field, "must be within 366 days from now", "body", "out_of_range"))
    return run_at


def requests_of(types: Iterable[JobType], base: type[S], verb: str) -> dict[type[S], JobType]:
    """Return, for each job type that callers may ask for, the struct that does: `base` with its `payload`."""
    return {_struct(job_type, base, verb): job_type for job_type in types if job_type.request is not None}


def each_once(labels: list[str], field: str = "labels", location: Location = "body") -> list[str]:
    """Refuse a label that comes twice."""
    for place, label in enumerate(labels):
        if label in labels[:place]:
            words = f"must differ from {field}[{labels.index(label)}]: each label only once"
            raise invalid(FieldError(f"{field}[{place}]", words, location, "repeated"))
    return labels


def union_of(structs: Iterable[type[S]]) -> Any:
    """Return the union of these structs, told apart by `type`."""
    return Union[tuple(structs)]  # noqa: UP007 — made at run time


def _struct(job_type: JobType, base: type[S], verb: str) -> type[S]:
    struct = msgspec.defstruct(
        f"{verb}{_camel(job_type.name)}",
        [("payload", job_type.request)],
        bases=(base,),
        tag=job_type.name,
        frozen=True,
        kw_only=True,
        namespace={"__doc__": _first_line(job_type)},
    )
    return cast("type[S]", struct)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace("_", ".").replace("-", ".").split(".")) + "Job"


def _first_line(job_type: JobType) -> str:
    return (job_type.struct.__doc__ or job_type.name).strip().splitlines()[0]


def check_span(after: dt.datetime | None, before: dt.datetime | None) -> None:
    """Refuse a span of time that ends before it begins: two bounds were swapped."""
    if after is not None and before is not None and after > before:
        raise RuleError("conflicting_fields", "failed_after must not be later than failed_before: swap them")


def whose(call: Call, named: UUID | None, scope: str) -> UUID | None:
    """Return the organization that a request is about; None for all of them.

    Args:
        call: who is calling, and for whom.
        named: the organization that the request names.
        scope: what the platform's own need beside the route's scope, to mean all organizations.

    Raises:
        ScopeError: it lacks that.
        Problem: an organization's credential named another one.
    """
    if named_by(call, named) is None and call.principal.organization_id is None:
        call.principal.require(scope)
        return None
    return organization_of(call, named)


@asynccontextmanager
async def fenced(db: Database, organization_id: UUID | None) -> AsyncIterator[TenantSession | PlatformSession]:
    """Open a transaction that sees one organization's rows, or for None those of all."""
    async with db.platform() if organization_id is None else db.tenant(organization_id) as session:
        yield session


def require_for(principal: Principal, job_type: str | None) -> None:
    """Refuse who steers jobs that they could not create.

    Args:
        principal: who is calling.
        job_type: the jobs' type; of one that is not known here, and for None, every type's scope is asked for.

    Raises:
        ScopeError: the scope that the type asks for is missing.
        Problem: they call for an organization, and callers create no jobs of the type (403).
    """
    types = {one.name: one for one in all_jobs()}
    known = types.get(job_type or "")
    if principal.organization_id is not None and job_type is not None and (known is None or not known.by_callers):
        raise _of_the_house(job_type)
    asked = {one.scope for one in types.values()} if known is None else {known.scope}
    for scope in sorted(scope for scope in asked if scope is not None):
        principal.require(scope)


def steered_by(principal: Principal) -> tuple[str, ...] | None:
    """The types whose jobs the caller may steer at all; None for the platform's own, who may steer any."""
    if principal.organization_id is None:
        return None
    return tuple(sorted(one.name for one in all_jobs() if one.by_callers))


async def require_for_job(principal: Principal, session: Session, organization_id: UUID, job_id: UUID) -> None:
    """As `require_for`, of a job that may not be there."""
    await _require_for_all(principal, session, _OF_JOB, organization_id, id=job_id)


async def require_for_flow(principal: Principal, session: Session, organization_id: UUID, flow_id: UUID) -> None:
    """As `require_for`, of each member of a flow that may not be there."""
    await _require_for_all(principal, session, _OF_FLOW, organization_id, id=flow_id)


async def require_for_schedule(
    principal: Principal, session: Session, organization_id: UUID, schedule: UUID | str
) -> None:
    """As `require_for`, of what a schedule makes, by its id or its name; there may be none."""
    if isinstance(schedule, str):
        await _require_for_all(principal, session, _OF_NAMED_SCHEDULE, organization_id, name=schedule)
    else:
        await _require_for_all(principal, session, _OF_SCHEDULE, organization_id, id=schedule)


async def _require_for_all(
    principal: Principal, session: Session, statement: object, organization_id: UUID, **which: UUID | str
) -> None:
    for job_type in sorted(await session.scalars(statement, {**which, "organization_id": organization_id})):  # type: ignore[call-overload]  # one of ours
        require_for(principal, job_type)


def _of_the_house(job_type: str) -> Problem:
    return Problem(
        NOT_ALLOWED,
        f"Jobs of the type {job_type} are the platform's own work, which only its operators can steer. Change what they"
        " work for instead: pause or cancel the notification, or ask again for the erasure or the export.",
    )
