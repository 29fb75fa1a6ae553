"""A provider is given no more messages than was set, by all processes together; the others wait and pay no attempt."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from comms_desk import CODE, ORGANIZATION, SONG
from msgspec.structs import replace
from sqlalchemy import text

from singr_comms.notifications import Delivered, MessageSender, list_providers
from singr_config import Settings
from singr_db import Database
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError, RetryLater


class Office:
    """Two worker processes, each with a pool of its own, before one provider."""

    def __init__(self, bench: Any, pools: list[Database]) -> None:
        self.bench, self._pools = bench, pools
        self.one: MessageSender
        self.other: MessageSender
        self.allow("memory", 1, 60)

    def allow(self, provider: str, count: int, seconds: int) -> None:
        """Start both anew with this rate."""
        self.bench.limits = replace(self.bench.limits, providers=((provider, count, seconds),))
        self.one, self.other = (self.bench.sender(db=pool) for pool in self._pools)

    async def queue(self, number: int, message: Any = SONG) -> list[UUID]:
        return [await self.bench.queue(message, to=f"reader{one}@example.org") for one in range(number)]

    async def send(self, message_id: UUID, by: MessageSender | None = None) -> Delivered | RetryLater:
        """What comes of a try."""
        try:
            return await (by or self.one).send("email", message_id, organization_id=ORGANIZATION, is_last_attempt=False)
        except RetryLater as wait:
            return wait

    async def send_all(self, queued: list[UUID]) -> list[Delivered | RetryLater]:
        """By both, all at once."""
        return await asyncio.gather(
            *(self.send(one, (self.one, self.other)[number % 2]) for number, one in enumerate(queued))
        )

    async def row(self) -> Any:
        async with self.bench.db.platform() as session:
            return (await session.execute(text("SELECT *, now() FROM provider_health WHERE channel = 'email'"))).one()


@pytest.fixture
async def office(bench: Any, settings: Settings) -> AsyncIterator[Office]:
    async with AsyncExitStack() as stack:
        pools = [
            await stack.enter_async_context(Database(settings.database, application_name=f"worker {name}"))
            for name in ("one", "other")
        ]
        yield Office(bench, pools)


async def test_two_processes_together_give_a_provider_no_more_than_its_rate(office: Office) -> None:
    queued = await office.queue(12)
    came = await office.send_all(queued)
    waits = [one for one in came if isinstance(one, RetryLater)]
    assert (len(office.bench.email.sent), len(waits)) == (1, 11)
    assert {(one.code, one.counts) for one in waits} == {("provider_rate", False)}
    rows = [await office.bench.story(one) for one in queued]
    assert sorted(rows) == [("queued", [])] * 11 + [("sent", ["sent"])], "who waits has no attempt"
    # Each is told to come back in a minute of its own, none of them past the ten that are the most.
    row = await office.row()
    assert (row.line_at - row.next_at).total_seconds() >= 9 * 60
    assert all(0 < (one.after or 0.0) <= 600 for one in waits)


async def test_those_that_waited_go_when_their_turn_has_come(office: Office, clock: VirtualClock) -> None:
    first, second, third = await office.queue(3)
    await office.send(first)
    for late in (second, third):
        assert isinstance(await office.send(late, office.other), RetryLater)
    clock.advance(seconds=60)
    assert isinstance(await office.send(second, office.other), Delivered)
    assert isinstance(await office.send(third), RetryLater)
    clock.advance(seconds=60)
    assert isinstance(await office.send(third), Delivered)


async def test_turns_that_are_near_are_waited_for_and_lie_evenly_apart(office: Office) -> None:
    office.allow("memory", 200, 1)
    [warm] = await office.queue(1)
    before = (await office.send(warm), await office.row())[1]
    came = await office.send_all(await office.queue(20))
    assert all(isinstance(one, Delivered) for one in came)
    after = await office.row()
    assert (after.next_at - before.next_at).total_seconds() >= 20 / 200


async def test_providers_without_a_rate_and_without_a_row_are_held_by_nothing(office: Office) -> None:
    office.allow("another", 1, 3600)
    came = await office.send_all(await office.queue(5))
    assert all(isinstance(one, Delivered) for one in came)
    office.allow("memory", 1, 60)
    async with office.bench.db.platform() as session:
        await session.execute(text("DELETE FROM provider_health"))
    assert await office.one._pace.wait("email", "memory") == 0.0


async def test_new_rate_holds_at_once_and_is_shown(office: Office) -> None:
    office.allow("memory", 1, 86_400)
    first, second, third = await office.queue(3)
    await office.send(first)
    assert isinstance(await office.send(second), RetryLater)
    async with office.bench.db.platform() as session:
        [shown] = [one for one in await list_providers(session) if one.channel == "email"]
    assert shown.rate is not None
    assert (shown.rate.messages, shown.rate.seconds, shown.rate.next_at is None) == (1, 86_400, False)
    office.allow("memory", 100, 1)
    assert isinstance(await office.send(second), Delivered), "the turn of before is a day away"
    office.allow("memory", 100, 1)
    assert isinstance(await office.send(third), Delivered)
    office.allow("another", 1, 1)
    await office.send(third)
    async with office.bench.db.platform() as session:
        assert [one.rate for one in await list_providers(session)] == [None] * 3


async def test_code_that_waits_until_it_is_no_longer_good_ends_as_expired(office: Office, clock: VirtualClock) -> None:
    first, code = await office.queue(1) + await office.queue(1, CODE)
    await office.send(first)
    assert isinstance(await office.send(code), RetryLater)
    office.allow("memory", 1, 86_400)
    other, *_ = await office.queue(1)
    await office.send(other)
    clock.advance(seconds=CODE.expiry_minutes * 60 + 1)
    with pytest.raises(PermanentError) as caught:
        await office.send(code)
    assert caught.value.code == "expired"
    assert (await office.bench.row(code)).content_sealed == b""


async def test_message_over_the_rate_takes_no_turn_of_an_open_breaker(office: Office, clock: VirtualClock) -> None:
    first, second = await office.queue(2)
    await office.send(first)
    async with office.bench.db.platform() as session:
        await session.execute(text("UPDATE provider_health SET opened_at = now(), probe_at = now(), failures = 10"))
    office.allow("memory", 1, 60)
    wait = await office.send(second)
    assert isinstance(wait, RetryLater)
    assert wait.code == "provider_rate"
    row = await office.row()
    assert row.probe_at <= row.now, "another may probe"
    clock.advance(seconds=60)
    assert isinstance(await office.send(second), Delivered)
    assert (await office.row()).opened_at is None


async def test_no_turn_is_waited_for_longer_than_a_message_is_wanted(office: Office, clock: VirtualClock) -> None:
    first, second, third = await office.queue(3)
    ends_at = clock.now() + timedelta(seconds=30)
    async with office.bench.db.platform() as session:
        ends = text("UPDATE messages SET expires_at = :ends_at WHERE id = :id")
        await session.execute(ends, {"ends_at": ends_at, "id": third})
    await office.send(first)
    for late in (second, third):
        wait = await office.send(late)
        assert isinstance(wait, RetryLater)
        assert (wait.after > 30) == (late == second)
