"""Questions to each dependency, every one with a time limit, none of which may raise."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

import psycopg
import redis.asyncio
from psycopg.rows import namedtuple_row

from singr_api.http.one_look import OneLook
from singr_api.operations.health.schemas import Check, Readiness
from singr_db import CommitsHangError, Database, behind_words, is_newer, is_outage, sql, sqlstate_of
from singr_db.limits import RateLimiter
from singr_db.redis import refusal_of
from singr_jobs import Waker

# For each question; none of the checks asks more than two, so that all are told within five seconds.
_PATIENCE_SECONDS = 2.5
# Balancers come every few seconds, each of them for itself: what one is told serves the next.
_GOOD_FOR_SECONDS = 1.0
_UNCOUNTED = "Rate limits are open, and sign-in by password or code is shut, {}."
_POLLED = "Jobs are accepted and kept, and workers find them by polling, up to a second later."
_NO_REDIS = "There is no Redis (REDIS_URL)."
_REDIS_AWAY = "Redis does not answer."
_REDIS_REFUSES = "Redis answers, but refuses what is asked of it ({})."
_WAKES_REFUSED = "{} refuses wake-ups ({})."
_RABBIT_AWAY = "RabbitMQ does not answer."
_DATABASE_AWAY = "PostgreSQL does not answer: nothing can be accepted until it is back."
_DATABASE_READ_ONLY = (
    "PostgreSQL accepts no writes (it is a standby, or was made read-only, as during a failover): nothing can be"
    " accepted"
    " until it does."
)
_COMMITS_HANG = (
    "PostgreSQL responds, but commits do not complete (a synchronous standby is away, or its disk hangs): nothing can"
    " be"
    " accepted until they do."
)
_REFUSED = "PostgreSQL answers, but refuses connections ({}): nothing can be accepted until that is mended."
_SESSIONS_REFUSED = (
    "PostgreSQL answers, but refuses the sessions that requests need ({}): little can be accepted until that is mended."
)
_BUSY = (
    "PostgreSQL answers, but all connections of this process are in use (DATABASE_POOL_SIZE): requests wait for one,"
    " for seconds at most."
)
_NO_MORE = "53300"
_KEPT = "Messages are accepted and kept, and are sent once the account is accepted again."
_MOVED = "Messages go to the fallback of their channel, or wait."
# A refusal that no worker has met for this long is nobody's any more: the provider was changed, or no worker runs.
_REFUSALS = sql(
    "SELECT channel, provider, code, to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC') AS since"
    " FROM provider_refusals WHERE seen_at > now() - interval '10 minutes' ORDER BY channel, provider"
)
_FAILING = sql(
    "SELECT channel, provider, code, to_char(opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC') AS since"
    " FROM provider_health WHERE opened_at IS NOT NULL AND probe_at > now() - interval '10 minutes'"
    " ORDER BY channel, provider"
)
_NO_TABLE = "42P01"
_NEWER = "The schema is at {}, newer than this program ({}): install the newer release. The version before still works."
_REVISION = sql("SELECT version_num FROM alembic_version")

Finding = tuple[str, str | None]
_Answer = TypeVar("_Answer")


class Probes:
    """Asks the dependencies how they are.

    Args:
        db: the database.
        client: a Redis client of its own, without retries, so that a probe never waits behind work; None without Redis.
        revision: of the schema that this version needs.
        rabbit: what says words where RabbitMQ carries them; None where Redis does.
    """

    def __init__(
        self, db: Database, client: redis.asyncio.Redis | None, *, revision: str, rabbit: Waker | None = None
    ) -> None:
        self._db = db
        self._limiter = None if client is None else RateLimiter(client)
        self._waker = None if client is None or rabbit is not None else Waker(client)
        self._rabbit = rabbit
        self._revision = revision
        self._left: set[asyncio.Future[Any]] = set()
        self._look = OneLook(self._ask_all, good_for=_GOOD_FOR_SECONDS)

    async def readiness(self) -> Readiness:
        """How all are: whoever asks while they are asked, or within a second, is told the same."""
        return await self._look()

    async def close(self) -> None:
        """Ask no more."""
        await self._look.close()

    async def _ask_all(self) -> Readiness:
        """Ask all, side by side."""
        asks = {"database": self._database, "migrations": self._migrations, "redis": self._redis}
        if self._rabbit is not None:
            asks["rabbitmq"] = partial(self._words, self._rabbit)
        asks["providers"] = self._providers
        checks = dict(zip(asks, await asyncio.gather(*map(_timed, asks.values())), strict=True))
        if checks["providers"].status == "ok":
            del checks["providers"]  # named only where there is something to say: most installations have two of them
        if "down" in {checks["database"].status, checks["migrations"].status}:
            return Readiness("unavailable", checks)
        return Readiness("ready" if all(check.status == "ok" for check in checks.values()) else "degraded", checks)

    async def _database(self) -> Finding:
        try:
            writable = await self._within(self._db.takes_writes())
        except CommitsHangError:
            return "down", _COMMITS_HANG
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
            if sqlstate_of(error) == _NO_MORE and self._db.is_all_lent:
                return "degraded", _BUSY  # those that we have are in use
            why = self._db.refusal(error)
            return "down", _DATABASE_AWAY if why is None else _REFUSED.format(why)
        if not writable:
            return "down", _DATABASE_READ_ONLY
        try:
            await self._within(self._db.check_sessions())
        except Exception as error:  # noqa: BLE001 - as above
            why = self._db.refusal(error) or type(getattr(error, "orig", None) or error).__name__
            return "down", _SESSIONS_REFUSED.format(why)
        return ("degraded", _BUSY) if self._db.is_all_lent else ("ok", None)

    async def _migrations(self) -> Finding:
        try:
            current = await self._within(self._current())
        except Exception as error:  # noqa: BLE001 - as above
            if sqlstate_of(error) == _NO_TABLE:
                return "down", _sentence(behind_words(None, self._revision))
            if not is_outage(error) and isinstance(error, psycopg.Error):
                return "degraded", f"The revision of the schema cannot be read: {type(error).__name__}."
            return "degraded", "Not known without the database."
        if is_newer(current, self._revision):
            return "degraded", _NEWER.format(current, self._revision)
        behind = behind_words(current, self._revision)
        return ("ok", None) if behind is None else ("down", _sentence(behind))

    async def _current(self) -> Any:
        async with self._db.psycopg.beside() as connection:
            row = await (await connection.execute(_REVISION)).fetchone()
        return None if row is None else row[0]

    async def _providers(self) -> Finding:
        try:
            refusals, failing = await self._within(self._troubles())
        except Exception:  # noqa: BLE001 - as above
            return "ok", None  # not known; what is wrong with the database is said above
        words = [f"Refused by providers: {_listed(refusals)}. {_KEPT}"] if refusals else []
        words += [f"Providers fail: {_listed(failing)}. {_MOVED}"] if failing else []
        return ("degraded", " ".join(words)) if words else ("ok", None)

    async def _troubles(self) -> list[list[Any]]:
        async with self._db.psycopg.beside() as connection:
            return [
                await (await connection.cursor(row_factory=namedtuple_row).execute(statement)).fetchall()
                for statement in (_REFUSALS, _FAILING)
            ]

    async def _redis(self) -> Finding:
        meanwhile = "" if self._rabbit is not None else f" {_POLLED}"
        if self._limiter is None:
            return "degraded", f"{_NO_REDIS} {_UNCOUNTED.format('for as long')}{meanwhile}"
        try:
            await self._within(self._limiter.probe())
        except Exception as error:  # noqa: BLE001 - as above
            if (why := refusal_of(error)) is not None:
                refuses = _REDIS_REFUSES.format(why)
                return "degraded", f"{refuses} {_UNCOUNTED.format('until it takes that')}{meanwhile}"
            return "degraded", f"{_REDIS_AWAY} {_UNCOUNTED.format('until it is back')}{meanwhile}"
        if self._waker is None:
            return "ok", None
        try:
            await self._within(self._waker.probe())
        except Exception as error:  # noqa: BLE001 - as above
            why = refusal_of(error) or type(error).__name__
            return "degraded", f"{_WAKES_REFUSED.format('Redis', why)} {_POLLED}"
        return "ok", None

    async def _words(self, rabbit: Waker) -> Finding:
        try:
            await self._within(rabbit.probe())
        except Exception as error:  # noqa: BLE001 - as above
            why = rabbit.why(error)
            said = _RABBIT_AWAY if why is None else _WAKES_REFUSED.format("RabbitMQ", why)
            return "degraded", f"{said} {_POLLED}"
        return "ok", None

    async def _within(self, question: Coroutine[Any, Any, _Answer]) -> _Answer:
        """Its answer, or TimeoutError. What hangs is given up and not waited for.

        To give a connection back, too, takes a server that answers: one that hangs held a check up for 13 s.
        """
        asking = asyncio.ensure_future(question)
        try:
            done, _ = await asyncio.wait({asking}, timeout=_PATIENCE_SECONDS)
        finally:
            if not asking.done():
                self._left.add(asking)
                asking.add_done_callback(self._forget)
                asking.cancel()
        if not done:
            raise TimeoutError(f"no answer within {_PATIENCE_SECONDS:g} s")
        return asking.result()

    def _forget(self, asked: asyncio.Future[Any]) -> None:
        self._left.discard(asked)
        if not asked.cancelled():
            asked.exception()  # looked at, so that nobody is told of it


def _sentence(words: str | None) -> str | None:
    return words and f"{words[0].upper()}{words[1:]}."


def _listed(providers: Sequence[Any]) -> str:
    return "; ".join(f"{one.provider} ({one.channel}) since {one.since}: {one.code}" for one in providers)


async def _timed(ask: Callable[[], Awaitable[Finding]]) -> Check:
    started = time.perf_counter()
    status, why = await ask()
    latency = round((time.perf_counter() - started) * 1000, 2)
    return Check("ok" if status == "ok" else "down" if status == "down" else "degraded", latency, why)
