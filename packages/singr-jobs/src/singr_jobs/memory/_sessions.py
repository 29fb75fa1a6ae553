"""What stands in for sessions: an organization's, which may do no more than a session of `Database.tenant`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable
from uuid import UUID

from singr_jobs.declare._errors import EnqueueError
from singr_jobs.flows._flow import Flow

if TYPE_CHECKING:
    from singr_jobs.memory._reading import MemoryReading

_NOBODY: Final = UUID(int=0)
"""Whose nothing is."""


@runtime_checkable
class ReadsMemory(Protocol):
    """What stands in for a session, and says what an organization may read: an `InMemoryJobs`, or its `tenant`.

    Attributes:
        organization_id: whose alone; None: everybody's.
    """

    reading: "MemoryReading"
    organization_id: UUID | None


def ours_of(session: ReadsMemory, named: UUID | None) -> UUID | None:
    """Whose things are meant, as the database's fence has it: an organization's session knows its own alone."""
    own = session.organization_id
    return named if own is None else own if named in {None, own} else _NOBODY


class _Whole(ReadsMemory, Protocol):
    """An `InMemoryJobs`."""

    flows: Any
    schedules: Any

    async def add_job(self, row: dict[str, Any]) -> UUID: ...

    async def add_flow(self, flow: Flow, rows: list[dict[str, Any]], *, organization_id: UUID) -> UUID: ...


class _Own:
    """A store as one organization's session has it: what is asked for another organization is not there.

    Args:
        store: of all organizations; what may be called names whose things it is about.
        organization_id: whose session it is.
    """

    def __init__(self, store: Any, organization_id: UUID) -> None:
        self._store = store
        self._organization_id = organization_id

    def __getattr__(self, name: str) -> Callable[..., Any]:
        asked = getattr(self._store, name)

        def of_its_own(*what: Any, organization_id: UUID) -> Any:
            ours = organization_id == self._organization_id
            return asked(*what, organization_id=organization_id if ours else _NOBODY)

        return of_its_own


class MemoryTenant:
    """One organization's session of an `InMemoryJobs`: others' jobs are not there, and it takes none for them."""

    def __init__(self, memory: "_Whole", organization_id: UUID) -> None:
        self._memory = memory
        self.organization_id: UUID | None = organization_id
        self.reading = memory.reading
        self.flows: Any = _Own(memory.flows, organization_id)
        self.schedules: Any = _Own(memory.schedules, organization_id)

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
