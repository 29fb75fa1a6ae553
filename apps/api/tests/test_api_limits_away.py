"""Rate limits without Redis are open, and that is said when it begins and when it ends."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from loguru import logger
from redis import ConnectionError as NoRedisError

from singr_api.admission import limits
from singr_api.admission.limits import Limits


class Counter:
    """Counts, where its Redis is there."""

    is_away = False

    async def check(self, subject: str, *, limit: int, window: int) -> Any:
        if self.is_away:
            raise NoRedisError(subject)
        return type("Decision", (), {"remaining": limit, "reset_after": float(window), "allowed": True})()


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(line.record["message"]), level="INFO")
    yield lines
    logger.remove(sink)


async def test_open_limits_are_said_once_and_that_they_count_again(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was a line each second for as long as Redis was away, and none when it was back."""
    monkeypatch.setattr(limits, "_AWAY_SECONDS", 0.0)
    counter = Counter()
    counted = Limits(cast("Any", counter), requests_per_minute=60)
    for is_away in (False, True, True, True, False, False, True):
        counter.is_away = is_away
        await counted.count("credential", "one")
    gone, back = "rate limits are open while Redis is away: ConnectionError", "rate limits count again"
    assert said == [gone, back, gone]
