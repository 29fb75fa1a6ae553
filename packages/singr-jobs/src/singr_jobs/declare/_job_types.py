"""Job types are declared here, without a broker, a database or a setting in sight."""

import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar, overload, runtime_checkable
from uuid import UUID

import msgspec

from singr_jobs._plain import shown
from singr_jobs.declare._checks import check_handler, check_kind, check_seconds, check_types, check_whole
from singr_jobs.declare._context import JobContext, SyncJobContext
from singr_jobs.declare._errors import DeclarationError, EnqueueError, PermanentError, QueueError
from singr_jobs.declare._keyed import Keyed, KeyLimits, key_limits
from singr_jobs.declare._types import Exponential, Queue

J = TypeVar("J", bound=msgspec.Struct)
R = TypeVar("R")
Request_contra = TypeVar("Request_contra", contravariant=True)
Handler = Callable[[J, JobContext], Awaitable[object]]
SyncHandler = Callable[[J, SyncJobContext], object]

MAX_ATTEMPTS = 100
MAX_TIMEOUT = 24 * 3600.0
JOB_TYPE_PATTERN: Final = "[a-z][a-z0-9_.-]*"
"""What the tag of a job's struct is made of; the API's filter asks for it too."""
JOB_TYPE_LENGTH: Final = 100
_TYPE_NAME: Final = re.compile(JOB_TYPE_PATTERN, re.ASCII)


@runtime_checkable
class Intake(Protocol[Request_contra]):
    """Turns what an HTTP caller sent into the job that is stored, and a companion row stored with it.

    So a queue carries references only: the e-mail intake stores the sealed message as its companion, and the job
    names the message's id.

    Attributes:
        insert: one INSERT statement for companions. It reads them from the JSON array of their structs that stands in
            place of `{rows}`, and runs within the statement that inserts their jobs: both are stored, or neither.
    """

    @property
    def insert(self) -> str: ...

    def prepare(
        self, request: Request_contra, *, job_id: UUID, organization_id: UUID, correlation_id: str | None
    ) -> tuple[msgspec.Struct, msgspec.Struct]:
        """The stored job and its companion; raises IntakeError naming the payload's field. Hot: no waiting here."""
        ...


@runtime_checkable
class ReservingIntake(Protocol[Request_contra]):
    """An `Intake` that has requests which only the platform's own callers may make."""

    def check_organization(self, request: Request_contra) -> None:
        """Raise ReservedError, naming the payload's field, where an organization may not ask for this."""
        ...


class Declaring(Protocol[J]):
    """What `Jobs.handler` returns: it declares the function that it stands over, and returns it as it is."""

    @overload
    def __call__(
        self, function: Callable[[J, JobContext], Coroutine[Any, Any, R]]
    ) -> Callable[[J, JobContext], Coroutine[Any, Any, R]]: ...

    @overload
    def __call__(
        self, function: Callable[[J, JobContext], Awaitable[R]]
    ) -> Callable[[J, JobContext], Awaitable[R]]: ...

    @overload
    def __call__(self, function: Callable[[J, SyncJobContext], R]) -> Callable[[J, SyncJobContext], R]: ...


@dataclass(frozen=True, slots=True)
class JobType:
    """One declared job type: its struct, its handler, and the options a job has when nobody says otherwise.

    Where the handler is a plain function (`in_thread`), it is given a `SyncJobContext` and runs in a thread.
    """

    name: str
    struct: type[msgspec.Struct]
    handler: Callable[[Any, Any], Any]
    in_thread: bool
    queue: Queue
    attempts: int
    backoff: Exponential
    timeout: float
    request: type[Any] | None
    needs: tuple[type, ...]
    scope: str | None
    decode: Callable[[bytes | str], msgspec.Struct] = field(repr=False)
    limits: KeyLimits | None = None
    tidies: bool = False

    @property
    def by_callers(self) -> bool:
        """Whether HTTP callers may create its jobs; of all others, they may steer none either."""
        return self.request is not None

    def key(self, job: msgspec.Struct) -> str | None:
        """The key by which a job is held to the type's limits; raises EnqueueError where it has none that is right."""
        return None if self.limits is None else self.limits.key(job)


class Jobs:
    """A set of job types. Libraries each declare their own; a worker or an API includes the sets it serves.

    Attributes:
        limited: the names of those whose jobs are held to limits by key.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, JobType] = {}
        self._by_struct: dict[type[msgspec.Struct], JobType] = {}
        self.limited: set[str] = set()

    def handler(
        self,
        struct: type[J],
        *,
        queue: Queue = Queue.DEFAULT,
        attempts: int = 3,
        backoff: Exponential | None = None,
        timeout: float = 60.0,
        request: type[Any] | None = None,
        public: bool = False,
        needs: tuple[type, ...] = (),
        scope: str | None = None,
        concurrency: Keyed | None = None,
        rate: Keyed | None = None,
        tidies: bool = False,
    ) -> Declaring[J]:
        """Declare the handler of one job type: an async function, or a plain one that then runs in a thread.

        Args:
            struct: a msgspec struct with a string tag, which names the type (`tag="sms.send"`): a small letter, then
                small letters, digits, `_`, `.` and `-`, at most 100 characters.
            queue: where its jobs wait: one of the house's, or one of your own (`Queue.declare`).
            attempts: how often a job is tried in all, 1 to 100.
            backoff: the wait between attempts; 2, 4, 8 … seconds unless given.
            timeout: seconds one attempt may take, at most a day.
            request: the payload HTTP callers send, where it is not the job itself; an `Intake` turns it into the job.
            public: HTTP callers may create this job with the struct itself as payload.
            needs: types that the handler asks for with `ctx.resource`; a worker without one refuses to start.
            scope: what an HTTP caller must be allowed to, beside creating jobs (`notifications:write`).
            concurrency: how many jobs of one key run at once: `Keyed(lambda job: job.account, limit=1)`.
            rate: how fast jobs of one key start: `Keyed(..., Rate(100, 60))`, by the same key.
            tidies: its jobs only take away what is over, and do so as well once their organization is gone: they keep
                nobody from deleting it.

        Raises:
            DeclarationError: the declaration is wrong; the message says how.
        """
        name = _name_of(struct)
        try:
            decoder = msgspec.json.Decoder(struct)
        except Exception as error:
            raise DeclarationError(f"job type {name!r}: its struct cannot be read from JSON: {error}") from error
        try:
            where = Queue(queue)
            _check(attempts, backoff, timeout, needs)
            limits = key_limits(concurrency, rate)
        except QueueError as error:
            raise DeclarationError(f"job type {name!r}: queue: {error}") from None
        except ValueError as error:
            raise DeclarationError(f"job type {name!r}: {error}") from None

        def declare(function: Any) -> Any:
            try:
                check_handler(function)
            except ValueError as error:
                raise DeclarationError(f"job type {name!r}: {error}") from None
            job_type = JobType(
                name=name,
                struct=struct,
                handler=function,
                in_thread=not _is_async(function),
                queue=where,
                attempts=attempts,
                backoff=backoff or Exponential(),
                timeout=timeout,
                request=request if request is not None else (struct if public else None),
                needs=needs,
                scope=scope,
                decode=decoder.decode,
                limits=limits,
                tidies=tidies,
            )
            self._add(job_type)
            return function

        return declare

    def declare(
        self,
        struct: type[msgspec.Struct],
        *,
        queue: Queue = Queue.DEFAULT,
        attempts: int = 3,
        backoff: Exponential | None = None,
        timeout: float = 60.0,
        concurrency: Keyed | None = None,
        rate: Keyed | None = None,
    ) -> None:
        """Declare a job type that another process runs, so that this one can enqueue its jobs.

        Takes the options that `handler` takes, and must be given the same. Where its handler is declared in the same
        process later, that takes this one's place.

        Raises:
            DeclarationError: the declaration is wrong; the message says how.
        """
        self.handler(
            struct,
            queue=queue,
            attempts=attempts,
            backoff=backoff,
            timeout=timeout,
            concurrency=concurrency,
            rate=rate,
        )(_elsewhere)

    def include(self, other: "Jobs") -> "Jobs":
        """Add every type of another set to this one; returns this set."""
        for job_type in other:
            self._add(job_type)
        return self

    def named(self, name: str) -> JobType:
        """The type of that name; raises EnqueueError where there is none."""
        try:
            return self._by_name[name]
        except KeyError:
            raise EnqueueError(f"no job type {name!r}; known: {', '.join(sorted(self._by_name)) or 'none'}") from None

    def of(self, job: msgspec.Struct) -> JobType:
        """The type that a job's struct declares; raises EnqueueError where it is not declared in this set."""
        try:
            return self._by_struct[type(job)]
        except KeyError:
            _refuse_other(job)
            raise EnqueueError(f"{type(job).__name__} is not declared in this set of jobs") from None

    def tidying(self) -> list[str]:
        """The names of the types whose jobs may outlive their organization."""
        return [name for name, job_type in self._by_name.items() if job_type.tidies]

    def runnable(self) -> list[str]:
        """The names of the types whose handler is in this set: what a worker with it asks for."""
        return [name for name, job_type in self._by_name.items() if job_type.handler is not _elsewhere]

    def __iter__(self) -> Iterator[JobType]:
        return iter(self._by_name.values())

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def _add(self, job_type: JobType) -> None:
        known = self._by_name.get(job_type.name, job_type)
        if known is not job_type and not (known.handler is _elsewhere and known.struct is job_type.struct):
            raise DeclarationError(f"job type {job_type.name!r} is declared twice")
        before = _DECLARED.get(job_type.struct)
        if before is not None and job_type.handler is _elsewhere:
            _check_same(job_type, before)
        else:
            _DECLARED[job_type.struct] = job_type
        self._by_name[job_type.name] = job_type
        if job_type.limits is not None:
            self.limited.add(job_type.name)
        self._by_struct[job_type.struct] = job_type


# Every declared type by its struct, so that enqueue() needs no set passed to it: a struct is declared once, but for
# those who declare the same of it, its handler being elsewhere.
_DECLARED: dict[type[msgspec.Struct], JobType] = {}
_OPTIONS: Final = ("queue", "attempts", "backoff", "timeout", "limits")


def _check_same(job_type: JobType, before: JobType) -> None:
    """Raise DeclarationError where jobs would be stored in one way or the other, by the order of imports."""
    for option in _OPTIONS:
        here, there = getattr(job_type, option), getattr(before, option)
        if here != there:
            raise DeclarationError(f"job type {job_type.name!r}: {option} is {here} here, and was declared as {there}")


async def _elsewhere(job: msgspec.Struct, _: JobContext) -> None:
    raise PermanentError(
        "not_runnable", f"{type(job).__name__} is declared here, but its handler is in another process"
    )


def declared(job: msgspec.Struct) -> JobType:
    """The declaration of a job's struct, whichever set it is in; raises EnqueueError where there is none."""
    try:
        return _DECLARED[type(job)]
    except KeyError:
        _refuse_other(job)
        raise EnqueueError(
            f"{type(job).__name__} has no handler: declare one with @jobs.handler({type(job).__name__}, …)"
        ) from None


def _refuse_other(job: object) -> None:
    """Raise EnqueueError where that is no instance of a struct at all."""
    if isinstance(job, type):
        raise EnqueueError(f"the job must be an instance, {job.__name__}(…), not {shown(job)} itself")
    if not isinstance(job, msgspec.Struct):
        raise EnqueueError(f"the job must be an instance of a struct that is declared as a job, not {shown(job)}")


def _name_of(struct: Any) -> str:
    if not isinstance(struct, type) or not issubclass(struct, msgspec.Struct):
        raise DeclarationError(
            f"a job type needs its struct, a subclass of msgspec.Struct: @jobs.handler(SendSms, …), not {shown(struct)}"
        )
    tag = struct.__struct_config__.tag
    if not isinstance(tag, str):
        raise DeclarationError(f'{struct.__name__} needs a string tag that names the job type, such as tag="sms.send"')
    try:
        check_name(tag)
    except ValueError as error:
        raise DeclarationError(f"{struct.__name__}: its tag: {error}") from None
    return tag


def _is_async(function: Any) -> bool:
    called = function.__func__ if isinstance(function, staticmethod) else function
    return inspect.iscoroutinefunction(called) or inspect.iscoroutinefunction(type(called).__call__)


def check_name(value: object) -> None:
    """What a type may be called; raises ValueError."""
    if not isinstance(value, str) or len(value) > JOB_TYPE_LENGTH or not _TYPE_NAME.fullmatch(value):
        raise ValueError(
            f"{shown(value)} cannot name a job type: a small letter comes first, then small letters, digits, _, . and"
            f" -, {JOB_TYPE_LENGTH} characters at most: sms.send"
        )


def check_attempts(value: object) -> None:
    """How often a job is tried in all; raises ValueError."""
    check_whole("attempts", value, least=1, most=MAX_ATTEMPTS)


def check_timeout(value: object) -> None:
    """How many seconds one attempt may take; raises ValueError."""
    check_seconds("timeout", value, most=MAX_TIMEOUT)


def _check(attempts: object, backoff: object, timeout: object, needs: object) -> None:
    check_attempts(attempts)
    check_timeout(timeout)
    check_types("needs", needs)
    if backoff is not None:
        check_kind("backoff", backoff, Exponential, "an Exponential, such as Exponential(2.0)")
