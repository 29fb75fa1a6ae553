"""What becomes of an attempt whose handler raised: it failed, or it waits for what it could not have just now."""

from collections.abc import Callable

import msgspec

from singr_config.clock import clock
from singr_db import is_outage, over_time, sqlstate_of
from singr_db.chores import Trouble
from singr_jobs._plain import kind_of
from singr_jobs.declare._errors import PermanentError, RetryLater
from singr_jobs.declare._job_types import JobType
from singr_jobs.running._endings import Ended, failed, for_good, held, may_be_repeated, raised
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._options import WorkerOptions
from singr_observability import get_logger

_DEEPEST = 10

_log = get_logger("jobs.runner")


class Outage(msgspec.Struct, frozen=True):
    """How long a job has been kept from its work, as its row tells every worker.

    Args:
        since: when its handler first met the outage, in seconds of the Unix epoch.
        times: how often it has met it since.
        over_time: whether the attempt before ran over a time limit of the database's.
    """

    since: float
    times: int
    over_time: bool = False


class Failures:
    """Sorts what handlers raise, and says why once for each type of job.

    An outage that a handler meets (`is_outage`, also behind an error of the handler's own that was raised from it)
    counts no attempt: the job waits, a little longer each time, for as long as `WorkerOptions.outage_for` says. What
    lies behind an error that says itself what may follow (`PermanentError`, `RetryLater`, `may_be_repeated`) is none.
    Nor is a time limit of the database's (`over_time`) that the attempt before ran over, too: a database that hangs
    passes, and a handler that takes so long does not.
    """

    def __init__(self, options: WorkerOptions, *, now: Callable[[], float] = clock.time) -> None:
        self._options = options
        self._now = now
        self._troubles: dict[str, Trouble] = {}

    def ended(self, job: ClaimedJob, job_type: JobType, error: BaseException) -> Ended:
        """How the attempt ended; never raises."""
        if issubclass(type(error), PermanentError | RetryLater):  # the handler knows
            return raised(job, job_type, error)
        outage = outage_behind(error)
        if outage is None:
            _say_why(job, error)
            return raised(job, job_type, error)
        now, before = self._now(), _before(job)
        overrun = _overrun(outage)
        outage, is_over_time = overrun or outage, overrun is not None
        if is_over_time and before is not None and before.over_time:
            _say_why(job, error)
            again = Outage(now, 0, over_time=True)
            return failed(job, job_type, "database_time_limit", outage, over_time=msgspec.to_builtins(again))
        trouble = self._troubles.setdefault(job.type, Trouble(f"job {job.type}", module="jobs.runner"))
        trouble.met(getattr(outage, "orig", None) or outage)  # the server's error, not what SQLAlchemy makes of it
        since = min(before.since, now) if before else now
        met = Outage(since, before.times + 1 if before else 1, over_time=is_over_time)
        return self._waits(job, outage, met, now)

    def over(self, job: ClaimedJob) -> None:
        """A job of this type has completed."""
        if self._troubles:
            trouble = self._troubles.pop(job.type, None)
            if trouble is not None:
                trouble.over()

    def _waits(self, job: ClaimedJob, error: BaseException, met: Outage, now: float) -> Ended:
        if now - met.since > self._options.outage_for:
            return for_good(job, "outage", error)
        delay = self._options.outage_pause.delay(met.times)
        return held(job, "outage", error, delay, outage=msgspec.to_builtins(met))


def outage_behind(error: BaseException) -> BaseException | None:
    """The outage that an error is, or was raised from; None where there is none. Never raises.

    A time limit of the handler's own (`asyncio.timeout`, `wait_for`) that ran out is a failed attempt: only a
    TimeoutError with an `errno` is the network's, and those of databases and pools have classes of their own.
    """
    try:
        cause: BaseException | None = error
        for _ in range(_DEEPEST):
            if cause is None or _says_itself(cause):
                return None
            if is_outage(cause) and not _is_own(cause):
                return cause
            cause = cause.__cause__
    except BaseException:  # noqa: BLE001 - an error may make trouble of its own fields, and is no outage then
        return None
    return None


def _overrun(outage: BaseException) -> BaseException | None:
    """The error that says which time limit was run over; None where none was. Never raises.

    That a connection is lost may be all that its rollback says: the server closes it a moment after it has said why.
    """
    try:
        behind: list[BaseException | None] = [outage]
        for _ in range(_DEEPEST):
            error = behind.pop(0) if behind else None
            if error is not None and over_time(error) is not None:
                return error
            if error is not None and (sqlstate_of(error) is None or isinstance(error, BaseExceptionGroup)):
                behind += [error.__cause__, error.__context__]
    except BaseException:  # noqa: BLE001 - as above
        return None
    return None


def _says_itself(error: BaseException) -> bool:
    return isinstance(error, PermanentError | RetryLater) or may_be_repeated(error) is not None


def _is_own(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_own, error.exceptions))
    return _says_itself(error) or (type(error) is TimeoutError and error.errno is None)


def _before(job: ClaimedJob) -> Outage | None:
    try:
        return msgspec.json.decode(job.outage, type=Outage) if job.outage else None
    except msgspec.MsgspecError:
        return None


def _say_why(job: ClaimedJob, error: BaseException) -> None:
    try:
        _log.opt(exception=error).warning("job {} failed in attempt {}", job.type, job.attempt)
    except BaseException:  # noqa: BLE001 - an error that cannot be printed
        _log.warning("job {} failed in attempt {}: {}", job.type, job.attempt, kind_of(error))
