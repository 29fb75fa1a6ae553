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
from singr_jobs.intake._enqueue import JobSink, id_in_use, kept_in_memory, row_of, statement
from singr_jobs.intake._wake import wake_after_commit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

_AT_ONCE: Final = 2000
_TAKEN: Final = "23505"  # SQLSTATE unique_violation
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
    flow.check_bounds()
    rows = [
        member_row(flow, planned, organization_id=organization_id, created_by=created_by) for planned in flow.members
    ]
    if sink is not None:
        if not isinstance(sink, FlowSink):
            raise EnqueueError("this session keeps jobs and no flows")
        return await sink.add_flow(flow, list(map(kept_in_memory, rows)), organization_id=organization_id)
    session = cast("AsyncSession", session)
    connection = await session.connection()
    woken = await _stored(connection, flow, rows, organization_id=organization_id, created_by=created_by)
    flow.enqueued = flow.enqueued or len(flow.members)
    for queue in sorted(woken):
        wake_after_commit(session.sync_session, queue)
    return flow.id


async def _stored(
    connection: "AsyncConnection",
    flow: Flow,
    rows: list[MemberRow],
    *,
    organization_id: UUID,
    created_by: str | None,
) -> set[str]:
    """Store the flow, or its new members; answers the queues where something is due with that."""
    if flow.is_new and not flow.has_given_ids:  # nothing of it can be there already
        return await _store(connection, flow, rows, organization_id=organization_id, created_by=created_by)
    from sqlalchemy.exc import IntegrityError  # noqa: PLC0415 - whoever calls has a session, and so has loaded it

    try:
        async with connection.begin_nested():  # what is refused half-way leaves nothing in the caller's transaction
            return await _store(connection, flow, rows, organization_id=organization_id, created_by=created_by)
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) != _TAKEN:
            raise
        raise EnqueueError("a job_id of a member is that of a job which is no member of this flow") from error


async def _store(
    connection: "AsyncConnection",
    flow: Flow,
    rows: list[MemberRow],
    *,
    organization_id: UUID,
    created_by: str | None,
) -> set[str]:
    members = await open_flow(connection, flow, organization_id=organization_id, created_by=created_by)
    if members is None:
        await _check_own(connection, flow, organization_id)
        flow.check_unchanged()
        return set()
    new = {planned.id for planned in members}
    rows = [row for row in rows if row.id in new]
    await add_members(connection, flow, members, rows, organization_id=organization_id)
    woken = {row.queue for row in rows}
    if flow.is_new and not flow.stays_open:
        woken |= await close(connection, flow.id, organization_id=organization_id)
    return woken


def member_row(flow: Flow, planned: Planned, *, organization_id: UUID, created_by: str | None = None) -> MemberRow:
    """The row of a member, checked; raises EnqueueError."""
    job_type = declared(planned.job)
    row = row_of(planned.job, job_type, organization_id=organization_id, job_id=planned.id, **planned.options)
    return MemberRow(**msgspec.structs.asdict(row), flow_id=flow.id, created_by=created_by)


async def open_flow(
    connection: "AsyncConnection", flow: Flow, *, organization_id: UUID, created_by: str | None = None
) -> "Sequence[Planned] | None":
    """Make the flow, or lock the existing one to add to it; None where one of a new flow's id is there already.

    Answers the members that are not there yet. Raises FlowNotFoundError, FlowClosedError, UnknownMemberError and
    EnqueueError.
    """
    which = {"id": flow.id, "organization_id": organization_id}
    may_be_there = flow.has_given_ids or flow.enqueued > 0
    if flow.is_new:
        completion = None if flow.completion is None else flow.completion_id
        made = {"name": flow.name, "on_failure": flow.on_failure.value, "completion_job_id": completion}
        values = {**which, **made, "total": len(flow.members), "created_by": created_by}
        if (await connection.execute(statement(_sql.MAKE), values)).rowcount != 1:
            return None
        return await _not_there(connection, flow) if may_be_there else flow.members
    grown = {**which, "total": 0 if may_be_there else len(flow.members)}
    if (await connection.execute(statement(_sql.GROW), grown)).rowcount != 1:
        state = (await connection.execute(statement(_sql.STATE), which)).scalar()
        if state is None:
            raise FlowNotFoundError(f"there is no flow {flow.id}")
        raise FlowClosedError(state)
    await _check_named(connection, flow)
    if not may_be_there:
        return flow.members
    members = await _not_there(connection, flow)
    await connection.execute(statement(_sql.GROW), {**which, "total": len(members)})
    return members


async def _check_own(connection: "AsyncConnection", flow: Flow, organization_id: UUID) -> None:
    """Refuse a flow's id that another organization's has; raises JobExistsError."""
    which = {"id": flow.id, "organization_id": organization_id}
    if (await connection.execute(statement(_sql.STATE), which)).scalar() is None:
        raise id_in_use("flow_id", flow.id)


async def _check_named(connection: "AsyncConnection", flow: Flow) -> None:
    """Refuse a job that waits for what is no member; raises UnknownMemberError."""
    if named := flow.named_elsewhere():
        ids = {"ids": list(named), "id": flow.id}
        stranger = (await connection.execute(statement(_sql.STRANGERS), ids)).scalar()
        if stranger is not None:
            raise UnknownMemberError(f"{STRANGER}, not for {shown(stranger)}")


async def _not_there(connection: "AsyncConnection", flow: Flow) -> "Sequence[Planned]":
    """The members without those that are there already; raises EnqueueError for the id of a job that is none."""
    ids = {"ids": [planned.id for planned in flow.members], "id": flow.id}
    found = {row.id: row.is_member for row in await connection.execute(statement(_sql.FOUND), ids)}
    for one, is_member in found.items():
        if not is_member:
            raise no_member(one)
    return [planned for planned in flow.members if planned.id not in found]


def no_member(job_id: UUID) -> EnqueueError:
    """What is raised for a member whose id another job has."""
    return EnqueueError(f"job_id {job_id} is that of a job which is no member of this flow")


async def add_members(
    connection: "AsyncConnection",
    flow: Flow,
    members: "Sequence[Planned]",
    rows: list[MemberRow],
    *,
    organization_id: UUID,
) -> None:
    """Insert the members, and what waits for what, a bite at a time: whoever is waited for comes first."""
    together = iter(zip(members, rows, strict=True))
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
