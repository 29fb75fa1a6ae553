"""Durable background jobs on PostgreSQL, carried by Dramatiq tickets.

Declare a job type with `Jobs.handler`, add jobs to your own transaction with `enqueue`, run them with `JobWorker`.
"""

from singr_jobs._batch import GroupCommit
from singr_jobs._context import JobContext
from singr_jobs._declare import Intake, Jobs, JobType
from singr_jobs._enqueue import JobSink, enqueue
from singr_jobs._errors import (
    DeclarationError,
    EnqueueError,
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    IntakeError,
    JobEndedError,
    JobExistsError,
    JobNotFoundError,
    JobsError,
    NonceReplayedError,
    PermanentError,
    RetryLater,
)
from singr_jobs._ingest import Answer, Ingestion, Submission
from singr_jobs._leases import LeasedLimiter
from singr_jobs._observer import JobObserver
from singr_jobs._options import WorkerOptions
from singr_jobs._queries import cancel_job, list_jobs, read_job
from singr_jobs._ratelimit import Decision, LimitCheck, RateLimiter
from singr_jobs._redis import Waker, redis_client
from singr_jobs._telemetry import JobTelemetry
from singr_jobs._tickets import TicketTransport, redis_transport
from singr_jobs._types import Exponential, JobStatus, Priority, Queue, QueueOptions, Rate
from singr_jobs._views import AttemptView, JobDetail, JobError, JobView
from singr_jobs._worker import JobWorker

__all__ = [
    "Answer",
    "AttemptView",
    "Decision",
    "DeclarationError",
    "EnqueueError",
    "Exponential",
    "GroupCommit",
    "IdempotencyInProgressError",
    "IdempotencyMismatchError",
    "Ingestion",
    "Intake",
    "IntakeError",
    "JobContext",
    "JobDetail",
    "JobEndedError",
    "JobError",
    "JobExistsError",
    "JobNotFoundError",
    "JobObserver",
    "JobSink",
    "JobStatus",
    "JobTelemetry",
    "JobType",
    "JobView",
    "JobWorker",
    "Jobs",
    "JobsError",
    "LeasedLimiter",
    "LimitCheck",
    "NonceReplayedError",
    "PermanentError",
    "Priority",
    "Queue",
    "QueueOptions",
    "Rate",
    "RateLimiter",
    "RetryLater",
    "Submission",
    "TicketTransport",
    "Waker",
    "WorkerOptions",
    "cancel_job",
    "enqueue",
    "list_jobs",
    "read_job",
    "redis_client",
    "redis_transport",
]
