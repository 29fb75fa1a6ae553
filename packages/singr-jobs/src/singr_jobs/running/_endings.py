"""How attempts end: from what a handler returned or raised to what is stored. Nothing here raises."""

from uuid import UUID

import msgspec

from singr_db import plain_words
from singr_jobs._plain import CODE_LENGTH, MESSAGE_LENGTH, kind_of, no_number, plain_seconds, plain_text, stored_size
from singr_jobs.declare._errors import PermanentError, RetryLater
from singr_jobs.declare._job_types import JobType
from singr_jobs.declare._types import Exponential
from singr_jobs.taking._claimed import ClaimedJob
from singr_observability import redact_text

# So much is looked at for secrets; what is shown is the beginning of that.
_LOOKED_AT = 4 * MESSAGE_LENGTH


class Ended(msgspec.Struct):
    """How an attempt ended; `status` is the job's next one: completed, pending (retry), failed or cancelled.

    `followed`: something must follow the end of this job (`singr_db.ending`). `holds_key`: all others of its key wait
    for as long as it does.
    """

    job_id: UUID
    token: int
    followed: bool
    status: str
    result: str | None = None
    outcome: str = ""
    error: str = "{}"
    code: str = ""
    delay: float = 0.0
    tries: int = 0
    holds_key: bool = False


def error_json(code: object, message: object, **more: object) -> str:
    """An error as it is stored and shown: text that can be stored, redacted, and shortened.

    Of an error of the database only its SQLSTATE is told: its own text holds the statement and what was in it.
    """
    if isinstance(message, BaseException):
        message = _words_of(message)
    text = redact_text(plain_text(message, limit=_LOOKED_AT))[:MESSAGE_LENGTH]
    return msgspec.json.encode({"code": plain_text(code, limit=CODE_LENGTH), "message": text, **more}).decode()


def completed(job: ClaimedJob, result: object, *, limit: int) -> Ended:
    """The handler returned: completed, or failed where its result cannot be kept. What was done is not done again."""
    if result is None:
        return Ended(job.id, job.token, job.followed, "completed")
    try:
        encoded = msgspec.json.encode(result)
        text = encoded.decode() if len(encoded) <= limit else ""
    except BaseException as error:  # noqa: BLE001 - encoding runs code of the result's own
        return for_good(
            job, "result_not_storable", f"the handler's result cannot be stored as JSON: {plain_text(error)}"
        )
    if b"null" in encoded and (where := no_number(msgspec.to_builtins(result))):
        message = f"the handler's result has no finite number at {where}: JSON has no NaN and no infinity"
        return for_good(job, "result_not_storable", message)
    if (size := stored_size(encoded, limit=limit)) > limit:
        message = f"the handler's result is {size} bytes of JSON; {limit} can be kept: store it elsewhere"
        return for_good(job, "result_too_large", message)
    return Ended(job.id, job.token, job.followed, "completed", result=text)


def raised(job: ClaimedJob, job_type: JobType | None, error: BaseException) -> Ended:
    """The handler raised."""
    try:
        if isinstance(error, PermanentError):
            return for_good(job, error.code, error.message)
        if isinstance(error, RetryLater):
            ended = (
                failed(job, job_type, error.code, error.message, after=error.after)
                if error.counts
                else held(job, error.code, error.message, error.after)
            )
            ended.holds_key = error.scope == "key"
            return ended
        again = may_be_repeated(error)
        if again is not None:
            code, message = getattr(error, "code", "") or kind_of(error), getattr(error, "message", error)
            if not again:
                return for_good(job, code, message)
            return failed(job, job_type, code, message, after=getattr(error, "retry_after", None))
    except BaseException:  # noqa: BLE001 - a subclass may have left its parent's fields out, or make trouble of them
        return failed(job, job_type, kind_of(error), error)
    return failed(job, job_type, kind_of(error), error)


def may_be_repeated(error: BaseException) -> bool | None:
    """What an error says itself of another attempt, by an attribute of this name; None where it says nothing.

    False: what was tried cannot succeed, or may have been done. True: it certainly was not done, and is tried again.
    Libraries that do not know this one can say so of theirs, and so can whoever writes handlers.
    """
    try:
        said = getattr(error, "may_be_repeated", None)
    except BaseException:  # noqa: BLE001 - an error may make trouble of its own fields
        return None
    return said if type(said) is bool else None


def held(job: ClaimedJob, code: object, message: object, after: object, **more: object) -> Ended:
    """The job waits for `after` seconds, and this attempt does not count; `more` is kept beside the error."""
    ended = _ended(job, "pending", "held", code, message, **more)
    ended.delay = plain_seconds(after)
    return ended


def for_good(job: ClaimedJob, code: object, message: object) -> Ended:
    """The job has failed, whatever attempts it has left."""
    return _ended(job, "failed", "failed", code, message)


def cancelled(job: ClaimedJob) -> Ended:
    """Somebody asked for it, and it stopped."""
    return _ended(job, "cancelled", "cancelled", "cancelled", "cancelled on request while it ran")


def failed(
    job: ClaimedJob,
    job_type: JobType | None,
    code: object,
    message: object,
    *,
    after: object = 0.0,
    outcome: str = "failed",
    **more: object,
) -> Ended:
    """The attempt failed; the next one waits as the type says, or `after` seconds if that is longer."""
    status = "failed" if job.attempt >= job.max_attempts else "pending"
    ended = _ended(job, status, outcome, code, message, **more)
    backoff = _backoff(job, job_type.backoff if job_type else Exponential())
    ended.delay = max(plain_seconds(after), plain_seconds(backoff.delay(job.attempt)))
    return ended


def unwritable(ended: Ended) -> Ended:
    """The same end in words that can be stored, for one that PostgreSQL refuses."""
    if ended.status == "completed":
        code, message = "result_not_storable", "the handler's result cannot be stored as JSON in PostgreSQL"
        status = "failed"
    else:
        code, message = "error_not_storable", "what the handler raised cannot be stored in PostgreSQL"
        status = ended.status
    return Ended(
        ended.job_id,
        ended.token,
        ended.followed,
        status,
        outcome=ended.outcome or "failed",
        error=error_json(code, message),
        code=code,
        delay=plain_seconds(ended.delay),
        tries=ended.tries,
        holds_key=ended.holds_key,
    )


def _words_of(error: BaseException) -> object:
    """What an error says for itself, and less of one of the database's or of one that cannot be looked into."""
    try:
        return plain_words(error) or error
    except BaseException:  # noqa: BLE001 - an error may make trouble of its own fields
        return f"({kind_of(error)} that cannot be printed)"


def _backoff(job: ClaimedJob, declared: Exponential) -> Exponential:
    """The job's own backoff; the type's where the row holds none (zero, NaN): roles beside ours write rows, too."""
    first = plain_seconds(job.backoff)
    if first in {0.0, declared.first}:
        return declared
    return Exponential(first, max(declared.longest, first), declared.jitter)


def _ended(job: ClaimedJob, status: str, outcome: str, code: object, message: object, **more: object) -> Ended:
    word = plain_text(code, limit=CODE_LENGTH) or "failed"
    error = error_json(word, message, **more)
    return Ended(job.id, job.token, job.followed, status, outcome=outcome, error=error, code=word)
