"""The rate limiter on a real server: never more than the limit in any window."""

import asyncio
import errno
import math
import socket

import pytest
import redis

from singr_config import RedisSettings, Secret
from singr_db import is_outage
from singr_db.limits import LeasedLimiter, LimitCheck, RateLimiter
from singr_db.redis import redis_client
from singr_dev.clock import VirtualClock


@pytest.fixture
async def limiter(settings):
    client = redis_client(settings.redis)
    yield RateLimiter(client)
    await client.aclose()


async def test_no_more_than_the_limit_is_admitted_however_many_ask_at_once(limiter, settings):
    client = redis_client(settings.redis)
    other = RateLimiter(client)  # another process
    decisions = await asyncio.gather(
        *(who.check("k", limit=50, window=60) for who in (limiter, other) for _ in range(100))
    )
    assert sum(decision.allowed for decision in decisions) == 50
    refused = next(decision for decision in decisions if not decision.allowed)
    assert (refused.remaining, refused.limit) == (0, 50)
    assert 1 <= refused.retry_after <= 60
    await client.aclose()


async def test_places_come_free_as_the_window_slides(clock: VirtualClock, limiter):
    assert (await limiter.check("k", limit=2, window=3600)).allowed
    assert (await limiter.check("k", limit=2, window=3600)).remaining == 0
    refused = await limiter.check("k", limit=2, window=3600)
    assert not refused.allowed
    clock.advance(seconds=refused.retry_after)
    assert (await limiter.check("k", limit=2, window=3600)).allowed


async def test_who_asks_again_is_told_the_rest_of_the_window_exactly(limiter):
    assert (await limiter.take("k", limit=1, window=3600, up_to=1)).retry_after == 0
    refused = await limiter.take("k", limit=1, window=3600, up_to=1)
    assert 0 < refused.reset_after == refused.retry_after < 3600


async def test_a_place_is_free_after_exactly_the_time_that_was_told(clock: VirtualClock, limiter):
    await limiter.take("k", limit=2, window=3600.7, up_to=2)
    for _ in range(5):
        refused = await limiter.take("k", limit=2, window=3600.7, up_to=2)
        clock.advance(seconds=refused.retry_after)
        assert (await limiter.take("k", limit=2, window=3600.7, up_to=2)).granted == 2


async def test_who_took_the_last_place_knows_when_the_next_is_free(clock: VirtualClock, limiter):
    last = await limiter.take("k", limit=1, window=3600, up_to=1)
    assert (last.remaining, last.retry_after) == (0, 0)
    clock.advance(seconds=last.reset_after)
    assert (await limiter.take("k", limit=1, window=3600, up_to=1)).granted == 1


async def test_leases_give_a_small_limit_in_full_in_each_window(clock: VirtualClock, settings):
    client = redis_client(settings.redis)
    leased = LeasedLimiter(RateLimiter(client))
    for _ in range(3):
        decisions = [await leased.check("k", limit=3, window=3600) for _ in range(4)]
        assert [decision.allowed for decision in decisions] == [True, True, True, False]
        clock.advance(seconds=decisions[-1].reset_after + 1)
    await client.aclose()


async def test_take_grants_what_is_left(limiter):
    assert (await limiter.take("k", limit=10, window=60, up_to=7)).granted == 7
    decision = await limiter.take("k", limit=10, window=60, up_to=7)
    assert (decision.granted, decision.allowed) == (3, False)
    assert (await limiter.take("k", limit=10, window=60, up_to=7)).granted == 0


async def test_cost_is_all_or_nothing(limiter):
    assert not (await limiter.check("k", limit=10, window=60, cost=11)).allowed
    assert (await limiter.check("k", limit=10, window=60, cost=10)).allowed


async def test_keys_do_not_share(limiter):
    assert (await limiter.check("a", limit=1, window=60)).allowed
    assert (await limiter.check("b", limit=1, window=60)).allowed


async def test_checks_in_turn_count_nothing_after_the_one_that_refuses(limiter):
    first, second = LimitCheck("first", 3, 60), LimitCheck("second", 2, 60)
    assert [(await limiter.check_in_turn(first, second)).remaining for _ in range(2)] == [1, 0]
    refused = await limiter.check_in_turn(first, second)
    assert (refused.allowed, refused.limit) == (False, 2)  # the second key is full
    refused = await limiter.check_in_turn(first, LimitCheck("third", 9, 60))
    assert (refused.allowed, refused.limit) == (False, 3)  # the first one counted until then, and is full now
    assert refused.retry_after >= 1
    assert (await limiter.check("third", limit=9, window=60)).remaining == 8  # nothing was counted behind it


async def test_checks_in_turn_are_atomic_beside_single_ones(limiter):
    both = LimitCheck("a", 50, 60), LimitCheck("b", 20, 60)
    asked = (
        call for _ in range(40) for call in (limiter.check_in_turn(*both), limiter.check("a", limit=50, window=60))
    )
    decisions = await asyncio.gather(*asked)
    in_turn, alone = decisions[::2], decisions[1::2]
    assert sum(decision.allowed for decision in in_turn) <= 20
    full = await limiter.check("a", limit=50, window=60)
    assert not full.allowed
    counted_b = 20 - (await limiter.check("b", limit=20, window=60, cost=20)).remaining
    assert sum(decision.allowed for decision in in_turn) == counted_b
    assert sum(decision.allowed for decision in alone) <= 50


async def test_errors_of_redis_are_the_callers_to_decide(tmp_path):
    client = redis_client(RedisSettings(url=Secret(f"unix://{tmp_path}/none.sock")))
    with pytest.raises(redis.RedisError):
        await RateLimiter(client).check("k", limit=1, window=60)
    await client.aclose()


async def test_where_no_redis_is_set_limits_and_words_meet_one_that_is_away():
    async with redis_client(RedisSettings()) as client:
        for asked in (
            RateLimiter(client).check("k", limit=1, window=60),
            client.publish("channel", "word"),
            client.pubsub().subscribe("channel"),
            client.pipeline(transaction=False).set("k", 1).execute(),
        ):
            with pytest.raises(redis.ConnectionError, match="REDIS_URL is not set"):
                await asked


async def test_leases_admit_no_more_than_the_limit_over_processes_together(settings):
    clients = [redis_client(settings.redis) for _ in range(2)]
    leased = [LeasedLimiter(RateLimiter(client), share=0.05) for client in clients]
    decisions = []
    for _ in range(20):
        decisions += await asyncio.gather(*(who.check("k", limit=100, window=60) for who in leased for _ in range(10)))
    admitted = sum(decision.allowed for decision in decisions)
    assert 90 <= admitted <= 100  # a process may keep a share of 5 to itself, and no one gets more than there is
    assert not decisions[-1].allowed
    assert decisions[-1].retry_after >= 1
    for client in clients:
        await client.aclose()


async def test_a_slow_caller_leases_one_place_at_a_time(settings):
    client = redis_client(settings.redis)
    leased = LeasedLimiter(RateLimiter(client))
    for number in range(5):
        assert (await leased.check("slow", limit=1000, window=60)).remaining == 999 - number
        await asyncio.sleep(0.06)
    await client.aclose()


class _Counted(RateLimiter):
    """Knows how often it was asked: the server counts what all of its callers ask."""

    asked = 0

    async def take(self, *args, **options):
        self.asked += 1
        return await super().take(*args, **options)


async def test_a_busy_caller_asks_the_server_seldom(settings, monkeypatch):
    monkeypatch.setattr("singr_db.limits._leased._BRISK", math.inf)  # however slow this machine is now
    monkeypatch.setattr("singr_db.limits._leased._LIFETIME", math.inf)
    client = redis_client(settings.redis)
    limiter = _Counted(client)
    leased = LeasedLimiter(limiter)
    for _ in range(2000):
        assert (await leased.check("busy", limit=1_000_000, window=60)).allowed
    # twice as many places each time: 2 + 4 + … + 1,024 are 2,046, and the next are asked for ahead
    assert limiter.asked in {10, 11}
    if ahead := leased._leases["busy"].refill:  # else it would keep a connection
        await ahead
    await client.aclose()


async def test_a_busy_caller_gets_its_next_places_before_the_last_are_used(settings):
    client = redis_client(settings.redis)
    leased = LeasedLimiter(RateLimiter(client))

    async def busy_until(enough):
        while True:
            await leased.check("ahead", limit=1_000_000, window=60)
            if enough(leased._leases["ahead"]):
                return leased._leases["ahead"]

    await busy_until(lambda lease: lease.size >= 16)
    lease = await busy_until(lambda lease: lease.refill is not None)
    left = lease.left
    assert left > 0
    await lease.refill
    assert lease.left == left + lease.decision.granted
    await client.aclose()


async def test_leases_pass_an_absent_redis_on_to_every_caller(tmp_path):
    client = redis_client(RedisSettings(url=Secret(f"unix://{tmp_path}/none.sock")))
    leased = LeasedLimiter(RateLimiter(client))
    results = await asyncio.gather(*(leased.check("k", limit=5, window=60) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, redis.RedisError) for result in results)
    await client.aclose()


async def test_a_limiter_whose_redis_says_nothing_meets_an_outage_as_the_networks_are():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = redis_client(RedisSettings(url=Secret(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")))
        # On a busy machine its own would come first.
        client.connection_pool.connection_kwargs |= {"socket_timeout": 60.0, "socket_connect_timeout": 60.0}
        with pytest.raises(TimeoutError, match="Redis did not answer within") as late:
            await RateLimiter(client, patience=0.01).check("k", limit=1, window=1)
        assert late.value.errno == errno.ETIMEDOUT
        assert is_outage(late.value)
        await client.aclose()


async def test_a_task_that_is_cancelled_while_redis_says_nothing_ends_wherever_it_is():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = redis_client(RedisSettings(url=Secret(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")), timeout=60.0)
        for turns in range(30):  # of the event loop: connected after four, and everything sent after a dozen
            asking = asyncio.create_task(client.ping())
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait({asking}, timeout=10)
            assert asking.cancelled(), turns
            await client.connection_pool.disconnect()
        await client.aclose()
