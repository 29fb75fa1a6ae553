"""Sessions in memory: one that is taken back takes nothing of another's along, and nobody waits for ever."""

import asyncio
from contextlib import suppress

import pytest
from test_comms_memory import ADA, ORGANIZATION, SEALER, START, put

from singr_comms.notifying import Target, notify
from singr_comms.people import put_recipient
from singr_comms.testing import MemoryNotifications, _outbox


@pytest.fixture
def outbox() -> MemoryNotifications:
    return MemoryNotifications(now=START)


async def known(outbox: MemoryNotifications, *names: str) -> list[str]:
    async with outbox.tenant(ORGANIZATION) as session:
        return [name for name in names if name in session.people.recipients]


async def fails(outbox: MemoryNotifications, name: str, begun: asyncio.Event | None = None) -> None:
    with suppress(ZeroDivisionError):
        async with outbox.tenant(ORGANIZATION) as session:
            await put_recipient(session, name, ADA, sealer=SEALER)
            if begun is not None:
                begun.set()
            for _ in range(20):
                await asyncio.sleep(0)
            raise ZeroDivisionError


async def test_a_session_that_is_taken_back_leaves_what_another_did_meanwhile(outbox: MemoryNotifications) -> None:
    begun = asyncio.Event()

    async def good() -> None:
        await begun.wait()
        await put(outbox, bob=ADA)

    await asyncio.gather(fails(outbox, "ada", begun), good())
    assert await known(outbox, "ada", "bob") == ["bob"]


async def test_sessions_within_one_are_part_of_it_and_take_turns(outbox: MemoryNotifications) -> None:
    async with outbox.tenant(ORGANIZATION):
        await put(outbox, ada=ADA)
        await asyncio.gather(fails(outbox, "bob"), put(outbox, eve=ADA))
        async with outbox.tenant(ORGANIZATION):
            await put(outbox, dan=ADA)
    await put(outbox, joe=ADA)
    assert await known(outbox, "ada", "bob", "dan", "eve", "joe") == ["ada", "dan", "eve", "joe"]


async def test_who_outlives_the_session_that_began_it_takes_turns_again(outbox: MemoryNotifications) -> None:
    over, begun = asyncio.Event(), asyncio.Event()

    async def later() -> None:
        await over.wait()
        await fails(outbox, "ada", begun)

    async with outbox.tenant(ORGANIZATION):
        task = asyncio.create_task(later())
    over.set()
    await begun.wait()
    await put(outbox, bob=ADA)
    await task
    assert await known(outbox, "ada", "bob") == ["bob"]


async def test_a_session_that_waits_for_one_that_waits_for_it_says_so(
    outbox: MemoryNotifications, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_outbox, "_PATIENCE", 0.05)
    held, told = asyncio.Event(), asyncio.Event()

    async def server() -> None:
        await held.wait()
        with pytest.raises(RuntimeError, match="take turns"):
            await put(outbox, ada=ADA)
        told.set()

    task = asyncio.create_task(server())
    async with outbox.tenant(ORGANIZATION):
        held.set()
        await told.wait()
    await task
    await put(outbox, ada=ADA)


async def test_a_session_takes_nothing_after_its_block(outbox: MemoryNotifications) -> None:
    await put(outbox, ada=ADA)
    async with outbox.tenant(ORGANIZATION) as session:
        pass
    with pytest.raises(RuntimeError, match="session is over"):
        await notify(session, "plain", Target(recipient="ada"), sealer=SEALER, data={"title": "T", "text": "t"})
    with pytest.raises(RuntimeError, match="session is over"):
        await put_recipient(session, "bob", ADA, sealer=SEALER)
    await outbox.advance(1)
    assert (outbox.messages, await known(outbox, "ada", "bob")) == ([], ["ada"])


async def test_no_time_passes_within_a_session(outbox: MemoryNotifications) -> None:
    await put(outbox, ada=ADA)
    async with outbox.tenant(ORGANIZATION) as session:
        await notify(session, "plain", Target(recipient="ada"), sealer=SEALER, data={"title": "T", "text": "t"})
        with pytest.raises(RuntimeError, match="between sessions"):
            await outbox.advance(5)
        assert outbox.messages == []
    await outbox.advance(5)
    assert outbox.sent


async def test_what_a_database_would_not_take_is_refused(outbox: MemoryNotifications) -> None:
    with pytest.raises(TypeError, match="UUID, not str"):
        async with outbox.tenant("not a UUID"):  # type: ignore[arg-type] # what is refused
            pass
    with pytest.raises(ValueError, match="channel must be one of email, push, sms"):
        outbox.suppress("mail", "ada@example.org", reason="bounced")
