"""What reasons ask beside the job itself: what holds its key, whom it waits for, and how many are before it."""

from typing import Any, Final, Protocol
from uuid import UUID

from singr_db import TenantSession, sql_text
from singr_db.ending import ALONE

_KEY: Final = "organization_id = :organization_id AND type = :type AND key = :key"
# Ranges of the tables' own keys: as many rows as are counted, and no more.
_PARKED: Final = sql_text(
    f"""
SELECT (SELECT min(until) FROM job_key_holds WHERE {_KEY} AND until > now()) AS held_until,
       (SELECT until FROM job_starts WHERE {_KEY} AND until > now() ORDER BY until LIMIT 1) AS counts_until,
       (SELECT count(*) FROM (SELECT FROM job_slots WHERE {_KEY} LIMIT :most) AS slots) AS running,
       (SELECT job_id FROM job_slots WHERE {_KEY} LIMIT 1) AS one,
       (SELECT count(*) FROM (SELECT FROM job_parked
                               WHERE {_KEY} AND (priority, run_at, id) < (mine.priority, mine.run_at, mine.id)
                               LIMIT :most) AS before) AS before
  FROM (SELECT priority, run_at, id FROM job_parked
         WHERE {_KEY} AND priority IN (:priority, {ALONE}) AND run_at = :run_at AND id = :id LIMIT 1) AS mine
""",  # noqa: S608 - constants
    roles=("tenant",),
)
_LIMITS: Final = sql_text("SELECT * FROM limits_of_type(:type)", roles=("tenant",))
_NAMED: Final = 3
# A few of those that it waits for, however many there are.
_LOOK = sql_text(
    f"""
SELECT w.waits_for, f.state, f.name, f.completion_job_id = w.id AS is_completion, f.closed_at IS NOT NULL AS is_closed,
       f.created_at, f.total - f.completed - f.failed - f.cancelled - 1 AS others,
       ARRAY(SELECT p.id FROM job_dependencies AS d JOIN jobs AS p ON p.id = d.predecessor
              WHERE d.successor = w.id AND p.status <> 'completed' LIMIT {_NAMED}) AS named
  FROM job_waiting AS w JOIN flows AS f ON f.id = w.flow_id WHERE w.id = :id
""",  # noqa: S608 - a constant
    roles=("tenant",),
)
# A range of the table's own key: as many rows as are counted, and no more.
BEFORE: Final = sql_text(
    """
SELECT count(*) FROM (
    SELECT FROM job_ready
     WHERE queue = :queue AND organization_id = :organization_id AND (priority, run_at, id) < (:rank, :run_at, :id)
     LIMIT :most) AS before
""",
    roles=("tenant",),
)

_PUT_OFF: Final = sql_text(
    """
SELECT due_by = 'infinity' AS without_end, nullif(due_by, 'infinity') AS due_by FROM job_unique_keys
 WHERE organization_id = :organization_id AND type = :type AND unique_key = :unique_key AND job_id = :id
   AND due_by IS NOT NULL
""",
    roles=("tenant",),
)


class Places(Protocol):
    """What of a database, or of memory, reasons ask."""

    async def parked(self, job: Any, *, most: int) -> Any | None:
        """What holds the job's key, counted so far; None where it is not parked.

        The columns are `held_until`, `counts_until`, `running`, `one` of those, and how many are `before` it.
        """
        ...

    async def limits(self, job_type: str) -> Any | None:
        """What the keys of a type are held to: `concurrency`, `is_set`, `rate_count`, `rate_seconds`; None: unknown."""
        ...

    async def put_off(self, job: Any) -> Any | None:
        """Until when what takes its unique key is put off at most: `due_by`, or `without_end`; None: nothing is."""
        ...

    async def members(self, job_id: UUID) -> Any | None:
        """Whom it waits for in its flow; None where it waits for nobody.

        The columns are `waits_for`, those of its flow, `is_completion`, `is_closed`, `others` that have not ended, and
        some that are `named`.
        """
        ...

    async def before(self, job: Any, rank: int, *, most: int) -> int:
        """How many are before a job that is due, counted so far."""
        ...


class DatabasePlaces:
    """Asks the database, in an organization's session."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def parked(self, job: Any, *, most: int) -> Any | None:
        """As `Places`."""
        values = {name: getattr(job, name) for name in ("organization_id", "type", "priority", "run_at", "id")}
        values |= {"key": job.concurrency_key, "most": most}
        return (await self._session.execute(_PARKED, values)).one_or_none()

    async def limits(self, job_type: str) -> Any | None:
        """As `Places`."""
        return (await self._session.execute(_LIMITS, {"type": job_type})).one_or_none()

    async def put_off(self, job: Any) -> Any | None:
        """As `Places`."""
        values = {name: getattr(job, name) for name in ("organization_id", "type", "unique_key", "id")}
        return (await self._session.execute(_PUT_OFF, values)).one_or_none()

    async def members(self, job_id: UUID) -> Any | None:
        """As `Places`."""
        return (await self._session.execute(_LOOK, {"id": job_id})).one_or_none()

    async def before(self, job: Any, rank: int, *, most: int) -> int:
        """As `Places`."""
        values = {name: getattr(job, name) for name in ("queue", "organization_id", "run_at", "id")}
        found: int | None = await self._session.scalar(BEFORE, {**values, "rank": rank, "most": most})
        return found or 0
