"""However members end, and whoever dies in the middle, no flow waits for ever; each has one completion job (R28)."""

import asyncio
import json
import math
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
import pytest
from faults.fault_jobs import Nothing

from singr_config import RetentionSettings, Settings
from singr_config.clock import clock
from singr_db import Database
from singr_db.ending import COMPLETE, LOSE, SETTLE
from singr_db.redis import redis_client
from singr_db.retention import retain, retaining
from singr_jobs import Continue, Flow, FlowView, Waker, cancel_job, dead_letters, discard, enqueue, list_flows, requeue
from singr_jobs.flows._keeper import FlowKeeper

ORGANIZATION = UUID("01920000-0000-7000-8000-0000000000aa")
WAYS = ("completed", "failed", "lost", "stopped", "cancelled", "killed")


class Sides:
    """Workers, a sweeper and callers who end members at once, each over a connection of its own."""

    def __init__(self, db: Database, seed: int) -> None:
        self.db = db
        self.chance = random.Random(seed)
        self._token = 0

    async def ready(self) -> list[UUID]:
        async with self.db.psycopg.connection() as connection:
            rows = await (await connection.execute("SELECT id FROM job_ready ORDER BY id")).fetchall()
        return [job_id for (job_id,) in rows]

    async def end(self, way: str, ids: list[UUID]) -> None:
        """End these jobs, whose order is by chance; one who is killed ends none of them."""
        if way == "cancelled":
            for job_id in ids:
                async with self.db.tenant(ORGANIZATION) as session:
                    await cancel_job(session, job_id)
            return
        token = await self._taken(ids, over_in=-1.0 if way == "lost" else 60.0)
        statement, more = self._statement(way, len(ids))
        given = {"ids": ids, "tokens": [token], "spent": [token], "worker": "w", "holding": [], **more}
        while not await self._ended(statement, given, dies=way == "killed") or (
            way == "lost" and await self._lies(token)
        ):
            pass  # whoever sweeps goes around what is locked, and comes again
        if way == "killed":
            await self._back(token, ids)

    async def _ended(self, statement: str, given: dict[str, Any], *, dies: bool) -> bool:
        """Write it, as a worker does that waits for nobody's lock for long; whoever dies does so before the commit."""
        try:
            async with self.db.psycopg.connection() as connection, connection.transaction(force_rollback=dies):
                await connection.execute(statement, given)
        except psycopg.errors.LockNotAvailable:
            return False
        return True

    async def _lies(self, token: int) -> bool:
        async with self.db.psycopg.connection() as connection:
            cursor = await connection.execute("SELECT FROM job_tickets WHERE token = %s", (token,))
            return await cursor.fetchone() is not None

    def _statement(self, way: str, many: int) -> tuple[str, dict[str, Any]]:
        if way == "lost":
            return LOSE, {"limit": 1, "error": "{}", "looked": math.inf}
        if way in {"completed", "killed"}:
            return COMPLETE.followed, {"results": [None] * many}
        status = "failed" if way == "failed" else "cancelled"
        lists = {"statuses": status, "outcomes": status, "errors": "{}", "delays": 0.0}
        return SETTLE.followed, {name: [value] * many for name, value in lists.items()}

    async def _taken(self, ids: list[UUID], *, over_in: float) -> int:
        self._token += 1
        token = self._token
        async with self.db.psycopg.connection() as connection, connection.transaction():
            await connection.execute("DELETE FROM job_ready WHERE id = ANY (%s)", (ids,))
            await connection.execute("UPDATE jobs SET attempt = max_attempts - 1 WHERE id = ANY (%s)", (ids,))
            await connection.execute(
                "INSERT INTO job_tickets (token, queue, ids, state, leased_until, worker, started_at)"
                " VALUES (%s, 'default', %s, 'working', now() + %s * interval '1 second', 'w', now())",
                (token, ids, over_in),
            )
        return token

    async def _back(self, token: int, ids: list[UUID]) -> None:
        async with self.db.psycopg.connection() as connection, connection.transaction():
            await connection.execute("DELETE FROM job_tickets WHERE token = %s", (token,))
            await connection.execute(
                "INSERT INTO job_ready (queue, organization_id, priority, run_at, id, type)"
                " SELECT queue, organization_id, priority, run_at, id, type FROM jobs"
                "  WHERE id = ANY (%s) AND status = 'pending' ON CONFLICT DO NOTHING", (ids,)
            )  # fmt: skip

    async def run_dry(self) -> None:
        """End all that becomes due, in four batches at once, each of members of all flows, until nothing is."""
        while ids := await self.ready():
            self.chance.shuffle(ids)
            batches = [ids[side::4] for side in range(4)]
            ways = [self.chance.choice(WAYS) for _ in batches]
            await asyncio.gather(*(self.end(way, batch) for way, batch in zip(ways, batches, strict=True) if batch))

    async def settle(self, *, discarding: float) -> bool:
        """Give failed members back, all in one transaction, or discard them by chance; false where there are none."""
        async with self.db.platform() as session:
            letters = (await dead_letters(session, state="open", limit=1000)).items
            for letter in self.chance.sample(letters, len(letters)):
                await (discard if self.chance.random() < discarding else requeue)(session, letter.id)
        return bool(letters)


@pytest.fixture
async def keeper(db: Database, settings: Settings) -> AsyncIterator[FlowKeeper]:
    redis = redis_client(settings.redis)
    waker = Waker(redis)
    yield FlowKeeper(db.psycopg, waker=waker)
    await waker.close()
    await redis.aclose()


def braided(number: int, **options: Any) -> Flow:
    """Four members, three that wait for two each, one that waits for these, and a completion job."""
    flow = Flow(f"braid {number}", **options)
    first = [flow.add(Nothing()) for _ in range(4)]
    second = [flow.add(Nothing(), after=pair) for pair in pairwise(first)]
    flow.add(Nothing(), after=second)
    flow.then(Nothing())
    return flow


async def put(db: Database, flows: list[Flow]) -> None:
    async with db.tenant(ORGANIZATION) as session:
        for flow in flows:
            await enqueue(session, flow, organization_id=ORGANIZATION)


async def stand(db: Database) -> list[FlowView]:
    async with db.tenant(ORGANIZATION) as session:
        return list((await list_flows(session, organization_id=ORGANIZATION, limit=1000)).items)


@pytest.mark.parametrize("number", [6, pytest.param(150, marks=pytest.mark.full)])
async def test_members_that_end_at_once_in_every_way_leave_no_flow_waiting(
    db: Database, keeper: FlowKeeper, number: int
) -> None:
    """R28: batches over all flows, crosswise; lost, cancelled, failed; killed before the commit."""
    await put(db, [braided(one, on_failure=Continue) for one in range(number)])
    sides = Sides(db, seed=number)
    await sides.run_dry()
    assert await sides.settle(discarding=0.0), "no member failed"
    await sides.run_dry()
    flows = await stand(db)
    assert {flow.state for flow in flows} == {"completed"}, "a flow waits for ever"
    assert all(flow.completed + flow.failed + flow.cancelled == flow.total == 9 for flow in flows)
    assert await keeper.audit() == 0
    async with db.psycopg.connection() as connection:
        left = await (await connection.execute("SELECT count(*) FROM job_waiting")).fetchone()
        ends = await (await connection.execute(
            "SELECT count(*) FROM jobs JOIN flows ON completion_job_id = jobs.id WHERE jobs.status <> 'pending'"
        )).fetchone()  # fmt: skip
    assert (left, ends) == ((0,), (number,)), "not one completion job each"


@pytest.mark.parametrize("number", [6, pytest.param(150, marks=pytest.mark.full)])
async def test_flows_that_stop_are_over_once_their_members_failed_were_cancelled_or_completed(
    db: Database, keeper: FlowKeeper, number: int
) -> None:
    """R28: one stands because a member failed, and no other; once these run again or are discarded, none does."""
    stands = Flow("one member failed")
    failing = stands.add(Nothing())
    stands.add(Nothing(), after=failing)
    await put(db, [stands])
    sides, settled = Sides(db, seed=number), True
    await sides.end("failed", [failing.id])
    assert [flow.state for flow in await stand(db)] == ["failed"]
    assert await sides.settle(discarding=1.0)
    await put(db, [braided(one) for one in range(number)])
    while settled:
        while await sides.ready():
            await sides.run_dry()
            await keeper.work()
        for flow in await stand(db):
            assert flow.state in {"completed", "failed", "cancelled"}, "a flow waits for ever"
            assert flow.state == "failed" or flow.finished_at is not None
            assert (flow.failed > 0) or flow.state != "failed"
        assert await keeper.audit() == 0
        settled = await sides.settle(discarding=0.3)
        await keeper.work()
    assert all(flow.finished_at for flow in await stand(db)), "a flow waits for ever"


_ENDS: str = """
import json, sys
import psycopg
from singr_db.ending import COMPLETE
given = json.loads(sys.argv[2])
with psycopg.connect(sys.argv[1]) as connection:
    connection.execute(COMPLETE.followed, given)
    print("ended", flush=True)
    sys.stdin.read()
"""


async def test_who_is_killed_between_a_members_end_and_its_commit_has_ended_nothing(
    db: Database, keeper: FlowKeeper, database_url: str
) -> None:
    """R28: kill -9 of the process that has written outcome and promotion, and not committed."""
    flow = Flow("killed", on_failure=Continue)
    first = flow.add(Nothing())
    second = flow.add(Nothing(), after=first)
    flow.then(Nothing())
    await put(db, [flow])
    sides = Sides(db, seed=3)
    token = await sides._taken([first.id], over_in=-1.0)
    given = {"ids": [str(first.id)], "tokens": [token], "spent": [token], "worker": "w", "results": [None]}
    with subprocess.Popen(
        [sys.executable, "-c", _ENDS, database_url, json.dumps(given)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "ended\n"
        assert await sides.ready() == [], "what follows is seen before the end is committed"
        process.kill()
    assert (await stand(db))[0].completed == 0
    async with db.psycopg.connection() as connection:
        lost: list[Any] = []
        while not lost:  # until the server has noticed that nobody is there, the ticket is locked
            given = {"limit": 1, "error": "{}", "looked": math.inf}
            lost = await (await connection.execute(LOSE, given)).fetchall()
            await connection.commit()
    assert await sides.ready() == [second.id]
    await sides.end("completed", [second.id])
    await sides.run_dry()
    [view] = await stand(db)
    assert (view.state, view.total) == ("completed", 3)
    assert await keeper.audit() == 0


async def test_one_who_adds_to_a_flow_and_one_who_ends_its_member_miss_each_other_never(db: Database) -> None:
    """R28: the member ends while somebody adds another that waits for it, and has not committed."""
    flow = Flow("both", on_failure=Continue, stays_open=True)
    first = flow.add(Nothing())
    await put(db, [flow])
    more = Flow.existing(flow.id)
    second = more.add(Nothing(), after=first)
    sides = Sides(db, seed=1)
    async with db.tenant(ORGANIZATION) as session:
        await enqueue(session, more, organization_id=ORGANIZATION)
        ending = asyncio.create_task(sides.end("failed", [first.id]))
        async with db.psycopg.connection() as connection:
            while not ending.done() and not await _waits(connection):
                await asyncio.sleep(0.01)
    await ending
    assert await sides.ready() == [second.id], "a member waits for one that has ended"


async def _waits(connection: psycopg.AsyncConnection[Any]) -> bool:
    row = await (await connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )).fetchone()  # fmt: skip
    return row is not None and row[0] > 0


async def test_members_of_a_flow_that_has_not_ended_outlive_their_week(db: Database) -> None:
    """R30: years later, while one of them stands as failed; and they go once their flow is over."""
    flow = braided(1)
    await put(db, [flow])
    sides = Sides(db, seed=2)
    await sides.end("completed", [flow.planned[0].id])
    await sides.end("failed", [flow.planned[1].id])
    assert await _kept(db, clock.now() + timedelta(days=800)) == 9
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE flows SET finished_at = now()")
        await connection.execute("UPDATE jobs SET status = 'cancelled', finished_at = now() WHERE status = 'pending'")
    assert await _kept(db, clock.now() + timedelta(days=1600)) == 1, "but for the last one of the queue"


async def _kept(db: Database, now: datetime) -> int:
    async with retaining(db.psycopg) as connection:
        assert connection is not None
        while (await retain(connection, RetentionSettings(jobs_per_queue=1), now=now)).held_up:
            await asyncio.sleep(0.1)  # somebody uses the table for a moment
        row = await (await connection.execute("SELECT count(*) FROM jobs")).fetchone()
    assert row is not None
    return int(row[0])
