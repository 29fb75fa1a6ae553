"""Limits of queues over processes that are killed, and lowered under what runs: row R33."""

import os
import signal
import time

import pytest
from fault_jobs import Work
from faults.harness import ORGANIZATION, Site, until

from singr_config import DatabaseSettings, Secret
from singr_db import Database
from singr_jobs.queues import set_queue


async def limit(site: Site, jobs: int) -> None:
    """Set the limit of the organization in the queue."""
    settings = DatabaseSettings(url=Secret(site.database_url))
    async with Database(settings, application_name="faults") as database, database.platform() as session:
        await set_queue(session, "default", organization_id=ORGANIZATION, concurrency=jobs)


@pytest.mark.full
async def test_a_limit_holds_while_holders_are_killed_and_once_it_is_lowered_under_what_runs(site: Site) -> None:
    """R33: never above it, whoever takes; and what a killed process had is done all the same."""
    jobs, processes, kills = 24, 3, 3
    most = 0
    await limit(site, 4)
    with site.worker(processes=processes) as worker:
        until(lambda: len(worker.children()) == processes, within=60, what="all processes are up")
        ids = await site.put(*[Work(seconds=0.3)] * jobs)
        for _ in range(kills):
            until(lambda: site.in_hand() > 0, within=30, what="somebody has something in hand")
            os.kill(worker.children()[0], signal.SIGKILL)
            over = time.monotonic() + 1
            while time.monotonic() < over:
                most = max(most, site.in_hand())
        assert most == 4
        await limit(site, 1)
        bound = site.in_hand()
        while (left := site.count("jobs WHERE status = 'pending'")) > 0:
            held = site.in_hand()
            assert held <= bound, f"more were begun while {bound} were in hand, {left} are left"
            bound = max(1, min(bound, held))
    assert site.count("jobs WHERE status = 'completed'") == len(ids)
    assert site.astray() == []
