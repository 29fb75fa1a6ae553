"""The worker as it is deployed: real processes that are killed, stopped, cut off and counted."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sites import Process, Site, until
from worker_jobs import Nap

from singr_jobs import Queue

JOBS = ("--jobs", "worker_jobs:jobs")


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def completed(worker: Process) -> float:
    """How many jobs were completed, as /metrics says."""
    found = re.findall(
        r'^singr_jobs_total\{[^}]*outcome="completed"[^}]*\} ([0-9.]+)$', worker.get("/metrics").text, re.MULTILINE
    )
    return sum(map(float, found))


async def test_stop_finishes_what_is_in_hand_and_exits_0(site: Site, put: Any) -> None:
    [job_id] = await put(Nap(1.5))
    with site.run_worker(*JOBS) as worker:
        until(lambda: site.count("job_tickets"), within=20, what="it began")
        [child] = worker.children()
        worker.terminate()
        assert worker.popen.returncode == 0
        assert not alive(child)
    assert site.sql("SELECT status, attempt FROM jobs WHERE id = %s", (job_id,)) == [("completed", 1)]


async def test_worker_begins_nothing_before_the_schema_is_upgraded(site: Site, put: Any) -> None:
    [job_id] = await put(Nap())
    [[revision]] = site.sql("SELECT version_num FROM alembic_version")
    site.sql("UPDATE alembic_version SET version_num = '0095'")
    try:
        with site.run_worker(*JOBS) as worker:
            until(lambda: "0095" in worker.get("/ready").text, within=20, what="it has looked")
            assert worker.status("/ready") == 503
            behind = f"the schema is at 0095, this version needs {revision}: run singr-db upgrade"
            assert worker.log.read_text().count(f"jobs wait: {behind}") == 1
            assert site.sql("SELECT status, attempt FROM jobs WHERE id = %s", (job_id,)) == [("pending", 0)]
            site.sql("UPDATE alembic_version SET version_num = %s", (revision,))
            done = "jobs WHERE status = 'completed' AND id = %s"
            until(lambda: site.count(done, (job_id,)), within=20, what="it goes on by itself")
            until(lambda: worker.status("/ready") == 200, within=20, what="and is ready")
    finally:
        site.sql("UPDATE alembic_version SET version_num = %s", (revision,))


async def test_only_the_asked_queues_are_served(site: Site, put: Any) -> None:
    [left] = await put(Nap(), queue=Queue.DEFAULT)
    served = await put(Nap(), Nap(), queue=Queue.EMAIL)
    is_completed = "jobs WHERE status = 'completed' AND id = ANY (%s)"
    with site.run_worker(*JOBS, "--queues", "email,sms"):
        until(lambda: site.count(is_completed, (served,)) == 2, within=20, what="the e-mail queue's jobs completed")
        assert site.sql("SELECT status FROM jobs WHERE id = %s", (left,)) == [("pending",)]
    with site.run_worker(*JOBS, "--queues", "default"):
        until(lambda: site.count(is_completed, ([left],)) == 1, within=20, what="the default queue's job completed")


async def test_killed_process_is_replaced_what_it_counted_stays_and_none_outlives_the_supervisor(
    site: Site, put: Any
) -> None:
    site.copied = False  # how a supervisor starts its processes is the matter
    with site.run_worker(*JOBS, "--processes", "2") as worker:
        await put(*[Nap(0.3)] * 60)
        until(lambda: completed(worker) == 60, within=30, what=lambda: f"60 counted, not {completed(worker)}")
        assert site.count("(SELECT DISTINCT worker FROM jobs) AS w") == 2, "both took part"

        killed, spared = worker.children()
        os.kill(killed, signal.SIGKILL)
        until(lambda: worker.status("/health") == 503, within=10, what="the loss shows")
        worker.wait_until_healthy()
        replaced = worker.children()
        assert killed not in replaced
        assert spared in replaced
        assert "ended with -9" in worker.log.read_text()
        assert completed(worker) == 60, "what a dead process counted still counts"
        await put(Nap())
        until(lambda: completed(worker) == 61, within=20, what="and goes on from there")

        children = worker.children()
        assert len(children) == 2
        assert all(map(alive, children))
        worker.popen.kill()
        try:
            until(lambda: not any(map(alive, children)), within=20, what="both have ended")
        finally:  # a broken build must not leave them to the tests that follow
            for child in filter(alive, children):
                os.kill(child, signal.SIGKILL)
    assert "the supervisor is gone: stopping" in worker.log.read_text()


def test_silent_process_fails_health_until_it_speaks_again_signals_change_nothing_and_hanging_up_stops_it(
    site: Site,
) -> None:
    with site.run_worker(*JOBS) as worker:
        [child] = worker.children()
        os.kill(child, signal.SIGSTOP)
        try:
            until(lambda: worker.status("/health") == 503, within=20, what="the silence shows")
            [process] = worker.get("/health").json()["processes"]
            assert (process["alive"], process["responsive"]) == (True, False)
        finally:
            os.kill(child, signal.SIGCONT)
        worker.wait_until_healthy()
        assert worker.children() == [child]

        for pid in (child, worker.popen.pid):
            os.kill(pid, signal.SIGUSR1)
            os.kill(pid, signal.SIGUSR2)
        until(lambda: worker.log.read_text().count("means nothing here") == 4, within=20, what="they are told")
        assert worker.children() == [child]
        worker.popen.send_signal(signal.SIGHUP)
        assert worker.popen.wait(30) == 0
        assert not alive(child)
        assert "SIGHUP: stopping" in worker.log.read_text()


def test_worker_started_before_its_stores_waits_for_them_and_ready_follows_the_database_and_health_does_not(
    site: Site, faulty: Callable[[str], Any]
) -> None:
    database, redis = faulty(site.database_url), faulty(site.redis_url)
    for proxy in (database, redis):
        proxy.refuse()
    with site.run_worker(*JOBS, environ={"DATABASE_URL": database.url, "REDIS_URL": redis.url}) as worker:
        [child] = worker.children()
        assert worker.status("/ready") == 503
        for proxy in (database, redis):
            proxy.restore()
        until(lambda: worker.status("/ready") == 200, within=20, what="ready")
        assert worker.children() == [child], "it waited, rather than being started again"

        database.refuse()
        until(lambda: worker.status("/ready") == 503, within=20, what="the database's absence shows")
        answer = worker.get("/health")
        assert answer.status_code == 200
        assert answer.json()["processes"][0]["database"] not in {"ok", "unknown"}
        until(
            lambda: worker.get("/health").json()["processes"][0]["redis"] == "ok", within=20, what="Redis is not away"
        )
        database.restore()
        until(lambda: worker.status("/ready") == 200, within=20, what="ready again")
