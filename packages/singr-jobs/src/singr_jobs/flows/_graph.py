"""The members of a flow, how each stands, and whom it waits for."""

from uuid import UUID

from sqlalchemy import select

from singr_db import TenantSession, sql_text
from singr_db.pages import Page, fetch_page
from singr_db.tables import Job, JobStatus
from singr_jobs.declare._types import Queue
from singr_jobs.declare._views import error_view
from singr_jobs.flows._store import read_flow
from singr_jobs.flows._views import SHOWN, MemberView
from singr_jobs.memory._pages import page_in_memory
from singr_jobs.memory._sessions import ReadsMemory

_RUNNING = sql_text("SELECT id, started_at FROM running_jobs(CAST(%(ids)s AS uuid[]))", roles=("tenant",))
_WAITING = sql_text("SELECT id FROM job_waiting WHERE id = ANY (CAST(%(ids)s AS uuid[]))", roles=("tenant",))
_EDGES = sql_text(
    f"""
SELECT named.id, edge.predecessor FROM unnest(CAST(%(ids)s AS uuid[])) AS named (id)
 CROSS JOIN LATERAL (
    SELECT d.predecessor FROM job_dependencies AS d WHERE d.successor = named.id
     ORDER BY d.predecessor LIMIT {SHOWN + 1}) AS edge
""",  # noqa: S608 - a constant
    roles=("tenant",),
)


async def list_members(
    session: TenantSession | ReadsMemory, flow_id: UUID, *, limit: int = 20, cursor: str | None = None
) -> Page[MemberView]:
    """The members of a flow in the order of their ids; raises FlowNotFoundError and InvalidCursor.

    That is the order in which they were added, unless they were given ids of their own.
    """
    if isinstance(session, ReadsMemory):
        kept = session.reading.flows.members(flow_id, organization_id=session.organization_id)
        return page_in_memory(kept, limit=limit, cursor=cursor, oldest_first=True)
    flow = await read_flow(session, flow_id, organization_id=session.organization_id)
    statement = select(Job).where(Job.flow_id == flow_id, Job.organization_id == session.organization_id)
    page = await fetch_page(session, statement, key=Job.id, limit=limit, cursor=cursor, oldest_first=True)
    ids = {"ids": [job.id for job in page.items]}
    began = {row.id: row.started_at for row in await session.execute(_RUNNING, ids)}
    waiting = set((await session.execute(_WAITING, ids)).scalars())
    after: dict[UUID, list[UUID]] = {}
    for edge in await session.execute(_EDGES, ids):
        after.setdefault(edge.id, []).append(edge.predecessor)
    members = [
        MemberView(
            id=job.id,
            type=job.type,
            queue=Queue.stored(job.queue),
            status=_status(job, waits=job.id in waiting, runs=job.id in began),  # type: ignore[arg-type] # as it is stored
            after=after.get(job.id, [])[:SHOWN],
            more_after=len(after.get(job.id, [])) > SHOWN,
            is_completion=job.id == flow.completion_job_id,
            run_at=job.run_at,
            started_at=began.get(job.id, job.started_at),
            finished_at=job.finished_at,
            error=error_view(job.error),
            reference=job.reference,
            labels=tuple(job.labels or ()),
        )
        for job in page.items
    ]
    return Page(tuple(members), page.next_cursor)


def _status(job: Job, *, waits: bool, runs: bool) -> str:
    if job.status != JobStatus.PENDING:
        return job.status
    return "waiting" if waits else "processing" if runs else "pending"
