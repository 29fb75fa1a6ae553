"""Replies of Redis that vanish: row R7."""

import time
from uuid import uuid4

import pytest
from faults.harness import Site, until
from faults.test_faults_stores import ingest

pytestmark = pytest.mark.timeout(300)
# Seconds within which whatever was asked for is done.
PROMISED = 60.0


@pytest.mark.parametrize(
    ("share", "vanish", "number"),
    [(0.3, 4, 60), pytest.param(0.01, 50, 5_000, marks=[pytest.mark.full, pytest.mark.timeout(1200)])],
)
async def test_replies_of_redis_that_vanish_keep_nothing_for_a_minute_and_do_nothing_twice(
    site: Site, faulty, share: float, vanish: int, number: int
) -> None:
    """R7: a connection says nothing more where a reply has vanished; callers, words and tickets get on without it."""
    proxy = faulty(site.redis_url)
    site.redis_url = proxy.url
    with site.api() as api, site.worker(processes=2, lease=6.0):
        proxy.drop(share)
        accepted: dict[str, str] = {}
        put, over = 0, time.monotonic() + 600
        # also one that the API waited for: most are the workers'
        while proxy.silenced < vanish or len(accepted) < number or "limits are open" not in api.log.read_text():
            assert time.monotonic() < over, "too few replies have vanished: this has shown nothing"
            accepted |= await ingest(api.address, [uuid4().hex for _ in range(number // 5)], patience=PROMISED / 2)
            site.put_many(number // 5)
            site.put_many(8, seconds=0.5)  # taken ahead as if they were as quick: what waits behind them is handed over
            put += number // 5 + 8
        until(
            lambda: not site.count("jobs WHERE type = 'fault.work' AND status <> 'completed'"),
            within=PROMISED,
            what=site.jobs,
        )
    assert site.count("(SELECT job_id FROM marks WHERE what = 'done' GROUP BY 1 HAVING count(*) = 1) AS m") == put
    assert site.count("jobs WHERE attempt > 1") == 0
    assert site.count("jobs WHERE finished_at - created_at > %s * interval '1 second'", (PROMISED,)) == 0
    ids = sorted(accepted.values())
    assert len(set(ids)) == len(accepted)
    for place in ("id FROM jobs WHERE type = 'email.send'", "job_id FROM messages"):
        assert sorted(str(row[0]) for row in site.sql(f"SELECT {place}")) == ids
