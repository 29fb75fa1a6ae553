"""What somebody wants scheduled, checked before anything is stored."""

import random
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from singr_db.tables import MissedRuns, Overlap
from singr_jobs._plain import shown
from singr_jobs.declare._checks import check_whole, number
from singr_jobs.schedules._errors import ScheduleError
from singr_jobs.schedules._when import Cron, Every, Once, Rule, When, check_moment
from singr_jobs.schedules._zones import RULES

Latest: Final = MissedRuns.LATEST
"""Of times that passed while nobody could fire, the latest is made up for."""
Skip: Final = "skip"
"""Of missed runs: none is made up for that is later than a minute. Of overlaps: the new time is left out."""
All: Final = MissedRuns.ALL
"""Each missed time is made up for, one after the other; goes with `overlap=Queue` alone."""
Queue: Final = Overlap.QUEUE
"""A new time waits until the job of the one before has ended; they follow one another in order."""
CancelRunning: Final = Overlap.CANCEL_RUNNING
"""The unfinished job of an earlier time is cancelled, or asked to stop."""

LONGEST_NAME: Final = 100
LONGEST_JITTER: Final = 24 * 3600
MOST_FAILURES: Final = 20
LONGEST_WINDOW: Final = 31 * 24 * 3600
_Word = TypeVar("_Word", MissedRuns, Overlap)


class Source(msgspec.Struct, kw_only=True, frozen=True):
    """What becomes of each time: a job as it is stored, or a caller's sealed request for one."""

    type: str
    job: bytes | None = None
    request: bytes | None = None
    created_by: str | None = None


class Draft(msgspec.Struct, kw_only=True, frozen=True):
    """A schedule as it is asked for, checked by `draft_of`."""

    name: str
    when: When
    missed: MissedRuns = MissedRuns.LATEST
    missed_within: float = 24 * 3600.0
    overlap: Overlap = Overlap.SKIP
    jitter: float = 0.0
    starts: datetime | None = None
    ends: datetime | None = None
    pause_after: int | None = None

    def row(self, source: Source, *, organization_id: UUID, now: datetime) -> dict[str, Any]:
        """The row to store, but for its id; `next_fire_at` is None where all of its times lie before `now`."""
        when = self.when
        anchor = self.starts or now
        rule = Rule(when, anchor, self.starts, self.ends)
        following = rule.after(now)
        late_by = drawn(rule, following, self.jitter)
        return {
            "organization_id": organization_id,
            "name": self.name,
            "cron": when.expression if isinstance(when, Cron) else None,
            "time_zone": when.time_zone if isinstance(when, Cron) else None,
            "every": float(when.seconds) if isinstance(when, Every) else None,
            "once_at": when.at if isinstance(when, Once) else None,
            "anchor_at": anchor,
            "starts_at": self.starts,
            "ends_at": self.ends,
            "jitter": self.jitter,
            "missed": self.missed.value,
            "missed_within": self.missed_within,
            "overlap": self.overlap.value,
            "pause_after": self.pause_after,
            "type": source.type,
            "job": None if source.job is None else source.job.decode(),
            "request": source.request,
            "created_by": source.created_by,
            "rules": RULES,
            "next_fire_at": following,
            "late_by": late_by,
            "due_at": following and following + timedelta(seconds=late_by),
        }

    def never_fires(self) -> ScheduleError:
        """What to raise where all of its times lie before now."""
        field = "at" if isinstance(self.when, Once) else "ends"
        words = "leaves no time at which it could fire: all are in the past"
        return ScheduleError(field, words, code="never-fires")


def draft_of(
    name: object,
    when: object,
    *,
    missed: object = None,
    missed_within: object = None,
    overlap: object = None,
    jitter: object = 0,
    starts: object = None,
    ends: object = None,
    pause_after: object = None,
) -> Draft:
    """What was asked for, checked; raises ScheduleError naming the field."""
    if not isinstance(when, Cron | Every | Once):
        raise ScheduleError("when", f"must be a Cron, an Every or a Once, not {shown(when)}")
    runs = _word("missed", MissedRuns, MissedRuns.LATEST if missed is None else missed)
    usual = Overlap.QUEUE if runs is MissedRuns.ALL else Overlap.SKIP
    over = _word("overlap", Overlap, usual if overlap is None else overlap)
    if runs is MissedRuns.ALL and over is not Overlap.QUEUE:
        raise ScheduleError("overlap", "must be queue where all missed runs are made up for, one after the other")
    first = None if starts is None else check_moment("starts", starts)
    last = None if ends is None else check_moment("ends", ends)
    if first is not None and last is not None and last <= first:
        raise ScheduleError("ends", f"must be after the start, {first.isoformat()}, not at {last.isoformat()}")
    return Draft(
        name=_name(name),
        when=when,
        missed=runs,
        missed_within=_seconds(
            "missed_within", 24 * 3600.0 if missed_within is None else missed_within, 60, LONGEST_WINDOW
        ),
        overlap=over,
        jitter=_seconds("jitter", jitter, 0, LONGEST_JITTER),
        starts=first,
        ends=last,
        pause_after=_count(pause_after),
    )


def drawn(rule: Rule, fire_at: datetime | None, jitter: float) -> float:
    """Seconds by which that time is met later, so that many schedules of one time do not fire at once.

    Never later than the time after it: else times would be taken for missed that nobody missed.
    """
    if not jitter or fire_at is None:
        return 0.0
    following = rule.after(fire_at)
    most = jitter if following is None else min(jitter, (following - fire_at).total_seconds())
    return random.uniform(0, most)  # noqa: S311 - spreads load, guards nothing


def _name(name: object) -> str:
    if isinstance(name, str) and 1 <= len(name) <= LONGEST_NAME and name == name.strip() and name.isprintable():
        return name
    right = f"must be a text of 1 to {LONGEST_NAME} printable characters, without space around it"
    raise ScheduleError("name", f"{right}, not {shown(name)}")


def _seconds(field: str, value: object, least: int, most: int) -> float:
    seconds = number(value)
    if not least <= seconds <= most:
        raise ScheduleError(field, f"must be {least} to {most} seconds, as a number, not {shown(value)}")
    return float(seconds)


def _count(value: object) -> int | None:
    if value is None:
        return None
    try:
        check_whole("pause_after", value, least=1, most=MOST_FAILURES)
    except ValueError as error:
        raise ScheduleError("pause_after", str(error).removeprefix("pause_after ")) from None
    assert isinstance(value, int)  # noqa: S101 - as was checked, for mypy
    return value


def _word(field: str, words: type[_Word], value: object) -> _Word:
    try:
        return words(value)  # type: ignore[arg-type] # what is none is refused
    except ValueError:
        right = ", ".join(word.value for word in words)
        raise ScheduleError(field, f"must be one of {right}, not {shown(value)}") from None
