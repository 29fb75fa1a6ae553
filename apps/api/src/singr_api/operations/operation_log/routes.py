"""The operation log, for operators of the platform."""

from typing import Any, Final

from msgspec.structs import asdict

from singr_api.admission.policy import Access
from singr_api.operations.operation_log.schemas import OperationPage, OperationQuery
from singr_api.routing.route import Section, page_with
from singr_db import PlatformSession
from singr_db.operation_log import list_operations

operation_log = Section("Operations", access=Access.CALLER, scope="operations:read")
_LINE: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-000000000006",
    "organization_id": "01920000-0000-7000-8000-000000000001",
    "actor_kind": "user",
    "actor": "user:019ab2c0-7f00-7000-8000-000000000007",
    "kind": "schedule.pause",
    "target": "019ab2c0-7f00-7000-8000-000000000005",
    "before": {"state": "active", "next_fire_at": "2026-11-30T01:30:00Z"},
    "after": {"state": "paused", "next_fire_at": None},
    "reason": None,
    "correlation_id": "00f067aa0ba902b7a3ce929d0e0e4736",
    "created_at": "2026-11-27T12:00:00Z",
}


@operation_log.route(
    "GET /v1/operation-log",
    "listOperations",
    page_with(_LINE),
    platform="It tells of all organizations: a credential of one, or a person acting for one, may not see it.",
)
async def index(session: PlatformSession, query: OperationQuery) -> OperationPage:
    """List operations.

    What operators, tenants and processes did to schedules, jobs and queues: newest first, kept for 400 days. `before`
    and `after` contain only what changed, and no secrets.
    """
    return OperationPage.of(await list_operations(session, **asdict(query)))
