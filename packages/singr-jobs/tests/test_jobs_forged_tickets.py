"""What somebody with Redis's password puts among the tickets costs nobody a ticket, a thread or a look at a log."""

import asyncio
import json

import pytest
from jobs_support import lies, put, take_by_hand, until

from singr_jobs import Queue, QueueOptions, redis_client, redis_transport
from singr_jobs.taking._tickets import Ticket

LISTED = "singr:tickets:singr.default"
LONG = 60.0


def message(**fields: object) -> bytes:
    """A ticket as Dramatiq writes it, but for these fields."""
    ours = {"queue_name": "singr.default", "actor_name": "ticket.default", "args": [], "options": {}}
    said = {"kwargs": {"token": 1, "jobs": 1}, "message_id": "m", "message_timestamp": 1}
    return json.dumps(ours | said | fields).encode()


FORGED = {
    "of a queue that is none": (1, message(queue_name="singr.nosuch")),
    "of no actor": (1, message(actor_name="ticket.nosuch")),
    "due in 30,000 years": (12, message(options={"eta": 10**15})),
    "with an id that is not its own": (12, message(options={"redis_message_id": "another"})),
    "piped into another": (1, message(options={"pipe_target": {"queue_name": "x"}, "throws": "x"})),
    "undecodable": (40, b"{}"),
    "nested": (12, b'{"x":' + b"[" * 8_000),
}


@pytest.fixture
async def client(settings):
    client = redis_client(settings.redis)
    yield client
    await client.aclose()


async def push(client, number: int, body: bytes, listed: str = LISTED) -> None:
    ids = [f"forged-{at}" for at in range(number)]
    await client.hset(f"{listed}.msgs", mapping=dict.fromkeys(ids, body))
    await client.rpush(listed, *ids)


async def travelling(db, token: int) -> object:
    """A job that nobody finds but by its ticket."""
    job_id = await put(db, f"on-{token}")
    await take_by_hand(db, job_id, token=token, state="travelling")
    return job_id


async def send(settings, ticket: Ticket) -> None:
    await asyncio.to_thread(redis_transport(settings.redis).send, [ticket])


@pytest.mark.parametrize(("number", "body"), FORGED.values(), ids=FORGED)
async def test_messages_that_nobody_of_ours_wrote_hold_up_no_ticket_behind_them(
    db, settings, working, reaches, client, said, number: int, body: bytes
):
    job_id = await travelling(db, 7)
    await push(client, number, body)
    await send(settings, Ticket(Queue.DEFAULT, 7, 1))
    async with working(lease=LONG) as worker:
        await reaches(job_id, "completed")
        await until(lambda: worker.in_hand() == {"default": 0}, what="none counts as in hand")
        assert worker.refusals() == []
    assert [key async for key in client.scan_iter("singr:tickets:*") if b"heartbeats" not in key] == []
    assert "Traceback" not in "".join(said)
    assert len([line for line in said if "no tickets: dropped" in line]) <= 1


async def test_a_ticket_of_one_queue_in_another_queues_list_begins_nothing(db, settings, working, reaches):
    """It would run under limits that are not its own."""
    job_id, behind = await travelling(db, 7), await travelling(db, 8)
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE job_tickets SET queue = 'email' WHERE token = 8")
    for token in (7, 8):
        await send(settings, Ticket(Queue.EMAIL, token, 1))
    async with working(lease=LONG, queues={Queue.EMAIL: QueueOptions(concurrency=1)}):
        await reaches(behind, "completed")
        assert await lies(db, job_id) == "travelling"


async def test_a_thread_of_dramatiqs_that_ended_is_told_and_replaced(settings, said):
    received: list[Ticket] = []
    transport = redis_transport(settings.redis)
    transport.start([Queue.DEFAULT], accept=received.append, gate=lambda _: True)
    assert transport.refusal is None
    [thread] = transport._worker.workers
    await until(lambda: thread.running, what="it can be stopped")
    thread.stop()
    transport._worker._messages.let_go()  # it would wait a minute for a message
    thread.join()
    assert "has ended" in transport.refusal
    await asyncio.to_thread(transport.mend)
    assert transport.refusal is None
    assert any("has ended" in line for line in said)
    ticket = Ticket(Queue.DEFAULT, 7, 1)
    await asyncio.to_thread(transport.send, [ticket])
    transport.told(Queue.DEFAULT)
    await until(lambda: received == [ticket])
    await asyncio.to_thread(transport.stop)
    transport.close()


async def test_a_worker_whose_thread_of_dramatiqs_ended_receives_tickets_again(db, settings, working, reaches):
    job_id = await travelling(db, 7)
    async with working(lease=LONG) as worker:
        await until(lambda: worker._transport._worker is not None and worker._transport._worker.workers[0].running)
        worker._transport._worker.workers[0].stop()
        worker._transport._worker._messages.let_go()
        await until(lambda: worker._transport._worker.workers[0].running, what="another runs")
        await send(settings, Ticket(Queue.DEFAULT, 7, 1))
        await reaches(job_id, "completed")
