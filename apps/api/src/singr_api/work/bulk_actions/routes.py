"""Bulk actions: ask, look first, list, read, stop."""

from typing import Any, Final
from uuid import UUID

from singr_api.admission.call import Call
from singr_api.admission.idempotency import Reply
from singr_api.admission.policy import Access
from singr_api.http.form.validation import encode
from singr_api.http.problems import BULK_ACTION_ENDED, FILTER_TOO_WIDE, NOT_ALLOWED, NOT_FOUND
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_api.work.bulk_actions import examples
from singr_api.work.bulk_actions.schemas import (
    BulkOrganization,
    BulkPage,
    BulkPreview,
    BulkQuery,
    CreateBulkAction,
)
from singr_api.work.shared import fenced, require_for, steered_by, whose
from singr_db import PlatformSession
from singr_jobs import (
    BulkActionView,
    BulkRequest,
    Priority,
    act_in_bulk,
    list_bulk,
    preview_bulk,
    read_bulk,
    stop_bulk,
)

bulk = Section("Bulk actions", access=Access.CALLER, scope="jobs:read")
_SEES: Final = "operations:read"
_CHANGES: Final[dict[str, Any]] = {
    "scope": "jobs:write",
    "idempotent": True,
    "query": BulkOrganization,
    "one_factor": "It is the organization's daily work, and gives nobody lasting power.",
}
_TAKES_ALL: Final = "operations:write"


@bulk.route(
    "POST /v1/bulk-actions",
    "createBulkAction",
    Answer("Accepted: workers carry it out.", of=BulkActionView, status=202, new=examples.NEW),
    Answer("A dry run: nothing was changed.", of=BulkPreview, seen=examples.SEEN),
    body_examples={"dry_run": examples.DRY, "requeue": examples.REQUEUE},
    problems=(FILTER_TOO_WIDE, NOT_ALLOWED),
    **_CHANGES,
)
async def create(session: PlatformSession, call: Call, query: BulkOrganization, body: CreateBulkAction) -> Reply:
    """Act on many jobs or dead letters.

    Acts once on everything that matches the filter now; jobs that fail again or are created later are not included.
    Workers do it in small batches; if one dies, another continues from there. Begin with `dry_run`, which counts (to
    10,000 rows) and shows the first 20. For actions that end work, or that concern all organizations, a filter without
    type, queue, error code or fingerprint is refused. A platform credential that names no organization acts on all,
    with `operations:write`. Every action needs the permissions required to create jobs of that type, or of every type
    if the filter names none: `notifications:write` for messages. Without them, the whole action is refused (403). For
    an organization's callers it leaves out jobs that callers cannot create, such as those that erase a recipient.
    """
    require_for(call.principal, body.filter.type)
    asked = BulkRequest(
        action=body.action,
        which=body.filter.plain,
        types=steered_by(call.principal),
        organization_id=whose(call, query.organization_id, _TAKES_ALL),
        priority=None if body.given_priority is None else Priority(body.given_priority),
        rate_per_minute=body.rate_per_minute,
        reason=body.reason,
    )
    if body.dry_run:
        return Reply(200, encode(await preview_bulk(session, asked)))
    return Reply(202, encode(await act_in_bulk(session, asked)))


@bulk.route("GET /v1/bulk-actions", "listBulkActions", page_with(examples.VIEW))
async def index(services: Services, call: Call, query: BulkQuery) -> BulkPage:
    """List bulk actions.

    Most recent first. A platform credential that names no organization sees the bulk actions of all, with
    `operations:read`.
    """
    organization_id = whose(call, query.organization_id, _SEES)
    async with fenced(services.db, organization_id) as session:
        found = await list_bulk(session, organization_id=organization_id, limit=query.limit, cursor=query.cursor)
    return BulkPage.of(found)


@bulk.route("GET /v1/bulk-actions/{action_id}", "readBulkAction", Answer("The bulk action.", one=examples.ONE))
async def read(services: Services, call: Call, query: BulkOrganization, action_id: UUID) -> BulkActionView:
    """Read a bulk action.

    Includes its progress, and the first 20 items that it could not be applied to.
    """
    organization_id = whose(call, query.organization_id, _SEES)
    async with fenced(services.db, organization_id) as session:
        return await read_bulk(session, action_id, organization_id=organization_id)


@bulk.route(
    "POST /v1/bulk-actions/{action_id}/stop",
    "stopBulkAction",
    Answer("The bulk action is stopped.", stopped=examples.STOPPED),
    problems=(BULK_ACTION_ENDED, NOT_FOUND),
    **_CHANGES,
)
async def stop(session: PlatformSession, call: Call, query: BulkOrganization, action_id: UUID) -> BulkActionView:
    """Stop a bulk action.

    Once this has answered, nothing more is changed. What was done stays done; to continue with the rest, create the
    bulk action again.
    """
    organization_id = whose(call, query.organization_id, _TAKES_ALL)
    return await stop_bulk(session, action_id, organization_id=organization_id)
