"""Settings of queues of jobs in memory: kept by the rules of the database's, by the test's own clock."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, Protocol, runtime_checkable
from uuid import UUID

_COLUMNS: Final = (
    *("paused_at", "paused_by", "paused_for", "concurrency", "concurrency_per_organization"),
    *("rate_count", "rate_seconds", "weight"),
)


@runtime_checkable
class KeepsQueues(Protocol):
    """What stands in for a database session, and has settings of queues of its own (see `singr_jobs.testing`)."""

    queues: "MemoryQueues"


class MemoryQueues:
    """What is set for queues, as rows with the columns of the table as attributes.

    Jobs in memory run one after the other, so a limit on jobs in hand is never reached.

    Args:
        now: the time.
        exists: whether there is an organization of this id.
    """

    def __init__(self, now: Callable[[], datetime], exists: Callable[[UUID], bool]) -> None:
        self._now = now
        self.exists = exists
        self._rows: dict[tuple[str, UUID | None], Any] = {}
        self._started: dict[tuple[str, UUID | None], deque[datetime]] = {}

    def rows(self, queue: str) -> list[Any]:
        """The rows of one queue."""
        return [row for (of, _), row in self._rows.items() if of == queue]

    def change(self, queue: str, organization_id: UUID | None, values: dict[str, Any]) -> None:
        """As the database does: what is given, and else what is known."""
        from singr_jobs.queues._store import merged, says  # noqa: PLC0415 - it takes sessions of either kind

        known = self._rows.get((queue, organization_id))
        row = merged(known, values)
        if not says(row):
            self._rows.pop((queue, organization_id), None)
            return
        since = getattr(known, "paused_at", None) or self._now()
        self._rows[queue, organization_id] = SimpleNamespace(
            queue=queue, for_organization=organization_id, paused_at=since if row.pop("pauses") else None, **row
        )

    def rules(self, queue: str, organization_id: UUID) -> tuple[Any, Any]:
        """What is set for the queue, and for one organization in it; rows of nothing where nothing is."""
        nothing = SimpleNamespace(**dict.fromkeys(_COLUMNS))
        return self._rows.get((queue, None), nothing), self._rows.get((queue, organization_id), nothing)

    def is_paused(self, queue: str, organization_id: UUID) -> bool:
        """Whether nothing of this organization is taken from the queue."""
        return any(row.paused_at is not None for row in self._over(queue, organization_id))

    def may_start_at(self, queue: str, organization_id: UUID) -> datetime:
        """When the next job may start, by the rates; now, or later."""
        now = self._now()
        times = [now]
        for row in self._over(queue, organization_id):
            started = self._started.get((queue, row.for_organization))
            if row.rate_count is None or not started:
                continue
            window = timedelta(seconds=row.rate_seconds)
            within = [at for at in started if at + window > now]
            if len(within) >= row.rate_count:
                times.append(within[-row.rate_count] + window)
        return max(times)

    def started(self, queue: str, organization_id: UUID) -> None:
        """A job starts."""
        for whose in (None, organization_id):
            self._started.setdefault((queue, whose), deque(maxlen=10_000)).append(self._now())

    def _over(self, queue: str, organization_id: UUID) -> list[Any]:
        rows = (self._rows.get((queue, whose)) for whose in (None, organization_id))
        return [row for row in rows if row is not None]
