"""The same faults whatever carries words and tickets: Redis, RabbitMQ where there is no Redis, or nothing: row R5."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import httpx
import pytest
from faults.harness import Site, until
from faults.test_faults_stores import ingest, whole

from singr_dev.embedded import ValkeyServer

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]


@dataclass(frozen=True)
class Carrier:
    """What carries between the site's processes, and how to take it away from them."""

    name: str
    kill: Callable[[], None]
    freeze: Callable[[], None]
    back: Callable[[], None]


def nothing() -> None:
    """There is nothing to be killed: the site has no carrier from the start, and no Redis that anybody answers for."""


def signalled(valkey: ValkeyServer, signum: signal.Signals) -> None:
    """Let it answer nothing, without closing a connection, or go on."""
    pid = valkey.pid()
    assert pid is not None
    os.kill(pid, signum)


def back(valkey: ValkeyServer) -> None:
    """Thawed, or started anew where it was killed."""
    if valkey.pid() is None:
        valkey.start()
    else:
        signalled(valkey, signal.SIGCONT)


@pytest.fixture(params=["redis", "rabbitmq", "none"])
def carrier(site: Site, request: pytest.FixtureRequest) -> Iterator[Carrier]:
    if request.param == "redis":
        valkey = site.servers.valkey
        yield Carrier("redis", valkey.kill, partial(signalled, valkey, signal.SIGSTOP), partial(back, valkey))
        back(valkey)
    elif request.param == "rabbitmq":
        node = request.getfixturevalue("rabbitmq")
        site.environ |= {"RABBITMQ_URL": node.url(), "REDIS_URL": ""}
        yield Carrier("rabbitmq", node.kill, node.freeze, node.ensure)
        node.ensure()
    else:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            site.environ["REDIS_URL"] = f"redis://127.0.0.1:{nobody.getsockname()[1]}/0"
            yield Carrier("none", nothing, nothing, nothing)


def watch(site: Site) -> None:
    """Write down each state that each ticket has from now on."""
    site.sql("CREATE TABLE seen (token bigint, state text)")
    site.sql(
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO seen VALUES (NEW.token, NEW.state); RETURN NULL; END$$"
    )
    site.sql("CREATE TRIGGER see AFTER INSERT OR UPDATE ON job_tickets FOR EACH ROW EXECUTE FUNCTION see()")


def once_each(site: Site, number: int) -> None:
    """Assert that so many jobs are done, each once and in its first attempt."""
    until(lambda: not site.count("jobs WHERE status <> 'completed'"), within=300, what=site.jobs)
    assert site.count("jobs WHERE type = 'fault.work'") == number
    assert site.count("(SELECT job_id FROM marks WHERE what = 'done' GROUP BY 1 HAVING count(*) = 1) AS m") == number
    assert site.count("jobs WHERE attempt <> 1") == 0


def test_what_waits_behind_slow_jobs_is_handed_over_or_given_back_and_done_once(site: Site, carrier: Carrier):
    quick, slow = 300, 40
    site.put_many(quick)
    with site.worker(processes=2, lease=6.0):
        until(lambda: site.count("marks WHERE what = 'done'") > 0, within=60, what="the first are done")
        watch(site)
        site.put_quick()
        site.put_many(slow, seconds=2.5)
        once_each(site, quick + slow)
    # each is written down before anybody finds out that it cannot be sent
    travelled = {token for (token,) in site.sql("SELECT DISTINCT token FROM seen WHERE state = 'travelling'")}
    arrived = travelled & {token for (token,) in site.sql("SELECT DISTINCT token FROM seen WHERE state = 'ahead'")}
    assert bool(arrived) is (carrier.name != "none"), travelled


async def test_carrier_that_is_killed_under_load_and_comes_back_costs_nothing_but_time(site: Site, carrier: Carrier):
    """Every request is accepted, every job done once; processes go on by themselves once it is back."""
    number = 2_000
    keys = [uuid4().hex for _ in range(number // 4)]
    with site.api() as api, site.worker(processes=2) as worker:
        site.put_many(number, seconds=0.01)
        until(lambda: site.count("marks WHERE what = 'done'") > 0, within=60, what="the first are done")
        accepted = await ingest(api.address, keys, after=lambda taken: carrier.kill() if taken == 50 else None)
        site.put_many(number)
        until(lambda: site.count("marks WHERE what = 'done'") == 2 * number, within=120, what=site.jobs)
        carrier.back()
        if carrier.name != "none":
            for process in (api, worker):
                until(lambda process=process: is_carried(process.get("/ready"), carrier), within=60, what="it is back")
        site.put_many(number)
        until(lambda: site.count("marks WHERE what = 'done'") == 3 * number, within=120, what=site.jobs)
    ids = sorted(accepted.values())
    assert len(set(ids)) == len(keys)
    assert sorted(str(row[0]) for row in site.sql("SELECT id FROM jobs WHERE type = 'email.send'")) == ids
    assert site.count("(SELECT job_id FROM marks WHERE what = 'done' GROUP BY 1) AS m") == 3 * number
    assert site.count("jobs WHERE type = 'fault.work' AND attempt <> 1") == 0


def is_carried(ready: httpx.Response, carrier: Carrier) -> bool:
    """Whether a process says that its carrier is well."""
    said = ready.json()
    if "processes" in said:
        return all(process[carrier.name] == "ok" for process in said["processes"])
    return bool(said["checks"][carrier.name]["status"] == "ok")


async def test_carrier_that_is_frozen_keeps_no_request_waiting(site: Site, carrier: Carrier):
    """Neither a connection that is there already, nor one that is made meanwhile."""
    with site.api() as api:
        accepted = await ingest(api.address, [uuid4().hex for _ in range(50)])
        carrier.freeze()
        for _ in range(10):
            accepted |= await ingest(api.address, [uuid4().hex for _ in range(50)], patience=10.0)
        with site.api() as another:
            accepted |= await ingest(another.address, [uuid4().hex for _ in range(50)], patience=10.0)
        whole(site, accepted)
        with site.run_worker():
            until(lambda: site.count("messages WHERE status = 'sent'") == len(accepted), within=300, what=site.jobs)
        carrier.back()
