"""What stands in for sessions: an organization's, which may do no more than a session of `Database.tenant`."""

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from uuid import UUID

from singr_jobs.declare._errors import EnqueueError
from singr_jobs.flows._flow import Flow

if TYPE_CHECKING:
    from singr_jobs.memory._reading import MemoryReading


@runtime_checkable
class ReadsMemory(Protocol):
    """What stands in for a session, and says what an organization may read: an `InMemoryJobs`, or its `tenant`.

    Attributes:
        organization_id: whose alone; None: everybody's.
    """

    reading: "MemoryReading"
    organization_id: UUID | None


class _Whole(ReadsMemory, Protocol):
    """An `InMemoryJobs`."""

    flows: Any
    schedules: Any

    async def add_job(self, row: dict[str, Any]) -> UUID: ...

    async def add_flow(self, flow: Flow, rows: list[dict[str, Any]], *, organization_id: UUID) -> UUID: ...


class MemoryTenant:
    """One organization's session of an `InMemoryJobs`: others' jobs are not there, and it takes none for them."""

    def __init__(self, memory: "_Whole", organization_id: UUID) -> None:
        self._memory = memory
        self.organization_id: UUID | None = organization_id
        self.reading = memory.reading
        self.flows = memory.flows
        self.schedules = memory.schedules

    async def add_job(self, row: dict[str, Any]) -> UUID:
        """Take a job of this organization from `enqueue`."""
        self._refuse_others(row["organization_id"])
        return await self._memory.add_job(row)

    async def add_flow(self, flow: Flow, rows: list[dict[str, Any]], *, organization_id: UUID) -> UUID:
        """Take a flow of this organization from `enqueue`."""
        self._refuse_others(organization_id)
        return await self._memory.add_flow(flow, rows, organization_id=organization_id)

    def _refuse_others(self, organization_id: UUID) -> None:
        if organization_id != self.organization_id:
            raise EnqueueError("the session is another organization's than the job")

    def __getattr__(self, name: str) -> Any:
        """Say of what a database's session has, too, why it is not here."""
        raise AttributeError(
            f"one organization's session in memory has no {name}: what is called here needs platform(), or a database"
        )
