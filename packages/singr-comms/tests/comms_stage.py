"""Two providers, two worker processes, and a clock for all of them."""

from typing import Any
from uuid import UUID

import pytest
from comms_desk import ORGANIZATION, SONG, Clock
from sqlalchemy import text

from singr_comms import EmailMessage, MemoryEmailProvider, TransientError
from singr_comms.notifications import MessageSender
from singr_dev.clock import VirtualClock
from singr_jobs import RetryLater

AWAY = TransientError("connection", "the connection failed before the request was sent", waits=True)


class Named(MemoryEmailProvider):
    """A provider of this name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._named = name

    @property
    def name(self) -> str:
        return self._named


class Process:
    """One worker process: a sender of its own before the providers of all."""

    def __init__(self, bench: Any, now: Clock, *providers: Named) -> None:
        self.bench = bench
        self.sender: MessageSender = bench.sender(email=providers)
        self.sender._health._clock = now

    async def send(self, message_id: UUID, *, last: bool = False) -> str | None:
        delivered = await self.sender.send("email", message_id, organization_id=ORGANIZATION, is_last_attempt=last)
        return delivered.provider

    async def waits(self, message_id: UUID, *, last: bool = False) -> tuple[str, bool]:
        """The code with which a try waits, and whether it counts."""
        with pytest.raises(RetryLater) as caught:
            await self.send(message_id, last=last)
        return caught.value.code, caught.value.counts


class Stage:
    """Two providers, two processes, and a clock for all of them."""

    def __init__(self, bench: Any, clock: VirtualClock) -> None:
        self.bench, self.clock, self.now = bench, clock, Clock()
        self.first, self.second = Named("first"), Named("second")
        self.one, self.other = (Process(bench, self.now, self.first, self.second) for _ in range(2))

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        self.now.now += seconds

    async def queue(self, message: EmailMessage = SONG) -> UUID:
        """A message to somebody new, so that no limit per reader is met."""
        self.readers = getattr(self, "readers", 0) + 1
        message_id: UUID = await self.bench.queue(message, to=f"reader{self.readers}@example.org")
        return message_id

    async def open(self) -> None:
        """Ten failures in a row of the first one."""
        self.first.fail_next(*[AWAY] * 10)
        for _ in range(10):
            await self.one.send(await self.queue())

    async def attempts(self, message_id: UUID) -> list[tuple[str, str]]:
        return [(one.provider, one.status) for one in await self.bench.attempts(message_id)]

    async def force(self, state: str) -> None:
        async with self.bench.db.platform() as session:
            await session.execute(
                text("UPDATE provider_health SET forced = :state, forced_until = now() + interval '1 hour'"
                     " WHERE provider = 'first'"),
                {"state": state},
            )  # fmt: skip

    def gauge(self) -> float:
        return float(self.bench.metrics.provider_open.labels("email", "first").value)
