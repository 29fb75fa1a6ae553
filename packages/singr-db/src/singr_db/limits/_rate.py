"""Rate limits by a sliding window in Redis."""

import math
from collections.abc import Sequence

import msgspec
import redis.asyncio

from singr_config.clock import clock
from singr_db._patience import answered_within
from singr_db.batch import GroupCommit

# How many times are remembered of a key: up to so large a limit each use is remembered by its own.
MOST_TIMES = 64

# Redis's own clock in microseconds; the last argument says by how many that was moved (by tests alone).
_CLOCK = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2] + ARGV[#ARGV]
"""

# A sliding window of the times at which places were taken (decision 65). A key is a hash: `used` places in the entries
# `first` to `last`, of which each has a time and a count: the last one's are `newest` and `count`, the others' `t7` and
# `c7`; `oldest` is the first one's time. What was taken in one 64th of a window shares an entry, where the limit is
# larger than 64, and its last one's time.
# Asked per key: limit, window in microseconds, how many are wanted, whether some of them will do, and whether it counts
# only if the key before it granted all. Answers per key: granted, remaining, microseconds until the next place comes
# free, microseconds until `want` fits (one place, where some will do), 0 if all were granted.
# One HSET is the first thing that is written: a server without memory refuses that, and nothing is half-done.
COUNT = """
local out, through = {}, true
for i, key in ipairs(KEYS) do
  local limit, window = tonumber(ARGV[i * 5 - 4]), tonumber(ARGV[i * 5 - 3])
  local want, partial = tonumber(ARGV[i * 5 - 2]), ARGV[i * 5 - 1] == '1'
  through = through or ARGV[i * 5] == '0'
  local h = redis.call('HMGET', key, 'used', 'first', 'last', 'oldest', 'newest', 'count')
  local used, first, last = tonumber(h[1]) or 0, tonumber(h[2]) or 1, tonumber(h[3]) or 0
  local oldest, newest, count = tonumber(h[4]), tonumber(h[5]), tonumber(h[6])
  local function entry(n)
    if n == last then return newest, count end
    local e = redis.call('HMGET', key, 't' .. n, 'c' .. n)
    return tonumber(e[1]), tonumber(e[2])
  end
  local changed, gone, set = false, {}, {}
  local function drop(n) gone[#gone + 1], gone[#gone + 2] = 't' .. n, 'c' .. n end
  while first <= last and oldest + window <= now do
    local _, left = entry(first)
    drop(first)
    used, first, changed = used - left, first + 1, true
    oldest = first <= last and entry(first)
  end
  if first <= last and newest > now then -- Redis's clock went back: all of it counts from now on
    for n = first, last do drop(n) end
    first, oldest, newest, count, changed = last, now, now, used, true
  end
  local free, grant = math.max(0, limit - used), 0
  if not through then grant = 0 elseif want <= free then grant = want elseif partial then grant = free end
  if grant > 0 then
    local grain = limit > MOST_TIMES and window / MOST_TIMES or 1
    if first <= last and math.floor(newest / grain) == math.floor(now / grain) then
      count = count + grant
    else
      if first <= last then set = {'t' .. last, newest, 'c' .. last, count} end
      last, count = last + 1, grant
    end
    used, newest, changed = used + grant, now, true
    if first == last then oldest = now end
  end
  if changed and first > last then
    redis.call('DEL', key)
  elseif changed then
    redis.call('HSET', key, 'used', used, 'first', first, 'last', last,
      'oldest', oldest, 'newest', newest, 'count', count, unpack(set))
    if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
    redis.call('PEXPIRE', key, math.ceil((newest + window - now) / 1000) + 1)
  end
  local remaining = free - grant
  local function fits_in(need)
    local lacking, n, at = used + need - limit, first, now - window
    if lacking == 1 and first <= last then return oldest + window - now end
    while lacking > 0 and n <= last do
      local places
      at, places = entry(n)
      lacking, n = lacking - places, n + 1
    end
    return at + window - now
  end
  through = through and grant >= want
  out[#out + 1] = grant
  out[#out + 1] = remaining
  out[#out + 1] = fits_in(remaining + 1)
  out[#out + 1] = grant < want and math.max(1, fits_in(partial and 1 or math.min(want, limit))) or 0
end
return out
""".replace("MOST_TIMES", str(MOST_TIMES))

_NO_LIMIT = 1_000_000_000


class Decision(msgspec.Struct, frozen=True):
    """What the limiter said; times are exact, in seconds, for programs: round them up for people and in headers.

    Attributes:
        allowed: all that was asked for was granted.
        granted: how many were.
        limit: as asked.
        remaining: how many more there are now.
        reset_after: until there are more than that; 0 where none is in use. Where none remain, the next place is free
            then.
        retry_after: until the same would be granted, if nobody else asked (of what `take` asks, one); 0 if it was.
    """

    allowed: bool
    granted: int
    limit: int
    remaining: int
    reset_after: float
    retry_after: float


class LimitCheck(msgspec.Struct, frozen=True):
    """One use of `key`, of which there may be `limit` in any `window` seconds."""

    key: str
    limit: int
    window: float


class _Ask(msgspec.Struct, frozen=True):
    key: str
    limit: int
    window_us: int
    want: int
    partial: bool


class _Line(msgspec.Struct, frozen=True):
    """One key of the script's call: which callers wait for it, and whether it hangs on the line before it."""

    ask: _Ask
    places: list[int]
    follows: bool = False


class RateLimiter:
    """Counts in Redis, atomically, over all processes: at most `limit` in any sliding window, and as many in each.

    A place comes free a window after it was taken; of a limit above 64, by up to a 64th of the window later.

    Checks that arrive together share one round trip. Errors of Redis are passed on: each caller decides whether its
    limit fails open (load) or closed (secrets); so is TimeoutError, after `patience` seconds without an answer.
    """

    def __init__(self, client: redis.asyncio.Redis, *, prefix: str = "singr:limit:", patience: float = 2.0) -> None:
        self._patience = patience
        self._script = client.register_script(_CLOCK + COUNT)
        self._prefix = prefix
        self._batch: GroupCommit[tuple[_Ask, ...], Decision] = GroupCommit(self._run, max_batch=128)

    async def check(self, key: str, *, limit: int, window: float, cost: int = 1) -> Decision:
        """All of `cost` or nothing, of `limit` per `window` seconds under `key`; raises redis.RedisError."""
        return await self._batch.submit((_Ask(key, limit, math.ceil(window * 1_000_000), cost, partial=False),))

    async def check_in_turn(self, first: LimitCheck, *more: LimitCheck) -> Decision:
        """Count one use under each key in turn, in one round trip, until one refuses; raises redis.RedisError.

        Returns the refusal, under whose key and those after it nothing was counted, or else the last one's decision.
        """
        asks = (_Ask(one.key, one.limit, math.ceil(one.window * 1_000_000), 1, partial=False) for one in (first, *more))
        return await self._batch.submit(tuple(asks))

    async def probe(self) -> None:
        """Count once for nobody; raises redis.RedisError where Redis is away, or answers but takes no writes.

        A replica, a server without memory left or a user without the rights answers a PING as ever.
        """
        await self.check("probe", limit=_NO_LIMIT, window=1.0)

    async def take(self, key: str, *, limit: int, window: float, up_to: int) -> Decision:
        """As many as are free, at most `up_to`; raises redis.RedisError."""
        return await self._batch.submit((_Ask(key, limit, math.ceil(window * 1_000_000), up_to, partial=True),))

    async def _run(self, batch: list[tuple[_Ask, ...]]) -> Sequence[Decision]:
        lines = _lines(batch)
        async with answered_within(self._patience, "Redis"):
            answer = await self._ask(lines)
        decisions: dict[int, Decision] = {}
        for number, line in enumerate(lines):
            ask, places = line.ask, line.places
            granted, remaining, reset, wait = (int(part) for part in answer[number * 4 : number * 4 + 4])
            for turn, index in enumerate(places):
                if line.follows and not decisions[index].allowed:
                    continue
                mine = granted if ask.want > 1 or ask.partial else int(turn < granted)
                left = remaining + max(0, granted - turn - 1) if len(places) > 1 else remaining
                decisions[index] = _decision(ask, mine, left, reset, wait)
        return [decisions[index] for index in range(len(batch))]

    async def _ask(self, lines: list[_Line]) -> list[int]:
        arguments = [
            value
            for line in lines
            for value in (
                line.ask.limit,
                line.ask.window_us,
                max(line.ask.want, len(line.places)),
                "1" if line.ask.partial or len(line.places) > 1 else "0",
                "1" if line.follows else "0",
            )
        ]
        arguments.append(clock.ahead_ns() // 1000)
        answer: list[int] = await self._script(keys=[self._prefix + line.ask.key for line in lines], args=arguments)
        return answer


def _lines(batch: list[tuple[_Ask, ...]]) -> list[_Line]:
    """One line a key; callers that each want one of the same, and of nothing else, share theirs."""
    shared: dict[_Ask, _Line] = {}
    lines: list[_Line] = []
    for index, asks in enumerate(batch):
        first = asks[0]
        if len(asks) == 1 and first.want == 1 and not first.partial:
            same = shared.get(first)
            if same is None:
                same = shared[first] = _Line(first, [])
                lines.append(same)
            same.places.append(index)
        else:
            lines.extend(_Line(ask, [index], follows=turn > 0) for turn, ask in enumerate(asks))
    return lines


def _decision(ask: _Ask, granted: int, remaining: int, reset: int, wait: int) -> Decision:
    return Decision(
        allowed=granted >= ask.want,
        granted=granted,
        limit=ask.limit,
        remaining=remaining,
        reset_after=reset / 1_000_000,
        retry_after=0.0 if granted >= ask.want else wait / 1_000_000,
    )
