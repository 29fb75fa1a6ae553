"""What a handler is given beside its payload."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

import msgspec

from singr_jobs.declare._checks import check_whole
from singr_jobs.flows._views import FlowView, MemberResult

T = TypeVar("T")
Note = Callable[[str, Mapping[str, object]], None]
"""Takes a line of an attempt's log."""


class ReadsFlow(Protocol):
    """What a job may read of the flow that it belongs to."""

    async def flow(self) -> FlowView | None:
        """The flow as it stands."""
        ...

    async def results(self) -> list[MemberResult]:
        """What came of those that it waited for."""
        ...


class _Context(msgspec.Struct):
    job_id: UUID
    organization_id: UUID
    attempt: int
    max_attempts: int
    correlation_id: str | None
    resources: Mapping[type, Any]

    @property
    def idempotency_token(self) -> str:
        """The same on every attempt of this job: hand it to providers that take an idempotency key."""
        return self.job_id.hex

    @property
    def is_last_attempt(self) -> bool:
        """True when a failure now is final."""
        return self.attempt >= self.max_attempts

    def resource(self, kind: type[T]) -> T:
        """The object of that type that the worker was built with; raises LookupError naming what is missing."""
        try:
            return cast("T", self.resources[kind])
        except KeyError:
            raise LookupError(
                f"the worker has no {kind.__name__}: pass it in resources, and name it in needs=(…) of the handler"
            ) from None


class JobContext(_Context):
    """What a handler knows of the job it runs, and what it may ask for.

    `attempt` counts from 1; on the last one `attempt == max_attempts`.
    """

    report: Callable[[int], Awaitable[None]]
    reads: ReadsFlow | None = None
    cancel_requested: bool = False
    note: Note | None = None

    async def flow(self) -> FlowView | None:
        """The flow that the job belongs to, and how many of its members ended how; None where it belongs to none."""
        return None if self.reads is None else await self.reads.flow()

    async def results(self) -> list[MemberResult]:
        """What came of the members that this one waited for, in the order of their ids.

        That is the order in which they were added, unless they were given ids of their own.

        Of a completion job that names none, of all others. They are all in memory at once.
        """
        return [] if self.reads is None else await self.reads.results()

    async def progress(self, percent: int) -> None:
        """Record how far the job is, 0 to 100; shown by the API while it runs."""
        await self.report(_checked(percent))

    def log(self, message: str, /, **fields: object) -> None:
        """Write a line that is shown with this attempt, and go on at once; 200 lines or 64 KiB of an attempt are kept.

        Secrets are hidden as in errors. It never raises, and holds nothing up: it is stored in a moment, and lost with
        the process that dies within it.
        """
        if self.note is not None:
            self.note(message, fields)

    def cancelled(self) -> bool:
        """Whether somebody asked for this job to be cancelled; a long loop looks now and then and returns."""
        return self.cancel_requested


class SyncJobContext(_Context):
    """What a `JobContext` is, for a handler that is a plain function and runs in a thread.

    A thread cannot be interrupted: one that takes long asks `cancelled()`, or reports its progress, now and then.
    """

    report: Callable[[int], None]
    read_flow: Callable[[], FlowView | None] = lambda: None
    read_results: Callable[[], list[MemberResult]] = list
    cancel_requested: bool = False
    told: bool = False
    note: Note | None = None

    def flow(self) -> FlowView | None:
        """The flow that the job belongs to, and how many of its members ended how; None where it belongs to none."""
        return self.read_flow()

    def results(self) -> list[MemberResult]:
        """What came of the members that this one waited for, as `JobContext.results` has it."""
        return self.read_results()

    def progress(self, percent: int) -> None:
        """Record how far the job is, 0 to 100; returns when that is stored.

        Raises:
            asyncio.CancelledError: the attempt is over, as `cancelled` would say; let it pass.
        """
        percent = _checked(percent)
        if self.cancelled():
            from asyncio import CancelledError  # noqa: PLC0415 - who only enqueues does without asyncio

            raise CancelledError
        self.report(percent)

    def log(self, message: str, /, **fields: object) -> None:
        """Write a line that is shown with this attempt, as `JobContext.log` does."""
        if self.note is not None:
            self.note(message, fields)

    def cancelled(self) -> bool:
        """Whether the attempt is over: cancelled, out of time, its lease lost, or its worker stops.

        Who is told so cleans up and returns. What it returns then counts for nothing.
        """
        if self.cancel_requested:
            self.told = True
        return self.cancel_requested


def _checked(percent: int) -> int:
    check_whole("progress", percent, least=0, most=100)
    return percent
