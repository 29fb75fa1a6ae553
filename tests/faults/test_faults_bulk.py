"""Dead letters given back by thousands, which fail again, while workers are killed and actions stopped: row R34."""

import os
import signal
from typing import Any
from uuid import UUID

import pytest
from faults.harness import ORGANIZATION, Process, Site, until

from singr_config import DatabaseSettings, Secret
from singr_db import Database, new_id
from singr_jobs import BulkFilter, BulkRequest, act_in_bulk, stop_bulk

FAILED = BulkFilter(type="fault.fail")


def fail(site: Site, number: int) -> None:
    """Enqueue many jobs that fail whenever they are tried, in one statement."""
    site.sql(
        "INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout)"
        " SELECT id, %s, 'fault.fail', 'default', jsonb_build_object('type', 'fault.fail', 'way', 'wordless'),"
        " 1, 0.1, 60 FROM unnest(%s::uuid[]) AS t (id)",
        (ORGANIZATION, [new_id() for _ in range(number)]),
    )


async def ask(site: Site, rate: int | None = None) -> UUID:
    """Ask that all be requeued that failed."""
    request = BulkRequest(action="requeue", which=FAILED, organization_id=ORGANIZATION, rate_per_minute=rate)
    settings = DatabaseSettings(url=Secret(site.database_url))
    async with Database(settings, application_name="faults") as database, database.platform() as session:
        return (await act_in_bulk(session, request)).id


async def stop(site: Site, action: UUID) -> int:
    """Stop it; answers how many had had their turn."""
    settings = DatabaseSettings(url=Secret(site.database_url))
    async with Database(settings, application_name="faults") as database, database.platform() as session:
        return (await stop_bulk(session, action, organization_id=None)).done


def done(site: Site, actions: list[UUID], number: int) -> int:
    """How many these actions have given back together: never more than there are, nor than the rate allows."""
    rows = site.sql(
        "SELECT done, rate_per_minute / 60.0 AS rate, extract(epoch FROM clock_timestamp() - asked_at)::float8"
        "  FROM bulk_actions WHERE id = ANY (%s)",
        (actions,),
    )
    for so_many, rate, seconds in rows:
        assert rate is None or so_many <= float(rate) * (seconds + 1), "faster than the rate"
    so_far = sum(row[0] for row in rows)
    assert so_far <= number, "what failed again had another turn"
    return so_far


def ended(site: Site, actions: list[UUID], number: int) -> bool:
    done(site, actions, number)
    return site.count("bulk_actions WHERE state = 'done' AND id = ANY (%s)", (actions,)) == len(actions)


def kill(worker: Process) -> None:
    """Kill all processes that work; their supervisor begins others."""
    for pid in worker.children():
        os.kill(pid, signal.SIGKILL)


def counted(site: Site, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    return sorted(site.sql(statement, values))


@pytest.mark.timeout(1800)  # it waits for processes that are begun anew, with deadlines of its own
@pytest.mark.parametrize(
    ("number", "processes", "slow", "fast"),
    [(300, 1, 120, 6_000), pytest.param(100_000, 4, 12_000, 30_000, marks=pytest.mark.full)],
)
async def test_what_is_requeued_in_bulk_and_fails_again_had_its_turn_once_whoever_is_killed(
    site: Site, number: int, processes: int, slow: int, fast: int
) -> None:
    """R34: one action that is stopped, then two at once over the same letters; whoever works is killed in both."""
    with site.worker(processes=processes) as worker:
        fail(site, number)
        quiet = "jobs WHERE status = 'pending'"
        until(lambda: site.count(quiet) == 0, within=600, what=lambda: f"all have failed: {site.jobs()}")
        first = await ask(site, slow)
        until(lambda: done(site, [first], number) > 0, within=120, what="the first have their turn")
        kill(worker)
        before = done(site, [first], number)
        until(lambda: done(site, [first], number) > before, within=120, what="another process goes on")
        stopped = await stop(site, first)
        assert 0 < stopped < number
        until(lambda: site.count(quiet) == 0, within=600, what=lambda: f"what was requeued has failed: {site.jobs()}")
        assert done(site, [first], number) == stopped, "a stopped action went on"
        both = [await ask(site, fast), await ask(site, fast)]
        until(lambda: done(site, both, number) > 0, within=120, what="the others have their turn")
        kill(worker)
        until(lambda: ended(site, both, number), within=900, what="both actions are done")
        until(lambda: site.count(quiet) == 0, within=600, what=lambda: f"all have failed again: {site.jobs()}")
    assert done(site, both, number) == number, "a letter had no turn"
    assert site.count("bulk_actions") == 3
    letters = "SELECT state, count(*), count(DISTINCT job_id) FROM dead_letters"
    assert counted(site, f"{letters} WHERE state = 'open' GROUP BY state") == [("open", number, number)]
    requeued = [("requeued", stopped, stopped)]
    assert counted(site, f"{letters} WHERE bulk_id = %s GROUP BY state", first) == requeued
    requeued = [("requeued", number, number)]
    assert counted(site, f"{letters} WHERE bulk_id = ANY (%s) GROUP BY state", both) == requeued
    assert site.sql("SELECT status, count(*) FROM jobs GROUP BY status") == [("failed", number)]
