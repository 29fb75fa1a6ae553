"""Rate limits by a sliding window in Redis."""

import asyncio
import math
from collections.abc import Sequence

import msgspec
import redis.asyncio

from singr_config.clock import clock
from singr_db.batch import GroupCommit

# A sliding window from two counters: the running window counts in full, the one before it by the part of it that the
# sliding window still covers. One hash per key, one script for any number of keys, Redis's own clock; the last argument
# says by how many milliseconds that was moved (by tests alone).
# Asked per key: limit, window in milliseconds, how many are wanted, whether some of them will do, and whether it counts
# only if the key before it granted all. Answers per key: granted, remaining, milliseconds until the running window
# closes, milliseconds until `want` fits.
_SCRIPT = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(ARGV[#KEYS * 5 + 1])
local out, through = {}, true
for i, key in ipairs(KEYS) do
  local limit, window = tonumber(ARGV[i * 5 - 4]), tonumber(ARGV[i * 5 - 3])
  local want, partial = tonumber(ARGV[i * 5 - 2]), ARGV[i * 5 - 1] == '1'
  through = through or ARGV[i * 5] == '0'
  local index = math.floor(now / window)
  local passed = (now % window) / window
  local h = redis.call('HMGET', key, 'i', 'c', 'p')
  local seen, cur, prev = tonumber(h[1]) or index, tonumber(h[2]) or 0, tonumber(h[3]) or 0
  if seen == index - 1 then prev, cur = cur, 0 elseif seen ~= index then prev, cur = 0, 0 end
  local free = math.floor(limit - cur - prev * (1 - passed))
  local grant = 0
  if not through then grant = 0 elseif want <= free then grant = want elseif partial and free > 0 then grant = free end
  local wait = 0
  if grant > 0 then
    cur = cur + grant
    redis.call('HSET', key, 'i', index, 'c', cur, 'p', prev)
    redis.call('PEXPIRE', key, window * 2)
  end
  if grant < want then
    local need = partial and 1 or math.min(want, limit)
    if prev > 0 and cur + need <= limit then
      wait = (1 - (limit - need - cur) / prev - passed) * window
    elseif cur > 0 then
      wait = (1 - passed + math.max(0, 1 - (limit - need) / cur)) * window
    end
  end
  through = through and grant >= want
  out[#out + 1] = grant
  out[#out + 1] = math.max(0, free - grant)
  out[#out + 1] = math.ceil((1 - passed) * window)
  out[#out + 1] = math.max(1, math.ceil(wait))
end
return out
"""

_NO_LIMIT = 1_000_000_000


class Decision(msgspec.Struct, frozen=True):
    """What the limiter said: times are seconds, rounded up; `retry_after` is 0 when all was granted."""

    allowed: bool
    granted: int
    limit: int
    remaining: int
    reset_after: int
    retry_after: int


class LimitCheck(msgspec.Struct, frozen=True):
    """One use of `key`, of which there may be `limit` in any `window` seconds."""

    key: str
    limit: int
    window: float


class _Ask(msgspec.Struct, frozen=True):
    key: str
    limit: int
    window_ms: int
    want: int
    partial: bool


class _Line(msgspec.Struct, frozen=True):
    """One key of the script's call: which callers wait for it, and whether it hangs on the line before it."""

    ask: _Ask
    places: list[int]
    follows: bool = False


class RateLimiter:
    """Counts in Redis, atomically, over all processes: at most `limit` in any sliding window.

    Checks that arrive together share one round trip. Errors of Redis are passed on: each caller decides whether its
    limit fails open (load) or closed (secrets); so is TimeoutError, after `patience` seconds without an answer.
    """

    def __init__(self, client: redis.asyncio.Redis, *, prefix: str = "singr:limit:", patience: float = 2.0) -> None:
        self._patience = patience
        self._script = client.register_script(_SCRIPT)
        self._prefix = prefix
        self._batch: GroupCommit[tuple[_Ask, ...], Decision] = GroupCommit(self._run, max_batch=128)

    async def check(self, key: str, *, limit: int, window: float, cost: int = 1) -> Decision:
        """All of `cost` or nothing, of `limit` per `window` seconds under `key`; raises redis.RedisError."""
        return await self._batch.submit((_Ask(key, limit, math.ceil(window * 1000), cost, partial=False),))

    async def check_in_turn(self, first: LimitCheck, *more: LimitCheck) -> Decision:
        """Count one use under each key in turn, in one round trip, until one refuses; raises redis.RedisError.

        Returns the refusal, under whose key and those after it nothing was counted, or else the last one's decision.
        """
        asks = (_Ask(one.key, one.limit, math.ceil(one.window * 1000), 1, partial=False) for one in (first, *more))
        return await self._batch.submit(tuple(asks))

    async def probe(self) -> None:
        """Count once for nobody; raises redis.RedisError where Redis is away, or answers but takes no writes.

        A replica, a server without memory left or a user without the rights answers a PING as ever.
        """
        await self.check("probe", limit=_NO_LIMIT, window=1.0)

    async def take(self, key: str, *, limit: int, window: float, up_to: int) -> Decision:
        """As many as are free, at most `up_to`; raises redis.RedisError."""
        return await self._batch.submit((_Ask(key, limit, math.ceil(window * 1000), up_to, partial=True),))

    async def _run(self, batch: list[tuple[_Ask, ...]]) -> Sequence[Decision]:
        lines = _lines(batch)
        async with asyncio.timeout(self._patience):
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
                line.ask.window_ms,
                max(line.ask.want, len(line.places)),
                "1" if line.ask.partial or len(line.places) > 1 else "0",
                "1" if line.follows else "0",
            )
        ]
        arguments.append(clock.ahead_ns() // 1_000_000)
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
        reset_after=math.ceil(reset / 1000),
        retry_after=0 if granted >= ask.want else math.ceil(wait / 1000),
    )
