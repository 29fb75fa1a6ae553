"""Every list and count of `/v1` looks at a bounded number of rows, whatever its filter and however many there are."""

import datetime as dt
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from plans_rows import FLOW, GROWING, OURS, RARE, SCHEDULE, fill
from sqlalchemy import Engine, event, text
from sqlalchemy.ext.asyncio import AsyncSession

from singr_comms.notifications import Deliveries
from singr_config import Secret
from singr_config.clock import clock
from singr_db import Database, Sealer, pages
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
)
from singr_jobs.bulk import _asking
from singr_jobs.dead import _groups, _sql
from singr_jobs.queues import _standing, list_queues, list_workers, queues_health, read_queue, read_queue_history
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


def _now() -> dt.datetime:
    return clock.now()


def _of_tenants() -> Iterator[tuple[str, Asks]]:
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
    yield "deliveries", _deliveries()
    yield "deliveries of a job", _of_job
    yield "deliveries since", _deliveries(created_after=_now() + PAST)
    yield "deliveries before", _deliveries(created_before=_now() - PAST)
    yield from _of_both()


def _of_the_platform() -> Iterator[tuple[str, Asks]]:
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


class Looks:
    """What was asked of PostgreSQL, explained: which large tables were read whole, and how many rows were looked at."""

    def __init__(self, most: int, *, small: bool) -> None:
        self._most = most
        self._small = small
        self.faults: list[str] = []
        self.seconds: dict[str, float] = {}

    async def watch(self, session: AsyncSession, name: str, ask: Asks) -> None:
        """Ask, and then explain each statement that was asked, in the same transaction."""
        asked: list[tuple[str, Any]] = []

        def keep(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: Any) -> None:
            asked.append((statement, parameters))

        if self._small:  # of a small table PostgreSQL would read the whole even where an index leads
            await session.execute(text("SET LOCAL enable_seqscan = off"))
        event.listen(Engine, "before_cursor_execute", keep)
        try:
            began = time.perf_counter()
            await ask(session)
            self.seconds[name] = time.perf_counter() - began
        finally:
            event.remove(Engine, "before_cursor_execute", keep)
        looked_at = 0
        for statement, parameters in asked:
            if statement.lstrip().startswith(("SELECT", "WITH")):
                looked_at += await self._explained(session, name, statement, parameters)
        if looked_at > self._most:
            self.faults.append(f"{name}: looks at {looked_at} rows, and not at {self._most} at most")

    async def _explained(self, session: AsyncSession, name: str, statement: str, parameters: Any) -> int:
        explaining = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
        connection = await session.connection()
        told = (await connection.exec_driver_sql(explaining, parameters or None)).scalar_one()
        [plan] = told if isinstance(told, list) else json.loads(told)
        looked_at = 0
        for node in _nodes(plan["Plan"]):
            table = node.get("Relation Name", "")
            removed = sum(node.get(f"Rows Removed by {what}", 0) for what in ("Filter", "Index Recheck"))
            rows = int((node["Actual Rows"] + removed) * node["Actual Loops"]) if table else 0
            looked_at += rows
            if node["Node Type"].endswith("Seq Scan") and rows > 100 and table.startswith(GROWING):
                self.faults.append(f"{name}: reads {table} whole ({rows} rows): {' '.join(statement.split())[:200]}")
        return looked_at


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


@asynccontextmanager
async def _asking_all(db: Database, most: int, *, small: bool = False) -> AsyncIterator[Looks]:
    looks = Looks(most, small=small)
    for name, ask in _of_tenants():
        async with db.tenant(OURS) as session:
            await looks.watch(session, name, ask)
    for name, ask in _of_the_platform():
        async with db.platform() as session:
            await looks.watch(session, f"{name} (platform)", ask)
    yield looks


async def test_no_list_or_count_looks_at_more_rows_than_it_says(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, bound in (
        (pages, "LOOKS_BACK"),
        (_sql, "LOOKS_BACK"),
        (_asking, "COUNTED"),
        (_standing, "EXACT_UP_TO"),
    ):
        monkeypatch.setattr(module, bound, 200)
    for bound, small in {"MOST_GROUPS": 10, "COUNTED": 10, "MOST_KINDS": 100, "LATEST": 200}.items():
        monkeypatch.setattr(_groups, bound, small)
    await fill(db, 20_000)
    async with _asking_all(db, 2500, small=True) as looks:
        assert not looks.faults, "\n".join(looks.faults)


@pytest.mark.full
@pytest.mark.timeout(1800)
async def test_lists_and_counts_at_a_million_jobs(db: Database) -> None:
    await fill(db, 1_000_000)
    async with _asking_all(db, 250_000) as looks:
        for name, seconds in sorted(looks.seconds.items(), key=lambda one: -one[1]):
            print(f"{seconds * 1000:8.1f} ms  {name}")  # noqa: T201 - what the long form is run for
        assert not looks.faults, "\n".join(looks.faults)
