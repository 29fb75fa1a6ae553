"""The short way of most messages counts, waits and refuses as the whole way does, whoever else is at the message."""

import asyncio
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import event, text

from singr_comms import SongRequest, TwoFactorCode
from singr_comms.notifications.sending import _ordinary, _sender
from singr_config import LimitSettings
from singr_jobs import PermanentError

SONG = SongRequest(venue_name="Blue Note", artist="Abba", title="Waterloo", link="https://singr.example/requests")
CODE = TwoFactorCode(user_name="Jane Doe", code="735104", expiry_minutes=5)
USER = UUID("01920000-0000-7000-8000-0000000000aa")
ANOTHER = UUID("01920000-0000-7000-8000-0000000000bb")
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
COUNTS = "SELECT count FROM message_quotas ORDER BY count"


async def until_it_waits(connection: psycopg.AsyncConnection[Any]) -> None:
    async with asyncio.timeout(20):
        while (await (await connection.execute(WAITING)).fetchone() or (0,))[0] == 0:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


async def counts(bench: Any) -> list[int]:
    async with bench.db.platform() as session:
        return list((await session.execute(text(COUNTS))).scalars())


@pytest.mark.parametrize("message", [SONG, CODE])
async def test_an_ordinary_message_needs_no_session(bench: Any, message: Any) -> None:
    message_id, sender = await bench.queue(message, user_id=USER), bench.sender()
    await sender.send("email", await bench.queue(SONG), organization_id=bench.organization, is_last_attempt=False)
    said: list[str] = []
    listener = lambda _connection, _cursor, statement, *_: said.append(statement)  # noqa: E731 - of one use
    event.listen(bench.db.engine.sync_engine, "before_cursor_execute", listener)
    try:
        await sender.send("email", message_id, organization_id=bench.organization, is_last_attempt=False)
    finally:
        event.remove(bench.db.engine.sync_engine, "before_cursor_execute", listener)
    assert [one for one in said if "provider_health" not in one] == []
    assert await bench.story(message_id) == ("sent", ["sent"])
    row = await bench.row(message_id)
    assert (row.attempts, row.provider, row.error) == (1, "memory", None)
    assert (row.content_sealed == b"") == (message is CODE)


async def test_what_another_changed_while_it_waited_is_looked_at_again(bench: Any) -> None:
    message_id, sender = await bench.queue(SONG), bench.sender(in_flight=20.0)
    send = sender.send("email", message_id, organization_id=bench.organization, is_last_attempt=False)
    async with bench.db.psycopg.connection() as other, bench.db.psycopg.connection() as watcher:
        async with other.transaction():
            await other.execute("UPDATE messages SET held_since = clock_timestamp() WHERE id = %s", (message_id,))
            sending = asyncio.create_task(send)
            await until_it_waits(watcher)
        await sending
    assert await bench.story(message_id) == ("sent", ["sent"])
    assert len(bench.email.sent) == 1


async def test_whoever_gave_up_while_another_had_the_row_has_begun_nothing(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement waits on: a request to cancel it may be lost."""
    given_up = asyncio.Event()

    async def unheard(*_: object, **__: object) -> None:
        given_up.set()

    message_id, sender = await bench.queue(SONG), bench.sender()
    which = {"organization_id": bench.organization, "is_last_attempt": False}
    with monkeypatch.context() as patch:
        patch.setattr(psycopg.AsyncConnection, "cancel_safe", unheard)
        for where in (_ordinary, _sender):
            patch.setattr(where, "PATIENCE", 2.0)
        async with bench.db.psycopg.connection() as other:
            async with other.transaction():
                await other.execute("UPDATE messages SET held_since = clock_timestamp() WHERE id = %s", (message_id,))
                sending = asyncio.create_task(sender.send("email", message_id, **which))
                async with asyncio.timeout(20):
                    await given_up.wait()
            with pytest.raises(TimeoutError):
                await sending
    assert await bench.story(message_id) == ("queued", [])
    await sender.send("email", message_id, **which)
    assert await bench.story(message_id) == ("sent", ["sent"])


async def test_what_another_ended_while_it_waited_is_not_sent_and_not_counted(bench: Any) -> None:
    message_id, sender = await bench.queue(SONG), bench.sender()
    send = sender.send("email", message_id, organization_id=bench.organization, is_last_attempt=False)
    ended = "UPDATE messages SET status = 'suppressed', error = '{\"code\": \"opt_out\"}' WHERE id = %s"
    async with bench.db.psycopg.connection() as other, bench.db.psycopg.connection() as watcher:
        async with other.transaction():
            await other.execute(ended, (message_id,))
            sending = asyncio.create_task(send)
            await until_it_waits(watcher)
        with pytest.raises(PermanentError, match="opt_out"):
            await sending
    assert await bench.story(message_id) == ("suppressed", [])
    assert await counts(bench) == []


async def test_a_count_that_fills_up_in_this_moment_holds_the_message_back_and_counts_its_reader_once(
    bench: Any,
) -> None:
    bench.limits = LimitSettings(email_per_day=1)
    first, second = await bench.queue(SONG, to="joe@example.org"), await bench.queue(SONG)
    sender = bench.sender()
    send = sender.send("email", second, organization_id=bench.organization, is_last_attempt=False)
    await bench.send(first)
    async with bench.db.psycopg.connection() as other, bench.db.psycopg.connection() as watcher:
        removed = "DELETE FROM message_quotas WHERE subject_hash = %s RETURNING *"
        of_the_day = bench.sealer.fingerprint("organization 0", context="quotas.day")
        [day] = await (await other.execute(removed, (of_the_day,))).fetchall()
        await other.execute("DELETE FROM message_quotas")
        async with other.transaction():
            columns = ", ".join(["%s"] * len(day))
            await other.execute(f"INSERT INTO message_quotas VALUES ({columns})", day)  # not to be seen yet
            sending = asyncio.create_task(send)
            await until_it_waits(watcher)
        with pytest.raises(PermanentError, match="organization_limit"):
            await sending
    assert await bench.story(second) == ("suppressed", [])
    assert await counts(bench) == [1, 1]  # the day, and the reader as the whole way counts one


async def test_a_message_is_of_its_organization_on_the_short_way_too(bench: Any) -> None:
    message_id = await bench.queue(SONG)
    with pytest.raises(PermanentError, match="message_gone"):
        await bench.send(message_id, organization=ANOTHER)
    assert await bench.story(message_id) == ("queued", [])
