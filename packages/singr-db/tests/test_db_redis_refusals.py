"""What is said of a Redis that answers, and refuses whoever REDIS_URL names."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from singr_config import RedisSettings, Secret
from singr_db.limits import RateLimiter
from singr_db.redis import redis_client, refusal_of
from singr_dev.embedded._valkey import ValkeyServer


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """The socket of a Valkey that asks for the password `canary`, and knows a user `few` with few rights."""
    with tempfile.TemporaryDirectory() as place:
        server = ValkeyServer(Path(place), Path(place), durable=False)
        server.start()
        with redis.Redis.from_url(server.url()) as owner:
            owner.execute_command("ACL", "SETUSER", "few", "on", ">canary", "~*", "+@all", "-select")
            owner.config_set("requirepass", "canary")
        yield str(server.socket)
        server.stop()


@pytest.mark.parametrize(
    ("who", "database", "said"),
    [
        ("", 0, "NOAUTH: it asks for a password, and REDIS_URL has none"),
        ("", 1, "NOAUTH: it asks for a password, and REDIS_URL has none"),
        (":canary-of-before@", 0, "WRONGPASS: it refuses the user or the password of REDIS_URL"),
        ("nobody:canary@", 1, "WRONGPASS: it refuses the user or the password of REDIS_URL"),
        ("few:canary@", 1, "the user of REDIS_URL may not SELECT: give it +select"),
        (":canary@", 64, "DB: it has no database of the number in REDIS_URL"),
    ],
)
async def test_who_is_refused_at_the_door_is_told_why_and_never_that_redis_is_away(
    guarded: str, who: str, database: int, said: str
) -> None:
    client = redis_client(RedisSettings(url=Secret(f"unix://{who}{guarded}?db={database}")))
    with pytest.raises(redis.RedisError) as refused:
        await RateLimiter(client).probe()
    await client.aclose()
    assert str(refusal_of(refused.value)).startswith(said)
    assert "canary" not in str(refusal_of(refused.value))


async def test_a_redis_that_is_away_refuses_nothing(tmp_path: Path) -> None:
    client = redis_client(RedisSettings(url=Secret(f"unix://{tmp_path}/none.sock")))
    with pytest.raises(redis.RedisError) as away:
        await RateLimiter(client).probe()
    await client.aclose()
    assert refusal_of(away.value) is None
