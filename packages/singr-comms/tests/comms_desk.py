"""One sender as a worker keeps it, and what it sends."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from singr_comms import AccountRefusedError, PermanentSendError, SecurityNotice, SongRequest, TwoFactorCode
from singr_comms.notifications import MessageSender
from singr_jobs import RetryLater

LINK = "https://singr.example/r"
SONG = SongRequest(venue_name="Café", artist="Ada", title="Song", link=LINK)
CODE = TwoFactorCode(user_name="Ada", code="735104", expiry_minutes=5)
NOTICE = SecurityNotice(user_name="Ada", event="new_device", occurred_at="today", link=LINK)
ORGANIZATION = UUID("01920000-0000-7000-8000-00000000c0de")
REFUSED = AccountRefusedError("smtp_535", "the mail server answered 535")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """One sender as a worker keeps it, on a clock that tests move."""

    def __init__(self, bench: Any, email: Any = None) -> None:
        self.bench = bench
        self.clock = Clock()
        self.sender: MessageSender = bench.sender(email=email)
        self.sender._holds._clock = self.clock

    async def send(self, message_id: UUID, *, last: bool = False, whose: UUID = ORGANIZATION) -> Any:
        return await self.sender.send("email", message_id, organization_id=whose, is_last_attempt=last)

    async def held(self, message_id: UUID, *, last: bool = False, whose: UUID = ORGANIZATION) -> RetryLater:
        with pytest.raises(RetryLater) as caught:
            await self.send(message_id, last=last, whose=whose)
        return caught.value

    def gauge(self) -> float:
        return float(self.bench.metrics.provider_refused.labels("email", "memory").value)

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async with self.bench.db.platform() as session:
            result = await session.execute(text(statement), values)
            return list(result.all()) if result.returns_rows else []

    async def refusals(self) -> list[tuple[str, str, str]]:
        return [tuple(row) for row in await self.sql("SELECT channel, provider, code FROM provider_refusals")]


def untold(words: str = "the mail server answered 550: no") -> PermanentSendError:
    return PermanentSendError("smtp_550", words, doubtful=True)


async def several(desk: Desk, count: int) -> list[UUID]:
    return [await desk.bench.queue(SONG, to=f"person{number}@example.org") for number in range(count)]
