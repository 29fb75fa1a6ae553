"""Flows in tests: stored, looked at, and ended by hand in every way there is."""

import math
from typing import Any
from uuid import UUID

from jobs_support import ORGANIZATION, end_by_hand, take_by_hand, until

from singr_db import Database
from singr_db.ending import COMPLETE, LOSE, SETTLE
from singr_jobs import Flow, FlowView, cancel_job, enqueue, read_flow


def settled(status: str) -> tuple[str, dict[str, Any]]:
    return SETTLE.followed, {
        "statuses": [status],
        "outcomes": [status],
        "errors": ["{}"],
        "delays": [0.0],
        "holding": [],
    }


COMPLETED = (COMPLETE.followed, {"results": [None]})
FAILED = settled("failed")
STOPPED = settled("cancelled")
LOST = (LOSE, {"limit": 10, "error": "{}", "looked": math.inf})
CANCELLED = ("", {})
ENDS = {
    "completed": COMPLETED,
    "failed": FAILED,
    "lost for the last time": LOST,
    "cancelled while it ran": STOPPED,
    "cancelled while it waited": CANCELLED,
}


async def store(db: Database, flow: Flow, *, organization_id: UUID = ORGANIZATION) -> UUID:
    async with db.tenant(organization_id) as session:
        return await enqueue(session, flow, organization_id=organization_id)


async def stands(db: Database, flow: Flow) -> FlowView:
    async with db.tenant(ORGANIZATION) as session:
        return await read_flow(session, flow.id, organization_id=ORGANIZATION)


async def over(db: Database, flow: Flow, state: str = "completed") -> FlowView:
    """Wait until the flow is in that state, and everything in it has ended."""

    async def reached() -> bool:
        view = await stands(db, flow)
        return view.state == state and view.finished_at is not None

    await until(reached, what=f"the flow is {state}, and finished")
    return await stands(db, flow)


async def end(db: Database, job_id: UUID, way: tuple[str, dict[str, Any]]) -> int:
    """End one job by hand, as a worker, the sweeper or a caller would; answers how many jobs did."""
    if way is CANCELLED:
        async with db.tenant(ORGANIZATION) as session:
            return int((await cancel_job(session, job_id)).status == "cancelled")
    statement, values = way
    token = job_id.int % 2**62
    await take_by_hand(db, job_id, token=token, over_in=-1.0)
    given = {"ids": "{" + job_id.hex + "}", "tokens": [token], "spent": [token], "worker": "w", **values}
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE jobs SET attempt = max_attempts - 1 WHERE id = %s", (job_id,))
    return await end_by_hand(db, statement, given)
