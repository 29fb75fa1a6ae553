"""Schedules of jobs in memory: made, changed and fired by the rules of the database's, by the test's own clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, Protocol, runtime_checkable
from uuid import UUID

from singr_db import new_id
from singr_jobs.schedules._drafts import Draft, Source, drawn
from singr_jobs.schedules._errors import ScheduleEndedError, ScheduleNotFoundError, no_organization
from singr_jobs.schedules._plan import Stored
from singr_jobs.schedules._sql import TIMES, FireRow, NoteRow
from singr_jobs.schedules._turn import Turn
from singr_jobs.schedules._views import FireView, ScheduleView, schedule_view

_NEW: Final = dict.fromkeys(("asked_at", "held_at", "last_fire_at", "last_job_id", "problem"))


@runtime_checkable
class KeepsSchedules(Protocol):
    """What stands in for a database session, and has schedules of its own (see `singr_jobs.testing`)."""

    schedules: "MemorySchedules"


@dataclass
class MemorySchedules:
    """Schedules as rows, with the columns of the table as attributes.

    Attributes:
        now: the time.
        exists: whether there is an organization of this id.
    """

    now: Callable[[], datetime]
    exists: Callable[[UUID], bool] = lambda _: True
    _rows: dict[tuple[UUID, str], Any] = field(default_factory=dict)
    _fires: dict[UUID, dict[datetime, FireView]] = field(default_factory=dict)

    def put(self, draft: Draft, source: Source, *, organization_id: UUID) -> ScheduleView:
        """As `put_schedule`."""
        now = self.now()
        values = draft.row(source, organization_id=organization_id, now=now)
        known = self._rows.get((organization_id, draft.name))
        same = known is not None and all(getattr(known, name) == values[name] for name in TIMES)
        if values["next_fire_at"] is None and not same:
            raise draft.never_fires()
        if not self.exists(organization_id):
            raise no_organization(organization_id)
        if known is None:
            row = SimpleNamespace(id=new_id(), state="active", created_at=now, updated_at=now, **values, **_NEW)
            self._rows[organization_id, draft.name] = row
            return schedule_view(row)
        rests = known.state == "paused" and known.problem is None
        if same:
            goes_on = ("rules", "next_fire_at", "late_by", "due_at") if known.next_fire_at else ()
            kept = ("anchor_at", *goes_on) if goes_on or rests else ()
            values |= {name: getattr(known, name) for name in kept}
        else:
            known.held_at = None
        if rests:
            values["next_fire_at"] = None
        known.__dict__.update(values, problem=None, updated_at=now)
        known.state = "paused" if rests else "active" if known.next_fire_at else "ended"
        return self._goes_on(known)

    def pause(self, which: str | UUID, *, organization_id: UUID) -> ScheduleView:
        """As `pause_schedule`."""
        row = self._standing(which, organization_id)
        row.state, row.problem, row.next_fire_at, row.held_at = "paused", None, None, None
        return self._goes_on(row)

    def resume(self, which: str | UUID, *, organization_id: UUID) -> ScheduleView:
        """As `resume_schedule`."""
        row = self._standing(which, organization_id)
        if row.state == "paused":
            rule = Stored.of(row).rule
            row.next_fire_at = rule.after(self.now())
            if row.next_fire_at is None:
                raise ScheduleEndedError(f"the schedule {row.name!r} has no times left")
            row.state, row.problem, row.held_at = "active", None, None
            row.late_by = drawn(rule, row.next_fire_at, row.jitter)
        return self._goes_on(row)

    def run_now(self, which: str | UUID, *, organization_id: UUID) -> ScheduleView:
        """As `run_schedule_now`."""
        row = self._found(which, organization_id)
        row.asked_at = row.asked_at or self.now()
        return self._goes_on(row)

    def delete(self, which: str | UUID, *, organization_id: UUID) -> None:
        """As `delete_schedule`."""
        row = self._found(which, organization_id)
        del self._rows[organization_id, row.name]
        self._fires.pop(row.id, None)

    def read(self, which: str | UUID, *, organization_id: UUID) -> ScheduleView:
        """As `read_schedule`."""
        return schedule_view(self._found(which, organization_id))

    def all(self, *, organization_id: UUID) -> list[ScheduleView]:
        """All of an organization, newest first."""
        rows = [row for (organization, _), row in self._rows.items() if organization == organization_id]
        return [schedule_view(row) for row in reversed(rows)]

    def fires(self, schedule_id: UUID, *, organization_id: UUID) -> list[FireView]:
        """What became of a schedule's times, the latest first."""
        row = self._found(schedule_id, organization_id)
        return list(self._fires.get(row.id, {}).values())[::-1]

    def that_made(self, job_id: UUID) -> UUID | None:
        """The schedule that made a job, if one did."""
        made = (one for one, met in self._fires.items() if any(fire.job_id == job_id for fire in met.values()))
        return next(made, None)

    def fire(
        self, is_unfinished: Callable[[UUID], bool], cancel: Callable[[UUID], None], has_failed: Callable[[UUID], bool]
    ) -> list[FireRow]:
        """Meet the times that are due; answers the jobs to make of them."""
        turn, now = Turn(None, None), self.now()
        due = [row for row in self._rows.values() if row.due_at is not None and row.due_at <= now]
        due.sort(key=lambda row: row.due_at)
        for row in due:
            jobs = [met.job_id for met in self._fires.get(row.id, {}).values() if met.job_id is not None]
            unfinished = [job_id for job_id in jobs if is_unfinished(job_id)]
            failures = self._failures(row, has_failed)
            turn.take(
                SimpleNamespace(**row.__dict__, moment=now, unfinished=unfinished, stands=True, failures=failures)
            )
        for job in turn.cancelled:
            cancel(job["id"])
        new = [fire for fire in turn.fires if fire.fire_at not in self._fires.get(fire.schedule_id, {})]
        mets: list[FireRow | NoteRow] = [*new, *turn.notes]
        for met in sorted(mets, key=lambda met: met.id):
            view = FireView(
                id=met.id,
                fire_at=met.fire_at,
                outcome=met.outcome,  # type: ignore[arg-type] # of those that there are
                until=met.until if isinstance(met, NoteRow) else None,
                job_id=met.id if isinstance(met, FireRow) else None,
            )
            self._fires.setdefault(met.schedule_id, {}).setdefault(met.fire_at, view)
        for row, following in zip(due, turn.following, strict=True):
            changed = {name: getattr(following, name) for name in following.__struct_fields__}
            for name in ("last_fire_at", "last_job_id"):
                changed[name] = changed[name] or getattr(row, name)
            row.__dict__.update(changed, asked_at=None)
        return new

    def _failures(self, row: Any, has_failed: Callable[[UUID], bool]) -> int:
        """How many of its last jobs failed, since it was changed or resumed."""
        if row.pause_after is None:
            return 0
        fires = [met for met in self._fires.get(row.id, {}).values() if met.fire_at > row.updated_at]
        jobs = [met.job_id for met in fires if met.job_id is not None]
        return sum(map(has_failed, jobs[-row.pause_after :]))

    def _goes_on(self, row: Any) -> ScheduleView:
        late_by = timedelta(seconds=row.late_by)
        row.due_at = row.asked_at or (row.next_fire_at and row.next_fire_at + late_by)
        row.updated_at = self.now()
        return schedule_view(row)

    def _found(self, which: str | UUID, organization_id: UUID) -> Any:
        for (organization, name), row in self._rows.items():
            if organization == organization_id and which in {name, row.id}:
                return row
        raise ScheduleNotFoundError(f"there is no schedule {which!r}")

    def _standing(self, which: str | UUID, organization_id: UUID) -> Any:
        row = self._found(which, organization_id)
        if row.state == "ended":
            raise ScheduleEndedError(f"the schedule {row.name!r} has no times left")
        return row
