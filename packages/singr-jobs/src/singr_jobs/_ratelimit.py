import asyncio
import math
from collections.abc import Sequence

import msgspec
import redis.asyncio

from singr_jobs._batch import GroupCommit

# A sliding window from two counters: the running window counts in full, the one before it by the part of it that the
# sliding window still covers. One hash per key, one script for any number of keys, Redis's own clock.
# Answers per key: granted, remaining, milliseconds until the running window closes, milliseconds until `want` fits.
_SCRIPT = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local out = {}
for i, key in ipairs(KEYS) do
  local limit, window = tonumber(ARGV[i * 4 - 3]), tonumber(ARGV[i * 4 - 2])
  local want, partial = tonumber(ARGV[i * 4 - 1]), ARGV[i * 4] == '1'
  local index = math.floor(now / window)
  local passed = (now % window) / window
  local h = redis.call('HMGET', key, 'i', 'c', 'p')
  local seen, cur, prev = tonumber(h[1]) or index, tonumber(h[2]) or 0, tonumber(h[3]) or 0
  if seen == index - 1 then prev, cur = cur, 0 elseif seen ~= index then prev, cur = 0, 0 end
  local free = math.floor(limit - cur - prev * (1 - passed))
  local grant = 0
  if want <= free then grant = want elseif partial and free > 0 then grant = free end
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
  out[#out + 1] = grant
  out[#out + 1] = math.max(0, free - grant)
  out[#out + 1] = math.ceil((1 - passed) * window)
  out[#out + 1] = math.max(1, math.ceil(wait))
end
return out
"""


class Decision(msgspec.Struct, frozen=True):
    """What the limiter said: times are seconds, rounded up; ``retry_after`` is 0 when all was granted."""

    allowed: bool
    granted: int
    limit: int
    remaining: int
    reset_after: int
    retry_after: int


class _Ask(msgspec.Struct, frozen=True):
    key: str
    limit: int
    window_ms: int
    want: int
    partial: bool


class RateLimiter:
    """Counts in Redis, atomically, over all processes: at most ``limit`` in any sliding window.

    Checks that arrive together share one round trip. Errors of Redis are passed on: each caller decides whether its
    limit fails open (load) or closed (secrets); so is TimeoutError, after ``patience`` seconds without an answer.
    """

    def __init__(self, client: redis.asyncio.Redis, *, prefix: str = "singr:limit:", patience: float = 2.0) -> None:
        self._patience = patience
        self._script = client.register_script(_SCRIPT)
        self._prefix = prefix
        self._batch: GroupCommit[_Ask, Decision] = GroupCommit(self._run, max_batch=128)

    async def check(self, key: str, *, limit: int, window: float, cost: int = 1) -> Decision:
        """All of ``cost`` or nothing, of ``limit`` per ``window`` seconds under ``key``; raises redis.RedisError."""
        return await self._batch.submit(_Ask(key, limit, math.ceil(window * 1000), cost, partial=False))

    async def take(self, key: str, *, limit: int, window: float, up_to: int) -> Decision:
        """As many as are free, at most ``up_to``; raises redis.RedisError."""
        return await self._batch.submit(_Ask(key, limit, math.ceil(window * 1000), up_to, partial=True))

    async def _run(self, asks: list[_Ask]) -> Sequence[Decision]:
        shared: dict[tuple[str, int, int], list[int]] = {}
        lines: list[tuple[_Ask, list[int]]] = []
        for index, ask in enumerate(asks):
            if ask.want > 1 or ask.partial:
                lines.append((ask, [index]))
                continue
            same = shared.get((ask.key, ask.limit, ask.window_ms))
            if same is None:
                same = shared[ask.key, ask.limit, ask.window_ms] = []
                lines.append((ask, same))
            same.append(index)
        async with asyncio.timeout(self._patience):
            answer = await self._ask(lines)
        decisions: dict[int, Decision] = {}
        for number, (ask, places) in enumerate(lines):
            granted, remaining, reset, wait = (int(part) for part in answer[number * 4 : number * 4 + 4])
            for turn, index in enumerate(places):
                mine = granted if ask.want > 1 or ask.partial else int(turn < granted)
                left = remaining + max(0, granted - turn - 1) if len(places) > 1 else remaining
                decisions[index] = _decision(ask, mine, left, reset, wait)
        return [decisions[index] for index in range(len(asks))]

    async def _ask(self, lines: list[tuple[_Ask, list[int]]]) -> list[int]:
        arguments = [
            value
            for ask, places in lines
            for value in (
                ask.limit,
                ask.window_ms,
                max(ask.want, len(places)),
                "1" if ask.partial or len(places) > 1 else "0",
            )
        ]
        answer: list[int] = await self._script(keys=[self._prefix + ask.key for ask, _ in lines], args=arguments)
        return answer


def _decision(ask: _Ask, granted: int, remaining: int, reset: int, wait: int) -> Decision:
    return Decision(
        allowed=granted >= ask.want,
        granted=granted,
        limit=ask.limit,
        remaining=remaining,
        reset_after=math.ceil(reset / 1000),
        retry_after=0 if granted >= ask.want else math.ceil(wait / 1000),
    )
