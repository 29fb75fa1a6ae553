"""Load for a while, and workers killed by chance: row R18."""

import os
import random
import signal
import time

import pytest
from faults.harness import Process, Site, until
from faults.test_faults_sign_ins import resident_mb

pytestmark = pytest.mark.timeout(300)
# Jobs take so long, and each process has ten places. Of three processes one is mostly about to begin: so many jobs a
# second are four fifths of what the two others do.
SECONDS = 0.5
RATE = 0.8 * 2 * 10 / SECONDS


class Load:
    """Jobs at a steady rate, put in by somebody who knows nothing of the workers."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.put = 0
        self._began = time.monotonic()

    def go_on(self, seconds: float) -> None:
        """Keep the rate for so long."""
        until_then = time.monotonic() + seconds
        while (now := time.monotonic()) < until_then:
            due = int((now - self._began) * RATE) - self.put
            if due > 0:
                self.site.put_many(due, seconds=SECONDS)
                self.put += due
            time.sleep(0.25)


def killed(worker: Process, spared: int, chance: random.Random) -> None:
    """`kill -9` one of its processes, but for the one whose memory is watched."""
    until(lambda: len(worker.children()) == 3, within=60, what=lambda: f"all processes are up; {worker.last_words}")
    os.kill(chance.choice([pid for pid in worker.children() if pid != spared]), signal.SIGKILL)


@pytest.mark.parametrize(
    ("seconds", "kills", "growth_mb"),
    [(12.0, 2, 25.0), pytest.param(1800.0, 90, 25.0, marks=[pytest.mark.full, pytest.mark.timeout(2400)])],
)
def test_load_with_random_kills_loses_nothing_and_memory_stays_flat(
    site: Site, seconds: float, kills: int, growth_mb: float
) -> None:
    """R18: each job is done; who lives all the while, supervisor and process, keeps nothing of what it has done."""
    chance = random.Random(18)  # the same kills each time
    with site.worker(processes=3) as worker:
        until(lambda: len(worker.children()) == 3, within=60, what="all processes are up")
        spared, load = worker.children()[0], Load(site)
        load.go_on(seconds / (kills + 1))
        before = {pid: resident_mb(pid) for pid in (worker.popen.pid, spared)}
        for _ in range(kills):
            killed(worker, spared, chance)
            load.go_on(seconds / (kills + 1))
        until(lambda: not site.count("jobs WHERE status <> 'completed'"), within=60, what=site.jobs)
        grown = {pid: resident_mb(pid) - was for pid, was in before.items()}
        assert max(grown.values()) < growth_mb, grown
    assert site.count("jobs") == load.put
    assert site.count("(SELECT job_id FROM marks WHERE what = 'done' GROUP BY 1) AS m") == load.put
