"""Flows of HTTP callers: what they ask for passes the intake, and is stored with what belongs to it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from singr_db import TenantSession
from singr_jobs.declare._job_types import Intake, JobType
from singr_jobs.flows._adding import enqueue_flow
from singr_jobs.flows._flow import Flow
from singr_jobs.intake._enqueue import statement
from singr_jobs.intake._intakes import Intakes

_encode = msgspec.json.Encoder().encode


class RequestedFlow:
    """A flow as a caller asks for it, member by member.

    Args:
        flow: the flow, without members.
        intakes: what turns requests into jobs.
        organization_id: whose it is.
        created_by: who asks.
        by_platform: who asks belongs to no organization.
    """

    def __init__(
        self, flow: Flow, intakes: Intakes, *, organization_id: UUID, created_by: str, by_platform: bool
    ) -> None:
        self.flow = flow
        self._intakes = intakes
        self._organization_id = organization_id
        self._created_by = created_by
        self._by_platform = by_platform
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
        """Store all of it within the session's transaction; raises as `enqueue`."""
        await enqueue_flow(session, None, self.flow, organization_id=self._organization_id, created_by=self._created_by)
        for place, companions in self._companions.items():
            insert = self._intakes.inserts[place].format(rows="%(companions)s")
            await session.execute(statement(insert), {"companions": _encode(companions).decode()})


class FlowRequests:
    """Takes in the flows of callers.

    Args:
        intakes: by the struct of their jobs, what turns requests into these.
    """

    def __init__(self, intakes: Mapping[type, Intake[Any]]) -> None:
        self._intakes = Intakes(intakes)

    def begin(self, flow: Flow, *, organization_id: UUID, created_by: str, by_platform: bool) -> RequestedFlow:
        """Begin a flow, to which its members are to be added."""
        return RequestedFlow(
            flow, self._intakes, organization_id=organization_id, created_by=created_by, by_platform=by_platform
        )
