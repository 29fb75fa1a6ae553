"""The operation log: who did what to what, before and after, and why; written in the transaction that did it.

Whoever opens a session for somebody says so (`act_as`); what is done in it is then put down by one line:

    await log_operation(session, "queue.pause", queue, after={"paused": True}, reason=reason)

So an act that is rolled back was never done, and one that is committed is always told of.
"""

import re
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db._errors import SingrDbError
from singr_db._ids import PLATFORM_ORGANIZATION_ID, new_id
from singr_db._statements import sql_text
from singr_db._storable import storable, storable_text
from singr_db.pages import Page, search_page
from singr_db.tables import ActorKind, Operation
from singr_observability import correlation_id, redact, redact_text

__all__ = [
    "KEPT_DAYS",
    "LONGEST_REASON",
    "REASON_PATTERN",
    "OperationView",
    "ReasonError",
    "act_as",
    "actor_of",
    "checked_reason",
    "list_operations",
    "log_operation",
]

KEPT_DAYS: Final = 400
"""How long a line is kept: somewhat more than a year."""
LONGEST_REASON: Final = 1000
"""Characters that a reason has at most, whoever gives it and whatever for."""
REASON_PATTERN: Final = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+(?![\s\S])"
"""What a reason consists of: one line, in any script, with nothing that steers a terminal or turns the line round."""
_REASON: Final = re.compile(REASON_PATTERN)
_ACTOR: Final = "singr_db.actor"
_PERSON: Final = "user:"

_LOG = sql_text(
    """
INSERT INTO operation_log (id, organization_id, actor_kind, actor, kind, target, before, after, reason, correlation_id)
VALUES (:id, :organization_id, :actor_kind,
        coalesce(:actor, nullif(current_setting('application_name'), ''), 'unknown'), :kind, :target,
        CAST(:before AS jsonb), CAST(:after AS jsonb), :reason, :correlation_id)
""",
    roles=("platform", "tenant"),
)


class ReasonError(SingrDbError, ValueError):
    """A reason cannot be kept and shown; nothing of what it was given for is done.

    Attributes:
        field: `reason`.
        message: what would be right.
        code: `invalid`.
    """

    field: Final = "reason"
    code: Final = "invalid"

    def __init__(self, message: str) -> None:
        super().__init__(f"reason {message}")
        self.message = message


class OperationView(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the operation log.

    Attributes:
        organization_id: the organization concerned; the platform's own if it concerned no other.
        actor_kind: a person, a service, or a process acting on its own.
        actor: `user:` and an id, the key id of a credential, or the name of a process.
        kind: what was done, prefixed by the kind of object: `job.cancel`.
        target: the object: an id or a name.
        before: the previous values of what changed; null if it did not exist.
        after: the new values of what changed; null if it no longer exists.
        reason: the reason given.
        correlation_id: the request that caused it.
    """

    id: UUID
    organization_id: UUID
    actor_kind: Literal["user", "credential", "process"]
    actor: str
    kind: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None
    correlation_id: str | None
    created_at: datetime


def act_as(session: AsyncSession, actor: str | None) -> None:
    """Say for whom this session's transaction acts: `user:` and an id, or a credential's key id.

    Where nobody says it, the process acts for itself, by the name that it has at the database.
    """
    session.info[_ACTOR] = actor


def actor_of(session: AsyncSession) -> str | None:
    """Whom this session's transaction acts for; None where the process acts for itself."""
    actor: str | None = session.info.get(_ACTOR)
    return actor


def checked_reason(reason: object) -> str | None:
    """Why somebody does something, in the form in which it is kept and shown everywhere: secrets hidden.

    Raises:
        ReasonError: it is no single line of 1 to 1,000 characters, or holds some that steer a terminal.
    """
    if reason is None:
        return None
    if not isinstance(reason, str):
        raise ReasonError(f"must be a text, not {type(reason).__name__}")
    if not 1 <= len(reason) <= LONGEST_REASON:
        raise ReasonError(f"must have 1 to {LONGEST_REASON} characters, not {len(reason)}")
    if _REASON.search(reason) is None:
        raise ReasonError("must be one line without control characters and direction overrides")
    if not any(one.isprintable() and not one.isspace() for one in reason):
        raise ReasonError("must say why: nothing of it can be seen")
    return redact_text(reason)[:LONGEST_REASON]


async def log_operation(
    session: AsyncSession,
    kind: str,
    target: str | UUID,
    *,
    organization_id: UUID | None = None,
    before: object = None,
    after: object = None,
    reason: str | None = None,
) -> None:
    """Put an act down, in the caller's transaction; nothing where `before` and `after` are the same.

    Args:
        session: the session that does it.
        kind: what was done, beginning with what it was done to: `job.cancel`, `queue.pause`.
        target: to which one: its id or name.
        organization_id: whose matter it is; the session's own organization unless told, else the platform's.
        before: how it was, a mapping or struct; None where it was not there. Where `after` is given too, what is the
            same in both is left out. Secrets are hidden by the names of their fields and by their look, as in logs.
        after: how it is now, likewise.
        reason: why, in the words of who does it.

    Raises ReasonError.
    """
    words = checked_reason(reason)
    was, now = _plain(before), _plain(after)
    if was is not None and now is not None:
        changed = [name for name in {**was, **now} if was.get(name) != now.get(name)]
        if not changed:
            return
        was, now = ({name: side[name] for name in changed if name in side} for side in (was, now))
    actor = actor_of(session)
    values = {
        "id": new_id(),
        "organization_id": organization_id or session.info.get("organization_id", PLATFORM_ORGANIZATION_ID),
        "actor_kind": _kind_of(actor),
        "actor": actor,
        "kind": kind,
        "target": storable_text(str(target)),
        "before": _json(was),
        "after": _json(now),
        "reason": words,
        "correlation_id": correlation_id.get(),
    }
    await session.execute(_LOG, values)


async def list_operations(
    session: AsyncSession,
    *,
    limit: int,
    cursor: str | None = None,
    organization_id: UUID | None = None,
    actor: str | None = None,
    kind: str | None = None,
    target: str | None = None,
) -> Page[OperationView]:
    """A page of the log, newest first, as far as it fits every filter given, of 10,000 lines.

    Raises InvalidCursor, and ValueError for a filter that no line can fit; names the field.
    """
    given = {"target": target, "actor": actor, "kind": kind, "organization_id": organization_id}
    filters = {name: value for name, value in given.items() if value is not None}
    for name, value in filters.items():
        _check_filter(name, value)
    # Each has an index, and the most exact leads; to one whom the fence shows an organization's alone, that's.
    fenced = session.info.get("organization_id")
    leads = {"organization_id": fenced} if fenced is not None else dict([*filters.items()][:1])

    def fits(line: Any) -> list[ColumnElement[bool]]:
        return [getattr(line, name) == value for name, value in filters.items() if leads.get(name) != value]

    page = await search_page(
        session, select(Operation).filter_by(**leads), fits, entity=Operation, limit=limit, cursor=cursor
    )
    names = OperationView.__struct_fields__
    views = [OperationView(**{name: getattr(line, name) for name in names}) for line in page.items]
    return Page(tuple(views), page.next_cursor, page.looked_back_to)


def _check_filter(name: str, value: object) -> None:
    if name == "organization_id":
        if not isinstance(value, UUID):
            raise ValueError(f"organization_id must be a UUID, not {value!r:.80}")
    elif not isinstance(value, str):
        raise ValueError(f"{name} must be a text, not {value!r:.80}")
    elif storable_text(value) != value:
        raise ValueError(f"{name} must be without NUL and halves of characters, not {value!a:.80}")


def _kind_of(actor: str | None) -> str:
    if actor is None:
        return ActorKind.PROCESS
    return ActorKind.USER if actor.startswith(_PERSON) else ActorKind.CREDENTIAL


def _plain(value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    plain: object = storable(redact(msgspec.to_builtins(value)))
    if not isinstance(plain, dict):
        raise TypeError(f"before and after are mappings or structs, not {type(value).__name__}")
    return plain


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
