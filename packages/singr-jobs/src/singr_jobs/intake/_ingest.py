"""Ingestion over HTTP: many callers' jobs in one statement and one commit."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import namedtuple_row

from singr_db import PsycopgPool, new_id
from singr_db.batch import GroupCommit
from singr_db.ending import REPLACE
from singr_jobs.declare._errors import (
    EnqueueError,
    IdempotencyInProgressError,
    IntakeError,
    JobExistsError,
    NonceReplayedError,
)
from singr_jobs.declare._job_types import Intake, JobType
from singr_jobs.declare._types import Debounce, Priority, Queue
from singr_jobs.declare._views import JobView, job_view
from singr_jobs.intake import _ingest_sql as sql
from singr_jobs.intake._answers import FOUND, Answer, answer_again, comes_back, first_answer
from singr_jobs.intake._ingest_sql import SubmittedRow
from singr_jobs.intake._intakes import Intakes, Taken
from singr_jobs.intake._marks import key_mark, nonce_mark, print_of
from singr_jobs.intake._turns import Turns, TurnTakenError, changes_hands
from singr_jobs.intake._waker import Waker
from singr_jobs.intake.unique._claims import CLAIM, Holding, claim_of, key_of
from singr_jobs.intake.unique._replacing import LOCK_HOLDER, PASS_ON

_MAX_BATCH = 256
_MAX_BYTES = 8 * 1024 * 1024
_LANES = 2
_LATELY = 20_000
_TRIES = 3
# So long somebody goes on asking for a name that passes from one to the next. Each is through in milliseconds, and on a
# busy machine in a tenth of a second: of a hundred at once each has its turn.
_CHANGES_HANDS_S = 10.0
# Those who have no part in turns, callers' own transactions and ends of jobs, may be first so often within one.
_LOOKS = 100
# Somebody was there before; or two batches held what the other one wanted, which PostgreSQL ends by undoing one.
_SEEN = (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected)
_encode = msgspec.json.Encoder().encode

_Outcomes = dict[int, Answer | BaseException]


class Submission(msgspec.Struct, kw_only=True):
    """One request to create a job, checked and authenticated, with all that must be stored with it.

    `payload` is an instance of the type's `request`; `nonce` is None where the request was not signed. `delay`: seconds
    from now, by the database's clock, unless `run_at` is given.
    `unique_for`, `replace`, `debounce`: as `enqueue` has them, and checked (`holding_of`).
    `concurrency_key`: in place of the one that the type gives the job; only of a type that has limits.
    `reference`: what its caller calls the matter, and checked; `labels`: what it sorts its jobs by, likewise.
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
    unique_for: float | None = None
    replace: bool = False
    debounce: Debounce | None = None
    concurrency_key: str | None = None
    reference: str | None = None
    labels: Sequence[str] = ()
    correlation_id: str | None = None
    traceparent: str | None = None


class _Prepared(msgspec.Struct):
    """A submission as it is stored: the job's row, and its companion with the place of the intake that made it."""

    row: SubmittedRow
    intake: int | None
    companion: msgspec.Struct | None
    holding: Holding


def _weight(one: _Prepared) -> int:
    """About as many bytes as it has in the statement that stores it."""
    parts = (one.row.kept, *(() if one.companion is None else msgspec.structs.astuple(one.companion)))
    return memoryview(one.row.payload).nbytes + sum(len(part) for part in parts if isinstance(part, str | bytes))


class Ingestion:
    """Accepts jobs from callers: the nonce, the idempotency record, the job and its companion commit together.

    Submissions that arrive while a transaction is under way share the next one. When `submit` has returned, the job
    is committed; when it raised, nothing of it is stored but, perhaps, the nonce that makes a replay be refused.
    """

    def __init__(self, pool: PsycopgPool, waker: Waker, *, intakes: Mapping[type, Intake[Any]]) -> None:
        self._pool = pool
        self._turns = Turns(pool)
        self._waker = waker
        self._intakes = Intakes(intakes)
        self._lately: dict[str, None] = {}
        self._statement = sql.submit_with(self._intakes.inserts)
        self._places = range(len(self._intakes.inserts))
        self._batch: GroupCommit[_Prepared, Answer] = GroupCommit(
            self._flush, max_batch=_MAX_BATCH, max_weight=_MAX_BYTES, weigh=_weight, lanes=_LANES
        )

    async def submit(self, submission: Submission) -> Answer:
        """Store the job and answer 202 with it, or replay the first answer to this idempotency key.

        Answers 200 with the job that holds the unique key, where one does.

        Raises:
            NonceReplayedError: the signed request was sent before.
            IdempotencyMismatchError: the key was used with another request.
            IdempotencyInProgressError: the first request with the key is still running.
            NameInUseError: somebody else's transaction, which is open, stores a job of the same id or unique key; or so
                many do, one after the other, that its turn did not come for seconds.
            JobExistsError: the caller's own job id is taken.
            JobGoneError: the job that the key made is not there any more.
            IntakeError: the payload cannot become a job.
            ReservedError: only the platform's own callers may ask for it.
            psycopg.OperationalError: the database is away; whether it was stored, a retry with the same key tells.
        """
        prepared = self._prepare(submission)
        if submission.unique_key is not None or submission.job_id is not None:
            return await self._submit_alone(prepared, own_id=submission.job_id is not None)
        return await self._batch.submit(prepared)

    def check(self, submission: Submission) -> None:
        """Raise what `submit` would of the payload; nothing is stored.

        Raises:
            IntakeError, ReservedError: as `submit`.
        """
        taken = self._taken(submission, new_id())
        _concurrency_key(submission, taken.job)

    async def close(self) -> None:
        """Wait until all that was submitted is committed."""
        await self._batch.close()

    def _prepare(self, submission: Submission) -> _Prepared:
        job_id = submission.job_id or new_id()
        taken = self._taken(submission, job_id)
        row = _row(submission, job_id, _encode(taken.job), key=_concurrency_key(submission, taken.job))
        replaces = submission.replace or submission.debounce is not None
        holding = Holding(submission.unique_for, replaces, submission.debounce)
        return _Prepared(row, taken.intake, taken.companion, holding)

    def _taken(self, submission: Submission, job_id: UUID) -> Taken:
        return self._intakes.take(
            submission.job_type,
            submission.payload,
            job_id=job_id,
            organization_id=submission.organization_id,
            by_platform=submission.by_platform,
            correlation_id=submission.correlation_id,
        )

    async def _flush(self, batch: list[_Prepared]) -> Sequence[Answer | BaseException]:
        new, seen = self._apart(batch)
        async with self._pool.connection() as connection:
            outcomes = await self._store(connection, new) if new else {}
            if seen:
                outcomes.update(await self._look(connection, seen))
        self._waker.wake({one.row.queue for one in batch})
        return [outcomes[id(one)] for one in batch]

    def _apart(self, batch: list[_Prepared]) -> tuple[list[_Prepared], list[_Prepared]]:
        """Those who are new, as a rule all; and those with a mark that this process saw lately.

        Sorted, so that two processes that store the same keys wait for each other in one order, never in a ring.
        """
        lately = self._lately
        new: list[_Prepared] = []
        seen: list[_Prepared] = []
        for one in batch:
            mark, nonce = one.row.mark, one.row.nonce
            (seen if mark in lately or nonce in lately else new).append(one)
            lately[mark] = None
            if nonce is not None:
                lately[nonce] = None
        while len(lately) > _LATELY:
            del lately[next(iter(lately))]
        new.sort(key=_by_mark)
        return new, seen

    async def _store(
        self, connection: psycopg.AsyncConnection[Any], batch: list[_Prepared], tries: int = _TRIES
    ) -> _Outcomes:
        """Store them together; those that cannot be, or were seen before, shall do their neighbours no harm."""
        try:
            return await self._insert(connection, batch)
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.DeadlockDetected) as error:
            failed = error
        outcomes: _Outcomes = {}
        rest = batch
        if isinstance(failed, _SEEN):
            outcomes, rest = await self._known(connection, batch)
        if len(batch) == 1:
            if rest and isinstance(failed, _SEEN) and tries > 1:  # its key was free again, or became so just now
                return await self._store(connection, rest, tries - 1)
            return outcomes or {id(batch[0]): _in_words(failed)}
        half = len(rest) if outcomes else len(rest) // 2
        for part in filter(None, (rest[:half], rest[half:])):
            outcomes.update(await self._store(connection, part))
        return outcomes

    async def _look(self, connection: psycopg.AsyncConnection[Any], seen: list[_Prepared]) -> _Outcomes:
        outcomes, rest = await self._known(connection, seen)
        for one in rest:  # what was seen was not stored after all
            outcomes.update(await self._store(connection, [one]))
        return outcomes

    async def _insert(self, connection: psycopg.AsyncConnection[Any], batch: list[_Prepared]) -> _Outcomes:
        given = {"rows": _encode([one.row for one in batch]).decode()}
        for place in self._places:
            companions = [one.companion for one in batch if one.intake == place]
            given[f"companions_{place}"] = _encode(companions).decode()
        cursor = await connection.execute(self._statement, given)
        [(created_at,)] = await cursor.fetchall()
        return {id(one): first_answer(one.row, created_at) for one in batch}

    async def _known(
        self, connection: psycopg.AsyncConnection[Any], batch: list[_Prepared]
    ) -> tuple[_Outcomes, list[_Prepared]]:
        """What those with a known mark are answered, and the others. Nonces of the former are used up with this."""
        asked = [sql.Asked(one.row.id, one.row.nonce, one.row.mark) for one in batch]
        cursor = connection.cursor(row_factory=namedtuple_row)
        await cursor.execute(sql.KNOWN, (_encode(asked).decode(),))
        records: dict[UUID, Any] = {record[0]: record for record in await cursor.fetchall()}
        outcomes: _Outcomes = {}
        rest: list[_Prepared] = []
        used: set[str] = set()
        for one in batch:
            record, nonce = records[one.row.id], one.row.nonce
            if nonce in used:  # the same signed request twice in one batch
                outcomes[id(one)] = NonceReplayedError("this signed request was sent before")
            elif record.replayed or record.known:
                outcomes[id(one)] = answer_again(one.row.print, record)
                used |= {nonce} if nonce is not None else set()
            else:
                rest.append(one)
        return outcomes, rest

    async def _submit_alone(self, one: _Prepared, *, own_id: bool) -> Answer:
        """The way for a caller's own id or unique key, whose answer depends on what is stored already."""
        row = one.row
        name = row.id if row.unique_key is None else (row.organization_id, row.type, row.unique_key)
        until = time.monotonic() + _CHANGES_HANDS_S
        async with self._turns.turn(name, until):
            while time.monotonic() < until:
                async with self._turns.connection() as connection:  # given back for each try: other names wait as well
                    try:
                        async with self._turns.transaction(connection, name):
                            answer = await self._store_alone(connection, one, own_id=own_id)
                    except TurnTakenError:
                        continue
                    except _SEEN:
                        outcomes, rest = await self._known(connection, [one])
                        if rest:  # not by this key: its own id, or its unique key, was taken just now
                            continue
                        [outcome] = outcomes.values()
                        if isinstance(outcome, BaseException):
                            raise outcome from None
                        return outcome
                self._waker.wake({row.queue})
                return answer
        raise changes_hands(name)

    async def _store_alone(self, connection: psycopg.AsyncConnection[Any], one: _Prepared, *, own_id: bool) -> Answer:
        row = one.row
        if own_id:
            taken = await connection.execute(sql.JOB_TAKEN, {"id": row.id, "mark": row.mark})
            if await taken.fetchone() is not None:
                raise JobExistsError(f"there is a job {row.id} already")
        holder = None if row.unique_key is None else await _hold(connection, row, one.holding)
        if holder is None:
            [answer] = (await self._insert(connection, [one])).values()
            assert isinstance(answer, Answer)  # noqa: S101 - tells mypy what `_insert` returns
            return answer
        body = _encode(holder)
        kept = {"nonce": row.nonce, "mark": row.mark, "organization_id": row.organization_id, "print": row.print}
        await connection.execute(sql.KEEP_HOLDER, kept | {"status": FOUND, "body": body})
        return Answer(FOUND, body, holder.id, replayed=False)


def _by_mark(one: _Prepared) -> str:
    return one.row.mark


def _in_words(failed: psycopg.Error) -> psycopg.Error | IdempotencyInProgressError:
    """What somebody is told whose keys others store at every try; anything else is left as it is."""
    if isinstance(failed, psycopg.errors.UniqueViolation) and failed.diag.table_name in sql.MARKS:
        return IdempotencyInProgressError("Others store this idempotency key or nonce at this moment. Try again.")
    return failed


async def _hold(connection: psycopg.AsyncConnection[Any], row: SubmittedRow, holding: Holding) -> JobView | None:
    """Claim the job's unique key, in the place of another or not; answers the job that holds it already, if one does.

    It sets when the job is due, where that depends on who had the key.
    """
    # The holder may end between the statements, or be replaced: at the next look the key is free, or another has it.
    for _ in range(_LOOKS):
        if holding.replaces and await _replace(connection, row, holding):
            return None
        if await (await connection.execute(CLAIM, claim_of(row) | holding.values())).fetchone() is not None:
            if holding.debounce is not None:
                row.run_at, row.delay = None, round(holding.debounce.seconds * 1_000_000)
            return None
        cursor = connection.cursor(row_factory=namedtuple_row)
        found: Any = await (await cursor.execute(sql.HOLDER, key_of(row))).fetchone()
        if found is not None and not (holding.replaces and found.finished_at is None):
            return job_view(found, began=found.began)
    raise changes_hands((row.type, row.unique_key))


async def _replace(connection: psycopg.AsyncConnection[Any], row: SubmittedRow, holding: Holding) -> bool:
    """Take the key from the job that holds it and has not ended; False where there is none."""
    holder = await (await connection.execute(LOCK_HOLDER, key_of(row))).fetchone()
    if holder is None:
        return False
    [was_new] = await (await connection.execute(REPLACE, {"id": holder[0], "by": row.id})).fetchone() or [False]
    passed = claim_of(row) | holding.values() | {"holder": holder[0], "was_new": was_new}
    [run_at] = await (await connection.execute(PASS_ON, passed)).fetchone() or [None]
    if run_at is not None:
        row.run_at, row.delay = run_at, None
    return True


def _concurrency_key(submission: Submission, job: msgspec.Struct) -> str | None:
    """The key that the caller gave, or the job's own; raises IntakeError where the payload gives none that is right."""
    limits = submission.job_type.limits
    if limits is None or submission.concurrency_key is not None:
        return submission.concurrency_key
    try:
        return limits.key(job)
    except EnqueueError as error:
        raise IntakeError("", str(error)) from None


def _row(submission: Submission, job_id: UUID, payload: bytes, *, key: str | None) -> SubmittedRow:
    job_type = submission.job_type
    key_id, nonce = submission.credential, submission.nonce
    return SubmittedRow(
        id=job_id,
        organization_id=submission.organization_id,
        type=job_type.name,
        queue=(submission.queue or job_type.queue).value,
        priority=int(submission.priority),
        payload=msgspec.Raw(payload),
        max_attempts=submission.attempts or job_type.attempts,
        backoff=job_type.backoff.first,
        timeout=submission.timeout or job_type.timeout,
        unique_key=submission.unique_key,
        run_at=submission.run_at and submission.run_at.astimezone(UTC),  # none: at once, by the database's clock
        delay=submission.delay and round(submission.delay * 1_000_000),
        correlation_id=submission.correlation_id,
        traceparent=submission.traceparent,
        concurrency_key=key,
        reference=submission.reference,
        labels=tuple(submission.labels) or None,
        created_by=key_id,
        nonce=None if nonce is None else nonce_mark(key_id, nonce),
        mark=key_mark(submission.organization_id, submission.idempotency_key),
        print=print_of(submission.method, submission.path, submission.body_hash),
        kept=None if comes_back(job_type.struct) else payload.decode(),
    )
