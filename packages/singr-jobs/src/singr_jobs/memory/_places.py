"""Where jobs in memory are: in hand, due, or waiting for their time, for others or for their key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from singr_jobs.declare._job_types import Jobs
from singr_jobs.declare._types import JobStatus, Queue
from singr_jobs.memory._job import MemoryJob

if TYPE_CHECKING:
    from singr_jobs.flows._memory import MemoryFlows
    from singr_jobs.intake.unique._memory import MemoryUniqueKeys
    from singr_jobs.keys._memory import MemoryKeys
    from singr_jobs.queues._memory import MemoryQueues

State = Literal["waiting", "delayed", "active", "parked", "dependent"]
STATES: Final[tuple[State, ...]] = ("waiting", "delayed", "active")
"""Those that are told of a queue also where nothing is in them."""


@dataclass
class MemoryPlaces:
    """Says of each job where it is, and who would take it.

    Attributes:
        jobs: those that there are, by id.
        types: whose handlers there are.
        served: which queues are; None: all.
        queues: what is set for them.
        flows: which members wait for others.
        keys: what their keys hold back.
        unique: who holds which unique key.
        now: the time.
    """

    jobs: Mapping[UUID, MemoryJob]
    types: Jobs
    served: frozenset[Queue] | None
    queues: "MemoryQueues"
    flows: "MemoryFlows"
    keys: "MemoryKeys"
    unique: "MemoryUniqueKeys"
    now: Callable[[], datetime]

    def state(self, job: MemoryJob) -> State | None:
        """Where it is; None once it has ended."""
        if job.status is JobStatus.PROCESSING:
            return "active"
        if job.status is not JobStatus.PENDING:
            return None
        if self.flows.waits(job.id):
            return "dependent"
        if job.run_at > self.now():
            return "delayed"
        return "parked" if self.is_held(job) else "waiting"

    def is_held(self, job: MemoryJob) -> bool:
        """Whether its key is full, or held back."""
        return self.keys.is_full(job) or self.keys.may_start_at(job) > self.now()

    def serves(self, queue: str) -> bool:
        """Whether the jobs of a queue run here."""
        return self.served is None or queue in self.served

    def knows(self, job_type: str) -> bool:
        """Whether there is a handler for a type."""
        return job_type in self.types.runnable()
