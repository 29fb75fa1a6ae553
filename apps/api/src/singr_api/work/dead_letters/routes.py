"""Dead letters: list, groups, read, requeue, discard."""

from typing import Any, Final
from uuid import UUID

from singr_api.admission.call import Call
from singr_api.admission.policy import Access
from singr_api.http.problems import DEAD_LETTER_SETTLED, NOT_ALLOWED, NOT_FOUND, UNIQUE_KEY_HELD
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_api.work.dead_letters import examples
from singr_api.work.dead_letters.schemas import GroupQuery, LetterOrganization, LetterQuery, Settle
from singr_api.work.shared import fenced, require_for, whose
from singr_db import PlatformSession
from singr_jobs import (
    DeadLetterDetail,
    DeadLetterGroups,
    DeadLetterPage,
    DeadLetterView,
    dead_letter_groups,
    dead_letters,
    discard,
    read_dead_letter,
    requeue,
)

letters = Section("Dead letters", access=Access.CALLER, scope="jobs:read")
_SEES: Final = "operations:read"
_CHANGES: Final = "operations:write"
_SETTLES: Final[dict[str, Any]] = {
    "scope": "jobs:write",
    "idempotent": True,
    "query": LetterOrganization,
    "one_factor": "It is the organization's daily work, and gives nobody lasting power.",
    "body_examples": {"why": examples.BACK},
}


@letters.route("GET /v1/dead-letters", "listDeadLetters", Answer("A page of results.", page=examples.PAGE))
async def index(services: Services, call: Call, query: LetterQuery) -> DeadLetterPage:
    """List jobs that failed for good.

    Most recent first. A page looks through at most 10,000 dead letters: if a filter matches few of them,
    `looked_back_to` says how far back it looked, and `next_cursor` continues from there. A platform credential that
    names no organization sees the dead letters of all organizations, with `operations:read`.
    """
    organization_id = whose(call, query.organization_id, _SEES)
    async with fenced(services.db, organization_id) as session:
        return await dead_letters(
            session,
            limit=query.limit,
            cursor=query.cursor,
            state=query.state,
            job_type=query.type,
            queue=query.queue,
            error_code=query.error_code,
            fingerprint=query.fingerprint,
            job_id=query.job_id,
            failed_after=query.failed_after,
            failed_before=query.failed_before,
        )


@letters.route("GET /v1/dead-letters/groups", "groupDeadLetters", Answer("The groups.", groups=examples.GROUPS))
async def groups(services: Services, call: Call, query: GroupQuery) -> DeadLetterGroups:
    """Group open dead letters by kind of failure.

    Failures of one kind share type, error code and message, apart from numbers, ids and quoted words. The largest group
    comes first; at most 200 groups are returned, each counted up to 1,000, or less if many are large. If there are more
    kinds than can be counted, `looked_back_to` says how far back the latest dead letters were looked through.
    """
    async with fenced(services.db, whose(call, query.organization_id, _SEES)) as session:
        return await dead_letter_groups(session, job_type=query.type)


@letters.route("GET /v1/dead-letters/{letter_id}", "readDeadLetter", Answer("The dead letter.", one=examples.ONE))
async def read(services: Services, call: Call, query: LetterOrganization, letter_id: UUID) -> DeadLetterDetail:
    """Read a dead letter.

    Includes its job's payload, every attempt since the job was created or last requeued, and what its handler logged in
    these attempts: the latest 256 KiB; `logs_complete` says whether that is all. An open dead letter keeps its log even
    after its job has been deleted; a settled one loses the log with its job.
    """
    async with fenced(services.db, whose(call, query.organization_id, _SEES)) as session:
        return await read_dead_letter(session, letter_id)


@letters.route(
    "POST /v1/dead-letters/{letter_id}/requeue",
    "requeueDeadLetter",
    Answer("The job is queued again.", requeued=examples.REQUEUED),
    problems=(DEAD_LETTER_SETTLED, UNIQUE_KEY_HELD, NOT_ALLOWED, NOT_FOUND),
    **_SETTLES,
)
async def back(
    session: PlatformSession, call: Call, query: LetterOrganization, letter_id: UUID, body: Settle | None = None
) -> DeadLetterView:
    """Requeue a dead letter.

    Its job is tried again under the same id, which lets a provider recognise a duplicate of what it was sent before.
    Attempts are counted from one again; earlier ones stay in the history. This also works after the job itself has been
    deleted. The caller needs the permissions required to create a job of this type: `notifications:write` for a
    message. Jobs that callers cannot create are given back by the platform's operators alone.
    """
    organization_id = whose(call, query.organization_id, _CHANGES)
    letter = await read_dead_letter(session, letter_id, organization_id=organization_id)
    require_for(call.principal, letter.type)
    return await requeue(session, letter_id, organization_id=organization_id, reason=_why(body))


@letters.route(
    "POST /v1/dead-letters/{letter_id}/discard",
    "discardDeadLetter",
    Answer("Discarded.", discarded=examples.DISCARDED),
    problems=(DEAD_LETTER_SETTLED, NOT_ALLOWED, NOT_FOUND),
    **_SETTLES,
)
async def away(
    session: PlatformSession, call: Call, query: LetterOrganization, letter_id: UUID, body: Settle | None = None
) -> DeadLetterView:
    """Discard a dead letter.

    Its job stays failed, and no longer appears in any group. The dead letter is kept for its retention period, and
    cannot be requeued. The caller needs the same permissions as for requeueing it.
    """
    organization_id = whose(call, query.organization_id, _CHANGES)
    letter = await read_dead_letter(session, letter_id, organization_id=organization_id)
    require_for(call.principal, letter.type)
    return await discard(session, letter_id, organization_id=organization_id, reason=_why(body))


def _why(body: Settle | None) -> str | None:
    return None if body is None else body.reason
