"""Making, changing and looking at schedules, for their tests."""

from typing import Any
from uuid import UUID

from jobs_support import ORGANIZATION, Steer

from singr_db import Database
from singr_jobs.schedules import Every, schedule


async def put(db: Database, when: Any = None, name: str = "nightly", **options: Any) -> UUID:
    async with db.tenant(ORGANIZATION) as session:
        when = when or Every(60)
        return (await schedule(session, name, when, Steer(name), organization_id=ORGANIZATION, **options)).id


async def run(db: Database, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description else []


async def fires(db: Database) -> list[tuple[str, bool]]:
    """What became of the times so far, in their order, and whether a job is there."""
    return await run(
        db,
        "SELECT outcome, jobs.id IS NOT NULL FROM schedule_fires LEFT JOIN jobs ON jobs.id = job_id ORDER BY fire_at",
    )


async def end_jobs(db: Database) -> None:
    await run(db, "UPDATE jobs SET status = 'completed'")
    await run(db, "DELETE FROM job_ready")


async def change(db: Database, how: Any, which: str = "nightly") -> Any:
    async with db.tenant(ORGANIZATION) as session:
        return await how(session, which, organization_id=ORGANIZATION)
