"""A flow is stored within the caller's transaction: all of it, or none."""

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol, cast, runtime_checkable
from uuid import UUID

import msgspec

from singr_jobs._plain import shown
from singr_jobs.declare._errors import EnqueueError, FlowClosedError, FlowNotFoundError, UnknownMemberError
from singr_jobs.declare._job_types import declared
from singr_jobs.flows import _sql
from singr_jobs.flows._flow import STRANGER, Flow, Planned
from singr_jobs.flows._sql import EdgeRow, MemberRow
from singr_jobs.intake._enqueue import JobSink, kept_in_memory, row_of, statement
from singr_jobs.intake._wake import wake_after_commit

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

_AT_ONCE: Final = 2000
_encode = msgspec.json.Encoder().encode


@runtime_checkable
class FlowSink(Protocol):
    """A `JobSink` that keeps flows as well."""

    async def add_flow(self, flow: Flow, rows: list[dict[str, Any]], *, organization_id: UUID) -> UUID:
        """Keep the flow with the rows of its members, or add these to it; raises as `enqueue`."""
        ...


async def enqueue_flow(
    session: "AsyncSession | JobSink",
    sink: JobSink | None,
    flow: Flow,
    *,
    organization_id: UUID,
    created_by: str | None = None,
) -> UUID:
    """Store a flow, or add to one that is stored, in `sink` where that is one; as `enqueue` says.

    `created_by` is the caller whose jobs they are, as ingestion has it.
    """
    rows = [
        member_row(flow, planned, organization_id=organization_id, created_by=created_by) for planned in flow.members
    ]
    if sink is not None:
        if not isinstance(sink, FlowSink):
            raise EnqueueError("this session keeps jobs and no flows")
        return await sink.add_flow(flow, list(map(kept_in_memory, rows)), organization_id=organization_id)
    session = cast("AsyncSession", session)
    connection = await session.connection()
    if not await open_flow(connection, flow, organization_id=organization_id, created_by=created_by):
        return flow.id
    await add_members(connection, flow, rows, organization_id=organization_id)
    woken = {row.queue for row in rows}
    if flow.is_new and not flow.stays_open:
        woken |= await close(connection, flow.id, organization_id=organization_id)
    for queue in sorted(woken):
        wake_after_commit(session.sync_session, queue)
    return flow.id


def member_row(flow: Flow, planned: Planned, *, organization_id: UUID, created_by: str | None = None) -> MemberRow:
    """The row of a member, checked; raises EnqueueError."""
    job_type = declared(planned.job)
    row = row_of(planned.job, job_type, organization_id=organization_id, job_id=planned.id, **planned.options)
    return MemberRow(**msgspec.structs.asdict(row), flow_id=flow.id, created_by=created_by)


async def open_flow(
    connection: "AsyncConnection", flow: Flow, *, organization_id: UUID, created_by: str | None = None
) -> bool:
    """Make the flow, or lock the existing one to add to it; False where one of a new flow's id is there already.

    Raises FlowNotFoundError, FlowClosedError and UnknownMemberError.
    """
    values = {"id": flow.id, "organization_id": organization_id, "total": len(flow.members)}
    if flow.is_new:
        completion = None if flow.completion is None else flow.completion_id
        made = {"name": flow.name, "on_failure": flow.on_failure.value, "completion_job_id": completion}
        stored = await connection.execute(statement(_sql.MAKE), {**values, **made, "created_by": created_by})
        return stored.rowcount == 1
    if (await connection.execute(statement(_sql.GROW), values)).rowcount != 1:
        which = {"id": flow.id, "organization_id": organization_id}
        state = (await connection.execute(statement(_sql.STATE), which)).scalar()
        if state is None:
            raise FlowNotFoundError(f"there is no flow {flow.id}")
        raise FlowClosedError(state)
    if named := flow.named_elsewhere():
        ids = {"ids": list(named), "id": flow.id}
        stranger = (await connection.execute(statement(_sql.STRANGERS), ids)).scalar()
        if stranger is not None:
            raise UnknownMemberError(f"{STRANGER}, not for {shown(stranger)}")
    return True


async def add_members(
    connection: "AsyncConnection", flow: Flow, rows: list[MemberRow], *, organization_id: UUID
) -> None:
    """Insert the members, and what waits for what, a bite at a time: whoever is waited for comes first."""
    together = iter(zip(flow.members, rows, strict=True))
    while bite := list(islice(together, _AT_ONCE)):
        edges = [
            EdgeRow(predecessor, planned.id, flow.id, organization_id)
            for planned, _ in bite
            for predecessor in planned.after
        ]
        values = {"edges": _encode(edges).decode(), "rows": _encode([row for _, row in bite]).decode()}
        await connection.execute(statement(_sql.ADD), values)


async def close(connection: "AsyncConnection", flow_id: UUID, *, organization_id: UUID) -> set[str]:
    """Close a flow, whose completion job may be due with that; answers the queues where something is.

    Raises FlowNotFoundError.
    """
    which = {"id": flow_id, "organization_id": organization_id}
    if (await connection.execute(statement(_sql.CLOSE), which)).rowcount != 1:
        raise FlowNotFoundError(f"there is no flow {flow_id}")
    return set((await connection.execute(statement(_sql.GO_ON), {"id": flow_id})).scalars())
