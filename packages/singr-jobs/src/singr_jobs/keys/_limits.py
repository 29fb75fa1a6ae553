"""Limits by key that are changed while workers run, in place of what the code declares."""

from dataclasses import dataclass
from typing import Any, Final

from msgspec import UNSET, UnsetType
from sqlalchemy import Row

from singr_db import PlatformSession, sql_text
from singr_db.operation_log import checked_reason, log_operation
from singr_jobs.declare._checks import check_whole
from singr_jobs.declare._errors import JobsError
from singr_jobs.declare._job_types import check_name
from singr_jobs.declare._keyed import MOST_AT_ONCE
from singr_jobs.declare._types import Rate, check_rate
from singr_jobs.keys._memory import KeepsKeys

_READ: Final = "type, concurrency, rate_count, rate_seconds, set_concurrency, set_rate_count, set_rate_seconds"
_FIND: Final = sql_text(f"SELECT {_READ} FROM job_limits WHERE type = :type FOR UPDATE")  # noqa: S608 - a constant
_LIST: Final = sql_text(
    f"SELECT {_READ} FROM job_limits"  # noqa: S608 - a constant
    " WHERE num_nonnulls(concurrency, rate_count, set_concurrency, set_rate_count) > 0 ORDER BY type"
)
_SET: Final = sql_text("""
UPDATE job_limits SET set_concurrency = :set_concurrency, set_rate_count = :set_rate_count,
       set_rate_seconds = :set_rate_seconds WHERE type = :type
""")

_COLUMNS: Final = ("set_concurrency", "set_rate_count", "set_rate_seconds")


class LimitsUnknownError(JobsError):
    """No worker has declared limits by key for a type of that name."""


@dataclass(frozen=True, slots=True)
class TypeLimits:
    """The limits on the keys of a job type; null where there is none.

    Attributes:
        type: the name of the job type.
        declared_concurrency: how many jobs of a key may run at once, as the most recently started worker declared it.
        declared_rate: how fast they may start, likewise.
        concurrency: what was set instead; null if the declared limit applies.
        rate: likewise.
    """

    type: str
    declared_concurrency: int | None
    declared_rate: Rate | None
    concurrency: int | None
    rate: Rate | None


async def set_limits(
    session: PlatformSession | KeepsKeys,
    job_type: str,
    *,
    concurrency: int | UnsetType | None = None,
    rate: Rate | UnsetType | None = None,
    reason: str | None = None,
) -> TypeLimits:
    """Hold the keys of a type to other limits than it declares, from the commit on, whatever is deployed.

    What runs goes on; nothing new of a key starts until few enough do. It is put down in the operation log.

    Args:
        session: of `Database.platform()`, its transaction open; in tests, an `InMemoryJobs`.
        job_type: which type; some worker must have declared limits for it.
        concurrency: how many jobs of a key may run at once; 0 lets nothing start; None lets the declared one hold,
            and `msgspec.UNSET` what was set before.
        rate: how fast jobs of a key may start, 1 to 1,000,000 in 0.001 to 86,400 seconds; likewise.
        reason: why, for the operation log.

    Raises:
        LimitsUnknownError: there are no limits for a type of that name.
        ValueError: a limit is out of range.
        ReasonError: the reason is no line of at most 1,000 characters.
    """
    given, reason = _given(concurrency, rate), checked_reason(reason)
    if isinstance(session, KeepsKeys):
        _known(job_type, session.keys.declared(job_type))
        return _told(session.keys.set(job_type, given))
    found = await _find(session, job_type)
    before = {name: getattr(found, name) for name in _COLUMNS}
    after = before | given
    await session.execute(_SET, {"type": job_type, **after})
    await log_operation(session, "limits.set", job_type, before=before, after=after, reason=reason)
    return TypeLimits(
        job_type,
        found.concurrency,
        _rate(found.rate_count, found.rate_seconds),
        after["set_concurrency"],
        _rate(after["set_rate_count"], after["set_rate_seconds"]),
    )


async def list_limits(session: PlatformSession | KeepsKeys) -> list[TypeLimits]:
    """The limits by key of all types that have some, by name."""
    rows = session.keys.all() if isinstance(session, KeepsKeys) else await session.execute(_LIST)
    return [_told(row) for row in rows]


def _told(row: Any) -> TypeLimits:
    """The limits of a type, from anything with the columns of its row as attributes."""
    return TypeLimits(
        row.type,
        row.concurrency,
        _rate(row.rate_count, row.rate_seconds),
        row.set_concurrency,
        _rate(row.set_rate_count, row.set_rate_seconds),
    )


def _given(concurrency: int | UnsetType | None, rate: Rate | UnsetType | None) -> dict[str, Any]:
    """What is to be set, as columns; raises ValueError."""
    given: dict[str, Any] = {}
    if concurrency is not UNSET:
        if concurrency is not None:
            check_whole("concurrency", concurrency, least=0, most=MOST_AT_ONCE)
        given["set_concurrency"] = concurrency
    if rate is None:
        given |= {"set_rate_count": None, "set_rate_seconds": None}
    elif rate is not UNSET:
        check_rate("rate", rate)
        given |= {"set_rate_count": rate.count, "set_rate_seconds": float(rate.seconds)}
    return given


async def _find(session: PlatformSession, job_type: str) -> Row[Any]:
    """What is known of a type's limits, held until the commit; raises LimitsUnknownError."""
    try:
        check_name(job_type)
    except ValueError as error:  # nobody can have declared it
        raise LimitsUnknownError(str(error)) from None
    found = (await session.execute(_FIND, {"type": job_type})).one_or_none()
    known: Row[Any] = _known(job_type, found)
    return known


def _known(job_type: str, found: Any) -> Any:
    if found is None or (found.concurrency is None and found.rate_count is None):
        raise LimitsUnknownError(f"no worker has declared limits by key for a job type {job_type!r}")
    return found


def _rate(count: int | None, seconds: float | None) -> Rate | None:
    return None if count is None or seconds is None else Rate(count, seconds)
