"""Every error of this package."""

import copyreg
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from singr_jobs._plain import CODE_LENGTH, plain_seconds, plain_text


class JobsError(Exception):
    """Base of every error this package raises on purpose."""

    # As singr_config's PortableError, which whoever only enqueues does not load.
    def __reduce__(self) -> tuple[Any, ...]:
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__ | {"args": self.args}  # type: ignore[attr-defined]  # pickle's own


class DeclarationError(JobsError):
    """A job type is declared wrongly; raised when its module is imported, not when a job runs."""


class QueueError(JobsError, ValueError):
    """There is no such queue, or it cannot be declared under this name; the message says what would be right."""


class EnqueueError(JobsError):
    """A job cannot be enqueued as asked: its type is unknown, or an option is out of range."""


class UnknownMemberError(EnqueueError):
    """A job was to wait for one that is no member of its flow, or none that was added before it."""


class TooManyWaitsError(EnqueueError):
    """A flow names more pairs of a job and one that it waits for than may be stored at once.

    Attributes:
        waits: so many it names.
        most: so many may be stored at once.
    """

    def __init__(self, waits: int, most: int) -> None:
        super().__init__(
            f"its jobs wait for {waits:,} others in all, and {most:,} may be stored at once: where many wait for the"
            " same, let one job wait for these, and the many for that one"
        )
        self.waits = waits
        self.most = most


class TooManyFlowsError(JobsError):
    """The organization has as many open flows as it may have; `most` says how many these are."""

    def __init__(self, most: int) -> None:
        super().__init__(f"the organization has {most:,} open flows, which is all it may have: close or cancel some")
        self.most = most


class FlowNotFoundError(JobsError):
    """No such flow in this organization."""


class FlowClosedError(JobsError):
    """The flow takes no members any more: it is closed or cancelled; `state` says how it stands."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the flow takes no members any more: it is {state}, and closed")
        self.state = state


class FlowEndedError(JobsError):
    """The flow has ended: it is not cancelled any more, and what went with it not tried again; `state` says how."""

    def __init__(self, state: str, *, so: str = "") -> None:
        super().__init__(f"the flow is {state} already{so}")
        self.state = state


class PermanentError(JobsError):
    """Raised by a handler when trying again cannot help: the job fails at once.

    `code` is a stable word for programs, `message` a sentence for people; neither may hold a secret. What cannot be
    stored as text is replaced.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = plain_text(code, limit=CODE_LENGTH)
        self.message = plain_text(message)
        super().__init__(f"{self.code}: {self.message}")


class RetryLater(JobsError):  # noqa: N818 - it asks for something, it does not report a fault
    """Raised by a handler that knows how long to wait, such as a provider's `Retry-After`.

    The attempt counts; the next one starts no sooner than `after` seconds from now (or the backoff, if longer). With
    `counts=False` the attempt counts as if it had not been, and the next one starts after `after` seconds, however
    often: for what is no fault of the job, such as an account that is refused. The handler sees to it that it ends.
    With `scope="key"` nothing else of the job's key starts until then either, except what other worker processes have
    in hand at that moment: for a provider that says so of a whole account. Where the job has no key it is as without.
    `after` is brought within 0 to 366 days, and what is no number counts as 0.
    """

    def __init__(
        self, after: float, code: str, message: str, *, counts: bool = True, scope: Literal["job", "key"] = "job"
    ) -> None:
        if scope not in {"job", "key"}:
            raise ValueError(f'scope must be "job" or "key", not {scope!r:.40}')
        self.counts = counts
        self.scope: Literal["job", "key"] = scope
        self.after = plain_seconds(after)
        self.code = plain_text(code, limit=CODE_LENGTH)
        self.message = plain_text(message)
        super().__init__(f"{self.code}: {self.message}")


class IntakeError(JobsError):
    """A request's payload was well-formed but cannot become a job.

    Attributes:
        field: its path within the payload.
        code: `malformed` where the field cannot be what it should be, `invalid` where only the message tells.
    """

    def __init__(self, field: str, message: str, *, code: Literal["invalid", "malformed"] = "invalid") -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
        self.code: Literal["invalid", "malformed"] = code


class ReservedError(JobsError):
    """An organization asked for what only the platform's own callers may ask for.

    Attributes:
        field: its path within the payload.
        message: what may be asked for.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class NonceReplayedError(JobsError):
    """The request's nonce was used before: somebody sends a captured request again."""


class IdempotencyMismatchError(JobsError):
    """The idempotency key was used before with another method, path or body."""


class IdempotencyInProgressError(JobsError):
    """The first request with this idempotency key is still running."""


class NameInUseError(JobsError):
    """Others store jobs of the same id or unique key, in a transaction that stays open or in too long a line.

    Attributes:
        field: which of both it is.
    """

    def __init__(self, field: Literal["id", "unique_key"], message: str) -> None:
        super().__init__(message)
        self.field: Literal["id", "unique_key"] = field


class JobGoneError(JobsError):
    """The job that this idempotency key made is not there any more, so that its first answer cannot be given again.

    Attributes:
        job_id: the job.
        accepted_at: when it was accepted.
    """

    def __init__(self, job_id: UUID, accepted_at: datetime) -> None:
        super().__init__(f"the job {job_id}, accepted at {accepted_at:%Y-%m-%dT%H:%M:%SZ}, no longer exists")
        self.job_id = job_id
        self.accepted_at = accepted_at


class JobNotFoundError(JobsError):
    """No such job in this organization."""


class JobEndedError(JobsError):
    """The job has ended and can no longer be cancelled; `status` says how it ended."""

    def __init__(self, status: str) -> None:
        super().__init__(f"the job is {status} already")
        self.status = status


class JobExistsError(EnqueueError):
    """The caller's own job id is taken."""
