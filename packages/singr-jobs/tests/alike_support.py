"""What jobs are kept in: memory or PostgreSQL. Whoever is given one of both cannot tell which."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import UUID

import msgspec
from jobs_support import ORGANIZATION, Pulse, Steer, jobs, until
from keys_support import keyed, look
from sqlalchemy import text

from singr_db import Database
from singr_jobs import Exponential, JobContext, Jobs, Queue, enqueue
from singr_jobs.chores._act_in_bulk import ActInBulk
from singr_jobs.keys._promoter import Promoter
from singr_jobs.maintenance._presence import Presence
from singr_jobs.testing import InMemoryJobs

alike = Jobs()
alike.include(jobs)
alike.include(keyed)


class Say(msgspec.Struct, frozen=True, tag="test.say"):
    """Writes a line in each of two attempts, and fails the first."""


@alike.handler(Say, backoff=Exponential(0.05))
async def say(job: Say, context: JobContext) -> None:
    context.log("read", rows=context.attempt)
    if context.attempt == 1:
        raise ValueError("not yet")


class Sigh(msgspec.Struct, frozen=True, tag="test.sigh"):
    """Writes a line in each of two attempts, and fails both."""


@alike.handler(Sigh, attempts=2, backoff=Exponential(0.05))
async def sigh(job: Sigh, context: JobContext) -> None:
    context.log("tried", attempt=context.attempt)
    raise ValueError("never")


class Store(Protocol):
    """Sessions, and what has jobs run."""

    def tenant(self, organization_id: UUID) -> Any: ...

    def platform(self) -> Any: ...

    async def serve(self) -> None:
        """From now on a worker serves all queues, and knows all types."""
        ...

    async def look(self) -> None:
        """Look at what has a key, and park what that holds back; after `serve`."""
        ...

    async def act(self) -> None:
        """Do what is asked for in bulk."""
        ...

    async def work(self) -> None:
        """Run all that is to be run, retries included, until all jobs have ended."""
        ...


class Memory(InMemoryJobs):
    @classmethod
    def of(cls, pulse: Pulse) -> "Memory":
        return cls(alike, resources={Pulse: pulse}, organizations=[ORGANIZATION])

    async def look(self) -> None:
        """It does so whenever it is asked."""

    async def act(self) -> None:
        self.bulk.work()

    async def serve(self) -> None:
        """It is its own worker."""

    async def work(self) -> None:
        await self.run_until_done()


class OnDatabase:
    def __init__(self, db: Database, working: Any) -> None:
        self._db = db
        self._working = working

    @asynccontextmanager
    async def tenant(self, organization_id: UUID) -> AsyncIterator[Any]:
        async with self._db.tenant(organization_id) as session:
            yield session

    @asynccontextmanager
    async def platform(self) -> AsyncIterator[Any]:
        async with self._db.platform() as session:
            yield session

    async def serve(self) -> None:
        """Say what a worker says of itself at its start, and run nothing."""
        served = Presence(
            self._db.psycopg,
            name="served",
            queues=[queue.value for queue in Queue.declared()],
            types=alike.runnable,
            in_hand=dict,
        )
        await served.work()
        await self._promoter().declare()

    async def look(self) -> None:
        await look(self._promoter())

    def _promoter(self) -> Promoter:
        return Promoter(self._db.psycopg, alike, poll=0.5, waker=None, due=lambda queues: None)

    async def act(self) -> None:
        await ActInBulk(self._db).work()

    async def work(self) -> None:
        async def over() -> bool:
            async with self._db.platform() as session:
                return not await session.scalar(text("SELECT EXISTS (SELECT FROM jobs WHERE status = 'pending')"))

        async with self._working(jobs=alike):
            await until(over, what="all jobs have ended")


async def put(store: Store, name: str = "a", *plan: str, organization_id: UUID = ORGANIZATION, **options: Any) -> UUID:
    async with store.tenant(organization_id) as session:
        return await enqueue(session, Steer(name, plan or ("ok",)), organization_id=organization_id, **options)


async def ask(store: Store, function: Any, *what: Any, whose: UUID = ORGANIZATION, **options: Any) -> Any:
    """Call a function of the library with an organization's session."""
    async with store.tenant(whose) as session:
        return await function(session, *what, **options)


async def order(store: Store, function: Any, *what: Any, **options: Any) -> Any:
    """Call it with the platform's."""
    async with store.platform() as session:
        return await function(session, *what, **options)
