"""The rate limiter on a real server: never more than the limit in any window."""

import asyncio

import pytest
import redis

from singr_config import RedisSettings, Secret
from singr_jobs import RateLimiter, redis_client


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
    assert 1 <= refused.retry_after <= 120
    await client.aclose()


async def test_places_come_free_as_the_window_slides(limiter):
    assert (await limiter.check("k", limit=2, window=0.4)).allowed
    assert (await limiter.check("k", limit=2, window=0.4)).remaining == 0
    assert not (await limiter.check("k", limit=2, window=0.4)).allowed
    await asyncio.sleep(0.9)
    assert (await limiter.check("k", limit=2, window=0.4)).allowed


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


async def test_errors_of_redis_are_the_callers_to_decide(tmp_path):
    client = redis_client(RedisSettings(url=Secret(f"unix://{tmp_path}/none.sock")))
    with pytest.raises(redis.RedisError):
        await RateLimiter(client).check("k", limit=1, window=60)
    await client.aclose()
