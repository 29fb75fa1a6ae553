"""A job whose standing is asked for, and what a reason says of it."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from singr_db import TenantSession, sql_text
from singr_db.ending import ALONE, SUSPECT
from singr_db.tables import Job
from singr_jobs.explaining._places import DatabasePlaces, Places

State = Literal[
    "waiting", "scheduled", "parked", "pending", "dispatched", "processing", "completed", "failed", "cancelled"
]

# By the whole keys of both tables, and by the tickets that there are: one row at most, however many jobs wait.
_PLACE: Final = sql_text(
    f"""
SELECT now() AS moment, ready.priority AS rank, later.id IS NOT NULL AS is_later, held.*
  FROM (SELECT 1) AS one
  LEFT JOIN LATERAL (
      SELECT priority FROM job_ready
       WHERE queue = :queue AND organization_id = :organization_id AND run_at = :run_at AND id = :id
         AND priority IN (:priority, {SUSPECT}, {ALONE}) LIMIT 1) AS ready ON true
  LEFT JOIN LATERAL (
      SELECT id FROM job_later WHERE run_at = :run_at AND id = :id
      UNION ALL SELECT id FROM job_keyed WHERE run_at = :run_at AND id = :id LIMIT 1) AS later ON true
  LEFT JOIN LATERAL (SELECT state, worker, begun_at FROM holder_of_job(:id)) AS held ON true
 LIMIT 1
""",  # noqa: S608 - constants
    roles=("tenant",),
)

# Seconds after which a worker that says nothing is gone at the latest: those of the release before say it seldom.
_SILENT_AFTER: Final = 35
_QUEUE: Final = sql_text(
    f"SELECT * FROM queue_of_job(:queue, :type, {_SILENT_AFTER})",  # noqa: S608 - a constant
    roles=("tenant",),
)


class Because(msgspec.Struct, frozen=True, kw_only=True):
    """What a reason says: the state that it makes, in a word for programs and in a sentence, and since when."""

    state: State
    reason: str
    in_words: str
    since: datetime | None = None
    error_code: str | None = None


class Case(msgspec.Struct, kw_only=True):
    """A job, and where it lies at this moment.

    Attributes:
        job: with the columns of its row as attributes.
        places: of its organization's jobs: a reason may ask what it needs.
        rank: its priority among what is due (`SUSPECT` and `ALONE` set it apart); None where it is not there.
        is_later: it waits for its time.
        ticket: the state of the ticket that it lies on; None where it lies on none.
        queue: what keeps its queue and who serves it, as the function `queue_of_job` tells it; None once it has ended.
    """

    places: Places
    job: Any
    now: datetime
    rank: int | None = None
    is_later: bool = False
    ticket: str | None = None
    worker: str | None = None
    begun_at: datetime | None = None
    queue: Any = None

    @property
    def id(self) -> UUID:
        """The job's."""
        job_id: UUID = self.job.id
        return job_id


async def look_at(session: TenantSession, job: Job) -> Case:
    """Find out where a job lies, and how its queue stands."""
    values = {name: getattr(job, name) for name in ("id", "queue", "organization_id", "run_at", "priority")}
    row = (await session.execute(_PLACE, values)).one()
    of_queue = None
    if job.status == "pending":
        of_queue = (await session.execute(_QUEUE, {"queue": job.queue, "type": job.type})).one()
    return Case(
        places=DatabasePlaces(session),
        job=job,
        now=row.moment,
        rank=row.rank,
        is_later=row.is_later,
        ticket=row.state,
        worker=row.worker,
        begun_at=row.begun_at,
        queue=of_queue,
    )


def told(moment: datetime | None) -> str:
    """A moment in a sentence."""
    return "a time that nobody wrote down" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
