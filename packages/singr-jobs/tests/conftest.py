"""A worker in the test's own event loop, on real PostgreSQL and Valkey."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

import psycopg
import pytest
from alike_support import Memory, OnDatabase, Store
from jobs_support import ORGANIZATION, Pulse, until
from jobs_support import jobs as steered
from keys_support import keyed
from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from singr_config import Settings
from singr_db import Database, grant, new_id
from singr_db.tables import Organization
from singr_jobs import (
    JobDetail,
    JobWorker,
    Queue,
    QueueOptions,
    Waker,
    WorkerOptions,
    read_job,
    redis_client,
    redis_transport,
)
from singr_jobs.keys._promoter import Promoter
from singr_jobs.schedules._firing import Scheduler


@pytest.fixture
def pulse() -> Pulse:
    return Pulse()


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What is logged meanwhile, with the stacks of errors."""
    lines: list[str] = []
    kept = logger.add(lambda message: lines.append(str(message)), format="{message}\n{exception}")
    yield lines
    logger.remove(kept)


@pytest.fixture
async def long_ago(db: Database) -> AsyncIterator[UUID]:
    """An id of 2020, whose job will lie in a partition of its own: `jobs_long_ago`."""
    week = [f"016f5e66-{place}-7000-8000-000000000000" for place in ("0000", "ffff")]
    async with db.psycopg.connection() as connection:
        await connection.execute(
            f"CREATE TABLE jobs_long_ago PARTITION OF jobs FOR VALUES FROM ('{week[0]}') TO ('{week[1]}')"
        )
    yield UUID("016f5e66-e800-7000-8000-000000000001")
    async with db.psycopg.connection() as connection:
        await connection.execute("DROP TABLE IF EXISTS jobs_long_ago")


@pytest.fixture
async def enqueuer_session(
    database_url: str, db: Database
) -> AsyncIterator[Callable[[], AbstractAsyncContextManager[AsyncSession]]]:
    """Transactions of another team's service, by a role that may enqueue and do nothing else."""
    role = f"repeats_{new_id().hex}"  # a role is the server's, which other tests use at the same time
    await asyncio.to_thread(grant, database_url, role)
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))

    @asynccontextmanager
    async def begin() -> AsyncIterator[AsyncSession]:
        async with AsyncSession(engine) as session, session.begin():
            await (await session.connection()).exec_driver_sql(f"SET LOCAL ROLE {role}")
            yield session

    yield begin
    await engine.dispose()
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"DROP OWNED BY {role}")
        admin.execute(f"DROP ROLE {role}")


@pytest.fixture
async def waker(db: Database, settings: Settings) -> AsyncIterator[Waker]:
    client = redis_client(settings.redis)
    waker = Waker(client)
    waker.attach(db.session_info)
    yield waker
    await waker.close()
    await client.aclose()


_names = itertools.count(1)


@pytest.fixture
def working(settings: Settings, db: Database, pulse: Pulse):
    """`async with working(concurrency=…) as worker`: a worker with quick leases."""

    @asynccontextmanager
    async def start(
        *,
        concurrency: int = 10,
        lease: float = 3.0,
        poll: float = 0.5,
        grace: float = 5.0,
        redis=None,
        queues=None,
        database=None,
        jobs=steered,
        observer=None,
        transport=None,
        **options,
    ) -> AsyncIterator[JobWorker]:
        redis_settings = redis or settings.redis
        client = redis_client(redis_settings)
        worker = JobWorker(
            (database or db).psycopg,
            client,
            transport or redis_transport(redis_settings),
            jobs,
            resources={Pulse: pulse},
            name=f"test-{next(_names)}",
            options=WorkerOptions(
                queues=queues or {Queue.DEFAULT: QueueOptions(concurrency=concurrency)},
                lease=lease,
                poll=poll,
                sweep_every=0.3,
                grace=grace,
                **options,
            ),
            observer=observer,
        )
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            pulse.gate.set()
            if not running.done():
                await worker.stop()
            await running
            await client.aclose()

    return start


@pytest.fixture
def read(db: Database) -> Callable[[UUID], Awaitable[JobDetail]]:
    async def read_it(job_id: UUID) -> JobDetail:
        async with db.tenant(ORGANIZATION) as session:
            return await read_job(session, job_id)

    return read_it


@pytest.fixture
def reaches(read):
    """`await reaches(job_id, "completed")` waits for that status and returns the job."""

    async def wait_for(job_id: UUID, status: str, *, within: float = 15.0) -> JobDetail:
        async def there() -> bool:
            return (await read(job_id)).status == status

        await until(there, within=within, what=f"{job_id} is {status}")
        return await read(job_id)

    return wait_for


@pytest.fixture
async def organization(db: Database) -> UUID:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Ours", slug="ours"))
    return ORGANIZATION


@pytest.fixture
async def promoter(db: Database, waker: Waker) -> Promoter:
    """Lets through what lies behind a key, of the types of `keys_support`."""
    promoter = Promoter(db.psycopg, keyed, poll=0.5, waker=waker, due=lambda queues: None)
    await promoter.declare()
    return promoter


@pytest.fixture
def scheduler(db: Database, waker: Waker, organization: UUID) -> Scheduler:
    return Scheduler(db.psycopg, waker=waker)


@pytest.fixture(params=["memory", "postgresql"])
def store(request: pytest.FixtureRequest, pulse: Pulse) -> Store:
    """Jobs in memory, and jobs on PostgreSQL."""
    if request.param == "memory":
        return Memory.of(pulse)
    return OnDatabase(request.getfixturevalue("db"), request.getfixturevalue("working"))


@pytest.fixture
async def served(store: Store) -> Store:
    """The same with a worker that serves all queues, knows all types, and runs nothing."""
    await store.serve()
    return store
