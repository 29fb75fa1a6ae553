"""Every list and count of `/v1`, as its route asks for it, with filters that fit few rows, or none."""

import datetime as dt
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from plans_rows import FLOW, OURS, RARE, SCHEDULE
from sqlalchemy import text

from singr_comms.notifications import Deliveries
from singr_config import Secret
from singr_config.clock import clock
from singr_db import Sealer
from singr_db.operation_log import list_operations
from singr_jobs import (
    BulkFilter,
    BulkRequest,
    JobStatus,
    Queue,
    dead_letter_groups,
    dead_letters,
    explain,
    list_bulk,
    list_flows,
    list_job_logs,
    list_jobs,
    list_members,
    preview_bulk,
    read_job,
)
from singr_jobs.queues import list_queues, list_workers, queues_health, read_queue, read_queue_history
from singr_jobs.schedules import list_fires, list_schedules

Asks = Callable[[Any], Awaitable[Any]]

PAST: Final = dt.timedelta(days=1)
JOB: Final = text("SELECT id FROM jobs WHERE flow_id IS NOT NULL ORDER BY id LIMIT 1")
WAITS: Final = text("SELECT id FROM jobs WHERE organization_id = :ours AND status = 'pending' ORDER BY id DESC LIMIT 1")


def _jobs(**filters: Any) -> Asks:
    return lambda session: list_jobs(session, limit=20, **filters)


def _letters(**filters: Any) -> Asks:
    return lambda session: dead_letters(session, limit=20, **filters)


def _operations(**filters: Any) -> Asks:
    return lambda session: list_operations(session, limit=20, **filters)


def _deliveries(**filters: Any) -> Asks:
    sealer = Sealer(Secret("x" * 32))
    return lambda session: Deliveries(sealer).list(session, limit=20, **filters)


def _dry_run(action: Any, which: BulkFilter) -> Asks:
    request = BulkRequest(action=action, which=which, organization_id=OURS)
    return lambda session: preview_bulk(session, request)


async def _logs(session: Any) -> Any:
    return await list_job_logs(session, await session.scalar(JOB), limit=20, attempt=2)


async def _of_job(session: Any) -> Any:
    return await _deliveries(job_id=await session.scalar(JOB))(session)


async def _why(session: Any) -> Any:
    return await explain(session, await session.scalar(WAITS, {"ours": OURS}))


async def _one(session: Any) -> Any:
    return await read_job(session, await session.scalar(WAITS, {"ours": OURS}))


def _now() -> dt.datetime:
    return clock.now()


def of_tenants() -> Iterator[tuple[str, Asks]]:
    """What an organization sees of its own, by name."""
    yield "jobs", _jobs()
    yield "jobs, the oldest first", _jobs(oldest_first=True)
    for status in JobStatus:
        yield f"jobs that are {status}", _jobs(status=status)
    yield "jobs of a type", _jobs(job_type=RARE)
    yield "jobs of a type that is none", _jobs(job_type="test.none")
    yield "jobs of a queue", _jobs(queue=Queue.SMS)
    yield "jobs made since", _jobs(created_after=_now() + PAST)
    yield "jobs made before", _jobs(created_before=_now() - PAST)
    yield "jobs by all", _jobs(status=JobStatus.PENDING, job_type=RARE, queue=Queue.SMS, created_before=_now() - PAST)
    yield "jobs of a matter", _jobs(reference="rare")
    for labels in (("eu",), ("rare",), ("eu", "rare"), ("none",)):
        yield f"jobs with the labels {', '.join(labels)}", _jobs(labels=labels)
    yield "completed jobs with a label", _jobs(status=JobStatus.COMPLETED, labels=("rare",))
    yield "failed jobs with a label", _jobs(status=JobStatus.FAILED, labels=("rare",))
    yield "a job", _one
    yield "why a job waits", _why
    yield "logs", _logs
    yield "flows", lambda session: list_flows(session, organization_id=OURS)
    yield "flows by state", lambda session: list_flows(session, organization_id=OURS, state="failed")
    yield "members", lambda session: list_members(session, FLOW)
    yield "schedules", lambda session: list_schedules(session, organization_id=OURS)
    yield "schedules by state", lambda session: list_schedules(session, organization_id=OURS, state="ended")
    yield "fires", lambda session: list_fires(session, SCHEDULE, organization_id=OURS)
    yield "bulk actions", lambda session: list_bulk(session, organization_id=OURS, limit=20)
    yield "groups", dead_letter_groups
    yield "groups of a type", lambda session: dead_letter_groups(session, job_type=RARE)
    for name, value in {"channel": "sms", "status": "failed", "kind": "rare", "recipient": "a@b.example"}.items():
        yield f"deliveries by {name}", _deliveries(**{name: value})
    for stands in ("unknown", "queued", "suppressed"):
        yield f"deliveries that are {stands}", _deliveries(status=stands)
    yield "deliveries that failed, by channel", _deliveries(status="failed", channel="email")
    yield "failed deliveries since", _deliveries(status="failed", created_after=_now() - PAST)
    yield "deliveries", _deliveries()
    yield "deliveries of a job", _of_job
    yield "deliveries since", _deliveries(created_after=_now() + PAST)
    yield "deliveries before", _deliveries(created_before=_now() - PAST)
    yield from _of_both()


def of_the_platform() -> Iterator[tuple[str, Asks]]:
    """What operators see of all."""
    yield "groups of all", dead_letter_groups
    yield "bulk actions of all", lambda session: list_bulk(session, organization_id=None, limit=20)
    yield "queues", list_queues
    yield "a queue", lambda session: read_queue(session, Queue.EMAIL)
    yield "history of a queue", lambda session: read_queue_history(session, Queue.EMAIL, minutes=180)
    yield "health of queues", queues_health
    yield "workers", list_workers
    yield "lines of an organization", _operations(organization_id=OURS, kind="job.rare")
    yield from _of_both()


def _of_both() -> Iterator[tuple[str, Asks]]:
    yield "dead letters", _letters()
    letters = {"job_type": RARE, "queue": Queue.SMS, "error_code": "rare", "fingerprint": "0" * 16, "state": "expired"}
    for name, value in letters.items():
        yield f"dead letters by {name}", _letters(**{name: value})
    yield "dead letters since", _letters(failed_after=_now() + PAST)
    yield "dead letters before", _letters(failed_before=_now() - PAST)
    yield "lines", _operations()
    lines = {"actor": "user:rare", "kind": "job.rare", "target": "t1"}
    for name, value in lines.items():
        yield f"lines by {name}", _operations(**{name: value})
    yield "lines by all", _operations(**lines)
    for action, which in {"cancel": {"type": RARE}, "requeue": {"error_code": "rare"}}.items():
        yield f"dry run of {action}", _dry_run(action, BulkFilter(**which))
