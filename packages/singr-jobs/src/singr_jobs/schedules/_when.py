"""When a schedule fires: by cron expression, by interval, or once. Times are aware, in UTC, to the second or as given.

Cron is as Debian's has it (package cronsim): of an hour that a zone has twice, a fixed time fires in the first; a time
that a zone skips fires right after the gap; `*` in minute or hour follows real time through both.
"""

from calendar import isleap, monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property, lru_cache
from itertools import islice
from typing import Final

from cronsim import CronSim, CronSimError
from cronsim.cronsim import RANGES, Field
from cronsim.explain import Expression

from singr_jobs._plain import shown
from singr_jobs.declare._checks import number
from singr_jobs.schedules._errors import ScheduleError
from singr_jobs.schedules._zones import zone

LONGEST_EXPRESSION: Final = 200
LONGEST_INTERVAL: Final = 366 * 24 * 3600
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2200
"""No time of a schedule lies in this year or after it."""
_MOST_TERMS: Final = 60
_DIGITS: Final = 2
_FIELDS: Final = ("minute", "hour", "day of the month", "month", "day of the week")
_RIGHT: Final = 'five fields (minute, hour, day, month, weekday), or six with seconds first: "30 2 * * 1-5"'
_EXAMPLE_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)
# One year of each kind: by the weekday that it begins with, and whether it leaps.
_CALENDARS: Final = tuple({(date(year, 1, 1).weekday(), isleap(year)): year for year in range(2000, 2028)}.values())


@dataclass(frozen=True)
class Cron:
    """At the times of a cron expression: minute, hour, day of the month, month, weekday; seconds before them with six.

    Where both day of the month and weekday are given, it fires on days that fit either, as in Vixie cron: the month's
    first Saturday is `SAT#1`.

    Args:
        expression: numbers, `*`, lists, ranges, steps, names (`MON`, `JAN`), `L` and `LW` (the month's last day, its
            last weekday), `5L` and `1#2` (last Friday, second Monday).
        time_zone: IANA name of the zone whose clocks it goes by.

    Raises:
        ScheduleError: the expression is none (`cron-invalid`, naming the field), no date ever fits it (`never-fires`),
            or there is no such zone (`zone-unknown`).
    """

    expression: str
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        _check_expression(self.expression)
        if zone(self.time_zone) is None:
            raise ScheduleError(
                "time_zone",
                f"must be an IANA name such as Europe/Berlin, not {shown(self.time_zone)}",
                code="zone-unknown",
            )
        if not _fits_a_date(self.expression):
            raise ScheduleError(
                "cron", f"never fires: no date of the calendar fits {shown(self.expression)}", code="never-fires"
            )

    def after(self, moment: datetime) -> datetime | None:
        """The first time after that moment; None where there is none any more."""
        return next(self._from(moment), None)

    def until(self, moment: datetime) -> datetime | None:
        """The last time that is not after that moment, or None where there was none in fifty years."""
        # Backwards it only finds where to start: forwards alone both hours of a change are met in their order.
        back = CronSim(self.expression, (moment + timedelta(seconds=1)).astimezone(self._zone), reverse=True)
        starts = list(islice(_until_it_gives_up(back), 2))
        if not starts:
            return None
        last = None
        for time in self._from(starts[-1].astimezone(UTC) - timedelta(seconds=1)):
            if time > moment:
                break
            last = time
        return last

    @property
    def in_words(self) -> str:
        """The expression in English, such as `At 02:30 on Monday through Friday`."""
        what = Expression(self.expression.upper().split())
        words: str = what.explain()
        if not (what.day.star or what.dow.star or what.day_and):  # cronsim's "and" reads as if both had to fit
            words = words.replace(f" and {what.dow}", f" or {what.dow}", 1)
        return words if self.time_zone == "UTC" else f"{words} ({self.time_zone})"

    @cached_property
    def _zone(self) -> tzinfo:
        return zone(self.time_zone) or UTC  # there is one: it was looked up when this was made

    def _from(self, moment: datetime) -> Iterator[datetime]:
        # In the second of two like hours it begins an hour early, where the first one's times look as if they were to
        # come. What it gives twice, or again, is left out.
        last = moment
        for local in _until_it_gives_up(CronSim(self.expression, moment.astimezone(self._zone))):
            time = local.astimezone(UTC)
            if time.year >= LAST_YEAR:
                return
            if time > last:
                last = time
                yield time


@dataclass(frozen=True)
class Every:
    """At an interval, counted from the schedule's start, whatever zones do.

    Args:
        seconds: 1 to 366 days, as a number.

    Raises:
        ScheduleError: it is none.
    """

    seconds: float

    def __post_init__(self) -> None:
        if not 1 <= number(self.seconds) <= LONGEST_INTERVAL:
            raise ScheduleError(
                "every", f"must be 1 to {LONGEST_INTERVAL} seconds, as a number, not {shown(self.seconds)}"
            )

    @property
    def in_words(self) -> str:
        """The interval in English, such as `Every 90 seconds` or `Every 2 hours`."""
        for name, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
            count, rest = divmod(self.seconds, length)
            if count and not rest:
                return f"Every {name}" if count == 1 else f"Every {count:g} {name}s"
        return "Every second" if self.seconds == 1 else f"Every {self.seconds:g} seconds"


@dataclass(frozen=True)
class Once:
    """Once, at a time.

    Args:
        at: the time, with its zone.

    Raises:
        ScheduleError: it is none.
    """

    at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", check_moment("at", self.at))

    @property
    def in_words(self) -> str:
        """The time in English, such as `Once, at 2026-11-27 02:30:00 UTC`."""
        return f"Once, at {self.at:%Y-%m-%d %H:%M:%S} UTC"


When = Cron | Every | Once


@dataclass(frozen=True)
class Rule:
    """A schedule's times between its start and its end; `anchor` is what an interval is counted from."""

    when: When
    anchor: datetime
    starts: datetime | None = None
    ends: datetime | None = None

    def after(self, moment: datetime) -> datetime | None:
        """The first time after that moment."""
        if self.starts is not None and moment < self.starts:
            moment = self.starts - timedelta(microseconds=1)
        when = self.when
        if isinstance(when, Cron):
            time = when.after(moment)
        elif isinstance(when, Every):
            time = self._step(moment, timedelta(seconds=when.seconds), 1)
        else:
            time = when.at if when.at > moment else None
        return time if time is not None and (self.ends is None or time <= self.ends) else None

    def until(self, moment: datetime) -> datetime | None:
        """The last time that is not after that moment."""
        if self.ends is not None and moment > self.ends:
            moment = self.ends
        when = self.when
        if isinstance(when, Cron):
            time = when.until(moment)
        elif isinstance(when, Every):
            time = self._step(moment, timedelta(seconds=when.seconds), 0)
        else:
            time = when.at if when.at <= moment else None
        return time if time is not None and (self.starts is None or time >= self.starts) else None

    def _step(self, moment: datetime, length: timedelta, more: int) -> datetime | None:
        count = (moment - self.anchor) // length + more
        time = self.anchor + max(count, 0 if more else count) * length
        return time if time >= self.anchor and time.year < LAST_YEAR else None


def zone_of(when: When) -> tzinfo:
    """The zone whose clocks it goes by; UTC where it goes by none."""
    return (zone(when.time_zone) if isinstance(when, Cron) else None) or UTC


def check_moment(field: str, value: object) -> datetime:
    """A time with its zone, in UTC; raises ScheduleError."""
    right = f"must be a time with its zone, in the years {FIRST_YEAR} to {LAST_YEAR - 1}"
    if not isinstance(value, datetime):
        raise ScheduleError(field, f"{right}, not {shown(value)}")
    if value.utcoffset() is None:
        raise ScheduleError(field, f"{right}, not a naive one: {value.isoformat()}")
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        raise ScheduleError(field, f"{right}, not at {value.isoformat()}") from None
    if not FIRST_YEAR <= moment.year < LAST_YEAR:
        raise ScheduleError(field, f"{right}, not at {value.isoformat()}")
    return moment


def _check_expression(expression: object) -> None:
    if not isinstance(expression, str) or not expression.isascii() or len(expression) > LONGEST_EXPRESSION:
        raise ScheduleError(
            "cron", f"must be a text of at most {LONGEST_EXPRESSION} letters: {_RIGHT}", code="cron-invalid"
        )
    parts = expression.upper().split()
    if len(parts) not in {5, 6}:
        found = "1 field" if len(parts) == 1 else f"{len(parts)} fields"
        raise ScheduleError("cron", f"has {found}; it must have {_RIGHT}", code="cron-invalid")
    names = _FIELDS if len(parts) == len(_FIELDS) else ("second", *_FIELDS)
    kinds = list(Field)[-len(parts) :]
    for name, kind, part in zip(names, kinds, parts, strict=True):
        try:
            _check_part(kind, part)
        except (CronSimError, AssertionError, ValueError, TypeError):
            words = f"cannot have {shown(part)} as its {name}; it must have {_RIGHT}"
            raise ScheduleError("cron", words, code="cron-invalid") from None


def _check_part(kind: Field, part: str) -> None:
    terms = part.split(",")
    steps = [step for term in terms for step in term.split("/")[1:]]
    if len(terms) > _MOST_TERMS or len(steps) > len(terms):
        raise CronSimError
    if any(len(step) > _DIGITS or int(step) > RANGES[kind][-1] for step in steps):
        raise CronSimError
    kind.parse(part)


@lru_cache(maxsize=1024)
def _fits_a_date(expression: str) -> bool:
    """Whether any date fits its days, months and weekdays: there are fourteen calendars, and each is looked at once."""
    try:
        cron = CronSim(expression, _EXAMPLE_DAY)
    except CronSimError:  # each of its fields is right, so it is what they come to
        return False
    return any(
        cron.match_day(day)
        for year in _CALENDARS
        for month in sorted(cron.months)
        for day in (date(year, month, 1) + timedelta(days=more) for more in range(monthrange(year, month)[1]))
    )


def _until_it_gives_up(times: CronSim) -> Iterator[datetime]:
    """What cronsim finds, ended where it leaves the calendar."""
    try:
        yield from times
    except OverflowError:
        return
