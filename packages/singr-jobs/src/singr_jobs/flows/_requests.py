"""Flows of HTTP callers: what they ask for passes the intake, and is stored with what belongs to it."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_db import TenantSession, sql_text
from singr_jobs.declare._errors import TooManyFlowsError
from singr_jobs.declare._job_types import Intake, JobType
from singr_jobs.flows._adding import enqueue_flow
from singr_jobs.flows._flow import Flow
from singr_jobs.intake._enqueue import statement
from singr_jobs.intake._intakes import Intakes

MOST_OPEN: Final = 1000
"""So many flows of one organization may stand open at once, unless told otherwise."""
_encode = msgspec.json.Encoder().encode
# One after the other, so that two at once do not both find room for the last.
_LOCK_ROOM = sql_text(
    "SELECT pg_advisory_xact_lock(hashtextextended('flows ' || CAST(CAST(:organization_id AS uuid) AS text), 0))",
    roles=("tenant",),
)
# As many as there may be are looked at, along an index: however many flows there were, it costs no more.
_ROOM = sql_text(
    """
SELECT count(*) < :most FROM (
    SELECT FROM flows WHERE organization_id = :organization_id AND state = 'open' ORDER BY id LIMIT :most) AS open
""",
    roles=("tenant",),
)


class RequestedFlow:
    """A flow as a caller asks for it, member by member.

    Args:
        flow: the flow, without members.
        intakes: what turns requests into jobs.
        organization_id: whose it is.
        created_by: who asks.
        by_platform: who asks belongs to no organization.
        most_open: so many flows of the organization may stand open.
    """

    def __init__(
        self, flow: Flow, intakes: Intakes, *, organization_id: UUID, created_by: str, by_platform: bool, most_open: int
    ) -> None:
        self.flow = flow
        self._intakes = intakes
        self._organization_id = organization_id
        self._created_by = created_by
        self._by_platform = by_platform
        self._most_open = most_open
        self._companions: dict[int, list[msgspec.Struct]] = {}

    def take(self, job_type: JobType, payload: Any, job_id: UUID) -> msgspec.Struct:
        """The job of a request; raises IntakeError and ReservedError as ingestion does."""
        taken = self._intakes.take(
            job_type,
            payload,
            job_id=job_id,
            organization_id=self._organization_id,
            by_platform=self._by_platform,
        )
        if taken.intake is not None and taken.companion is not None:
            self._companions.setdefault(taken.intake, []).append(taken.companion)
        return taken.job

    async def store(self, session: TenantSession) -> None:
        """Store all of it within the session's transaction; raises as `enqueue`, and TooManyFlowsError."""
        if self.flow.is_new and self.flow.stays_open:
            await self._check_room(session)
        await enqueue_flow(session, None, self.flow, organization_id=self._organization_id, created_by=self._created_by)
        for place, companions in self._companions.items():
            insert = self._intakes.inserts[place].format(rows="%(companions)s")
            await session.execute(statement(insert), {"companions": _encode(companions).decode()})

    async def _check_room(self, session: TenantSession) -> None:
        values = {"organization_id": self._organization_id, "most": self._most_open}
        await session.execute(_LOCK_ROOM, values)
        if not await session.scalar(_ROOM, values):
            raise TooManyFlowsError(self._most_open)


class FlowRequests:
    """Takes in the flows of callers.

    Args:
        intakes: by the struct of their jobs, what turns requests into these.
        most_open: so many flows of one organization may stand open at once.
    """

    def __init__(self, intakes: Mapping[type, Intake[Any]], *, most_open: int = MOST_OPEN) -> None:
        self._most_open = most_open
        self._intakes = Intakes(intakes)

    def begin(self, flow: Flow, *, organization_id: UUID, created_by: str, by_platform: bool) -> RequestedFlow:
        """Begin a flow, to which its members are to be added."""
        return RequestedFlow(
            flow,
            self._intakes,
            organization_id=organization_id,
            created_by=created_by,
            by_platform=by_platform,
            most_open=self._most_open,
        )
