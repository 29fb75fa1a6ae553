"""Stores that are flushed, killed, restarted and away: rows R3, R4, R5, R6, R8 and R20."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
import redis
from fault_jobs import Note, Work
from faults.harness import API_KEY, ORGANIZATION, Site, until

full = pytest.mark.full


def email(number: int) -> dict[str, object]:
    return {
        "type": "email.send",
        "organization_id": str(ORGANIZATION),
        "run_at": "2100-01-01T00:00:00Z" if number < 0 else None,
        "payload": {
            "to": {"email": f"singer-{number}@example.org"},
            "message": {
                "kind": "song_request",
                "venue_name": "The Anchor",
                "artist": "ABBA",
                "title": "Waterloo",
                "link": "http://localhost:3001/requests",
            },
        },
    }


def any_email(key: str) -> dict[str, object]:
    """What the caller with this key asks for."""
    return {name: value for name, value in email(hash(key) % 1000).items() if value is not None}


async def ingest(
    address: str,
    keys: list[str],
    *,
    patience: float = 60.0,
    after: Callable[[int], object] = lambda _: None,
    body: Callable[[str], dict[str, object]] = any_email,
    path: str = "/v1/jobs",
) -> dict[str, str]:
    """Send one request per key, each until it is accepted; returns the id of the job, or whatever is made, of each key.

    `after` is told how many were accepted, each time that one more is.
    """
    accepted: dict[str, str] = {}
    left = list(keys)
    deadline = time.monotonic() + patience

    async def sender(client: httpx.AsyncClient) -> None:
        while left:
            key = left.pop()
            try:
                answer = await client.post(path, json=body(key), headers={"idempotency-key": key})
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.status_code in {200, 202}:
                accepted[key] = answer.json()["id"]
                after(len(accepted))
                continue
            if answer is not None and answer.status_code not in {409, 503}:
                raise AssertionError(f"{answer.status_code}: {answer.text}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{key} was not accepted within {patience} s")
            left.insert(0, key)
            await asyncio.sleep(0.05)

    limits = httpx.Limits(max_connections=32)
    async with httpx.AsyncClient(
        base_url=address, headers={"x-api-key": API_KEY}, timeout=15.0, limits=limits
    ) as client:
        await asyncio.gather(*(sender(client) for _ in range(32)))
    return accepted


def whole(site: Site, accepted: dict[str, str]) -> None:
    """Assert that every acknowledged job is there once, with its record and its message, and nothing else."""
    ids = sorted(accepted.values())
    assert len(set(ids)) == len(accepted)
    assert sorted(str(row[0]) for row in site.sql("SELECT id FROM jobs")) == ids
    assert site.count("request_keys") == len(ids)
    assert sorted(str(row[0]) for row in site.sql("SELECT job_id FROM messages")) == ids


# Empties the server, and says how many messages waited in its lists.
FLUSH = """
local waiting = 0
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', key).ok == 'list' then waiting = waiting + redis.call('LLEN', key) end
end
redis.call('FLUSHALL')
return waiting
"""


@pytest.mark.parametrize(("number", "storm"), [(300, 0.3), pytest.param(10_000, 10.0, marks=full)])
async def test_flushed_redis_loses_no_job(site: Site, number, storm):
    """R3: FLUSHALL again and again, until tickets were lost that processes handed over; all jobs run within 60 s."""
    site.put_many(number)
    client = redis.Redis.from_url(site.servers.redis_url)
    with site.worker(processes=2, lease=3.0):
        until(lambda: site.count("marks WHERE what = 'done'") > 0, within=60, what="the first are done")
        slow = 40  # taken ahead as if they were as quick as those before, and then in each other's way
        site.put_quick()
        site.put_many(slow, seconds=2.5)
        began, lost, ended = time.monotonic(), 0, number + slow
        again = began + 12
        while (now := time.monotonic()) < began + storm or not lost:
            assert now < began + storm + 60, "no flush met a ticket: this has shown nothing"
            lost += client.eval(FLUSH, 0)
            if now > again and not lost:  # they came between two flushes, on a busy machine
                site.put_quick()
                site.put_many(slow, seconds=2.5)
                again, ended = now + 12, ended + slow
        until(lambda: not site.count("jobs WHERE status <> 'completed'"), within=60, what="all completed")
    assert site.count("(SELECT job_id FROM marks WHERE what = 'done' GROUP BY 1) AS m") == ended
    assert site.count("jobs WHERE type = 'fault.work'") == ended
    assert site.count("jobs WHERE attempt <> 1") == 0
    client.close()


@pytest.mark.parametrize("number", [120, pytest.param(10_000, marks=full)])
async def test_redis_killed_during_ingestion_loses_nothing(site: Site, number):
    """R4: kill -9 without persistence; every request is accepted, stored once, and its mail goes out."""
    redis.Redis.from_url(site.servers.redis_url).config_set("appendonly", "no")
    keys = [uuid4().hex for _ in range(number)]
    with site.api() as api:
        kill = site.servers.valkey.kill
        accepted = await ingest(api.address, keys, after=lambda taken: kill() if taken == number // 3 else None)
        assert len(accepted) == number
        whole(site, accepted)
        site.servers.valkey.start()
        with site.run_worker():
            until(lambda: site.count("messages WHERE status = 'sent'") == number, within=900, what="all sent")


@pytest.mark.parametrize("away", [2.0, pytest.param(60.0, marks=full)])
async def test_redis_away_keeps_neither_ingestion_nor_work_waiting(site: Site, away):
    """R5: requests are answered 2xx all the while, and what they asked for is done within 60 s after."""
    with site.api() as api, site.worker() as worker:
        site.servers.valkey.stop()
        until_then = time.monotonic() + away
        accepted: dict[str, str] = {}
        while time.monotonic() < until_then:
            accepted |= await ingest(api.address, [uuid4().hex for _ in range(20)], patience=5.0)
            ready = httpx.get(f"{api.address}/ready", timeout=10.0)
            assert ready.status_code == 200
            assert "redis" in ready.text
        site.put_many(100)
        until(lambda: site.count("marks WHERE what = 'done'") == 100, within=30, what="jobs run without Redis")
        site.servers.valkey.start()
        whole_jobs = site.count("jobs WHERE type = 'email.send'")
        assert whole_jobs == len(accepted)
        site.put_many(100)
        until(lambda: site.count("marks WHERE what = 'done'") == 200, within=60, what="drained")
        assert worker.healthy()


@pytest.mark.parametrize(("number", "delay"), [(200, 6.0), pytest.param(1_000, 30.0, marks=full)])
async def test_delayed_jobs_survive_a_redis_restart_and_run_in_time(site: Site, number, delay):
    """R6: at most 10 s late, without a restart of the worker."""
    with site.worker():
        site.put_many(number, delay=delay)
        site.servers.valkey.kill()
        time.sleep(delay / 3)
        site.servers.valkey.start()
        until(lambda: site.count("marks WHERE what = 'done'") == number, within=delay + 15, what="all ran")
    [(earliest, latest)] = site.sql(
        "SELECT min(late), max(late) FROM marks JOIN jobs ON jobs.id = job_id"
        " CROSS JOIN LATERAL extract(epoch FROM at - run_at) AS late WHERE what = 'began'"
    )
    assert 0 <= earliest <= latest <= 10


@pytest.mark.parametrize(("restarts", "number"), [(3, 300), pytest.param(20, 5_000, marks=full)])
async def test_postgres_crashes_during_ingestion_leave_every_acknowledged_row_and_no_half_one(
    site: Site, restarts, number
):
    """R8: immediate stops under a flood that never pauses; what was acknowledged is there, whole and once."""
    accepted: dict[str, str] = {}
    crashed = threading.Event()

    def flood(address: str) -> None:
        while not crashed.is_set() or len(accepted) < number:
            accepted.update(asyncio.run(ingest(address, [uuid4().hex for _ in range(number // 5)], patience=120.0)))

    with site.api() as api, ThreadPoolExecutor(1) as beside:
        flooding = beside.submit(flood, api.address)
        try:
            for _ in range(restarts):
                time.sleep(0.7)
                # In the main thread: a server lives no longer than the thread that started it.
                site.servers.postgres.kill(signal.SIGQUIT)
                site.servers.postgres.start()
        finally:
            crashed.set()
        flooding.result()
        whole(site, accepted)
        assert api.healthy()


@full
def test_stores_that_start_later_are_found_by_processes_that_are_already_there(site: Site):
    """So that no order of starting matters: not of containers, not of units."""
    site.servers.postgres.stop()
    site.servers.valkey.stop()
    with site.run_api() as api, site.run_worker() as worker:
        assert api.status("/ready") == 503
        site.servers.postgres.start()
        site.servers.valkey.start()
        for process in (api, worker):
            until(lambda process=process: process.status("/ready") == 200, within=60, what="it is ready")
        assert (api.popen.poll(), worker.popen.poll()) == (None, None)


def locked(site: Site, seconds: float) -> None:
    """Somebody keeps the jobs to himself, as a migration does."""
    with psycopg.connect(site.database_url) as connection:
        connection.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        time.sleep(seconds)


def out_of_reach(site: Site, seconds: float) -> None:
    """PostgreSQL is down, and comes back."""
    site.servers.postgres.kill(signal.SIGQUIT)
    time.sleep(seconds)
    site.servers.postgres.start()


@full
@pytest.mark.parametrize("trouble", [locked, out_of_reach], ids=["locked", "away"])
async def test_postgres_out_of_reach_for_three_leases_takes_no_job_from_a_living_worker(site: Site, trouble):
    """R20: what two processes have in hand is done once, in its first attempt."""
    lease, number = 4.0, 20
    with site.worker(processes=2, lease=lease):
        await site.put(*[Work(seconds=6 * lease)] * number)
        until(
            lambda: site.count("marks WHERE what = 'began'") >= number / 2, within=30, what="both have their hands full"
        )
        trouble(site, 3 * lease)
        until(lambda: site.count("jobs WHERE status = 'completed'") == number, within=120, what="all completed")
    assert site.count("jobs WHERE attempt > 1") == 0
    assert site.count("job_attempts") == 0
    assert site.count("marks WHERE what = 'began'") == number


def taken(site: Site, ids: list[UUID]) -> list[int]:
    """Wait until these jobs are taken, without a write of ours; answers their tickets."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if tokens := site.sql("SELECT token FROM job_tickets WHERE ids && %s", (ids,)):
            return [token for (token,) in tokens]
    raise AssertionError(f"not within 30 s: they are taken: {site.jobs()}")


def is_undone(site: Site, ids: list[UUID], tokens: list[int]) -> bool:
    """Whether the server has forgotten that the jobs were taken: none has ended, and their tickets are gone."""
    [(pending, there)] = site.sql(
        "SELECT (SELECT count(*) FROM jobs WHERE id = ANY (%s) AND status = 'pending'),"
        " (SELECT count(*) FROM job_tickets WHERE token = ANY (%s))",
        (ids, tokens),
    )
    return bool(pending == len(ids) and not there)


@pytest.mark.parametrize("crashes", [1, pytest.param(10, marks=full)])
async def test_a_crash_that_undoes_a_take_lets_its_jobs_wait_again_and_counts_nothing(
    site: Site, tmp_path: Path, crashes
):
    """R20: taking is not flushed by itself (decision 56); each job is done, maybe twice, in its first attempt."""
    site.sql("ALTER SYSTEM SET wal_writer_delay = '10s'")  # so that next to nobody flushes a take by the way
    site.sql("SELECT pg_reload_conf()")
    notes, put, undone = tmp_path / "notes", [], 0
    with site.worker():
        for _ in range(10 * crashes):
            put += (ids := await site.put(*[Note(str(notes), seconds=3.0)] * 5))
            tokens = taken(site, ids)
            site.servers.postgres.kill(signal.SIGQUIT)
            site.servers.postgres.start()
            assert site.count("jobs") == len(put), "what was stored is there"
            undone += is_undone(site, ids, tokens)
            until(lambda: not site.count("jobs WHERE status <> 'completed'"), within=60, what=site.jobs)
            if undone == crashes:
                break
        assert undone == crashes, "too few crashes have undone a take: this has shown nothing"
    assert site.count("jobs WHERE attempt <> 1") == site.count("job_attempts") == 0
    assert set(notes.read_text().split()) == {str(job_id) for job_id in put}
    assert site.count("job_tickets") == site.count("job_ready") == 0
