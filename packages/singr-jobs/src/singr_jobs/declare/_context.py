"""What a handler is given beside its payload."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec

T = TypeVar("T")


class JobContext(msgspec.Struct):
    """What a handler knows of the job it runs, and what it may ask for.

    `attempt` counts from 1; on the last one `attempt == max_attempts`.
    """

    job_id: UUID
    organization_id: UUID
    attempt: int
    max_attempts: int
    correlation_id: str | None
    resources: Mapping[type, Any]
    report: Callable[[int], Awaitable[None]]
    cancel_requested: bool = False

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

    async def progress(self, percent: int) -> None:
        """Record how far the job is, 0 to 100; shown by the API while it runs."""
        if not 0 <= percent <= 100:  # noqa: PLR2004 - percent
            raise ValueError(f"progress is 0 to 100 percent, not {percent}")
        await self.report(percent)

    def cancelled(self) -> bool:
        """Whether somebody asked for this job to be cancelled; a long loop looks now and then and returns."""
        return self.cancel_requested
