"""Limits by key while workers die, limits change and one key floods: row R29."""

import os
import signal
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import pytest
from fault_jobs import Keep
from faults.harness import ORGANIZATION, Site, until

from singr_db import new_id

LIMIT = 2  # as `Keep` is declared
FLOOD = "flood"


def flood(site: Site, number: int) -> None:
    """Enqueue many jobs of one key in one statement."""
    site.sql(
        "INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout, concurrency_key)"
        " SELECT id, %s, 'fault.keep', 'default',"
        " jsonb_build_object('type', 'fault.keep', 'account', %s::text, 'seconds', 0.2), 10, 0.1, 400, %s"
        " FROM unnest(%s::uuid[]) AS t (id)",
        (ORGANIZATION, FLOOD, FLOOD, [new_id() for _ in range(number)]),
    )


def begun(site: Site) -> int:
    """How many of the flood have begun."""
    return site.count("marks JOIN jobs ON id = job_id WHERE what = 'began' AND concurrency_key = %s", (FLOOD,))


def ended(site: Site, ids: Iterable[UUID]) -> bool:
    ids = list(ids)
    return site.count("jobs WHERE status = 'completed' AND id = ANY (%s)", (ids,)) == len(ids)


def most_at_once(site: Site, since: datetime | None = None) -> dict[str, int]:
    """How many jobs of each key ran at once at the most; one whose worker died goes on where it begins again."""
    running: dict[str, set[UUID]] = {}
    most: dict[str, int] = {}
    for key, job_id, what, at in site.sql(
        "SELECT concurrency_key, job_id, what, at FROM marks JOIN jobs ON id = job_id ORDER BY at"
    ):
        now = running.setdefault(key, set())
        (now.add if what == "began" else now.discard)(job_id)
        if since is None or at > since:
            most[key] = max(most.get(key, 0), len(now))
    return most


@pytest.mark.parametrize(
    ("number", "rounds", "processes"), [(5_000, 1, 2), pytest.param(1_000_000, 10, 4, marks=pytest.mark.full)]
)
async def test_no_key_runs_above_its_limit_and_none_waits_for_another(site: Site, number, rounds, processes):
    """R29: a flood of one key keeps no other waiting; holders are killed, and the limit lowered under what runs."""
    with site.worker(processes=processes) as worker:
        until(lambda: len(worker.children()) == processes, within=60, what="all processes are up")
        flood(site, number)
        [other] = await site.put(Keep("other"))
        until(lambda: ended(site, [other]), within=60, what="a job of another key ended")
        until(lambda: site.count("job_parked") > number / 2, within=600, what=lambda: f"parked: {site.jobs()}")
        assert begun(site) < number / 5, "it did not wait for the flood"
        for _ in range(rounds):
            held = await site.put(*[Keep("held", first=300.0, seconds=0.05)] * LIMIT, Keep("held"))
            until(
                lambda held=held: site.count("marks WHERE job_id = ANY (%s)", (held,)) >= LIMIT, within=60, what="held"
            )
            for pid in worker.children():
                os.kill(pid, signal.SIGKILL)
            until(lambda held=held: ended(site, held), within=120, what=lambda: f"all of the key: {site.jobs()}")
        site.sql("UPDATE job_limits SET set_concurrency = 1 WHERE type = 'fault.keep'")
        slots = "job_slots WHERE key = %s"
        until(lambda: site.count(slots, (FLOOD,)) == 1, within=60, what="the limit is lowered")
        [(lowered,)] = site.sql("SELECT clock_timestamp()")
        before = begun(site)
        until(lambda: begun(site) > before + 20, within=60, what="it goes on")
    assert most_at_once(site)["held"] == LIMIT
    assert most_at_once(site)[FLOOD] <= LIMIT
    assert most_at_once(site, lowered)[FLOOD] == 1
    assert site.astray() == []
