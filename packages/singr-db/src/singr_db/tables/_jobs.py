"""Jobs, where they wait and who has them, their failed attempts and unique keys, and requests' idempotency keys."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Index, PrimaryKeyConstraint, Text, Uuid, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, Json, SmallInt, one_of


class JobStatus(StrEnum):
    """Where a job stands; one that a worker has in hand is `pending` in the table and `processing` for callers."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptOutcome(StrEnum):
    """How an attempt that did not complete its job ended."""

    FAILED = "failed"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    CANCELLED = "cancelled"


class IdempotencyState(StrEnum):
    """Whether a request's answer is known yet."""

    RUNNING = "running"
    DONE = "done"


class Job(Base):
    """One job; partitioned by week of its id. Durations are seconds, progress is 0 to 100, priority 0 is highest.

    Its row is written when it comes and when it ends, or an attempt at it: `attempt`, `worker` and `started_at` are
    those of the last attempt that has ended. Where it waits, and who has it in hand, the other tables say.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        one_of("status", [status for status in JobStatus if status is not JobStatus.PROCESSING]),
        CheckConstraint("priority BETWEEN 0 AND 2", name="priority"),
        CheckConstraint("progress BETWEEN 0 AND 100", name="progress"),
        CheckConstraint("attempt >= 0 AND max_attempts >= 1", name="attempts"),
        CheckConstraint("backoff >= 0 AND timeout > 0", name="durations"),
        Index("jobs_by_organization", "organization_id", "id"),
        # Not of the status, which every job's end changes: an update of what no index has stays on its page.
        Index("jobs_in_error", "organization_id", "id", postgresql_where=text("error IS NOT NULL")),
        Index(
            "jobs_by_reference", "organization_id", "reference", "id", postgresql_where=text("reference IS NOT NULL")
        ),
        Index("jobs_labelled", "organization_id", "id", postgresql_where=text("labels IS NOT NULL")),
        Index("jobs_by_flow", "flow_id", "id", postgresql_where=text("flow_id IS NOT NULL")),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID]
    type: Mapped[str]
    queue: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="pending")
    priority: Mapped[SmallInt] = mapped_column(server_default=text("1"))
    payload: Mapped[Json]
    result: Mapped[Json | None]
    error: Mapped[Json | None]
    progress: Mapped[SmallInt] = mapped_column(server_default=text("0"))
    attempt: Mapped[SmallInt] = mapped_column(server_default=text("0"))
    max_attempts: Mapped[SmallInt]
    backoff: Mapped[float]
    timeout: Mapped[float]
    unique_key: Mapped[str | None]
    run_at: Mapped[CreatedAt]
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]  # this and the next: of the release before, whose API writes them
    lease_token: Mapped[int | None] = mapped_column(BigInteger)
    worker: Mapped[str | None]
    cancel_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    solo: Mapped[bool] = mapped_column(server_default=text("false"))
    correlation_id: Mapped[str | None]
    traceparent: Mapped[str | None]
    created_by: Mapped[str | None]
    placed: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether the statement that inserted it gave it its place among what waits; else the table's trigger did."""
    concurrency_key: Mapped[str | None]
    """What it shares its type's limits with, such as a customer's account; none where nothing limits it."""
    flow_id: Mapped[UUID | None]
    reference: Mapped[str | None]
    """What its caller calls the matter that it is about; several jobs may be about one."""
    labels: Mapped[list[str] | None] = mapped_column(postgresql.ARRAY(Text))
    """What its caller sorts it by, ten at most and none twice; null where it has none."""
    replaced_by: Mapped[UUID | None]
    """The job that took over its unique key: it was cancelled for that, or is not tried again."""


class JobReady(Base):
    """A job that is due and waits for a worker; the priorities 8 and 9 set those apart that were lost with one.

    Those of 8 are taken only where they begin at once, those of 9 one at a time.
    """

    __tablename__ = "job_ready"
    __table_args__ = (
        PrimaryKeyConstraint("queue", "organization_id", "priority", "run_at", "id"),
        Index("job_ready_apart", "priority", "run_at", postgresql_where=text("priority > 2")),
    )

    queue: Mapped[str]
    organization_id: Mapped[UUID]
    priority: Mapped[SmallInt]
    run_at: Mapped[datetime]
    id: Mapped[UUID]
    type: Mapped[str]


class JobLater(Base):
    """A job whose time has not come; it moves to `job_ready` when it does."""

    __tablename__ = "job_later"
    __table_args__ = (PrimaryKeyConstraint("run_at", "id"),)

    run_at: Mapped[datetime]
    id: Mapped[UUID]
    queue: Mapped[str]
    organization_id: Mapped[UUID]
    priority: Mapped[SmallInt]
    type: Mapped[str]


class TicketState(StrEnum):
    """Whether a ticket's jobs are on their way to a worker, wait in it for the most part, or have all begun."""

    TRAVELLING = "travelling"
    AHEAD = "ahead"
    WORKING = "working"


class JobTicket(Base):
    """The lease of jobs that one worker took at once; jobs on it that have ended or gone back do not count."""

    __tablename__ = "job_tickets"
    __table_args__ = (one_of("state", TicketState),)

    token: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    queue: Mapped[str]
    ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    state: Mapped[str]
    leased_until: Mapped[datetime]
    worker: Mapped[str]
    started_at: Mapped[datetime]


class JobGate(Base):
    """What one process at a time does: taking from a queue and the audit, which lock their row, and retention.

    `held_until` is for what takes more than a transaction; `ruled` whether operators have set anything for the queue.
    """

    __tablename__ = "job_gates"

    name: Mapped[str] = mapped_column(primary_key=True)
    held_until: Mapped[datetime | None]
    ruled: Mapped[bool] = mapped_column(server_default=text("false"))


class JobUniqueKey(Base):
    """That a job holds a unique key of its type: as long as the job is unfinished, and `until` then at the least.

    `due_by`: what takes the job's place is due no later; infinity where it may be put off without end.
    """

    __tablename__ = "job_unique_keys"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "type", "unique_key"),
        Index("ix_job_unique_keys_job_id", "job_id"),
        Index("job_unique_keys_over", "until", postgresql_where=text("until IS NOT NULL")),
    )

    organization_id: Mapped[UUID]
    type: Mapped[str]
    unique_key: Mapped[str]
    job_id: Mapped[UUID]
    until: Mapped[datetime | None]
    due_by: Mapped[datetime | None]


class JobAttempt(Base):
    """One attempt that did not complete its job; partitioned by week of the job's id, and so gone with it."""

    __tablename__ = "job_attempts"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "attempt"),
        one_of("outcome", AttemptOutcome),
        {"postgresql_partition_by": "RANGE (job_id)"},
    )

    job_id: Mapped[UUID]
    attempt: Mapped[SmallInt]
    organization_id: Mapped[UUID]
    outcome: Mapped[str]
    error: Mapped[Json | None]
    worker: Mapped[str | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[CreatedAt]


class JobLog(Base):
    """One line that a handler wrote of an attempt; partitioned by week of the job's id, and so gone with it."""

    __tablename__ = "job_logs"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "id"),
        {"postgresql_partition_by": "RANGE (job_id)"},
    )

    job_id: Mapped[UUID]
    id: Mapped[UUID] = mapped_column(default=new_id)
    organization_id: Mapped[UUID]
    attempt: Mapped[SmallInt]
    at: Mapped[datetime]
    message: Mapped[str]
    fields: Mapped[Json | None]


class DroppedPartition(Base):
    """A week that retention has dropped: it is not made again. `survivors` rows of it are in the DEFAULT partition.

    `cleared_at`: since when nothing else is left of it, no file and no attempt.
    """

    __tablename__ = "dropped_partitions"

    name: Mapped[str] = mapped_column(primary_key=True)
    survivors: Mapped[int]
    dropped_at: Mapped[CreatedAt]
    cleared_at: Mapped[datetime | None]


class RetentionTurn(Base):
    """How the last turn of retention ended, of jobs or of messages, in whichever process that was."""

    __tablename__ = "retention_turns"

    name: Mapped[str] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime]
    seconds: Mapped[float]
    held_up: Mapped[int]


class RequestKey(Base):
    """A used Idempotency-Key by its mark, and its first answer, or what that is built from.

    Three kinds: a job's (`job_id`), whose answer is built from the job's row, `run_at` (where it was not due at once)
    and `payload` (where its column would not give it back as it was); an answer that is kept whole (`status_code`);
    and, without either, a request that is still running. `print` is what the key is bound to.
    """

    __tablename__ = "request_keys"
    __table_args__ = (CheckConstraint("job_id IS NULL OR status_code IS NULL", name="one_answer"),)

    mark: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]
    job_id: Mapped[UUID | None]
    print: Mapped[UUID]
    created_at: Mapped[CreatedAt]
    run_at: Mapped[datetime | None]
    payload: Mapped[str | None]
    status_code: Mapped[SmallInt | None]
    content_type: Mapped[str | None]
    response_body: Mapped[bytes | None]


class IdempotencyRecord(Base):
    """As `RequestKey`, for the release before, which may run beside this one; nothing writes it any more."""

    __tablename__ = "idempotency_records"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "key"),
        one_of("state", IdempotencyState),
        CheckConstraint("state = 'running' OR status_code IS NOT NULL", name="done_has_an_answer"),
        Index("ix_idempotency_records_expires_at", "expires_at"),
    )

    organization_id: Mapped[UUID]
    key: Mapped[str]
    method: Mapped[str]
    path: Mapped[str]
    body_hash: Mapped[bytes]
    state: Mapped[str]
    status_code: Mapped[SmallInt | None]
    content_type: Mapped[str | None]
    response_body: Mapped[bytes | None]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
