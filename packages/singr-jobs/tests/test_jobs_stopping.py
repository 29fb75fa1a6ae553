"""R12: a worker that stops leaves nothing behind that would have to wait until a lease runs out."""

import asyncio
from uuid import UUID

from dramatiq.brokers.stub import StubBroker
from jobs_support import ORGANIZATION, Steer, until

from singr_db import Database
from singr_jobs import enqueue
from singr_jobs.running._tickets import TicketTransport

LONG = 60.0


async def put(db: Database) -> UUID:
    async with db.tenant(ORGANIZATION) as session:
        return await enqueue(session, Steer("a"), organization_id=ORGANIZATION)


async def stands(db: Database, job_id: UUID) -> tuple[str, int]:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute("SELECT status, attempt FROM jobs WHERE id = %s", [job_id])
        return await cursor.fetchone()


async def test_job_whose_ticket_nobody_took_goes_back_when_the_worker_stops(db, working):
    transport = TicketTransport(StubBroker(), send=lambda messages: None, waiting=lambda queues: [0 for _ in queues])
    async with working(transport=transport, lease=LONG):
        job_id = await put(db)

        async def dispatched() -> bool:
            return await stands(db, job_id) == ("dispatched", 0)

        await until(dispatched)
    assert await stands(db, job_id) == ("pending", 0)


async def test_job_that_is_claimed_while_the_worker_stops_goes_back_uncounted(db, working, pulse):
    """A trigger holds the claim up until the stop has begun."""
    async with db.psycopg.connection() as connection:
        await connection.execute(
            """
            CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM pg_advisory_xact_lock(4711);
                RETURN NEW;
            END $$;
            CREATE TRIGGER hold BEFORE UPDATE ON jobs FOR EACH ROW
              WHEN (NEW.status = 'processing' AND OLD.status = 'dispatched') EXECUTE FUNCTION hold()
            """
        )
    try:
        async with working(lease=LONG) as worker:
            async with db.psycopg.connection() as holding, holding.transaction():
                await holding.execute("SELECT pg_advisory_xact_lock(4711)")
                job_id = await put(db)
                await until(worker._runner._lines["default"].claiming.locked)
                stopping = asyncio.create_task(worker.stop())
                await until(lambda: worker._runner._stopping)
            await stopping
        assert await stands(db, job_id) == ("pending", 0)
        assert pulse.ran == []
    finally:
        async with db.psycopg.connection() as connection:
            await connection.execute("DROP FUNCTION hold CASCADE")
