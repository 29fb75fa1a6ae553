"""One look for all who ask at the same time."""

import asyncio

import pytest

from singr_api.http.one_look import OneLook


class Counted:
    """What is looked at: it ends when it is let, and counts."""

    def __init__(self) -> None:
        self.looks = 0
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.looks += 1
        number = self.looks
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return number


async def test_caller_who_goes_away_takes_the_look_from_nobody() -> None:
    counted = Counted()
    look = OneLook(counted)
    first, second = asyncio.create_task(look()), asyncio.create_task(look())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    third = asyncio.create_task(look())
    counted.may_end.set()
    assert (await second, await third) == (1, 1)
    assert first.cancelled()


@pytest.mark.parametrize(("good_for", "looks"), [(0.0, 2), (3600.0, 1)])
async def test_what_was_found_serves_for_as_long_as_it_is_good_for(good_for: float, looks: int) -> None:
    counted = Counted()
    counted.may_end.set()
    look = OneLook(counted, good_for=good_for)
    assert (await look(), await look()) == (1, looks)


async def test_look_that_failed_is_kept_for_nobody() -> None:
    counted = Counted()
    counted.may_end.set()
    counted.error = ValueError("away")
    look = OneLook(counted, good_for=3600.0)
    with pytest.raises(ValueError, match="away"):
        await look()
    counted.error = None
    assert await look() == 2


async def test_closing_gives_up_a_look_that_runs() -> None:
    look = OneLook(Counted())
    asking = asyncio.create_task(look())
    await asyncio.sleep(0)
    await look.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
