"""What is set for a queue, in words of this package: checked, read, and told."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from singr_jobs.declare._checks import check_whole
from singr_jobs.declare._errors import JobsError
from singr_jobs.declare._types import Queue, Rate, check_rate
from singr_jobs.declare._views import AnyQueue

RATES: Final = {"sms": Rate(10, seconds=1), "worker": Rate(100, seconds=60)}
"""Rates that have names: ten text messages a second, a hundred jobs a minute. None is in force unless it is set."""
_MOST_AT_ONCE: Final = 1_000_000
_MOST_WEIGHT: Final = 1000


class QueueUnknownError(JobsError):
    """There is no such queue: none that is declared here, and none that a worker has ever served."""


class QueueSettingError(JobsError):
    """A queue cannot be set as asked.

    Attributes:
        field: what is wrong: `concurrency`, `rate`, `weight` …
        message: what would be right.
    """

    code: Final = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message


class Pause(msgspec.Struct, frozen=True):
    """Since when it has been paused, by whom, and why."""

    since: datetime
    by: str | None
    reason: str | None


class OrganizationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An organization's own settings in a queue; null where it has none.

    Attributes:
        concurrency: how many of its jobs may run at once, across all processes.
        weight: how many turns it gets for each turn of others.
    """

    organization_id: UUID
    paused: Pause | None = None
    concurrency: int | None = None
    rate: Rate | None = None
    weight: int = 1


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A queue's settings; null where the workers' environment applies.

    Attributes:
        concurrency: how many of its jobs may run at once, across all processes.
        concurrency_per_organization: how many jobs of one organization may run at once.
        rate: how many may start in how many seconds, across all processes.
        organizations: the organizations with settings of their own.
    """

    queue: AnyQueue
    paused: Pause | None = None
    concurrency: int | None = None
    concurrency_per_organization: int | None = None
    rate: Rate | None = None
    organizations: tuple[OrganizationSettings, ...] = ()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be set: a value, None for what the environment says, or UNSET for as it is.

    Raises QueueSettingError: a value cannot be.
    """

    concurrency: int | UnsetType | None = UNSET
    concurrency_per_organization: int | UnsetType | None = UNSET
    rate: Rate | UnsetType | None = UNSET
    weight: int | UnsetType | None = UNSET

    def columns(self, *, for_organization: bool) -> dict[str, Any]:
        """As columns of the table, those that change."""
        try:
            given = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}
            for name in ("concurrency", "concurrency_per_organization"):
                if given.get(name) is not None:
                    check_whole(name, given[name], least=1, most=_MOST_AT_ONCE)
            if given.get("weight") is not None:
                check_whole("weight", given["weight"], least=1, most=_MOST_WEIGHT)
            if given.get("rate") is not None:
                check_rate("rate", given["rate"])
        except ValueError as error:
            field, _, message = str(error).partition(" ")
            raise QueueSettingError(field, message) from None
        if "weight" in given and not for_organization:
            raise QueueSettingError("weight", "is for one organization: name it in organization_id")
        if "concurrency_per_organization" in given and for_organization:
            raise QueueSettingError(
                "concurrency_per_organization", "is for the whole queue: for one organization, set concurrency"
            )
        if "rate" in given:
            rate = given.pop("rate")
            given["rate_count"], given["rate_seconds"] = (None, None) if rate is None else (rate.count, rate.seconds)
        return given


def settings_of(queue: Queue, rows: list[Any]) -> QueueSettings:
    """The rows of a queue, as they are told; in whatever order."""
    whole: dict[str, Any] = {}
    organizations = []
    for row in sorted(rows, key=lambda row: row.for_organization or UUID(int=0)):
        pause = None if row.paused_at is None else Pause(row.paused_at, row.paused_by, row.paused_for)
        rate = None if row.rate_count is None else Rate(row.rate_count, row.rate_seconds)
        known: dict[str, Any] = {"paused": pause, "concurrency": row.concurrency, "rate": rate}
        if row.for_organization is None:
            whole = known | {"concurrency_per_organization": row.concurrency_per_organization}
        else:
            organizations.append(
                OrganizationSettings(organization_id=row.for_organization, weight=row.weight or 1, **known)
            )
    return QueueSettings(queue=queue, organizations=tuple(organizations), **whole)
