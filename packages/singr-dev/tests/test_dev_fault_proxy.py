"""The fault proxy breaks connections in exactly the way it was asked to."""

from collections.abc import Callable

import httpx
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from singr_dev._errors import DevError
from singr_dev.fault_proxy import FaultProxy
from singr_dev.simulators import TwilioSimulator
from singr_dev.testing import SharedServers

Faulty = Callable[[str], FaultProxy]


@pytest.fixture
def through(faulty: Faulty, shared_servers: SharedServers) -> FaultProxy:
    return faulty(shared_servers.postgres.url("postgres"))


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=2, retry=Retry(NoBackoff(), 0))


def test_passes_everything_while_nothing_is_asked(through: FaultProxy, faulty: Faulty, redis_url: str):
    with psycopg.connect(through.url) as connection:
        assert connection.execute("SELECT repeat('x', 1000000)").fetchone() == ("x" * 1_000_000,)
    proxy = faulty(redis_url)
    with client(proxy.url) as one, client(redis_url) as other:
        one.set("proxied", "1")
        assert other.get("proxied") == b"1"


def test_passes_http_over_tcp(faulty: Faulty, twilio: TwilioSimulator):
    proxy = faulty(twilio.base_url)
    assert httpx.get(f"{proxy.url}/_control/received").status_code == 200


def test_cut_ends_every_connection_and_lets_new_ones_in(through: FaultProxy):
    first = psycopg.connect(through.url, autocommit=True)
    assert through.cut() == 1
    with pytest.raises(psycopg.OperationalError):
        first.execute("SELECT 1")
    first.close()
    with psycopg.connect(through.url) as second:
        assert second.execute("SELECT 1").fetchone() == (1,)
    assert through.connections == 2


def test_refuse_lets_nobody_in_until_it_is_lifted(through: FaultProxy):
    through.refuse()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(through.url)
    through.refuse(refuse=False)
    psycopg.connect(through.url).close()


def test_delay_holds_replies_back(faulty: Faulty, redis_url: str):
    proxy = faulty(redis_url)
    with redis.Redis.from_url(proxy.url, socket_timeout=0.2, retry=Retry(NoBackoff(), 0)) as one:
        proxy.delay(3600)
        with pytest.raises(redis.TimeoutError):
            one.ping()


def test_restored_proxy_delays_nothing(faulty: Faulty, redis_url: str):
    proxy = faulty(redis_url)
    proxy.delay(3600)
    proxy.restore()
    with redis.Redis.from_url(proxy.url, socket_timeout=60) as one:
        assert one.ping()


def test_dropped_reply_leaves_the_caller_waiting_though_the_work_is_done(faulty: Faulty, redis_url: str):
    proxy = faulty(redis_url)
    with client(redis_url) as direct, client(proxy.url) as one:
        direct.delete("dropped")
        one.ping()
        proxy.drop(1)
        with pytest.raises(redis.TimeoutError):
            one.incr("dropped")
        proxy.restore()
        assert direct.get("dropped") == b"1"


def test_part_of_the_replies_is_dropped(faulty: Faulty, redis_url: str):
    proxy = faulty(redis_url)
    proxy.drop(0.1)
    failed = 0
    for _ in range(50):
        with redis.Redis.from_url(proxy.url, socket_timeout=0.1, retry=Retry(NoBackoff(), 0)) as one:
            try:
                one.ping()
            except redis.RedisError:
                failed += 1
    assert 0 < failed < 50


def test_cut_at_commit_commits_and_tells_nobody(through: FaultProxy, shared_servers: SharedServers):
    direct = psycopg.connect(shared_servers.postgres.url("postgres"), autocommit=True)
    direct.execute("CREATE TABLE IF NOT EXISTS cut_at_commit (id int)")
    try:
        connection = psycopg.connect(through.url)
        connection.execute("INSERT INTO cut_at_commit VALUES (1)")
        through.cut_at(b"COMMIT")
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
        connection.close()
        assert through.patterns_left == 0
        assert direct.execute("SELECT count(*) FROM cut_at_commit").fetchone() == (1,)
    finally:
        direct.execute("DROP TABLE cut_at_commit")
        direct.close()
    with psycopg.connect(through.url) as again:
        again.execute("SELECT 1")


def test_unknown_kind_of_address_is_refused():
    with pytest.raises(DevError, match="amqp"):
        FaultProxy("amqp://localhost")
