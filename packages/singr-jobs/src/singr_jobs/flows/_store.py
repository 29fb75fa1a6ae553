"""Finding flows, closing and cancelling them, within the caller's transaction."""

from typing import Final, TypeAlias
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import sql_text
from singr_db.ending import CANCEL_FLOW
from singr_db.operation_log import log_operation
from singr_db.pages import Page, fetch_page
from singr_db.tables import Flow as StoredFlow
from singr_db.tables import FlowState, JobStatus
from singr_jobs.declare._checks import check_choice, check_id
from singr_jobs.declare._errors import FlowEndedError, FlowNotFoundError
from singr_jobs.flows import _sql
from singr_jobs.flows._adding import close
from singr_jobs.flows._memory import KeepsFlows
from singr_jobs.flows._views import FlowView, flow_view
from singr_jobs.intake._wake import cancel_after_commit, wake_after_commit
from singr_jobs.memory._pages import page_in_memory

Session: TypeAlias = AsyncSession | KeepsFlows
"""What flows are kept in: a session with its transaction open; in tests, an `InMemoryJobs`."""

BITE: Final = 1000
"""So many members are cancelled at once; the others by a worker's chore, within seconds."""

for _statement in (_sql.MAKE, _sql.GROW, _sql.STATE, _sql.STRANGERS, _sql.FOUND, _sql.ADD, _sql.CLOSE, _sql.GO_ON):
    sql_text(_statement, roles=("platform", "tenant"))
_CANCEL_MEMBERS = sql_text(CANCEL_FLOW, roles=("platform", "tenant"))
_CANCEL = sql_text(
    """
UPDATE flows SET cancelled_at = coalesce(cancelled_at, now()),
       finished_at = CASE WHEN completed + failed + cancelled = total THEN coalesce(finished_at, now()) END
 WHERE id = %(id)s AND organization_id = %(organization_id)s AND state <> 'completed'
""",
    roles=("platform", "tenant"),
)


async def read_flow(session: Session, flow_id: UUID, *, organization_id: UUID) -> FlowView:
    """One flow, and how far it is; raises FlowNotFoundError."""
    if isinstance(session, KeepsFlows):
        return session.flows.read(flow_id, organization_id=organization_id)
    found = await session.scalar(
        select(StoredFlow)
        .where(StoredFlow.id == flow_id, StoredFlow.organization_id == organization_id)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise FlowNotFoundError(f"there is no flow {flow_id}")
    return flow_view(found)


async def list_flows(
    session: Session,
    *,
    organization_id: UUID,
    limit: int = 20,
    cursor: str | None = None,
    state: str | None = None,
) -> Page[FlowView]:
    """An organization's flows, newest first; raises InvalidCursor, and ValueError for a state that is none."""
    wanted = None if state is None else check_choice("state", state, FlowState)
    check_id("organization_id", organization_id)
    if isinstance(session, KeepsFlows):
        kept = session.flows.all(organization_id=organization_id)
        return page_in_memory((one for one in kept if wanted in {None, one.state}), limit=limit, cursor=cursor)
    statement = select(StoredFlow).where(StoredFlow.organization_id == organization_id)
    if wanted is not None:
        statement = statement.where(StoredFlow.state == wanted)
    page = await fetch_page(session, statement, key=StoredFlow.id, limit=limit, cursor=cursor)
    return Page(tuple(map(flow_view, page.items)), page.next_cursor)


async def close_flow(session: Session, flow_id: UUID, *, organization_id: UUID) -> FlowView:
    """Let a flow take no more members: once all have ended, its completion job runs; a closed one stays as it is.

    Raises FlowNotFoundError.
    """
    if isinstance(session, KeepsFlows):
        return session.flows.close(flow_id, organization_id=organization_id)
    before = await _locked(session, flow_id, organization_id)
    for queue in await close(await session.connection(), flow_id, organization_id=organization_id):
        wake_after_commit(session.sync_session, queue)
    return await _put_down(session, "flow.close", before)


async def cancel_flow(session: Session, flow_id: UUID, *, organization_id: UUID) -> FlowView:
    """Cancel all of a flow that has not ended: what waits at once, or within seconds where it is much.

    What runs is asked to stop. A flow that was cancelled before is answered as it is.

    Raises:
        FlowNotFoundError: no such flow in this organization.
        FlowEndedError: all of it has ended.
    """
    if isinstance(session, KeepsFlows):
        return session.flows.cancel(flow_id, organization_id=organization_id)
    before = await _locked(session, flow_id, organization_id)
    which = {"id": flow_id, "organization_id": organization_id}
    if (await session.execute(_CANCEL, which)).rowcount == 0:  # type: ignore[attr-defined] # an UPDATE has a count
        raise FlowEndedError(before.state)
    for member in await session.execute(_CANCEL_MEMBERS, {"flow_id": flow_id, "limit": BITE}):
        if member.status != JobStatus.CANCELLED:
            cancel_after_commit(session.sync_session, member.id)
    return await _put_down(session, "flow.cancel", before)


async def _locked(session: AsyncSession, flow_id: UUID, organization_id: UUID) -> FlowView:
    """The flow as it is before somebody changes it, so that of two who do, one tells of it."""
    which = (StoredFlow.id == flow_id, StoredFlow.organization_id == organization_id)
    await session.execute(select(StoredFlow.id).where(*which).with_for_update(key_share=True))
    return await read_flow(session, flow_id, organization_id=organization_id)


async def _put_down(session: AsyncSession, act: str, before: FlowView) -> FlowView:
    after = await read_flow(session, before.id, organization_id=before.organization_id)
    was, now = ({"state": one.state, "closed": one.closed_at is not None} for one in (before, after))
    await log_operation(session, act, before.id, organization_id=before.organization_id, before=was, after=now)
    return after
