"""Enqueueing many jobs at once inside the caller's transaction: one statement, whatever is in them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from uuid import UUID

import msgspec

from singr_jobs._ambient import new_id
from singr_jobs._plain import shown
from singr_jobs.declare._checks import check_key, check_reference, checked_labels
from singr_jobs.declare._errors import EnqueueError
from singr_jobs.declare._job_types import JobType, declared
from singr_jobs.declare._types import Priority, Queue
from singr_jobs.intake._enqueue import (
    INSERT,
    JobSink,
    add_rows,
    checked_holding,
    kept_in_memory,
    payload_of,
    row_of,
    sink_of,
    statement,
)
from singr_jobs.intake._row import JobRow
from singr_jobs.intake._wake import wake_after_commit
from singr_jobs.intake.unique._claims import FIND_MANY, INSERT_AND_HOLD, INSERT_WITH_KEY, Key

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

J = TypeVar("J", bound=msgspec.Struct)

# Of one statement: far below what PostgreSQL takes as one JSON value, and what a statement may take of time.
_ROWS: Final = 5_000
_BYTES: Final = 8 * 1024 * 1024
_encode = msgspec.json.Encoder().encode


async def enqueue_many(
    session: "AsyncSession | JobSink",
    jobs: Iterable[J],
    *,
    organization_id: UUID,
    run_at: datetime | None = None,
    priority: Priority = Priority.NORMAL,
    queue: Queue | None = None,
    attempts: int | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - the jobs', not this call's
    unique_key: Callable[[J], str | None] | None = None,
    unique_for: float | None = None,
    reference: str | Callable[[J], str | None] | None = None,
    labels: Sequence[str] | Callable[[J], Sequence[str] | None] = (),
) -> list[UUID]:
    """Add jobs to the caller's transaction, ten times as fast as one by one: they exist exactly when that commits.

    All are looked at before the first is stored; should a statement fail all the same, the transaction has failed.

    Args:
        session: as `enqueue` takes it.
        jobs: instances of declared job structs, of one type or of several.
        organization_id: whose jobs they are; a tenant session refuses any but its own.
        run_at: when they are due (aware), by the database's clock; at once unless given, or where it has passed.
        priority: which due job goes first.
        queue: where they wait, instead of each type's own queue.
        attempts: how often each is tried in all, instead of its type's own number.
        timeout: seconds one attempt may take, instead of the type's own.
        unique_key: gives a job's key, or None: while a job of this organization and type with this key has not ended,
            no second one is made, nor by another job of this call.
        unique_for: seconds for which each job holds its key, as `enqueue` has it.
        reference: what you call the matter that all of them are about; or a function that gives each job's, or None.
        labels: what you sort your jobs by, of all of them; or a function that gives each job's, or None.

    Returns:
        The jobs' ids in their order; for a job whose key is held, the id of the job that holds it.

    Raises:
        EnqueueError: as `enqueue`, saying which of the jobs it is.
    """
    sink = sink_of(session)
    if unique_key is not None and not callable(unique_key):
        raise EnqueueError(f"unique_key must be a function that gives a job's key, not {shown(unique_key)}")
    if reference is not None and not isinstance(reference, str) and not callable(reference):
        raise EnqueueError(f"reference must be a text, or a function that gives a job's, not {shown(reference)}")
    how = partial(
        row_of,
        organization_id=organization_id,
        run_at=run_at,
        priority=priority,
        queue=queue,
        attempts=attempts,
        timeout=timeout,
        reference=None if callable(reference) else reference,
        labels=() if callable(labels) else labels,
    )
    holding = checked_holding(has_key=unique_key is not None, unique_for=unique_for)
    given = {"unique_key": unique_key, "reference": reference, "labels": labels}
    rows = _rows(jobs, how, {option: value for option, value in given.items() if callable(value)})
    if sink is not None:
        return [await sink.add_job(kept_in_memory(row, holding if row.unique_key else None)) for row in rows]
    return await _insert(cast("AsyncSession", session), rows, unique_for)


def _rows(
    jobs: Iterable[J],
    how: Callable[[J, JobType], JobRow],
    given: Mapping[str, Callable[[J], Any]],
) -> list[JobRow]:
    if isinstance(jobs, msgspec.Struct) or not isinstance(jobs, Iterable):
        raise EnqueueError(f"jobs must be several job structs, such as a list of them, not {shown(jobs)}")
    first: dict[type[msgspec.Struct], JobRow] = {}
    rows: list[JobRow] = []
    for place, job in enumerate(jobs):
        try:
            job_type = declared(job)
            alike = first.get(type(job))
            if alike is None:  # what all of a type have in common is looked at once
                row = first[type(job)] = how(job, job_type)
            else:
                row = msgspec.structs.replace(alike, id=new_id(), payload=payload_of(job, job_type))
                row.concurrency_key = job_type.key(job)
            for option, function in given.items():
                setattr(row, option, _given(option, function, job))
        except EnqueueError as error:
            raise EnqueueError(f"jobs[{place}]: {error}") from error.__cause__
        rows.append(row)
    return rows


def _given(option: str, function: Callable[[J], Any], job: J) -> Any:
    """What a function of the caller's gives for a job."""
    try:
        given = function(job)
    except Exception as error:  # the caller's own code, which may raise what it likes
        raise EnqueueError(f"{option} raised {type(error).__name__}: {error}") from error
    try:
        return None if given is None else _checked(option, given)
    except ValueError as error:
        raise EnqueueError(str(error)) from None


def _checked(option: str, given: Any) -> Any:
    if option == "labels":
        return checked_labels(given)
    (check_key if option == "unique_key" else check_reference)(given)
    return given


async def _insert(session: "AsyncSession", rows: list[JobRow], hold: float | None) -> list[UUID]:
    connection = await session.connection()
    # The first of each key alone: within a statement the table takes a claim for one whose job is gone. And in one
    # order, whoever makes claims, so that callers wait for each other and never in a circle.
    keyed = {_key(row): row for row in reversed(rows) if row.unique_key is not None}
    plain = [row for row in rows if row.unique_key is None] if keyed else rows
    for part in _parts(plain):
        await add_rows(connection, INSERT, part)
    holders: dict[Key, UUID] = {}
    for part in _parts(sorted(keyed.values(), key=lambda row: (row.type, str(row.unique_key)))):
        holders |= await _add_with_keys(connection, part, hold)
    ids = [row.id if row.unique_key is None else holders[_key(row)] for row in rows]
    for queue in {row.queue for row, holder in zip(rows, ids, strict=True) if row.id == holder}:
        wake_after_commit(session.sync_session, queue)
    return ids


async def _add_with_keys(connection: "AsyncConnection", rows: list[JobRow], hold: float | None) -> dict[Key, UUID]:
    """Insert the jobs' rows with their claims; answers who holds each key."""
    insert, values = (INSERT_WITH_KEY, {}) if hold is None else (INSERT_AND_HOLD, {"hold": hold})
    if await add_rows(connection, insert, rows, **values) == len(rows):
        return {_key(row): row.id for row in rows}
    # Read committed: the holders' claims are visible here, unless they ended between the two statements.
    keys = _encode([_key(row) for row in rows]).decode()
    found = await connection.execute(statement(FIND_MANY), {"keys": keys})
    holders = {Key(UUID(organization), name, key): UUID(job) for organization, name, key, job in found}
    left = [row for row in rows if _key(row) not in holders]
    return holders | (await _add_with_keys(connection, left, hold) if left else {})


def _key(row: JobRow) -> Key:
    return Key(row.organization_id, row.type, row.unique_key)


def _parts(rows: list[JobRow]) -> Iterator[list[JobRow]]:
    """The rows in their order, as many at a time as one statement may have."""
    part: list[JobRow] = []
    size = 0
    for row in rows:
        size += len(bytes(row.payload))
        if part and (size > _BYTES or len(part) == _ROWS):
            yield part
            part, size = [], len(bytes(row.payload))
        part.append(row)
    if part:
        yield part
