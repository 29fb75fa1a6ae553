"""What becomes of schedules that are due: their jobs, their times, how they go on; for workers and jobs in memory."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

import msgspec

from singr_db import new_id
from singr_jobs._plain import plain_text
from singr_jobs.declare._errors import IntakeError, ReservedError
from singr_jobs.schedules._drafts import drawn
from singr_jobs.schedules._errors import ScheduleError
from singr_jobs.schedules._plan import Met, Plan, Stored, plan
from singr_jobs.schedules._sql import FireRow, NextRow, NoteRow
from singr_jobs.schedules._zones import RULES
from singr_observability import get_logger

_log = get_logger("jobs.schedules")


class Made(msgspec.Struct, kw_only=True):
    """The job of a caller's request, and what is stored with it: the columns of the job that the request decides."""

    columns: Mapping[str, Any]
    intake: int | None = None
    companion: msgspec.Struct | None = None


class Requests(Protocol):
    """How sealed requests become jobs.

    Attributes:
        types: the job types that this process knows requests of.
        needs: by job type, the scopes that whoever asked must have still.
        inserts: the statements of their companions, by the number that `made` names.
    """

    types: Sequence[str]
    needs: Mapping[str, Sequence[str]]
    inserts: Sequence[str]

    def made(self, request: bytes, *, job_type: str, job_id: UUID, organization_id: UUID, for_platform: bool) -> Made:
        """The job; `for_platform` where whoever asked may act for the platform at this moment.

        Raises what `Scheduler` takes for a refusal: an error of any kind.
        """
        ...


class Turn:
    """What is done with schedules that are due, by one transaction or in memory."""

    def __init__(self, requests: Requests | None, refusal: str | None) -> None:
        self._requests = requests
        self._refusal = refusal
        self.fires: list[FireRow] = []
        self.notes: list[NoteRow] = []
        self.following: list[NextRow] = []
        self.cancelled: list[dict[str, UUID]] = []
        self.stopped: list[UUID] = []

    def take(self, row: Any) -> None:
        """Do what a due schedule asks for; where it cannot, pause it."""
        stored = Stored.of(row)
        try:
            self._check(row)
            made = plan(stored, stored.rule, row.moment, busy=bool(row.unfinished))
            # Before the job, so that ids are in the order of times: what was missed lies before what makes up for it.
            notes = [self._noted(stored, met) for met in made.met if not met.makes_job]
            fires = [self._fired(row, met) for met in made.met if met.makes_job]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this schedule's, and harms no other
            self._refuse(stored, row, error)
            return
        self.fires += fires
        self.notes += notes
        if made.cancels:
            whose = {"schedule_id": stored.id, "organization_id": stored.organization_id}
            self.cancelled += [{"id": one, **whose} for one in row.unfinished]
        self.following.append(_following(stored, made, fires))

    def _check(self, row: Any) -> None:
        if self._refusal is not None:
            raise ScheduleError("job", self._refusal)
        if not row.stands:
            raise ScheduleError("job", "was requested by somebody who no longer has the permission: schedule it anew")
        if row.pause_after is not None and row.asked_at is None and row.failures >= row.pause_after:
            raise ScheduleError("job", f"has failed {row.failures} times in a row: fix it, then resume the schedule")

    def leave(self, schedule_id: UUID) -> None:
        """Do nothing with this schedule: it stays due."""
        self.fires = [one for one in self.fires if one.schedule_id != schedule_id]
        self.notes = [one for one in self.notes if one.schedule_id != schedule_id]
        self.following = [one for one in self.following if one.id != schedule_id]

    def reckon(self, row: Any) -> None:
        """Give a schedule its next time anew."""
        stored = Stored.of(row)
        try:
            following = stored.rule.after(row.moment)
        except Exception as error:  # noqa: BLE001 - as above
            self._refuse(stored, row, error)
            return
        self.following.append(_following(stored, Plan(met=[], next_fire_at=following), []))

    def _fired(self, row: Any, met: Met) -> FireRow:
        job_id = new_id()
        if row.request is None:
            columns = msgspec.json.decode(row.job, type=_Kept)
            made = Made(columns=msgspec.structs.asdict(columns))
        elif self._requests is not None:
            made = self._requests.made(
                row.request,
                job_type=row.type,
                job_id=job_id,
                organization_id=row.organization_id,
                for_platform=row.for_platform,
            )
        else:
            raise ScheduleError("job", "is a request, and this process takes none")
        return FireRow(
            id=job_id,
            organization_id=row.organization_id,
            type=row.type,
            schedule_id=row.id,
            fire_at=met.fire_at,
            outcome=met.outcome,
            created_by=row.created_by,
            intake=made.intake,
            companion=made.companion,
            **made.columns,
        )

    def _noted(self, stored: Stored, met: Met) -> NoteRow:
        return NoteRow(
            id=new_id(),
            schedule_id=stored.id,
            organization_id=stored.organization_id,
            fire_at=met.fire_at,
            outcome=met.outcome,
            until=met.until,
        )

    def _refuse(self, stored: Stored, row: Any, error: Exception) -> None:
        known = isinstance(error, ScheduleError | IntakeError | ReservedError)
        problem = plain_text(error if known else f"it cannot become a job: {type(error).__name__}", limit=500)
        _log.warning("the schedule {} is paused: {}", stored.id, problem)
        at = stored.asked_at or stored.next_fire_at or row.moment
        self.notes.append(
            NoteRow(
                id=new_id(),
                schedule_id=stored.id,
                organization_id=stored.organization_id,
                fire_at=at,
                outcome="refused",
                until=None,
            )
        )
        following = _following(stored, Plan(met=[], next_fire_at=None), [])
        if stored.state == "active":
            following.state = "paused"
        following.problem = problem
        self.following.append(following)


class _Kept(msgspec.Struct):
    """A job as a schedule keeps it."""

    queue: str
    priority: int
    payload: msgspec.Raw
    max_attempts: int
    backoff: float
    timeout: float
    concurrency_key: str | None = None
    reference: str | None = None
    labels: list[str] | None = None


def _following(stored: Stored, made: Plan, fires: list[FireRow]) -> NextRow:
    late_by = stored.late_by
    if made.next_fire_at != stored.next_fire_at:
        late_by = drawn(stored.rule, made.next_fire_at, stored.jitter) if made.next_fire_at is not None else 0.0
    due_at = made.held_until
    if due_at is None and made.next_fire_at is not None:
        due_at = made.next_fire_at + timedelta(seconds=late_by)
    return NextRow(
        id=stored.id,
        state="ended" if stored.state == "active" and made.next_fire_at is None else stored.state,
        next_fire_at=made.next_fire_at,
        late_by=late_by,
        due_at=due_at,
        held_at=made.held_at,
        last_fire_at=fires[-1].fire_at if fires else None,
        last_job_id=fires[-1].id if fires else None,
        problem=None,
        rules=RULES,
    )
