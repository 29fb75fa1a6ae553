"""Which providers are worth calling: a breaker for each, which all processes share by their database."""

import asyncio
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from singr_comms._errors import (
    AccountRefusedError,
    PermanentSendError,
    SendError,
    TransientError,
    UnknownOutcomeError,
)
from singr_db import Database, sql_text
from singr_observability import Metrics, get_logger

_IN_A_ROW: Final = 10
_MINUTE: Final = 60.0
_FEWEST: Final = 20
_MOST_REMEMBERED: Final = 200
_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 60.0
# Seconds for which a domain is remembered after it was last cut off: longer than a message waits between two tries.
_KNOWN_FOR: Final = 900.0
_MOST_DOMAINS: Final = 1000
# Seconds for which what other processes found out is not asked for again.
_FRESH: Final = 1.0
# Seconds for which a message waits to learn or to tell of its provider: what is known decides then.
_PATIENCE: Final = 2.0
NEXT_LOOK: Final = 5.0
"""Seconds until a message that met a closed door, somebody else's probe, or failed as one, looks again."""

# Codes of what never reached a provider.
_NEVER_CALLED: Final = frozenset({"unreadable", "invalid_message"})

_READ: Final = sql_text("""
SELECT channel, provider, failures, opened_at IS NOT NULL AS is_open, code,
       greatest(extract(epoch FROM probe_at - now()), 0)::float8 AS wait,
       CASE WHEN forced_until > now() THEN forced END AS forced
  FROM provider_health
""")
_SEEN: Final = sql_text("""
INSERT INTO provider_health AS known (channel, provider, rate_count, rate_seconds)
SELECT * FROM unnest(CAST(:channels AS text[]), CAST(:providers AS text[]), CAST(:counts AS int[]),
                     CAST(:spans AS int[]))
 ORDER BY 1, 2
ON CONFLICT (channel, provider) DO UPDATE SET rate_count = excluded.rate_count, rate_seconds = excluded.rate_seconds,
    next_at = NULL, line_at = NULL
 WHERE (known.rate_count, known.rate_seconds) IS DISTINCT FROM (excluded.rate_count, excluded.rate_seconds)
""")
_FAILED: Final = sql_text("""
UPDATE provider_health
   SET failures = failures + 1, code = :code, message = :message,
       pause = CASE WHEN opened_at IS NULL THEN :first WHEN :probed THEN least(pause * 2, :longest) ELSE pause END,
       probe_at = CASE
           WHEN opened_at IS NULL AND (failures + 1 >= :most OR :at_once) THEN now() + :first * interval '1 second'
           WHEN opened_at IS NOT NULL AND :probed THEN now() + least(pause * 2, :longest) * interval '1 second'
           ELSE probe_at END,
       opened_at = CASE WHEN opened_at IS NULL AND (failures + 1 >= :most OR :at_once) THEN now() ELSE opened_at END
 WHERE channel = :channel AND provider = :provider
RETURNING opened_at = now() AS opens
""")
_PASSED: Final = sql_text("""
UPDATE provider_health
   SET failures = 0, code = NULL, message = NULL, opened_at = NULL, probe_at = NULL
 WHERE channel = :channel AND provider = :provider AND (failures > 0 OR opened_at IS NOT NULL)
""")
# Of all processes one gets the turn; should it die, another has it once its call must be over.
_PROBE: Final = sql_text("""
UPDATE provider_health SET probe_at = now() + :call * interval '1 second'
 WHERE channel = :channel AND provider = :provider AND opened_at IS NOT NULL AND probe_at <= now()
RETURNING true
""")
# A probe that told nothing of the provider: the pause is as it was.
_UNTOLD: Final = sql_text("""
UPDATE provider_health SET probe_at = now() + pause * interval '1 second'
 WHERE channel = :channel AND provider = :provider AND opened_at IS NOT NULL
""")
_UNUSED: Final = sql_text("""
UPDATE provider_health SET probe_at = now()
 WHERE channel = :channel AND provider = :provider AND opened_at IS NOT NULL
""")

Key: TypeAlias = tuple[str, str]
"""Channel and name of a provider."""


class _Known(msgspec.Struct):
    """What is known of a provider: what its row says, and when another call may find out more."""

    failures: int
    is_open: bool
    until: float
    forced: str | None
    code: str | None


class _CutOff:
    """What this process knows of a provider's calls that nobody answered once their recipient was named.

    A provider that asks a recipient's own server first is as slow as that. So a domain counts once, and not again
    before it has been well for a quarter of an hour: whoever owns it stops nobody else's mail.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[str, float] = OrderedDict()
        self.in_a_row = 0
        """How many domains counted since a call was answered."""

    def is_known(self, domain: str, now: float) -> bool:
        """Whether it counted before, so that this tells nothing of the provider."""
        return now - self._last.get(domain, float("-inf")) < _KNOWN_FOR

    def note(self, domain: str, now: float) -> None:
        """One more call was cut off for it."""
        self.in_a_row += not self.is_known(domain, now)
        self._last[domain] = now
        self._last.move_to_end(domain)
        if len(self._last) > _MOST_DOMAINS:
            self._last.popitem(last=False)


class ProviderHealth:
    """Opens a provider's breaker once ten calls in a row failed, or half of twenty in a minute; closes it by a probe.

    A failure is the provider's own: no connection, no answer, an error of its server, too many requests. What it says
    of a recipient shows that it works. Where nobody answers once the recipient was named, their own server may be why:
    that counts once for each domain, by each process for itself, and ten of them open the breaker. A success that it
    never gives (`foreign`) opens it at once: whatever answers in its place answers everybody, and each further
    message would be in doubt. While a breaker is open one call after each pause tries whether that is over, of all
    processes together; the pauses grow from 5 seconds to a minute.

    Failures in a row are counted in the database, which a try writes to anyway; the share of a minute's calls by each
    process for itself. What others found out is known within a second, and asked for only while there is something to
    send. Operators may force a provider open or closed for a time.

    Args:
        db: the database.
        metrics: shows `singr_provider_open`.
        providers: who may be called: channels and names.
        longest_call: gives the seconds after which one gives up on a call, by channel and name.
        clock: seconds that pass evenly.
        rates: how many messages a provider is given in how many seconds, as `Pace` has it: to be shown.
    """

    def __init__(
        self,
        db: Database,
        metrics: Metrics,
        providers: tuple[Key, ...],
        longest_call: Callable[[str, str], float],
        clock: Callable[[], float] = time.monotonic,
        *,
        rates: Sequence[tuple[str, int, int]] = (),
    ) -> None:
        self._db = db
        self._gauge = metrics.provider_open
        self._providers = providers
        self._longest_call = longest_call
        self._rates = {provider: (count, seconds) for provider, count, seconds in rates}
        self._clock = clock
        self._known: Mapping[Key, _Known] | None = None
        self._read_at = float("-inf")
        self._reading: asyncio.Task[Mapping[Key, _Known]] | None = None
        self._failed_since = False
        self._calls: dict[Key, deque[tuple[float, bool]]] = {key: deque(maxlen=_MOST_REMEMBERED) for key in providers}
        self._cut_off: dict[Key, _CutOff] = {key: _CutOff() for key in providers}
        self._probes: set[Key] = set()
        self._log = get_logger("singr_comms.health")

    async def wait(self, channel: str, provider: str) -> float:
        """Seconds until this provider may be called; 0.0: now. Of an open breaker's calls, one is let through."""
        key, known = (channel, provider), (await self._look()).get((channel, provider))
        if known is None or not is_let_be(known.forced, is_open=known.is_open):
            return 0.0
        wait = known.until - self._clock()
        if known.forced == "open":
            return _spread(NEXT_LOOK)
        if wait > 0:
            return _spread(wait)
        if not await self._turn(key):
            return _spread(NEXT_LOOK)
        self._probes.add(key)
        known.until = self._clock() + self._longest_call(channel, provider)
        return 0.0

    async def is_to_blame(self, channel: str, provider: str, error: SendError, *, drops_copies: bool) -> bool:
        """Whether a call failed for the provider's sake, and found its breaker open, or opens it by its number.

        Then others failed as well, and the message has no part in that: it was certainly not taken, or can be sent
        again since the provider `drops_copies`.
        """
        key = (channel, provider)
        if isinstance(error, UnknownOutcomeError):
            if error.about_message or not drops_copies:
                return False
        elif (
            not isinstance(error, TransientError)
            or isinstance(error, AccountRefusedError)
            or error.doubtful
            or error.about_recipient
        ):
            return False
        domain = getattr(error, "recipient_domain", "")
        if domain and self._cut_off[key].is_known(domain, self._clock()):
            return False
        if key in self._probes:
            return True
        known = (await self._look()).get(key)
        in_a_row = self._cut_off[key].in_a_row if domain else known.failures if known else 0
        return known is not None and (known.is_open or in_a_row + 1 >= _IN_A_ROW or self._is_half(key))

    async def note(self, channel: str, provider: str, error: SendError) -> None:
        """Say what an error tells of the provider itself; whether it refuses our account, or doubts, others hold."""
        if error.code in _NEVER_CALLED or isinstance(error, AccountRefusedError) or getattr(error, "doubtful", False):
            await self.unused(channel, provider)
        elif isinstance(error, PermanentSendError) or _is_own(error):
            await self.passed(channel, provider)
        elif domain := getattr(error, "recipient_domain", ""):
            await self._cut_off_for(domain, (channel, provider), error)
        else:
            await self.failed(channel, provider, error)

    async def _cut_off_for(self, domain: str, key: Key, error: SendError) -> None:
        """Count a call that nobody answered for a domain of its recipient's, where it is the first one for that."""
        seen, now = self._cut_off[key], self._clock()
        known = seen.is_known(domain, now)
        seen.note(domain, now)
        if known and key in self._probes:
            self._probes.discard(key)
            await self._write(_UNTOLD, _named(key))
            self._read_at = float("-inf")
        elif not known:
            await self._fails(key, error, at_once=seen.in_a_row >= _IN_A_ROW, alone=True)

    async def failed(self, channel: str, provider: str, error: SendError) -> None:
        """A call failed, and it was not for the message's sake."""
        await self._fails((channel, provider), error, at_once=getattr(error, "foreign", False))

    async def _fails(self, key: Key, error: SendError, *, at_once: bool, alone: bool = False) -> None:
        """Count a failure; `alone`: this process counts those in a row by itself, and tells what comes of it."""
        at_once = self._is_half(key) or at_once
        self._calls[key].append((self._clock(), False))
        if alone and not (at_once or key in self._probes):
            return
        values = {
            **_named(key),
            "code": error.code,
            "message": error.message,
            "most": _IN_A_ROW,
            "at_once": at_once,
            "first": _FIRST_PAUSE,
            "longest": _LONGEST_PAUSE,
            "probed": key in self._probes,
        }
        self._probes.discard(key)
        row = await self._write(_FAILED, values)
        if row is not None and row.opens:
            self._log.error(
                "provider {} fails: {} [{}]; it is let be but for a probe", key[1], error.message, error.code
            )
        # What is being read may be from before: nobody calls by that.
        self._read_at, self._reading, self._failed_since = float("-inf"), None, True

    async def passed(self, channel: str, provider: str) -> None:
        """A call was answered as it should be, whatever the answer says of the message."""
        key = (channel, provider)
        self._calls[key].append((self._clock(), True))
        self._cut_off[key].in_a_row = 0
        known = (self._known or {}).get(key)
        if known is None or not (known.failures or known.is_open):
            return
        self._probes.discard(key)
        await self._write(_PASSED, _named(key))
        if known.is_open:
            self._calls[key].clear()
            self._log.info("provider {} works again", provider)
        self._read_at = float("-inf")

    async def unused(self, channel: str, provider: str) -> None:
        """Nobody was called after all: another may probe."""
        key = (channel, provider)
        if key in self._probes:
            self._probes.discard(key)
            await self._write(_UNUSED, _named(key))
            self._read_at = float("-inf")

    def _is_half(self, key: Key) -> bool:
        """Whether with one more failure half of a minute's calls failed."""
        since = self._clock() - _MINUTE
        lately = [worked for at, worked in self._calls[key] if at > since] + [False]
        return len(lately) >= _FEWEST and 2 * lately.count(False) >= len(lately)

    async def _look(self) -> Mapping[Key, _Known]:
        now = self._clock()
        if self._known is not None and now - self._read_at < _FRESH:
            return self._known
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(now))
        elif self._known is not None and not self._failed_since:
            return self._known  # rather than wait, while nothing speaks against it
        return await asyncio.shield(self._reading)

    async def _read(self, now: float) -> Mapping[Key, _Known]:
        known = await self._rows(now)
        if self._reading is not asyncio.current_task():
            return known or self._known or {}  # something has failed meanwhile, and somebody else reads that
        self._reading, self._read_at = None, now
        if known is None:
            return self._known or {}
        self._known, self._failed_since = known, False
        for key in self._providers:
            one = known.get(key)
            let_be = one is not None and is_let_be(one.forced, is_open=one.is_open)
            self._gauge.labels(*key).set(float(let_be))
        return known

    async def _rows(self, now: float) -> Mapping[Key, _Known] | None:
        try:
            async with asyncio.timeout(_PATIENCE), self._db.platform() as session:
                if self._known is None:
                    await session.execute(_SEEN, self._said())
                rows = (await session.execute(_READ)).all()
        except (SQLAlchemyError, OSError):
            return None
        return {
            (row.channel, row.provider): _Known(row.failures, row.is_open, now + row.wait, row.forced, row.code)
            for row in rows
        }

    def _said(self) -> dict[str, list[Any]]:
        """What this process has to say of its providers at first."""
        channels, providers = zip(*self._providers, strict=True)
        counts, spans = zip(*(self._rates.get(provider, (None, None)) for provider in providers), strict=True)
        return {"channels": [*channels], "providers": [*providers], "counts": [*counts], "spans": [*spans]}

    async def _turn(self, key: Key) -> bool:
        return await self._write(_PROBE, {**_named(key), "call": self._longest_call(*key) + 2.0}) is not None

    async def _write(self, statement: Any, values: dict[str, Any]) -> Any:
        """Tell the others. That it fails changes nothing about a message; then this process judges by what it knows."""
        try:
            async with asyncio.timeout(_PATIENCE), self._db.platform() as session:
                result: Any = await session.execute(statement, values)
                return result.one_or_none() if result.returns_rows else None
        except (SQLAlchemyError, OSError) as error:
            self._log.warning("not told whether a provider works: {}", type(error).__name__)
            return None


def is_let_be(forced: str | None, *, is_open: bool) -> bool:
    """Whether a provider is not called, but for a probe: as operators want it, else as its breaker says."""
    return is_open if forced is None else forced == "open"


def _is_own(error: SendError) -> bool:
    """Whether it speaks of the message or its recipient, so that the provider works."""
    return getattr(error, "about_recipient", False) or getattr(error, "about_message", False)


def _named(key: Key) -> dict[str, str]:
    return {"channel": key[0], "provider": key[1]}


def _spread(seconds: float) -> float:
    """A little later, each message at another time."""
    return seconds + random.uniform(0.05, 0.5)  # noqa: S311 - spreads load, guards nothing
