"""When quiet hours end and digests come, on a person's own clock: in Python as the database's functions have it.

PostgreSQL says `quiet_until` and `digest_closes` where messages are decided; these say the same where there is no
database, and are held against it by a test. An hour that a clock leaves out moves forward. Of one that comes twice,
digests and ends of quiet hours mean the second, as PostgreSQL has it, so that nobody is woken early; quiet hours begin
with the first, and of an hour that is left out as the clock goes over it.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Literal, TypeAlias

from singr_jobs.schedules import zone

Period: TypeAlias = Literal["daily", "weekly"]
DIGEST_AT: Final = time(8)
"""When digests come where nobody has said anything."""
DIGEST_WEEKDAY: Final = 1
"""On which day weekly ones do, of ISO 8601: on Monday."""
_LOOKS_BACK: Final = 2
_LOOKS_AHEAD: Final = 8


def quiet_until(
    moment: datetime, time_zone: str | None, starts: time | None, ends: time | None, days: Collection[int] | None = None
) -> datetime | None:
    """When the quiet hours end that a moment (aware) lies in; None outside, or where there are none.

    What begins before the others have ended goes on from there, for eight days at most.

    Args:
        moment: when.
        time_zone: an IANA name; UTC where there is none, or no such zone any more.
        starts: from when on.
        ends: until when, the next day where that is not later; the same time is the whole day.
        days: on which they begin, Monday is 1; on every day unless given.
    """
    if starts is None or ends is None:
        return None
    place = _place(time_zone)
    today = moment.astimezone(place).date()
    found = moment
    for ahead in range(-_LOOKS_BACK, _LOOKS_AHEAD + 1):
        day = today + timedelta(days=ahead)
        if days is not None and day.isoweekday() not in days:
            continue
        until = _instant(day if ends > starts else day + timedelta(days=1), ends, place)
        is_past = found.astimezone(place).replace(tzinfo=None) >= datetime.combine(day, starts)
        if (is_past or _first_instant(day, starts, place) <= found) and found < until:
            found = until
    return None if found == moment else found


def digest_closes(
    after: datetime,
    time_zone: str | None,
    wanted: time | None = None,
    weekday: int | None = None,
    *,
    period: Period = "daily",
) -> datetime:
    """When the digest comes that is open at a moment (aware): the first time behind it.

    Args:
        after: the moment.
        time_zone: an IANA name; UTC where there is none, or no such zone any more.
        wanted: at what time; at 08:00 unless given.
        weekday: on which day a weekly one does, Monday is 1; on Monday unless given.
        period: how often.
    """
    place = _place(time_zone)
    yesterday = after.astimezone(place).date() - timedelta(days=1)
    days = (yesterday + timedelta(days=ahead) for ahead in range(_LOOKS_AHEAD + 2))
    fitting = (day for day in days if period == "daily" or day.isoweekday() == (weekday or DIGEST_WEEKDAY))
    return next(
        found for day in fitting if (found := _instant(day, DIGEST_AT if wanted is None else wanted, place)) > after
    )


def _place(name: str | None) -> tzinfo:
    return zone(name) or UTC


def _instant(day: date, wall: time, place: tzinfo) -> datetime:
    """The moment at which a clock shows a time; of the two readings that a change of clocks leaves, the later."""
    local = datetime.combine(day, wall, place)
    return max(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))


def _first_instant(day: date, wall: time, place: tzinfo) -> datetime:
    """As `_instant`, but the earlier of two moments at which the clock shows the time; a time left out has none."""
    first = datetime.combine(day, wall, place).replace(fold=0).astimezone(UTC)
    shown = first.astimezone(place).replace(tzinfo=None, fold=0)
    return first if shown == datetime.combine(day, wall) else _instant(day, wall, place)
