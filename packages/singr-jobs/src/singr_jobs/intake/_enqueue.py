"""Enqueueing inside the caller's transaction."""

import inspect
import re
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable
from uuid import UUID

import msgspec

from singr_jobs._ambient import correlation, new_id
from singr_jobs._plain import holds_nul, no_number, shown, stored_size
from singr_jobs.declare._checks import check_key, check_moment, check_reference, checked_labels
from singr_jobs.declare._errors import EnqueueError, JobExistsError, QueueError
from singr_jobs.declare._job_types import JobType, check_attempts, check_timeout, declared
from singr_jobs.declare._types import Debounce, Priority, Queue, check_priority
from singr_jobs.flows._flow import Flow
from singr_jobs.intake._row import JobRow, insert_jobs, recordset
from singr_jobs.intake._wake import wake_after_commit
from singr_jobs.intake.unique._claims import (
    CLAIM_TWICE,
    FIND,
    INSERT_AND_HOLD,
    INSERT_WITH_KEY,
    Holding,
    holding_of,
    key_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sqlalchemy import TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

PAYLOAD_BYTES = 1024 * 1024
_UUID_VERSION = 7
INSERT = f"{insert_jobs(recordset(JobRow, '%(rows)s'))}\nON CONFLICT DO NOTHING"
_encode = msgspec.json.Encoder().encode


@cache
def statement(sql: str) -> "TextClause":
    """A statement of ours for the caller's own driver, whose style of parameters SQLAlchemy knows."""
    from sqlalchemy import text  # noqa: PLC0415 - whoever calls has a session, and so has loaded it

    return text(re.sub(r"%\((\w+)\)s", r":\1", sql))


@runtime_checkable
class JobSink(Protocol):
    """What stands in for a database session in users' own tests (see `singr_jobs.testing`)."""

    async def add_job(self, row: dict[str, Any]) -> UUID:
        """Keep the job's row, its payload as JSON text.

        Where options say how it holds its unique key, `row["holding"]` has them. Returns the id it got, or the id of
        the job that holds its unique key.
        """
        ...


async def enqueue(
    session: "AsyncSession | JobSink",
    job: msgspec.Struct | Flow,
    *,
    organization_id: UUID,
    run_at: datetime | None = None,
    priority: Priority = Priority.NORMAL,
    queue: Queue | None = None,
    attempts: int | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - the job's, not this call's
    unique_key: str | None = None,
    unique_for: float | None = None,
    replace: bool = False,
    debounce: Debounce | None = None,
    reference: str | None = None,
    labels: "Sequence[str]" = (),
    job_id: UUID | None = None,
) -> UUID:
    """Add a job to the caller's transaction: it exists exactly when that commits.

    Args:
        session: a session with its transaction open: of `Database`, or any other `AsyncSession` whose role may enqueue
            (`singr-db grant`); or a memory session in tests.
        job: an instance of a declared job struct; or a `Flow` of such jobs, whose options go with `Flow.add`.
        organization_id: whose job it is; a tenant session refuses any but its own.
        run_at: when it is due (aware), by the database's clock; at once unless given, or where it has passed.
        priority: which due job goes first.
        queue: where it waits, instead of the type's own queue.
        attempts: how often it is tried in all, instead of the type's own number.
        timeout: seconds one attempt may take, instead of the type's own.
        unique_key: while a job of this organization and type with this key has not ended, no second one is made.
        unique_for: seconds after it is made for which no second one is made either, though it has ended; a day at most.
        replace: this job takes the place of the one that holds the key, which is cancelled where it waits; where it
            runs, it runs on, and is not tried again.
        debounce: likewise, and this job is due once none of its key has come for a while.
        reference: what you call the matter that it is about, such as the id of an alert: shown with the job, and found
            by `list_jobs`. Several jobs may be about one.
        labels: what you sort your jobs by, such as `("import", "eu")`, ten at most: shown with the job, and found by
            `list_jobs`, one label or several.
        job_id: the id to give it (UUIDv7); enqueuing the same id again changes nothing, also once its job has ended.

    Returns:
        The job's id; where `unique_key` is held, the id of the job that holds it. The flow's id.

    Raises:
        EnqueueError: the session is none, the job's type is not declared, an option is out of range, or the job cannot
            be stored as JSON.
        JobExistsError: `job_id` is in use, and not by a job of this organization and type.
        FlowNotFoundError: the flow, which was to be an existing one, is none of this organization.
        FlowClosedError: likewise, and it takes no members any more.
        UnknownMemberError: likewise, and a job was to wait for what is no member of it.
    """
    sink = sink_of(session)
    if isinstance(job, Flow):
        from singr_jobs.flows._adding import enqueue_flow  # noqa: PLC0415 - it makes rows as this module does

        given = (run_at, queue, attempts, timeout, unique_key, unique_for, debounce, reference, labels or None, job_id)
        if priority != Priority.NORMAL or replace or any(one is not None for one in given):
            raise EnqueueError("options go with the jobs of a flow, flow.add(job, …), not with the flow")
        return await enqueue_flow(session, sink, job, organization_id=organization_id)
    job_type = declared(job)
    row = row_of(
        job,
        job_type,
        organization_id=organization_id,
        run_at=run_at,
        priority=priority,
        queue=queue,
        attempts=attempts,
        timeout=timeout,
        unique_key=unique_key,
        reference=reference,
        labels=labels,
        job_id=job_id,
    )
    holding = checked_holding(
        has_key=unique_key is not None, run_at=run_at, unique_for=unique_for, replace=replace, debounce=debounce
    )
    if sink is not None:
        return await sink.add_job(kept_in_memory(row, holding))
    return await _insert(cast("AsyncSession", session), row, holding, own_id=job_id is not None)


def sink_of(session: object) -> JobSink | None:
    """What keeps jobs in the place of a database session, if that is one; refuses what is neither."""
    if hasattr(session, "sync_session") and inspect.iscoroutinefunction(getattr(session, "connection", None)):
        return None
    if isinstance(session, JobSink):  # dear: asked of what is no session alone
        return session
    given = f"{type(session).__module__.partition('.')[0]} {type(session).__name__}"
    raise EnqueueError(
        f"enqueue needs an AsyncSession (sqlalchemy.ext.asyncio) with its transaction open, not a {given};"
        " for an AsyncConnection, pass AsyncSession(bind=connection); for an async_scoped_session, what its call gives"
    )


def checked_holding(**options: Any) -> Holding | None:
    """The options that `holding_of` takes; raises EnqueueError."""
    try:
        return holding_of(**options)
    except ValueError as error:
        raise EnqueueError(str(error)) from None


async def _insert(session: "AsyncSession", row: JobRow, holding: Holding | None, *, own_id: bool) -> UUID:
    connection = await session.connection()
    if row.unique_key is None:
        made, holder = await _add(connection, INSERT, row), row.id
    elif not own_id:
        made, holder = await _add_with_key(connection, row, holding)
    else:
        # The job may be there already, and then it holds no key: the claim goes back with the savepoint. A role that
        # may only enqueue could not delete it.
        async with connection.begin_nested() as savepoint:
            made, holder = await _add_with_key(connection, row, holding)
            if not made:
                await savepoint.rollback()
    if not made and holder == row.id:
        await _check_own(connection, row)
    if made:
        wake_after_commit(session.sync_session, row.queue)
    return holder


async def _check_own(connection: "AsyncConnection", row: JobRow) -> None:
    """Refuse an id that is in use by anything but this job; whose that is, no session of an organization sees."""
    asked = {"organization_id": row.organization_id, "type": row.type, "job_id": row.id, "nobody": new_id()}
    async with connection.begin_nested() as savepoint:
        claims = await connection.execute(statement(CLAIM_TWICE), asked)
        await savepoint.rollback()
    if claims.rowcount != 1:
        raise id_in_use("job_id", row.id)


def id_in_use(field: str, given: UUID) -> JobExistsError:
    """What is raised where an id cannot be given, since something else has it."""
    return JobExistsError(
        f"{field} {given} is in use: give another, as singr_db.new_id() makes; only the same again may have the same id"
    )


async def _add_with_key(connection: "AsyncConnection", row: JobRow, holding: Holding | None) -> tuple[bool, UUID]:
    """Insert the job's row with its claim; says whether it was made, and who holds the key."""
    if holding is not None and holding.replaces:
        return await _replacer()(connection, row, holding)
    insert, values = INSERT_WITH_KEY, {}
    if holding is not None:
        insert, values = INSERT_AND_HOLD, {"hold": holding.seconds}
    while not await _add(connection, insert, row, **values):
        # Read committed: the holder's claim is visible here, unless it ended between the two statements.
        holder: UUID | None = (await connection.execute(statement(FIND), key_of(row))).scalar()
        if holder is not None:
            return False, holder
    return True, row.id


def _replacer() -> "Callable[[AsyncConnection, JobRow, Holding], Awaitable[tuple[bool, UUID]]]":
    try:
        from singr_jobs.intake.unique._replacing import add_or_replace  # noqa: PLC0415 - it needs what cancels jobs
    except ImportError as error:
        raise EnqueueError(
            f"replace and debounce need {error.name}, which ends jobs: pip install 'singr-jobs[worker]'"
        ) from error
    return add_or_replace


async def _add(connection: "AsyncConnection", insert: str, row: JobRow, **values: object) -> bool:
    """Insert the job's row; False where its id is taken, or its key."""
    return await add_rows(connection, insert, [row], **values) == 1


async def add_rows(connection: "AsyncConnection", insert: str, rows: list[JobRow], **values: object) -> int:
    """Insert the jobs' rows, with what else the statement takes; answers how many were made."""
    given = {"rows": _encode(rows).decode(), **values}
    return (await connection.execute(statement(insert), given)).rowcount


def kept_in_memory(row: JobRow, holding: Holding | None = None) -> dict[str, Any]:
    """The row as a `JobSink` keeps it."""
    kept = {**msgspec.structs.asdict(row), "payload": bytes(row.payload).decode()}
    return kept if holding is None else {**kept, "holding": holding}


def row_of(
    job: msgspec.Struct,
    job_type: JobType,
    *,
    organization_id: UUID,
    run_at: datetime | None = None,
    priority: Priority,
    queue: Queue | None,
    attempts: int | None,
    timeout: float | None,
    unique_key: str | None = None,
    reference: str | None = None,
    labels: "Sequence[str]" = (),
    job_id: UUID | None = None,
) -> JobRow:
    """The row of a job, checked; raises EnqueueError."""
    try:
        organization = _uuid("organization_id", organization_id)
        given_id = None if job_id is None else _uuid("job_id", job_id)
        _check(run_at, priority, attempts, timeout, unique_key)
        if reference is not None:
            check_reference(reference)
        sorted_by = checked_labels(labels)
        where = job_type.queue if queue is None else Queue(queue)
    except QueueError as error:
        raise EnqueueError(f"queue: {error}") from None
    except ValueError as error:
        raise EnqueueError(str(error)) from None
    if given_id is not None and given_id.version != _UUID_VERSION:
        raise EnqueueError(f"job_id must be a UUID version 7, as singr_db.new_id() makes, not {shown(given_id)}")
    correlation_id, traceparent = correlation()
    return JobRow(
        id=given_id or new_id(),
        organization_id=organization,
        type=job_type.name,
        queue=where.value,
        priority=int(priority),
        payload=payload_of(job, job_type),
        max_attempts=attempts or job_type.attempts,
        backoff=job_type.backoff.first,
        timeout=timeout or job_type.timeout,
        unique_key=unique_key,
        run_at=run_at and run_at.astimezone(UTC),
        correlation_id=correlation_id,
        traceparent=traceparent,
        concurrency_key=job_type.key(job),
        reference=reference,
        labels=sorted_by,
    )


def _uuid(field: str, value: object) -> UUID:
    """Drivers and other makers of ids have classes of their own."""
    if type(value) is UUID:
        return value
    number = getattr(value, "int", None)
    if isinstance(number, int):
        return UUID(int=number)
    right = "a UUID version 7, as singr_db.new_id() makes" if field == "job_id" else "a UUID"
    raise ValueError(f"{field} must be {right}, not {shown(value)}")


def _check(run_at: object, priority: object, attempts: object, timeout: object, unique_key: object) -> None:
    if run_at is not None:
        check_moment("run_at", run_at)
    check_priority(priority)
    if attempts is not None:
        check_attempts(attempts)
    if timeout is not None:
        check_timeout(timeout)
    if unique_key is not None:
        check_key(unique_key)


def payload_of(job: msgspec.Struct, job_type: JobType) -> msgspec.Raw:
    """The job as JSON that PostgreSQL takes, and its handler; refused here, where it fails nobody's transaction."""
    name = job_type.name
    try:
        encoded = msgspec.json.encode(job)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise EnqueueError(f"{name} cannot be stored as JSON: {error}") from error
    if (size := stored_size(encoded, limit=PAYLOAD_BYTES)) > PAYLOAD_BYTES:
        raise EnqueueError(f"{name} is {size} bytes of JSON; {PAYLOAD_BYTES} can be kept: store it elsewhere")
    if holds_nul(encoded):
        raise EnqueueError(f"{name} holds a NUL character, which PostgreSQL cannot store")
    if b"null" in encoded and (where := no_number(msgspec.to_builtins(job))):
        raise EnqueueError(f"{name}: {where} must be a finite number: JSON has no NaN and no infinity")
    try:
        job_type.decode(encoded)
    except Exception as error:  # a struct may check itself, and raise what it likes
        raise EnqueueError(f"{name} is not what its handler would get: {error}") from error
    return msgspec.Raw(encoded)
