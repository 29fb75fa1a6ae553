"""The brief cache: one look-up at a time, nothing older than promised, bounded."""

import asyncio
from types import SimpleNamespace

import pytest

from singr_auth._brief_cache import BriefCache


class Source:
    """A look-up that can be held back, and counts how often it was asked."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fails = False

    async def load(self, key: str) -> str | None:
        self.asked.append(key)
        value = self.known.get(key)
        await self.open.wait()
        if self.fails:
            raise OSError("store away")
        return value


async def test_many_callers_at_once_cause_one_look_up() -> None:
    source = Source({"a": "1"})
    cache = BriefCache(source.load, seconds=60, size=10)
    source.open.clear()
    callers = [asyncio.create_task(cache.get("a")) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    source.open.set()
    assert await asyncio.gather(*callers) == ["1"] * 50
    assert source.asked == ["a"]


async def test_unknown_keys_are_remembered_too() -> None:
    source = Source({})
    cache = BriefCache(source.load, seconds=60, size=10)
    assert [await cache.get("x") for _ in range(5)] == [None] * 5
    assert source.asked == ["x"]


async def test_nothing_is_served_longer_than_promised() -> None:
    source = Source({"a": "1"})
    cache = BriefCache(source.load, seconds=0, size=10)
    await cache.get("a")
    source.known.clear()
    assert await cache.get("a") is None
    assert source.asked == ["a", "a"]


async def test_age_counts_from_the_question_not_from_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 100.95, 100.95])
    source = Source({"a": "1"})
    cache = BriefCache(source.load, seconds=0.9, size=10)
    monkeypatch.setattr("singr_auth._brief_cache.time", SimpleNamespace(monotonic=lambda: next(clock)))
    await cache.get("a")
    await cache.get("a")
    assert source.asked == ["a", "a"]


async def test_a_flood_of_invented_keys_stays_bounded_and_pushes_out_no_real_one() -> None:
    source = Source({"a": "1"})
    cache = BriefCache(source.load, seconds=60, size=10)
    await cache.get("a")
    for number in range(1000):
        await cache.get(f"invented-{number}")
    assert len(cache._absent) == 10
    assert await cache.get("a") == "1"
    assert source.asked.count("a") == 1


async def test_a_failed_look_up_reaches_every_caller_and_is_not_remembered() -> None:
    source = Source({"a": "1"})
    cache = BriefCache(source.load, seconds=60, size=10)
    source.fails = True
    results = await asyncio.gather(cache.get("a"), cache.get("a"), return_exceptions=True)
    assert [type(result) for result in results] == [OSError, OSError]
    source.fails = False
    assert await cache.get("a") == "1"


async def test_a_caller_that_goes_away_does_not_fail_the_others() -> None:
    source = Source({"a": "1"})
    cache = BriefCache(source.load, seconds=60, size=10)
    source.open.clear()
    leaver, stayer = asyncio.create_task(cache.get("a")), asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leaver.cancel()
    source.open.set()
    assert await stayer == "1"
    with pytest.raises(asyncio.CancelledError):
        await leaver


async def test_what_was_read_before_it_was_forgotten_is_not_kept() -> None:
    source = Source({"a": "old"})
    cache = BriefCache(source.load, seconds=60, size=10)
    source.open.clear()
    early = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    source.known["a"] = "new"
    cache.forget("a")
    source.open.set()
    await early
    assert await cache.get("a") == "new"
