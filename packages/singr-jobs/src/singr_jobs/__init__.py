"""Durable background jobs on PostgreSQL, carried by Dramatiq tickets.

Declare a job type with `Jobs.handler`, add jobs to your own transaction with `enqueue`, run them with `JobWorker`.

Declaring and enqueueing need SQLAlchemy and msgspec alone; what comes from the modules below that are loaded when they
are first asked for needs the extra `singr-jobs[worker]`, and RabbitMQ `singr-jobs[rabbitmq]`.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from singr_jobs.declare._checks import LONGEST_KEY, LONGEST_LABEL, LONGEST_REFERENCE, MOST_LABELS
from singr_jobs.declare._context import JobContext, SyncJobContext
from singr_jobs.declare._errors import (
    DeclarationError,
    EnqueueError,
    FlowClosedError,
    FlowEndedError,
    FlowNotFoundError,
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    IntakeError,
    JobEndedError,
    JobExistsError,
    JobGoneError,
    JobNotFoundError,
    JobsError,
    NameInUseError,
    NonceReplayedError,
    PermanentError,
    QueueError,
    ReservedError,
    RetryLater,
    TooManyFlowsError,
    TooManyWaitsError,
    UnknownMemberError,
)
from singr_jobs.declare._job_types import JOB_TYPE_LENGTH, JOB_TYPE_PATTERN, Intake, Jobs, JobType, ReservingIntake
from singr_jobs.declare._keyed import Keyed
from singr_jobs.declare._types import Debounce, Exponential, JobStatus, OnFailure, Priority, Queue, QueueOptions, Rate
from singr_jobs.flows._flow import Continue, Flow, Member, Stop
from singr_jobs.flows._views import FlowState, FlowView, MemberResult, MemberStatus, MemberView
from singr_jobs.intake._enqueue import JobSink, enqueue
from singr_jobs.intake._enqueue_many import enqueue_many
from singr_jobs.intake.unique._claims import LONGEST_HOLD

if TYPE_CHECKING:
    from singr_db.batch import GroupCommit
    from singr_db.limits import Decision, LeasedLimiter, LimitCheck, RateLimiter
    from singr_db.operation_log import ReasonError
    from singr_jobs._worker import JobWorker
    from singr_jobs.bulk._asking import BulkRequest, act_in_bulk, list_bulk, preview_bulk, read_bulk, stop_bulk
    from singr_jobs.bulk._errors import BulkActionEndedError, BulkActionError, BulkActionNotFoundError
    from singr_jobs.bulk._views import BulkActionView, BulkFilter, BulkKind, BulkPreview, BulkState
    from singr_jobs.chores._end_idle_flows import IdleFlows
    from singr_jobs.chores._keep_letters import LetterKeeper
    from singr_jobs.chores._retain_jobs import Retention
    from singr_jobs.dead._errors import DeadLetterNotFoundError, DeadLetterSettledError, UniqueKeyHeldError
    from singr_jobs.dead._filter import LetterFilter
    from singr_jobs.dead._finding import dead_letter_groups, dead_letters, read_dead_letter
    from singr_jobs.dead._settling import discard, requeue
    from singr_jobs.dead._views import (
        DeadLetterDetail,
        DeadLetterGroup,
        DeadLetterGroups,
        DeadLetterPage,
        DeadLetterState,
        DeadLetterView,
    )
    from singr_jobs.declare._views import (
        AttemptOutcome,
        AttemptView,
        JobDetail,
        JobError,
        JobView,
        LogLine,
        PriorityName,
    )
    from singr_jobs.explaining._explain import Explanation, WouldStart, explain
    from singr_jobs.flows._graph import list_members
    from singr_jobs.flows._requests import FlowRequests, RequestedFlow
    from singr_jobs.flows._store import cancel_flow, close_flow, list_flows, read_flow
    from singr_jobs.intake._answers import Answer
    from singr_jobs.intake._carrier import Carrier, check_carrier
    from singr_jobs.intake._from_rows import cancel_jobs, insert_jobs_from, job_values, wake
    from singr_jobs.intake._ingest import Ingestion, Submission
    from singr_jobs.intake._marks import KEPT_HOURS
    from singr_jobs.intake._records import (
        KeptAnswer,
        KeyedRequest,
        claim_key,
        estimate_records,
        finish_key,
        release_key,
        use_nonce,
    )
    from singr_jobs.intake._waker import Waker
    from singr_jobs.keys._limits import LimitsUnknownError, TypeLimits, list_limits, set_limits
    from singr_jobs.rabbit import rabbit_carrier, rabbit_transport
    from singr_jobs.reading._logs import list_job_logs
    from singr_jobs.reading._queries import cancel_job, list_jobs, read_job
    from singr_jobs.running._observer import JobObserver
    from singr_jobs.running._telemetry import JobTelemetry
    from singr_jobs.steering._errors import JobRunningError
    from singr_jobs.steering._steer import change_job, retry_job, run_job_now
    from singr_jobs.taking._options import WorkerOptions
    from singr_jobs.taking._tickets import TicketTransport, redis_transport

__all__ = [
    "JOB_TYPE_LENGTH",
    "JOB_TYPE_PATTERN",
    "KEPT_HOURS",
    "LONGEST_HOLD",
    "LONGEST_KEY",
    "LONGEST_LABEL",
    "LONGEST_REFERENCE",
    "MOST_LABELS",
    "Answer",
    "AttemptOutcome",
    "AttemptView",
    "BulkActionEndedError",
    "BulkActionError",
    "BulkActionNotFoundError",
    "BulkActionView",
    "BulkFilter",
    "BulkKind",
    "BulkPreview",
    "BulkRequest",
    "BulkState",
    "Carrier",
    "Continue",
    "DeadLetterDetail",
    "DeadLetterGroup",
    "DeadLetterGroups",
    "DeadLetterNotFoundError",
    "DeadLetterPage",
    "DeadLetterSettledError",
    "DeadLetterState",
    "DeadLetterView",
    "Debounce",
    "Decision",
    "DeclarationError",
    "EnqueueError",
    "Explanation",
    "Exponential",
    "Flow",
    "FlowClosedError",
    "FlowEndedError",
    "FlowNotFoundError",
    "FlowRequests",
    "FlowState",
    "FlowView",
    "GroupCommit",
    "IdempotencyInProgressError",
    "IdempotencyMismatchError",
    "IdleFlows",
    "Ingestion",
    "Intake",
    "IntakeError",
    "JobContext",
    "JobDetail",
    "JobEndedError",
    "JobError",
    "JobExistsError",
    "JobGoneError",
    "JobNotFoundError",
    "JobObserver",
    "JobRunningError",
    "JobSink",
    "JobStatus",
    "JobTelemetry",
    "JobType",
    "JobView",
    "JobWorker",
    "Jobs",
    "JobsError",
    "KeptAnswer",
    "Keyed",
    "KeyedRequest",
    "LeasedLimiter",
    "LetterFilter",
    "LetterKeeper",
    "LimitCheck",
    "LimitsUnknownError",
    "LogLine",
    "Member",
    "MemberResult",
    "MemberStatus",
    "MemberView",
    "NameInUseError",
    "NonceReplayedError",
    "OnFailure",
    "PermanentError",
    "Priority",
    "PriorityName",
    "Queue",
    "QueueError",
    "QueueOptions",
    "Rate",
    "RateLimiter",
    "ReasonError",
    "RequestedFlow",
    "ReservedError",
    "ReservingIntake",
    "Retention",
    "RetryLater",
    "Stop",
    "Submission",
    "SyncJobContext",
    "TicketTransport",
    "TooManyFlowsError",
    "TooManyWaitsError",
    "TypeLimits",
    "UniqueKeyHeldError",
    "UnknownMemberError",
    "Waker",
    "WorkerOptions",
    "WouldStart",
    "act_in_bulk",
    "cancel_flow",
    "cancel_job",
    "cancel_jobs",
    "change_job",
    "check_carrier",
    "claim_key",
    "close_flow",
    "dead_letter_groups",
    "dead_letters",
    "discard",
    "enqueue",
    "enqueue_many",
    "estimate_records",
    "explain",
    "finish_key",
    "insert_jobs_from",
    "job_values",
    "list_bulk",
    "list_flows",
    "list_job_logs",
    "list_jobs",
    "list_limits",
    "list_members",
    "preview_bulk",
    "rabbit_carrier",
    "rabbit_transport",
    "read_bulk",
    "read_dead_letter",
    "read_flow",
    "read_job",
    "redis_client",
    "redis_transport",
    "release_key",
    "requeue",
    "retry_job",
    "run_job_now",
    "set_limits",
    "stop_bulk",
    "use_nonce",
    "wake",
]

_LATER = {
    "KEPT_HOURS": "singr_jobs.intake._marks",
    "Answer": "singr_jobs.intake._answers",
    "AttemptOutcome": "singr_jobs.declare._views",
    "AttemptView": "singr_jobs.declare._views",
    "BulkActionEndedError": "singr_jobs.bulk._errors",
    "BulkActionError": "singr_jobs.bulk._errors",
    "BulkActionNotFoundError": "singr_jobs.bulk._errors",
    "BulkActionView": "singr_jobs.bulk._views",
    "BulkFilter": "singr_jobs.bulk._views",
    "BulkKind": "singr_jobs.bulk._views",
    "BulkPreview": "singr_jobs.bulk._views",
    "BulkRequest": "singr_jobs.bulk._asking",
    "BulkState": "singr_jobs.bulk._views",
    "Carrier": "singr_jobs.intake._carrier",
    "DeadLetterDetail": "singr_jobs.dead._views",
    "DeadLetterGroup": "singr_jobs.dead._views",
    "DeadLetterGroups": "singr_jobs.dead._views",
    "DeadLetterNotFoundError": "singr_jobs.dead._errors",
    "DeadLetterPage": "singr_jobs.dead._views",
    "DeadLetterSettledError": "singr_jobs.dead._errors",
    "DeadLetterState": "singr_jobs.dead._views",
    "DeadLetterView": "singr_jobs.dead._views",
    "Decision": "singr_db.limits",
    "Explanation": "singr_jobs.explaining._explain",
    "FlowRequests": "singr_jobs.flows._requests",
    "GroupCommit": "singr_db.batch",
    "IdleFlows": "singr_jobs.chores._end_idle_flows",
    "Ingestion": "singr_jobs.intake._ingest",
    "JobDetail": "singr_jobs.declare._views",
    "JobError": "singr_jobs.declare._views",
    "JobObserver": "singr_jobs.running._observer",
    "JobRunningError": "singr_jobs.steering._errors",
    "JobTelemetry": "singr_jobs.running._telemetry",
    "JobView": "singr_jobs.declare._views",
    "JobWorker": "singr_jobs._worker",
    "KeptAnswer": "singr_jobs.intake._records",
    "KeyedRequest": "singr_jobs.intake._records",
    "LeasedLimiter": "singr_db.limits",
    "LetterFilter": "singr_jobs.dead._filter",
    "LetterKeeper": "singr_jobs.chores._keep_letters",
    "LimitCheck": "singr_db.limits",
    "LimitsUnknownError": "singr_jobs.keys._limits",
    "LogLine": "singr_jobs.declare._views",
    "PriorityName": "singr_jobs.declare._views",
    "RateLimiter": "singr_db.limits",
    "ReasonError": "singr_db.operation_log",
    "RequestedFlow": "singr_jobs.flows._requests",
    "Retention": "singr_jobs.chores._retain_jobs",
    "Submission": "singr_jobs.intake._ingest",
    "TicketTransport": "singr_jobs.taking._tickets",
    "TypeLimits": "singr_jobs.keys._limits",
    "UniqueKeyHeldError": "singr_jobs.dead._errors",
    "Waker": "singr_jobs.intake._waker",
    "WorkerOptions": "singr_jobs.taking._options",
    "WouldStart": "singr_jobs.explaining._explain",
    "act_in_bulk": "singr_jobs.bulk._asking",
    "cancel_flow": "singr_jobs.flows._store",
    "cancel_job": "singr_jobs.reading._queries",
    "cancel_jobs": "singr_jobs.intake._from_rows",
    "change_job": "singr_jobs.steering._steer",
    "check_carrier": "singr_jobs.intake._carrier",
    "claim_key": "singr_jobs.intake._records",
    "close_flow": "singr_jobs.flows._store",
    "dead_letter_groups": "singr_jobs.dead._finding",
    "dead_letters": "singr_jobs.dead._finding",
    "discard": "singr_jobs.dead._settling",
    "estimate_records": "singr_jobs.intake._records",
    "explain": "singr_jobs.explaining._explain",
    "finish_key": "singr_jobs.intake._records",
    "insert_jobs_from": "singr_jobs.intake._from_rows",
    "job_values": "singr_jobs.intake._from_rows",
    "list_bulk": "singr_jobs.bulk._asking",
    "list_flows": "singr_jobs.flows._store",
    "list_job_logs": "singr_jobs.reading._logs",
    "list_jobs": "singr_jobs.reading._queries",
    "list_limits": "singr_jobs.keys._limits",
    "list_members": "singr_jobs.flows._graph",
    "preview_bulk": "singr_jobs.bulk._asking",
    "rabbit_carrier": "singr_jobs.rabbit",
    "rabbit_transport": "singr_jobs.rabbit",
    "read_bulk": "singr_jobs.bulk._asking",
    "read_dead_letter": "singr_jobs.dead._finding",
    "read_flow": "singr_jobs.flows._store",
    "read_job": "singr_jobs.reading._queries",
    "redis_client": "singr_db.redis",
    "redis_transport": "singr_jobs.taking._tickets",
    "release_key": "singr_jobs.intake._records",
    "requeue": "singr_jobs.dead._settling",
    "retry_job": "singr_jobs.steering._steer",
    "run_job_now": "singr_jobs.steering._steer",
    "set_limits": "singr_jobs.keys._limits",
    "stop_bulk": "singr_jobs.bulk._asking",
    "use_nonce": "singr_jobs.intake._records",
    "wake": "singr_jobs.intake._from_rows",
}


_RABBIT = frozenset(name for name, module in _LATER.items() if module == "singr_jobs.rabbit")


def __getattr__(name: str) -> Any:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found = getattr(import_module(module), name)
    except ImportError as error:
        extra = "rabbitmq" if name in _RABBIT else "worker"
        words = f"{name} needs {error.name}: pip install 'singr-jobs[{extra}]'"
        # `from singr_jobs import name` is to fail as an import, in these words; hasattr, inspect and pydoc want to hear
        # of an attribute. CPython lets no exception be both, and the import system looks itself before it imports.
        if sys._getframe(1).f_code.co_name == "_handle_fromlist":  # noqa: SLF001 — who asks is told nowhere else
            raise ImportError(words, name=error.name) from error
        raise AttributeError(words) from error
    globals()[name] = found
    return found


def _is_installed(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


# `from singr_jobs import *` brings what is installed
if not all(map(_is_installed, ("dramatiq", "redis", "singr_config", "singr_db", "singr_observability"))):
    __all__[:] = [name for name in __all__ if name not in _LATER]
elif not _is_installed("pika"):
    __all__[:] = [name for name in __all__ if name not in _RABBIT]


def __dir__() -> list[str]:
    return sorted(__all__)
