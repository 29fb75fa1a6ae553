"""What a process did since it was last asked: added up in memory, so that it costs a job next to nothing."""

from singr_jobs.minutes._buckets import BUCKETS, bucket_of

# Of so many queues and types at once; whatever anybody stores has a type, and lost jobs of all are found here.
_MOST_PAIRS = 1000


class Work:
    """What was done for one type of one queue: how attempts ended, how long jobs waited, and how long they ran."""

    __slots__ = ("completed", "failed", "retried", "runs", "waits")

    def __init__(self) -> None:
        self.completed = self.retried = self.failed = 0
        self.waits = [0] * BUCKETS
        self.runs = [0] * BUCKETS


class Tally:
    """Counts attempts by queue and type; lives on one event loop. Whoever keeps what it counts takes it from here."""

    def __init__(self) -> None:
        self._done: dict[tuple[str, str], Work] = {}

    def take(self) -> dict[tuple[str, str], Work]:
        """What was done since the last time, by queue and type."""
        done, self._done = self._done, {}
        return done

    def started(self, queue: str, job_type: str, waited: float) -> None:
        """An attempt began, so many seconds after its job was due."""
        self._of(queue, job_type).waits[bucket_of(waited)] += 1

    def completed(self, queue: str, job_type: str, seconds: float) -> None:
        """An attempt did what it should, in so many seconds."""
        work = self._of(queue, job_type)
        work.completed += 1
        work.runs[bucket_of(seconds)] += 1

    def failed(self, queue: str, job_type: str, seconds: float | None, *, status: str, outcome: str) -> None:
        """An attempt did not; `status` is its job's next one. Of one that was lost nobody knows how long it took.

        What was cancelled, or waits without blame for somebody else, is no failure, and is tried again by nobody's
        fault: its time counts, and it not.
        """
        work = self._of(queue, job_type)
        if status == "failed":
            work.failed += 1
        elif status == "pending" and outcome != "held":
            work.retried += 1
        if seconds is not None:
            work.runs[bucket_of(seconds)] += 1

    def _of(self, queue: str, job_type: str) -> Work:
        work = self._done.get((queue, job_type))
        if work is None:
            work = Work()
            if len(self._done) < _MOST_PAIRS:
                self._done[queue, job_type] = work
        return work
