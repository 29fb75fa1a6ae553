"""Ingestion over HTTP: many callers' jobs in one statement and one commit."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import namedtuple_row

from singr_config.clock import clock
from singr_db import PsycopgPool, new_id
from singr_db.batch import GroupCommit
from singr_jobs.declare._errors import (
    EnqueueError,
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    IntakeError,
    JobExistsError,
    NonceReplayedError,
)
from singr_jobs.declare._job_types import Intake, JobType, ReservingIntake
from singr_jobs.declare._types import Priority, Queue
from singr_jobs.declare._views import PRIORITY_NAMES, JobView, job_view
from singr_jobs.intake import _ingest_sql as sql
from singr_jobs.intake._ingest_sql import SubmittedRow
from singr_jobs.intake._unique import CLAIM, UNCLAIM, claim_of, key_of
from singr_jobs.intake._waker import Waker

ACCEPTED = 202
FOUND = 200
_MAX_BATCH = 256
_LANES = 2
_encode = msgspec.json.Encoder().encode


class _Named(msgspec.Struct):
    id: UUID


_id = msgspec.json.Decoder(_Named)


class Submission(msgspec.Struct, kw_only=True):
    """One request to create a job, checked and authenticated, with all that must be stored with it.

    `payload` is an instance of the type's `request`; `nonce` is None where the request was not signed. `delay`: seconds
    from now, by the database's clock, unless `run_at` is given.
    `by_platform`: its caller belongs to no organization, and may ask for what is kept from them.
    """

    job_type: JobType
    payload: Any
    organization_id: UUID
    credential: str
    idempotency_key: str
    method: str
    path: str
    body_hash: bytes
    by_platform: bool = False
    nonce: str | None = None
    job_id: UUID | None = None
    queue: Queue | None = None
    priority: Priority = Priority.NORMAL
    run_at: datetime | None = None
    delay: float | None = None
    attempts: int | None = None
    timeout: float | None = None
    unique_key: str | None = None
    correlation_id: str | None = None
    traceparent: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What the caller gets: the first answer to this idempotency key, byte for byte, and the job it is about."""

    status: int
    body: bytes
    job_id: UUID
    replayed: bool


class Ingestion:
    """Accepts jobs from callers: the nonce, the idempotency record, the job and its companion commit together.

    Submissions that arrive while a transaction is under way share the next one. When `submit` has returned, the job
    is committed; when it raised, nothing of it is stored but, perhaps, the nonce that makes a replay be refused.
    """

    def __init__(self, pool: PsycopgPool, waker: Waker, *, intakes: Mapping[type, Intake[Any]]) -> None:
        self._pool = pool
        self._waker = waker
        different = list({id(intake): intake for intake in intakes.values()}.values())
        self._intakes = {struct: (different.index(intake), intake) for struct, intake in intakes.items()}
        self._checks = {
            struct: intake.check_organization
            for struct, intake in intakes.items()
            if isinstance(intake, ReservingIntake)
        }
        self._statement = sql.submit_with([intake.insert for intake in different])
        self._batch: GroupCommit[SubmittedRow, Answer] = GroupCommit(self._flush, max_batch=_MAX_BATCH, lanes=_LANES)

    async def submit(self, submission: Submission) -> Answer:
        """Store the job and answer 202 with it, or replay the first answer to this idempotency key.

        Answers 200 with the job that holds the unique key, where one does.

        Raises:
            NonceReplayedError: the signed request was sent before.
            IdempotencyMismatchError: the key was used with another request.
            IdempotencyInProgressError: the first request with the key is still running.
            JobExistsError: the caller's own job id is taken.
            IntakeError: the payload cannot become a job.
            ReservedError: only the platform's own callers may ask for it.
            psycopg.OperationalError: the database is away; whether it was stored, a retry with the same key tells.
        """
        prepared = self._prepare(submission)
        if submission.unique_key is not None or submission.job_id is not None:
            try:
                return await self._submit_alone(prepared)
            except psycopg.errors.UniqueViolation:
                raise JobExistsError(f"there is a job {submission.job_id} already") from None
        return await self._batch.submit(prepared)

    async def close(self) -> None:
        """Wait until all that was submitted is committed."""
        await self._batch.close()

    def _prepare(self, submission: Submission) -> SubmittedRow:
        job_type = submission.job_type
        if job_type.request is None:
            raise EnqueueError(f"{job_type.name} cannot be created by callers")
        job_id = submission.job_id or new_id()
        place, companion, job = None, None, submission.payload
        if job_type.struct in self._intakes:
            place, intake = self._intakes[job_type.struct]
            if not submission.by_platform and job_type.struct in self._checks:
                self._checks[job_type.struct](submission.payload)
            job, companion = intake.prepare(
                submission.payload,
                job_id=job_id,
                organization_id=submission.organization_id,
                correlation_id=submission.correlation_id,
            )
        elif not isinstance(job, job_type.struct):
            raise IntakeError("", f"{job_type.name} needs an intake that turns its request into the job")
        return _row(submission, job_id, msgspec.Raw(_encode(job)), place, companion)

    async def _flush(self, batch: list[SubmittedRow]) -> Sequence[Answer | BaseException]:
        now, later, replayed = _apart(batch)
        async with self._pool.connection() as connection:
            results = await self._store(connection, now)
            for one in later:  # the same key twice in one batch: the second finds what the first has stored
                results.update(await self._store(connection, [one]))
        self._waker.wake({prepared.queue for prepared in batch})
        return [
            NonceReplayedError("this signed request was sent before") if id(one) in replayed else results[id(one)]
            for one in batch
        ]

    async def _store(
        self, connection: psycopg.AsyncConnection[Any], batch: list[SubmittedRow]
    ) -> dict[int, Answer | BaseException]:
        try:
            return await self._store_together(connection, batch)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if len(batch) == 1:
                return {id(batch[0]): error}
        results: dict[int, Answer | BaseException] = {}
        for one in batch:  # one of them cannot be stored: the others shall not suffer for it
            results.update(await self._store(connection, [one]))
        return results

    async def _store_together(
        self, connection: psycopg.AsyncConnection[Any], batch: list[SubmittedRow]
    ) -> dict[int, Answer | BaseException]:
        rows = _encode(batch).decode()
        cursor = await connection.execute(self._statement, (rows,))
        lost: dict[UUID, bool] = dict(await cursor.fetchall())
        results: dict[int, Answer | BaseException] = {}
        known: list[SubmittedRow] = []
        for one in batch:
            if one.id not in lost:
                results[id(one)] = Answer(ACCEPTED, one.response.encode(), one.id, replayed=False)
            elif lost[one.id]:
                known.append(one)
            else:
                results[id(one)] = NonceReplayedError("this signed request was sent before")
        if known:
            results.update(await _replay(connection, known))
        return results

    async def _submit_alone(self, row: SubmittedRow) -> Answer:
        """The way for a caller's own id or unique key, whose answer depends on what is stored already."""
        async with self._pool.connection() as connection, connection.transaction():
            holder = await _hold(connection, row)
            if holder is not None:
                row.status_code, row.response = FOUND, _encode(holder).decode()
            statement = self._statement if holder is None else sql.SUBMIT_WITHOUT_JOB
            lost = await (await connection.execute(statement, (_encode([row]).decode(),))).fetchone()
            if lost and holder is None and row.unique_key is not None:
                # The key was claimed for a job that is not made after all.
                await connection.execute(UNCLAIM, claim_of(row))
        if lost is None:
            self._waker.wake({row.queue})
            return Answer(row.status_code, row.response.encode(), holder.id if holder else row.id, replayed=False)
        if not lost[1]:
            raise NonceReplayedError("this signed request was sent before")
        async with self._pool.connection() as connection:
            answer = (await _replay(connection, [row]))[id(row)]
        if isinstance(answer, BaseException):
            raise answer
        return answer


async def _hold(connection: psycopg.AsyncConnection[Any], row: SubmittedRow) -> JobView | None:
    """Claim the job's own id and unique key; answers the job that holds the key already, if one does."""
    cursor = await connection.execute(sql.JOB_TAKEN, {"id": row.id, "key": row.key})
    if await cursor.fetchone() is not None:
        raise JobExistsError(f"there is a job {row.id} already")
    if row.unique_key is None:
        return None
    for _ in range(3):  # the holder may end between the two statements: then the key is free at the next try
        if await (await connection.execute(CLAIM, claim_of(row))).fetchone() is not None:
            return None
        cursor = connection.cursor(row_factory=namedtuple_row)
        found = await (await cursor.execute(sql.HOLDER, key_of(row))).fetchone()
        if found is not None:
            return job_view(found)
    raise IdempotencyInProgressError("the unique key is changing hands right now; try again")


async def _replay(
    connection: psycopg.AsyncConnection[Any], known: list[SubmittedRow]
) -> dict[int, Answer | BaseException]:
    keys = [{"organization_id": one.organization_id, "key": one.key} for one in known]
    cursor = await connection.execute(sql.RECORDS, (_encode(keys).decode(),))
    records = {(row[0], row[1]): row[2:] for row in await cursor.fetchall()}
    return {id(one): _answer(one, records.get((one.organization_id, one.key))) for one in known}


def _answer(row: SubmittedRow, record: tuple[Any, ...] | None) -> Answer | BaseException:
    if record is None:
        return IdempotencyInProgressError("the first request with this key is still running")
    method, path, body_hash, state, status_code, body = record
    if (method, path, body_hash.hex()) != (row.method, row.path, row.body_hash):
        return IdempotencyMismatchError("this idempotency key was used with another method, path or body")
    if state != "done":
        return IdempotencyInProgressError("the first request with this key is still running")
    return Answer(status_code, body, _id.decode(body).id, replayed=True)


def _apart(batch: list[SubmittedRow]) -> tuple[list[SubmittedRow], list[SubmittedRow], set[int]]:
    """The batch without repeats, the repeats of a key, and those whose nonce the batch itself holds already.

    Sorted by key, so that two processes that store the same keys wait for each other in one order, never in a ring.
    """
    nonces: set[tuple[str, str]] = set()
    keys: set[tuple[UUID, str]] = set()
    now: list[SubmittedRow] = []
    later: list[SubmittedRow] = []
    replayed: set[int] = set()
    for one in batch:
        if one.nonce is not None:
            if (one.created_by, one.nonce) in nonces:
                replayed.add(id(one))
                continue
            nonces.add((one.created_by, one.nonce))
        key = (one.organization_id, one.key)
        (later if key in keys else now).append(one)
        keys.add(key)
    now.sort(key=lambda one: (one.organization_id, one.key))
    return now, later, replayed


def _row(
    submission: Submission, job_id: UUID, payload: msgspec.Raw, intake: int | None, companion: msgspec.Struct | None
) -> SubmittedRow:
    job_type = submission.job_type
    now = clock.now()
    row = SubmittedRow(
        id=job_id,
        organization_id=submission.organization_id,
        type=job_type.name,
        queue=(submission.queue or job_type.queue).value,
        priority=int(submission.priority),
        payload=payload,
        max_attempts=submission.attempts or job_type.attempts,
        backoff=job_type.backoff.first,
        timeout=submission.timeout or job_type.timeout,
        unique_key=submission.unique_key,
        run_at=submission.run_at and submission.run_at.astimezone(UTC),  # none: at once, by the database's clock
        delay=submission.delay,
        created_at=now,
        correlation_id=submission.correlation_id,
        traceparent=submission.traceparent,
        created_by=submission.credential,
        nonce=submission.nonce,
        key=submission.idempotency_key,
        method=submission.method,
        path=submission.path,
        body_hash=submission.body_hash.hex(),
        status_code=ACCEPTED,
        intake=intake,
        companion=companion,
    )
    row.response = _encode(_first_view(row, now)).decode()
    return row


def _first_view(row: SubmittedRow, now: datetime) -> JobView:
    """The job as its caller sees it first: what is no field of the row has its default."""
    return JobView(
        id=row.id,
        organization_id=row.organization_id,
        type=row.type,
        queue=Queue(row.queue),
        status="pending",
        priority=PRIORITY_NAMES[row.priority],
        progress=0,
        attempt=0,
        max_attempts=row.max_attempts,
        run_at=row.run_at or now + timedelta(seconds=row.delay or 0),
        created_at=now,
        unique_key=row.unique_key,
        correlation_id=row.correlation_id,
        payload=row.payload,
    )
