"""Workers that are killed, stopped and crowded: rows R1, R12, R13, R14, R22 and R23."""

import os
import signal
import time
from uuid import UUID

import pytest
import redis
from fault_jobs import WAYS, Fail, Kill, New, Work
from faults.harness import Site, until

# Each short form runs in `make test`, the full one in `make faults`.
full = pytest.mark.full


def all_of(site: Site, ids: list[UUID], what: str, *, within: float) -> None:
    """Wait until there is such a row for each of the jobs."""
    key = "id" if what.startswith("jobs") else "job_id"
    until(
        lambda: site.count(f"{what} AND {key} = ANY (%s)", (ids,)) == len(ids),
        within=within,
        what=lambda: f"all of {what}: {site.jobs()}",
    )


@pytest.mark.parametrize(("rounds", "processes", "lease"), [(1, 2, 4.0), pytest.param(10, 10, 15.0, marks=full)])
async def test_job_of_a_killed_worker_runs_again_within_30_s(site: Site, rounds, processes, lease):
    """R1: kill -9 mid-job; none is lost, each is picked up again in time."""
    slowest = 0.0
    with site.worker(processes=processes, lease=lease) as worker:
        for _ in range(rounds):
            until(lambda: len(worker.children()) == processes, within=60, what="all processes are up")
            ids = await site.put(
                *[Work(first=300.0, seconds=0.2)] * processes * 2
            )  # not so quick that more is taken than begins
            all_of(site, ids, "marks WHERE what = 'began' AND attempt = 1", within=60)
            for pid in worker.children():
                os.kill(pid, signal.SIGKILL)
            killed = time.monotonic()
            all_of(site, ids, "marks WHERE what = 'began' AND attempt = 2", within=30)
            slowest = max(slowest, time.monotonic() - killed)
            all_of(site, ids, "jobs WHERE status = 'completed'", within=20)
    assert slowest < 30
    lost = site.count("job_attempts WHERE outcome = 'lost'")
    assert lost == site.count("jobs"), "each job's history shows the attempt that was lost"


@pytest.mark.parametrize("seconds", [1.0, pytest.param(5.0, marks=full)])
async def test_stop_with_50_jobs_in_hand_loses_none_and_runs_none_twice(site: Site, seconds):
    """R12: SIGTERM finishes what is in hand, hands back the rest, and cuts off what outlasts the grace, uncounted."""
    [long] = await site.put(Work(first=300.0))
    with site.worker(processes=2) as worker:
        until(lambda: site.count("marks") == 1, within=20, what="the long one began")
        site.put_many(50, seconds=seconds)
        until(lambda: site.count("marks WHERE what = 'began'") >= 16, within=20, what="jobs are in hand")
        assert worker.terminate() < 30
        assert worker.popen.returncode == 0
    assert site.sql("SELECT status, attempt FROM jobs WHERE id = %s", (long,)) == [("pending", 0)]
    assert site.count("job_attempts") == 0
    assert site.in_hand() == 0
    site.sql("DELETE FROM jobs WHERE id = %s", (long,))
    with site.worker():
        until(lambda: site.count("jobs WHERE status = 'completed'") == 50, within=60, what="all completed")
    assert site.count("marks WHERE what = 'done'") == 50
    assert site.count("marks WHERE what = 'began' AND job_id <> %s", (long,)) == 50


@pytest.mark.parametrize("neighbours", [10, pytest.param(200, marks=full)])
async def test_job_that_kills_its_process_is_quarantined_and_its_neighbours_complete(site: Site, neighbours):
    """R13: three tries, the last of them away from other suspects; no neighbour pays more than twice."""
    poison, *others = await site.put(Kill(), *[Work(seconds=0.2)] * (neighbours - 3), *[Work(seconds=1.0)] * 3)
    with site.worker(lease=3.0):
        until(
            lambda: site.count("jobs WHERE status IN ('completed', 'failed')") == neighbours + 1,
            within=80 + neighbours,  # those that were lost twice run one at a time
            what="all ended",
        )
        [(status, attempt, error)] = site.sql("SELECT status, attempt, error FROM jobs WHERE id = %s", (poison,))
        assert (status, error["code"]) == ("failed", "worker_lost")
        assert attempt == 3
        assert site.count("jobs WHERE status = 'completed' AND id = ANY (%s)", (others,)) == neighbours
        [after] = await site.put(Work())
        until(lambda: site.count("jobs WHERE id = %s AND status = 'completed'", (after,)) == 1, within=20, what="on")
    assert paid_by(site, others) <= 2


def paid_by(site: Site, others: list[UUID]) -> int:
    """How many attempts the poison's neighbours lost to it, at most."""
    paid = site.sql("SELECT count(*) FROM job_attempts WHERE job_id = ANY (%s) GROUP BY job_id", (others,))
    return max((count for (count,) in paid), default=0)


@full
async def test_jobs_lost_twice_run_one_at_a_time(site: Site):
    """R13: the third try takes no other suspect with it, so no neighbour pays more than twice."""
    neighbours = 20
    poison, *others = await site.put(Kill(), *[Work(seconds=1.0)] * neighbours)
    with site.worker(lease=3.0):
        until(
            lambda: site.count("jobs WHERE status IN ('completed', 'failed')") == neighbours + 1,
            within=60 + 2 * neighbours,
            what="all ended",
        )
    assert site.sql("SELECT status, attempt FROM jobs WHERE id = %s", (poison,)) == [("failed", 3)]
    assert paid_by(site, others) <= 2


@pytest.mark.parametrize(("number", "processes"), [(600, 3), pytest.param(10_000, 4, marks=full)])
async def test_several_dispatchers_and_sweepers_claim_no_job_twice(site: Site, number, processes):
    """R14: every process dispatches and sweeps, all woken at once for each wave; each job begins exactly once."""
    waves = 50
    with site.worker(processes=processes) as worker, redis.Redis.from_url(site.redis_url) as client:
        until(lambda: len(worker.children()) == processes, within=60, what="all processes are up")
        until(lambda: client.pubsub_numsub("singr:wake")[0][1] == processes, within=20, what="all of them listen")
        for _ in range(waves):
            site.put_many(number // waves)
            client.publish("singr:wake", "default")
        until(lambda: site.count("jobs WHERE status = 'completed'") == number, within=120, what="all completed")
    assert site.count("marks WHERE what = 'began'") == number
    assert site.count("(SELECT DISTINCT job_id FROM marks) AS m") == number
    assert site.count("jobs WHERE attempt <> 1") == 0


@full
async def test_jobs_that_fail_in_every_way_take_no_process_and_no_neighbour_with_them(site: Site):
    """R22: each ends after its one attempt, and the others complete in theirs."""
    with site.worker(processes=2) as worker:
        children = worker.children()
        failing = await site.put(*[Fail(way) for way in WAYS] * 100)
        others = await site.put(*[Work()] * 600)
        all_of(site, failing, "jobs WHERE status = 'failed' AND attempt = 1", within=120)
        all_of(site, others, "jobs WHERE status = 'completed' AND attempt = 1", within=60)
        assert worker.children() == children


@full
async def test_workers_of_two_releases_burn_no_attempt_of_a_type_that_is_new(site: Site):
    """R23: the tickets of each release reach the other; what comes while the old one is alone waits."""
    with site.worker(processes=2):
        early = await site.put(*[New()] * 500)
        site.put_many(1_000)
        until(lambda: site.count("jobs WHERE status = 'completed'") == 1_000, within=60, what="the known ones are done")
        assert site.count("jobs WHERE type = 'fault.new' AND status = 'pending' AND attempt = 0") == 500
        with site.worker(processes=2, jobs="newer"):
            late = []
            for _ in range(10):
                late += await site.put(*[New()] * 150)
                site.put_many(100)
            all_of(site, early + late, "jobs WHERE status = 'completed' AND attempt = 1", within=60)
            until(lambda: site.count("jobs WHERE status = 'completed'") == 4_000, within=60, what="all are done")
    assert site.count("jobs WHERE attempt <> 1") == 0
    assert site.count("job_attempts") == 0
    assert site.count("marks WHERE what = 'done' AND job_id = ANY (%s)", (early + late,)) == 2_000
