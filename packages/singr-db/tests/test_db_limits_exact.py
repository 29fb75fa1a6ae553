"""The limiter's script on a real server, at times that the tests say: full use of a limit, and never more than it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from singr_db.limits._rate import COUNT, MOST_TIMES

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
WINDOW = 3000 * SECOND  # the key itself ends by the server's clock, which a busy machine must not see come

Answer = Sequence[int]
"""Granted, remaining, microseconds until the next place is free, microseconds until what was asked fits."""

Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client
        client.flushdb()


@pytest.fixture(scope="module")
def new_key(server: redis.Redis) -> Callable[[], Ask]:
    """Gives, for a key that nobody used, what asks the script at a time of day."""
    script = server.register_script("local now = tonumber(ARGV[#ARGV])" + COUNT)
    keys = count()

    def new() -> Ask:
        key = f"limit:{next(keys)}"

        def ask(at: int, *, limit: int = 1, window: int = WINDOW, want: int = 1, partial: bool = True) -> Answer:
            answer: Answer = script(keys=[key], args=[limit, window, want, int(partial), 0, START + at])
            return answer

        return ask

    return new


@pytest.fixture
def ask(new_key: Callable[[], Ask]) -> Ask:
    return new_key()


def test_asking_again_tells_exactly_when_the_place_is_free(ask: Ask) -> None:
    assert ask(0) == [1, 0, WINDOW, 0]
    assert ask(SECOND // 2) == [0, 0, WINDOW - SECOND // 2, WINDOW - SECOND // 2]


def test_a_place_is_free_when_its_window_is_over_and_not_before(ask: Ask) -> None:
    ask(7)
    assert ask(7 + WINDOW - 1)[0] == 0
    assert ask(7 + WINDOW)[0] == 1


@pytest.mark.parametrize(("limit", "window"), [(1, 1.0), (1, 3.0), (2, 1.0), (5, 2.0), (100, 60.0), (6000, 60.0)])
def test_a_backlog_uses_the_limit_up_in_each_window(ask: Ask, limit: int, window: float) -> None:
    length, now, granted = round(window * SECOND), 0, 0
    while now < 5 * length:
        got, remaining, free_in, _ = ask(now, limit=limit, window=length, want=max(1, limit // 3))
        granted += got
        now += 0 if remaining else free_in
    assert granted == 5 * limit


def test_a_backlog_that_came_evenly_loses_no_more_than_a_64th(ask: Ask) -> None:
    limit, window = 600, 60 * SECOND
    for place in range(limit):
        ask(place * window // limit, limit=limit, window=window)
    now, granted = window, 0
    while now < 11 * window:
        got, _, _, free_in = ask(now, limit=limit, window=window, want=limit)
        granted += got
        now += free_in
    assert granted >= 10 * limit * (1 - 1 / MOST_TIMES)


def test_what_is_asked_in_vain_costs_nothing(ask: Ask) -> None:
    ask(0)
    for at in range(0, WINDOW, WINDOW // 10):
        ask(at)
    assert ask(WINDOW)[0] == 1


def test_all_or_nothing_waits_for_as_many_as_it_needs(ask: Ask) -> None:
    for at in (0, 100, 200):
        ask(at, limit=3)
    assert ask(300, limit=3, want=2, partial=False) == [0, 0, WINDOW - 300, WINDOW - 200]
    assert ask(WINDOW + 99, limit=3, want=2, partial=False)[0] == 0
    assert ask(WINDOW + 100, limit=3, want=2, partial=False)[0] == 2


def test_a_lower_limit_counts_what_the_higher_one_let_in(ask: Ask) -> None:
    for at in range(10):
        ask(at, limit=10)
    assert ask(10, limit=4) == [0, 0, WINDOW + 6 - 10, WINDOW + 6 - 10]
    assert ask(WINDOW + 6, limit=4)[0] == 1


def test_a_clock_that_goes_back_shuts_nobody_out_for_more_than_a_window(ask: Ask) -> None:
    assert ask(1000 * WINDOW, limit=2, want=2)[0] == 2
    assert ask(0, limit=2) == [0, 0, WINDOW, WINDOW]
    assert ask(WINDOW, limit=2, want=2)[0] == 2


def test_a_key_keeps_a_bounded_memory_and_ends_with_its_window(server: redis.Redis, ask: Ask) -> None:
    server.flushdb()
    for place in range(1000):
        ask(place * WINDOW // 500, limit=10_000)
    [key] = server.keys()
    assert server.hlen(key) <= 6 + 2 * (MOST_TIMES + 1)
    assert 0 < server.pttl(key) <= WINDOW // 1000 + 1


_steps = st.lists(
    st.tuples(
        st.one_of(st.just(0), st.integers(1, 50), st.integers(1, WINDOW // 4), st.integers(WINDOW - 2, WINDOW + 2)),
        st.integers(1, 40),
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60)
@given(limit=st.one_of(st.integers(1, 5), st.sampled_from([MOST_TIMES, MOST_TIMES + 1, 100])), steps=_steps)
def test_no_window_has_more_than_the_limit_and_no_place_is_kept_longer(
    new_key: Callable[[], Ask], limit: int, steps: list[tuple[int, int, bool]]
) -> None:
    ask, now = new_key(), 0
    uses: list[tuple[int, int]] = []
    grain = 0 if limit <= MOST_TIMES else WINDOW // MOST_TIMES + 1
    for pause, want, partial in steps:
        now += pause
        granted, _, _, wait = ask(now, limit=limit, want=want, partial=partial)
        uses.append((now, granted))
        in_window = sum(places for at, places in uses if at > now - WINDOW)
        not_yet_free = sum(places for at, places in uses if at > now - WINDOW - grain) - granted
        assert in_window <= limit
        if granted < want:
            assert partial or granted == 0
            assert not_yet_free + (granted + 1 if partial else want) > limit, "there was room"
            assert wait > 0


@settings(max_examples=40)
@given(limit=st.one_of(st.integers(1, 5), st.sampled_from([MOST_TIMES + 1, 100])), steps=_steps)
def test_who_waits_as_long_as_told_is_granted(
    new_key: Callable[[], Ask], limit: int, steps: list[tuple[int, int, bool]]
) -> None:
    ask, now = new_key(), 0
    for pause, want, partial in steps:
        now += pause
        granted, _, _, wait = ask(now, limit=limit, want=want, partial=partial)
        if granted < want <= limit:
            assert ask(now + wait - 1, limit=limit, want=want, partial=partial)[0] == 0
            now += wait
            again = ask(now, limit=limit, want=want, partial=partial)[0]
            assert again >= 1 if partial else again == want
