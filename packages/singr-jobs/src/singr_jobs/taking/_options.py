"""The options of a worker process."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from singr_jobs.declare._checks import check_kind, check_seconds, check_whole
from singr_jobs.declare._errors import QueueError
from singr_jobs.declare._types import Exponential, Queue, QueueOptions


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker process runs; times are seconds.

    It serves exactly the `queues`; unless given, all that are declared by then, with the defaults of `QueueOptions`.
    `lease` is how long a silent job counts as alive: a killed worker's jobs run again about a lease later.
    `grace` is how long a stop waits for handlers before it hands their jobs back and writes what is known, which is
    over within 30 s in all. `result_bytes` is how much JSON a handler's result may come to.
    `outage_pause` is how long a job waits whose handler met an outage, which counts no attempt, and `outage_for`
    how long it waits in all before it has failed.
    """

    queues: Mapping[Queue, QueueOptions] = field(
        default_factory=lambda: {queue: QueueOptions() for queue in Queue.declared()}
    )
    lease: float = 15.0
    poll: float = 1.0
    sweep_every: float = 2.0
    grace: float = 25.0
    result_bytes: int = 1024 * 1024
    outage_pause: Exponential = field(default_factory=lambda: Exponential(1.0, longest=30.0, jitter=0.25))
    outage_for: float = 24 * 3600.0

    def __post_init__(self) -> None:
        check_kind("queues", self.queues, Mapping, "a mapping of queues to QueueOptions")
        if not self.queues:
            raise ValueError("a worker needs at least one queue")
        try:
            object.__setattr__(self, "queues", {Queue(queue): options for queue, options in self.queues.items()})
        except QueueError as error:
            raise ValueError(f"queues: {error}") from None
        for queue, options in self.queues.items():
            check_kind(f"queues: {queue}", options, QueueOptions, "a QueueOptions")
        for name in ("lease", "poll", "sweep_every", "outage_for"):
            check_seconds(name, getattr(self, name))
        check_seconds("grace", self.grace, zero=True)
        check_whole("result_bytes", self.result_bytes, least=1)
        check_kind("outage_pause", self.outage_pause, Exponential, "an Exponential")
        if self.lease < 3 * self.poll:
            raise ValueError(f"lease must be at least three times poll ({self.poll} s), not {self.lease} s")
