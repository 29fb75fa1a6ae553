"""How queues of jobs in memory stand: counted as they are asked for, with one worker that serves them."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from importlib import metadata
from types import SimpleNamespace
from typing import Any, Protocol, runtime_checkable

from singr_jobs.memory._job import WORKER, MemoryJob
from singr_jobs.memory._places import STATES, MemoryPlaces
from singr_jobs.minutes._tally import Tally
from singr_jobs.queues._memory import KeepsQueues


@runtime_checkable
class KeepsStanding(KeepsQueues, Protocol):
    """What stands in for a platform's session, and tells how its queues stand (see `singr_jobs.testing`)."""

    standing: "MemoryStanding"


class MemoryStanding:
    """Counts jobs where they are, and keeps what was done by the minute.

    Args:
        places: where each job is.
    """

    def __init__(self, places: MemoryPlaces) -> None:
        self._places = places
        self._since = places.now()
        self._tally = Tally()
        self._done: list[Any] = []

    def now(self) -> datetime:
        """The time."""
        return self._places.now()

    def count(self, queue: str) -> tuple[dict[str, int], datetime | None]:
        """How many of its jobs are in each state, and since when the oldest of them is due."""
        jobs: dict[str, int] = dict.fromkeys(STATES, 0)
        oldest = None
        for job in self._of(queue):
            state = self._places.state(job)
            if state is None:
                continue
            jobs[state] = jobs.get(state, 0) + 1
            if state == "waiting":
                oldest = min(filter(None, (oldest, job.run_at)))
        return jobs, oldest

    def unknown(self, queue: str) -> dict[str, int]:
        """How many of its due jobs are of each type that nobody here runs."""
        due = (job for job in self._of(queue) if self._places.state(job) == "waiting")
        return dict(Counter(job.type for job in due if not self._places.knows(job.type)))

    def worker(self, queues: Iterable[str]) -> dict[str, Any]:
        """The one worker there is, which serves those of these queues that run here, as a row of `workers`."""
        served = tuple(queue for queue in queues if self._places.serves(queue))
        in_hand = {queue: self.count(queue)[0]["active"] for queue in served}
        return {
            "name": WORKER,
            "host": WORKER,
            "version": metadata.version("singr-jobs"),
            "queues": served,
            "types": tuple(self._places.types.runnable()),
            "in_hand": {queue: jobs for queue, jobs in in_hand.items() if jobs},
            "started_at": self._since,
            "seen_at": self.now(),
            "silent": False,
        }

    def started(self, job: MemoryJob) -> None:
        """An attempt begins."""
        self._tally.started(job.queue, job.type, (self.now() - job.run_at).total_seconds())

    def ended(self, job: MemoryJob, status: str, outcome: str) -> None:
        """An attempt has ended; `status` is its job's next one."""
        seconds = (self.now() - (job.started_at or self.now())).total_seconds()
        if status == "completed":
            self._tally.completed(job.queue, job.type, seconds)
        else:
            self._tally.failed(job.queue, job.type, seconds, status=status, outcome=outcome)
        at = self.now().replace(second=0, microsecond=0)
        for (queue, job_type), work in self._tally.take().items():
            counts = {name: getattr(work, name) for name in work.__slots__}
            self._done.append(SimpleNamespace(minute=at, queue=queue, type=job_type, **counts))

    def minutes(self, which: dict[str, Any]) -> tuple[datetime, list[Any]]:
        """Since when so many minutes and what has gone by of this one are, and what was done in each, as rows."""
        since = self.now().replace(second=0, microsecond=0) - timedelta(minutes=which["minutes"])
        done = (row for row in self._done if row.minute >= since and row.queue in which["queues"])
        return since, [row for row in done if which["type"] in {None, row.type}]

    def _of(self, queue: str) -> list[MemoryJob]:
        return [job for job in self._places.jobs.values() if job.queue == queue]
