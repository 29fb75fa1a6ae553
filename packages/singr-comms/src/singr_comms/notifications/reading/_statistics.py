"""How many messages came to what, told by type, channel, provider, day and user."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, get_args
from uuid import UUID

import msgspec

from singr_comms.notifications.reading._counting import BUCKET, COLUMNS
from singr_comms.notifications.reading._question import Fault, QuestionError, naive
from singr_config.clock import clock
from singr_db import TenantSession, first_id, made_at, sql_text
from singr_jobs.minutes import BUCKETS, percentile

By = Literal["day", "type", "channel", "provider", "user"]
BY: Final[tuple[By, ...]] = get_args(By)
LONGEST: Final = timedelta(days=92)
"""The longest span that is told of at once."""
LONGEST_OF_USERS: Final = timedelta(days=7)
MOST_OF_USERS: Final = 50_000
"""So many messages are looked through where users are told apart: no count is kept of each."""
MOST_GROUPS: Final = 1_000
_HOUR: Final = timedelta(hours=1)
# Beyond these, hours and usual spans around a moment would leave the years that a datetime can hold.
_FIRST_MOMENT: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT: Final = datetime(9999, 1, 1, tzinfo=UTC)
_TAKEN: Final = ("sent", "delivered", "bounced", "complained")
_ARRIVED: Final = ("delivered", "complained")

GROUPS: Final = """
       CASE WHEN :by_day THEN {day} END AS day, CASE WHEN :by_type THEN kind END AS type,
       CASE WHEN :by_channel THEN channel END AS channel, CASE WHEN :by_provider THEN provider END AS provider
"""
_READ: Final = sql_text(
    f"""
SELECT {GROUPS.format(day="date_trunc('day', hour, 'UTC')")}, CAST(NULL AS uuid) AS "user",
       status, code, bucket, sum(messages)::bigint AS messages
  FROM delivery_hours WHERE organization_id = :organization_id AND hour >= :first AND hour < :last
 GROUP BY 1, 2, 3, 4, status, code, bucket
""",  # noqa: S608 - constants
    roles=("tenant",),
)
# How far back there are counts without a gap, and of when the newest are.
_COUNTED: Final = sql_text(
    """
SELECT (SELECT counted_at FROM delivery_counts WHERE hour >= :first AND hour < :last AND counted_at IS NOT NULL
         ORDER BY hour DESC LIMIT 1) AS counted_at,
       coalesce((SELECT max(hour) + interval '1 hour' FROM delivery_counts
                  WHERE hour >= :first AND hour < :last AND counted_at IS NULL
                    AND hour < date_trunc('hour', now(), 'UTC')),
                (SELECT min(hour) FROM delivery_counts WHERE hour >= :first AND hour < :last)) AS since
""",
    roles=("tenant",),
)
_LOOK: Final = sql_text(
    f"""
WITH made AS MATERIALIZED (
    SELECT {COLUMNS}, created_at FROM messages
     WHERE organization_id = :organization_id AND id >= :first AND id < :last ORDER BY id DESC LIMIT {MOST_OF_USERS}
)
SELECT {GROUPS.format(day="date_trunc('day', created_at, 'UTC')")}, user_id AS "user",
       status, code, {BUCKET} AS bucket, count(*) AS messages, min(id::text) AS oldest
  FROM made GROUP BY 1, 2, 3, 4, 5, status, code, bucket
""",  # noqa: S608 - constants
    roles=("tenant",),
)


class DeliveryStates(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages are in each state."""

    queued: int = 0
    dispatched: int = 0
    sent: int = 0
    delivered: int = 0
    bounced: int = 0
    complained: int = 0
    failed: int = 0
    unknown: int = 0
    suppressed: int = 0


class DeliveryReason(msgspec.Struct, frozen=True, kw_only=True):
    """How many ended with one error code."""

    status: str
    code: str
    messages: int


class DeliveryRates(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the messages that a provider accepted, from 0 to 1; complaints are about delivered messages."""

    delivered: float
    bounced: float
    complained: float


class DeliveryTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from request to delivery as reported by the provider: the median and the 95th percentile."""

    median: float
    p95: float


class DeliveryGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Messages grouped by what was asked for; a field is null if it was not asked for, or does not apply.

    Attributes:
        day: the day on which they were requested, in UTC.
        type: the type of message.
        states: how many are in each state.
        reasons: how many failed, or were not sent, for each reason; the most frequent first, at most 50.
        rates: null if no provider accepted any.
        seconds_to_delivered: null if none is known to have been delivered; usually accurate to a tenth, at worst to a
            quarter.
    """

    day: str | None = None
    type: str | None = None
    channel: str | None = None
    provider: str | None = None
    user: UUID | None = None
    messages: int
    states: DeliveryStates
    reasons: tuple[DeliveryReason, ...]
    rates: DeliveryRates | None
    seconds_to_delivered: DeliveryTimes | None


class DeliveryStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Delivery statistics.

    Attributes:
        from_time: told from this full hour on (UTC).
        to_time: until this one.
        since: from when on there are counts without a gap; null if nothing was counted yet.
        counted_at: when the newest of them was counted.
        is_whole: false if there are more than 1,000 groups; the largest of the most recent days are returned.
        items: the groups, most recent day first, then by size.
    """

    from_time: datetime = msgspec.field(name="from")
    to_time: datetime = msgspec.field(name="to")
    since: datetime | None
    counted_at: datetime | None
    is_whole: bool
    items: tuple[DeliveryGroup, ...]


def statistics_faults(
    by: Sequence[str], since: datetime | None, until: datetime | None, *, among: Sequence[str] = BY
) -> Iterator[Fault]:
    """All that is wrong with what is asked for; of a moment that could not be read, only what else there is."""
    unknown = sorted({one for one in by if one not in among})
    if unknown or len(set(by)) < len(by):
        yield Fault("by", f"must be of {', '.join(among)}, each once, separated by commas", "unknown_value")
    for name, moment in (("from", since), ("to", until)):
        if moment is not None and moment.tzinfo is None:
            yield naive(name)
            return
    beyond = [one for one in (("from", since), ("to", until)) if one[1] and not _FIRST_MOMENT <= one[1] < _LAST_MOMENT]
    yield from (Fault(name, "must lie in the years 1970 to 9998", "out_of_range") for name, _ in beyond)
    if beyond:
        return
    if since is None or until is None:
        return
    longest = LONGEST_OF_USERS if "user" in by else LONGEST
    if since >= until:
        yield Fault("from", "must be before to: swap them, or ask for an hour at least", "out_of_range")
    elif until - since > longest:
        users = " by user" if "user" in by else ""
        yield Fault("from", f"must lie at most {longest.days} days before to{users}", "out_of_range")


async def delivery_statistics(
    session: TenantSession, *, by: Sequence[str] = (), since: datetime, until: datetime
) -> DeliveryStatistics:
    """How many messages of the session's organization came to what.

    Whole hours are told, the bounds rounded outwards, by when messages were asked for. Counts are kept by the hour; an
    hour that goes on is counted each minute, one that is over ever more seldom, for eight days. By user, messages
    themselves are looked through, the newest 50,000.

    Args:
        session: fences it to its organization.
        by: what to tell apart, of `BY`.
        since: inclusive, aware.
        until: exclusive, aware.

    Raises:
        QuestionError: names all that is wrong.
    """
    if faults := tuple(statistics_faults(by, since, until)):
        raise QuestionError(*faults)
    first, last = full_hours(since, until)
    values: dict[str, Any] = {"organization_id": session.organization_id, **flags_of(by)}
    if "user" in by:
        rows = (await session.execute(_LOOK, values | {"first": first_id(first), "last": first_id(last)})).all()
        return looked_through(rows, first, last, most=MOST_OF_USERS)
    rows = (await session.execute(_READ, values | {"first": first, "last": last})).all()
    counted = (await session.execute(_COUNTED, {"first": first, "last": last})).one()
    return statistics_of(rows, first, last, since=counted.since, counted_at=counted.counted_at)


def full_hours(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """The bounds, rounded outwards."""
    return _full_hour(since), _full_hour(until + _HOUR - timedelta(microseconds=1))


def flags_of(by: Sequence[str]) -> dict[str, bool]:
    """The parameters of `GROUPS`."""
    return {f"by_{name}": name in by for name in BY if name != "user"}


def looked_through(rows: Sequence[Any], first: datetime, last: datetime, *, most: int) -> DeliveryStatistics:
    """What rows of messages themselves tell, of which the newest `most` were looked at, just now."""
    oldest = min((row.oldest for row in rows), default=None)
    is_cut = oldest is not None and sum(row.messages for row in rows) >= most
    reached = made_at(UUID(oldest)) if is_cut else first
    return statistics_of(rows, first, last, since=reached, counted_at=clock.now())


def statistics_of(
    rows: Sequence[Any], first: datetime, last: datetime, *, since: datetime | None, counted_at: datetime | None
) -> DeliveryStatistics:
    """What rows tell, each of so many `messages` of one group, state and reason."""
    groups = _groups(rows)
    return DeliveryStatistics(
        from_time=first,
        to_time=last,
        since=since,
        counted_at=counted_at,
        is_whole=len(groups) <= MOST_GROUPS,
        items=tuple(groups[:MOST_GROUPS]),
    )


def _full_hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _groups(rows: Iterable[Any]) -> list[DeliveryGroup]:
    found: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        found.setdefault((row.day, row.type, row.channel, row.provider or None, row.user), []).append(row)
    groups = [_group(key, some) for key, some in found.items()]
    return sorted(groups, key=lambda one: (one.day or "", one.messages), reverse=True)


def _group(key: tuple[Any, ...], rows: Sequence[Any]) -> DeliveryGroup:
    day, kind, channel, provider, user = key
    states: dict[str, int] = {}
    reasons: dict[tuple[str, str], int] = {}
    times = [0] * BUCKETS
    for row in rows:
        states[row.status] = states.get(row.status, 0) + row.messages
        if row.code:
            reasons[row.status, row.code] = reasons.get((row.status, row.code), 0) + row.messages
        if row.bucket >= 0 and row.status in _ARRIVED:
            times[row.bucket] += row.messages
    frequent = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))[:50]
    taken = sum(states.get(state, 0) for state in _TAKEN)
    median, p95 = percentile(times, 0.5), percentile(times, 0.95)
    return DeliveryGroup(
        day=None if day is None else f"{day.astimezone(UTC):%Y-%m-%d}",
        type=kind,
        channel=channel,
        provider=provider,
        user=user,
        messages=sum(states.values()),
        states=DeliveryStates(**states),
        reasons=tuple(DeliveryReason(status=of, code=code, messages=count) for (of, code), count in frequent),
        rates=_rates(states, taken) if taken else None,
        seconds_to_delivered=None if median is None or p95 is None else DeliveryTimes(median=median, p95=p95),
    )


def _rates(states: dict[str, int], taken: int) -> DeliveryRates:
    arrived = sum(states.get(state, 0) for state in _ARRIVED)
    return DeliveryRates(
        delivered=round(arrived / taken, 4),
        bounced=round(states.get("bounced", 0) / taken, 4),
        complained=round(states.get("complained", 0) / taken, 4),
    )
