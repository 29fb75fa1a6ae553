"""Every list and count of `/v1` looks at a bounded number of rows, whatever its filter and however many there are."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from plans_asks import Asks, of_tenants, of_the_platform
from plans_rows import GROWING, OURS, fill
from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import Database, pages
from singr_jobs.bulk import _asking
from singr_jobs.dead import _groups, _sql
from singr_jobs.queues import _standing

READ_WHOLE = 100
"""Rows: what has fewer lies on a few pages, and may be read whole where no index leads to it."""


@dataclass
class Costs:
    """What the statements of one list cost PostgreSQL: time is what a busy machine adds to, the others are not."""

    rows: int = 0
    buffers: int = 0
    milliseconds: float = 0.0


class Looks:
    """What was asked of PostgreSQL, explained: which large tables were read whole, and how many rows were looked at."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.faults: list[str] = []
        self.told: dict[str, Costs] = {}

    async def watch(self, session: AsyncSession, name: str, ask: Asks) -> None:
        """Ask, and then explain each statement that was asked, in the same transaction."""
        asked: list[tuple[str, Any]] = []

        def keep(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: Any) -> None:
            asked.append((statement, parameters))

        event.listen(Engine, "before_cursor_execute", keep)
        try:
            await ask(session)
        finally:
            event.remove(Engine, "before_cursor_execute", keep)
        costs = self.told[name] = Costs()
        for statement, parameters in asked:
            if statement.lstrip().startswith(("SELECT", "WITH")):
                await self._explain(session, name, statement, parameters, costs)
        if costs.rows > self._most:
            self.faults.append(f"{name}: looks at {costs.rows} rows, and not at {self._most} at most")

    async def _explain(self, session: AsyncSession, name: str, statement: str, parameters: Any, costs: "Costs") -> None:
        explaining = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
        connection = await session.connection()
        told = (await connection.exec_driver_sql(explaining, parameters or None)).scalar_one()
        [plan] = told if isinstance(told, list) else json.loads(told)
        costs.milliseconds += plan["Execution Time"]
        costs.buffers += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        for node in _nodes(plan["Plan"]):
            table = node.get("Relation Name", "")
            removed = sum(node.get(f"Rows Removed by {what}", 0) for what in ("Filter", "Index Recheck"))
            rows = int((node["Actual Rows"] + removed) * node["Actual Loops"]) if table else 0
            costs.rows += rows
            if node["Node Type"].endswith("Seq Scan") and rows > READ_WHOLE and table.startswith(GROWING):
                self.faults.append(f"{name}: reads {table} whole ({rows} rows): {' '.join(statement.split())[:200]}")


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


@asynccontextmanager
async def _asking_all(db: Database, most: int) -> AsyncIterator[Looks]:
    looks = Looks(most)
    for name, ask in of_tenants():
        async with db.tenant(OURS) as session:
            await looks.watch(session, name, ask)
    for name, ask in of_the_platform():
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
    async with _asking_all(db, 2500) as looks:
        assert not looks.faults, "\n".join(looks.faults)


@pytest.mark.full
@pytest.mark.timeout(1800)
async def test_lists_and_counts_at_a_million_jobs(db: Database) -> None:
    await fill(db, 1_000_000)
    async with _asking_all(db, 60_000) as looks:
        for name, told in sorted(looks.told.items(), key=lambda one: -one[1].buffers):
            line = f"{told.buffers:8} buffers {told.rows:8} rows {told.milliseconds:8.1f} ms  {name}"
            print(line)  # noqa: T201 - what the long form is run for
        assert not looks.faults, "\n".join(looks.faults)
