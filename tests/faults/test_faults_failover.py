"""A database that takes no writes for a while, as during a failover: row R21."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest
from fault_jobs import Note
from faults.harness import API_KEY, ORGANIZATION, Site, until

full = pytest.mark.full


def by_reload(site: Site, *, read_only: bool) -> None:
    """The server changes its mind; connections stay."""
    site.sql(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if read_only else 'off'}")
    site.sql("SELECT pg_reload_conf()")


def by_cutting(site: Site, *, read_only: bool) -> None:
    """Connections are cut, and new ones find a standby; when it is promoted, nobody cuts them."""
    with psycopg.connect(site.database_url, autocommit=True) as admin:
        admin.execute("SET default_transaction_read_only = off")
        name = admin.info.dbname
        if not read_only:
            admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            return
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            (name,),
        )


def submit(address: str) -> httpx.Response:
    """Ask for a job."""
    body = {
        "type": "email.send",
        "organization_id": str(ORGANIZATION),
        "payload": {
            "to": {"email": "singer@example.org"},
            "message": {
                "kind": "song_request",
                "venue_name": "The Anchor",
                "artist": "ABBA",
                "title": "Waterloo",
                "link": "http://localhost:3001/requests",
            },
        },
    }
    headers = {"x-api-key": API_KEY, "idempotency-key": str(time.monotonic_ns())}
    return httpx.post(f"{address}/v1/jobs", json=body, headers=headers, timeout=15.0, trust_env=False)


@pytest.mark.parametrize(
    ("turn", "lease", "seconds", "processes"),
    [
        (by_reload, 4.0, 5.0, 1),
        pytest.param(by_cutting, 4.0, 10.0, 2, marks=full),
        pytest.param(by_reload, 15.0, 10.0, 2, marks=full),
    ],
)
async def test_a_database_that_turns_read_only_costs_nobody_anything(
    site: Site, tmp_path: Path, turn: Callable[..., None], lease: float, seconds: float, processes: int
):
    """R21: 503 with Retry-After, /ready says so, no process ends, nothing that was done is done again or has failed."""
    notes = tmp_path / "notes"
    notes.touch()

    def written() -> Counter[str]:
        return Counter(notes.read_text().split())

    with site.api() as api, site.worker(processes=processes, lease=lease) as worker:
        children = worker.children()
        short = await site.put(*[Note(str(notes), 1.0)] * 20)
        until(lambda: site.in_hand() > 0, within=20, what="they run")
        turn(site, read_only=True)
        over = time.monotonic() + seconds
        until(lambda: api.status("/ready") == 503, within=20, what="the API says that it is not ready")
        until(lambda: worker.status("/ready") == 503, within=20, what="the worker says that it is not ready")
        assert "accepts no writes" in api.get("/ready").text
        refused = submit(api.address)
        assert (refused.status_code, refused.headers.get("retry-after")) == (503, "1")
        until(lambda: time.monotonic() > over, within=seconds + 5, what="the outage has lasted")
        assert worker.healthy()
        turn(site, read_only=False)
        until(
            lambda: api.status("/ready") == worker.status("/ready") == 200,
            within=15,
            what=lambda: f"ready again: {api.get('/ready').text} {worker.get('/ready').text}",
        )
        until(lambda: submit(api.address).status_code == 202, within=10, what="jobs are taken again")
        done = "jobs WHERE type = 'fault.note' AND status = 'completed'"
        until(lambda: site.count(done) == len(short), within=40, what=lambda: f"all done: {site.jobs()}")
        assert worker.children() == children, "a process has ended"
    assert written() == {str(job_id): 1 for job_id in short}, "a job that was done ran again"
    assert site.count("jobs WHERE type = 'fault.note' AND attempt > 1") == 0


async def test_a_stop_while_the_database_is_read_only_keeps_what_was_done(site: Site, tmp_path: Path):
    """The outcomes wait for the database until the stop's time is over, and are written when it comes back before."""
    notes = tmp_path / "notes"
    notes.touch()
    with site.worker(lease=15.0) as worker:
        jobs = await site.put(*[Note(str(notes))] * 5)
        by_reload(site, read_only=False)
        until(lambda: len(notes.read_text().split()) == 5, within=20, what="they ran")
        until(lambda: site.count("jobs WHERE status = 'completed'") == 5, within=20, what="they are recorded")
        jobs += await site.put(*[Note(str(notes), 1.0)] * 5)
        until(lambda: site.in_hand() == 5, within=20, what="more run")
        by_reload(site, read_only=True)
        until(lambda: len(notes.read_text().split()) == 10, within=20, what="they ran too")
        worker.popen.terminate()
        until(lambda: "stopping" in worker.log.read_text(), within=10, what="it stops")
        by_reload(site, read_only=False)
        worker.popen.wait(30)
        assert worker.popen.returncode == 0
    assert site.count("jobs WHERE status = 'completed' AND attempt = 1") == len(jobs)
