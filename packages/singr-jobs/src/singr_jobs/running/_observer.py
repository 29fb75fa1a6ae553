"""Hooks for whoever counts or logs what happens to jobs."""

from collections.abc import Callable
from typing import ParamSpec
from uuid import UUID

from singr_jobs._plain import kind_of
from singr_jobs.declare._types import Queue
from singr_jobs.minutes._tally import Tally
from singr_jobs.running._endings import Ended
from singr_jobs.taking._claimed import ClaimedJob
from singr_observability import get_logger

P = ParamSpec("P")

_log = get_logger("jobs.observer")


class JobObserver:
    """Hooks called as things happen to jobs; every one does nothing here. Subclass what you need.

    Times are seconds. The calls are on the hot path: return at once. What a hook raises is logged and changes nothing.
    """

    def started(self, queue: Queue, job_type: str, waited: float) -> None:
        """A handler is about to run, `waited` seconds after the job was due."""

    def completed(self, queue: Queue, job_type: str, job_id: UUID, attempt: int, seconds: float) -> None:
        """A handler returned."""

    def failed(
        self, queue: Queue, job_type: str, job_id: UUID, attempt: int, seconds: float, *, outcome: str, code: str
    ) -> None:
        """An attempt failed; `outcome` is retried, failed, timed_out or cancelled."""

    def stalled(self, queue: Queue, job_type: str, job_id: UUID, attempt: int, status: str) -> None:
        """A job's worker fell silent; `status` is where the job went: pending or failed."""

    def swept(self, lag: float) -> None:
        """A sweep ended, `lag` seconds after it was due."""

    def depths(self, counts: dict[tuple[str, str], int]) -> None:
        """How many jobs each (queue, state) holds now."""

    def unsettled(self, counts: dict[tuple[str, str], int]) -> None:
        """What waits for an operator: (`dead`, queue), (`paused`, queue) and (`bulk`, action), and how many of each."""

    def unknown(self, counts: dict[str, int]) -> None:
        """How many due jobs each queue of this worker holds whose type no live worker runs from it."""

    def astray(self, counts: dict[str, int]) -> None:
        """So many jobs of each queue lay nowhere, or in two places, and lie in one again."""

    def fired(self, counts: dict[str, int]) -> None:
        """So many times of schedules were met, by what became of them: fired, asked, skipped, missed or refused."""

    def schedules_late(self, seconds: float) -> None:
        """The oldest schedule that is due, and fired by nobody, has been due for so long; 0 where there is none."""

    def held(self, seconds: float) -> None:
        """The oldest transaction has kept vacuum from clearing dead rows for so long; 0 where none does."""

    def given_up(self, queue: Queue, count: int) -> None:
        """So many handlers of a queue go on in this process though they were given up."""

    def misheard(self) -> None:
        """A word came on the wake channel that nobody of ours says; it was ignored."""


class GuardedObserver:
    """Calls an observer's hooks; what they raise, an exit included, ends here.

    What happens to attempts is added up in `tally`, too.
    """

    def __init__(self, observer: JobObserver) -> None:
        self.observer = observer
        self.tally = Tally()
        self._known: set[tuple[str, str]] = set()

    def started(self, queue: Queue, job_type: str, waited: float) -> None:
        """A handler is about to run, `waited` seconds after the job was due."""
        self.tally.started(queue, job_type, waited)
        self.call(self.observer.started, queue, job_type, waited)

    def ended(self, queue: Queue, job: ClaimedJob, ended: Ended, seconds: float) -> None:
        """An attempt ended, however it did."""
        about = (queue, job.type, job.id, job.attempt, seconds)
        if ended.status == "completed":
            self.completed(*about)
        else:
            self.failed(*about, status=ended.status, outcome=ended.outcome, code=ended.code)

    def completed(self, queue: Queue, job_type: str, job_id: UUID, attempt: int, seconds: float) -> None:
        """A handler returned."""
        self.tally.completed(queue, job_type, seconds)
        self.call(self.observer.completed, queue, job_type, job_id, attempt, seconds)

    def failed(
        self,
        queue: Queue,
        job_type: str,
        job_id: UUID,
        attempt: int,
        seconds: float,
        *,
        status: str,
        outcome: str,
        code: str,
    ) -> None:
        """An attempt did not complete its job, whose next status is this."""
        self.tally.failed(queue, job_type, seconds, status=status, outcome=outcome)
        if status == "pending" and outcome != "held":
            outcome = "retried"
        self.call(self.observer.failed, queue, job_type, job_id, attempt, seconds, outcome=outcome, code=code)

    def stalled(self, queue: Queue, job_type: str, job_id: UUID, attempt: int, status: str) -> None:
        """A job's worker fell silent; `status` is where the job went: pending or failed."""
        self.tally.failed(queue, job_type, None, status=status, outcome="lost")
        self.call(self.observer.stalled, queue, job_type, job_id, attempt, status)

    def call(self, hook: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call one hook of the observer."""
        try:
            hook(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - whoever watches a job must not be able to harm it
            fault = (getattr(hook, "__name__", "?"), kind_of(error))
            if fault not in self._known:  # once: it would fail for each job
                self._known.add(fault)
                _log.error("the observer's hook {} raises {}; it is ignored", *fault)
