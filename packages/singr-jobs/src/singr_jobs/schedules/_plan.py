"""What a schedule does at a moment: pure, so that a worker and jobs in memory decide alike."""

from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from singr_jobs.schedules._when import Cron, Every, Once, Rule, When

GRACE: Final = timedelta(seconds=60)
"""How late a run that `missed="skip"` still makes may be: a worker that starts anew is no outage."""
_SHORTEST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_PART: Final = 4  # the wait grows with what was waited already, so that many that wait cost little


class Stored(msgspec.Struct, kw_only=True):
    """A schedule's row, as far as firing needs it; durations are seconds."""

    id: UUID
    organization_id: UUID
    name: str
    state: str
    cron: str | None
    time_zone: str | None
    every: float | None
    once_at: datetime | None
    anchor_at: datetime
    starts_at: datetime | None
    ends_at: datetime | None
    jitter: float
    missed: str
    missed_within: float
    overlap: str
    pause_after: int | None
    next_fire_at: datetime | None
    late_by: float
    asked_at: datetime | None
    held_at: datetime | None

    @classmethod
    def of(cls, row: Any) -> "Stored":
        """Return what firing needs of anything that has the columns of the table as attributes."""
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})

    @property
    def rule(self) -> Rule:
        """Its times; raises ScheduleError where this release does not know them any more, such as a withdrawn zone."""
        return Rule(self.when, self.anchor_at, self.starts_at, self.ends_at)

    @property
    def when(self) -> When:
        """What it was made with; raises ScheduleError as `rule`."""
        if self.cron is not None:
            return Cron(self.cron, self.time_zone or "UTC")
        if self.every is not None:
            return Every(self.every)
        assert self.once_at is not None  # noqa: S101 - the table's constraint, for mypy
        return Once(self.once_at)


class Met(msgspec.Struct, kw_only=True):
    """A time that was met: a job where `outcome` is fired or asked, else none, for all times up to `until`."""

    fire_at: datetime
    outcome: Literal["fired", "asked", "skipped", "missed"]
    until: datetime | None = None

    @property
    def makes_job(self) -> bool:
        """Whether a job comes of it."""
        return self.outcome in {"fired", "asked"}


class Plan(msgspec.Struct, kw_only=True):
    """What a schedule does now, and how it goes on.

    `cancels`: the unfinished jobs of earlier times are to be cancelled. `held_at` and `held_until` are set where it
    waits for one of them; it then looks again at `held_until`.
    """

    met: list[Met]
    next_fire_at: datetime | None
    cancels: bool = False
    held_at: datetime | None = None
    held_until: datetime | None = None


def plan(stored: Stored, rule: Rule, now: datetime, *, busy: bool) -> Plan:
    """What it does at `now`; `busy` where a job of an earlier time is unfinished."""
    asked = [] if stored.asked_at is None else [Met(fire_at=stored.asked_at, outcome="asked")]
    due = stored.next_fire_at
    # Jitter moves all times alike, so a run that is late by it is not late.
    as_of = now - timedelta(seconds=stored.late_by)
    if stored.state != "active" or due is None or due > as_of:
        return Plan(met=asked, next_fire_at=due, held_at=stored.held_at)
    if busy and stored.overlap == "queue":
        since = stored.held_at or now
        wait = min(max((now - since).total_seconds() / _PART, _SHORTEST_WAIT), _LONGEST_WAIT)
        return Plan(met=asked, next_fire_at=due, held_at=since, held_until=now + timedelta(seconds=wait))
    met, following = _due(stored, rule, due, as_of)
    fires = any(one.makes_job for one in met)
    if fires and busy and stored.overlap == "skip":
        met = [Met(fire_at=due, outcome="skipped", until=_end(due, as_of, rule))]
    return Plan(met=asked + met, next_fire_at=following, cancels=fires and busy and stored.overlap == "cancel_running")


def _due(stored: Stored, rule: Rule, due: datetime, as_of: datetime) -> tuple[list[Met], datetime | None]:
    """What becomes of the times from `due` up to `as_of`, and the time after them."""
    lost: list[Met] = []
    first: datetime | None = due
    oldest = as_of - timedelta(seconds=stored.missed_within)
    if due < oldest:
        first = rule.after(oldest - timedelta(microseconds=1))
        if first is None or first > as_of:
            return [_missed(due, as_of, rule)], first
        lost = [_missed(due, first - timedelta(microseconds=1), rule)]
    assert first is not None  # noqa: S101 - for mypy: it is `due`, or was looked at
    following = rule.after(first)
    is_held = stored.held_at is not None
    if following is None or following > as_of or stored.missed == "all" or is_held:
        if stored.missed == "skip" and as_of - first > GRACE and not is_held:
            return [_missed(due, as_of, rule)], following
        return [*lost, Met(fire_at=first, outcome="fired")], following
    last = rule.until(as_of) or first
    if stored.missed == "skip" and as_of - last > GRACE:
        return [_missed(due, as_of, rule)], rule.after(last)
    before = last - timedelta(microseconds=1)
    return [_missed(due, before, rule), Met(fire_at=last, outcome="fired")], rule.after(last)


def _missed(first: datetime, moment: datetime, rule: Rule) -> Met:
    return Met(fire_at=first, outcome="missed", until=_end(first, moment, rule))


def _end(first: datetime, moment: datetime, rule: Rule) -> datetime | None:
    """The last of the times from `first` up to that moment, where it is another one."""
    last = rule.until(moment)
    return last if last is not None and last > first else None
