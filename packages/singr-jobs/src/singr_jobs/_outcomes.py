import asyncio
import contextlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from singr_jobs import _sql
from singr_jobs._dispatcher import DATABASE_AWAY, Pool
from singr_observability import get_logger, redact_text

_ERROR_LENGTH = 2000
_BATCH = 512
_RETRY = 0.5

_log = get_logger("jobs.outcomes")


class Ended(msgspec.Struct):
    """How an attempt ended; ``status`` is the job's next one: completed, pending (retry), failed or cancelled."""

    job_id: UUID
    token: int
    unique: bool
    status: str
    result: str | None = None
    outcome: str = ""
    error: str = "{}"
    delay: float = 0.0


def error_json(code: str, message: str) -> str:
    """An error as it is stored and shown: redacted, shortened, and without what jsonb refuses."""
    text = redact_text(message).replace("\x00", "")[:_ERROR_LENGTH]
    return msgspec.json.encode({"code": code, "message": text}).decode()


class Outcomes:
    """Writes outcomes in batches: while one batch is on its way, the next gathers.

    A database that is away only delays them. Should a lease run out meanwhile, the job runs again elsewhere and the
    late outcome finds another token: it changes nothing.
    """

    def __init__(self, pool: Pool, *, settled: Callable[[list[Ended]], None]) -> None:
        self._pool = pool
        self._settled = settled
        self._ended: list[Ended] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, ended: Ended) -> None:
        """Take an outcome; returns at once."""
        self._ended.append(ended)
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._ended:
                batch, self._ended = self._ended[:_BATCH], self._ended[_BATCH:]
                await self._write(batch)
            self._idle.set()

    async def flushed(self, within: float) -> bool:
        """Wait until all is written; False when ``within`` seconds did not suffice."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._idle.wait()
        return self._idle.is_set()

    async def _write(self, batch: list[Ended]) -> None:
        while True:
            try:
                await self._write_once(batch)
            except DATABASE_AWAY as error:
                _log.warning("{} outcomes wait for the database: {}", len(batch), type(error).__name__)
                await asyncio.sleep(_RETRY)
            except psycopg.Error as error:
                if len(batch) > 1:
                    for one in batch:
                        await self._write([one])
                    return
                _unstorable(batch[0], error)
            else:
                self._settled(batch)
                return

    async def _write_once(self, batch: list[Ended]) -> None:
        plain = [ended for ended in batch if ended.status == "completed" and ended.result is None]
        results = [ended for ended in batch if ended.status == "completed" and ended.result is not None]
        others = [ended for ended in batch if ended.status != "completed"]
        unique = [ended.job_id for ended in batch if ended.unique and ended.status != "pending"]
        statements: list[tuple[str, dict[str, Any]]] = []
        if plain:
            tokens = list({ended.token for ended in plain})
            statements.append((_sql.COMPLETE, {**_keys(plain), "tokens": tokens}))
        if results:
            statements.append(
                (_sql.COMPLETE_WITH_RESULTS, {**_keys(results), "results": [ended.result for ended in results]})
            )
        if others:
            statements.append((_sql.SETTLE, {**_keys(others), **_settlement(others)}))
        if unique:
            statements.append((_sql.RELEASE_UNIQUE, {"ids": _sql.uuid_array(unique)}))
        async with self._pool.connection() as connection:
            if len(statements) == 1:
                await connection.execute(*statements[0])
                return
            async with connection.transaction():
                for statement, values in statements:
                    await connection.execute(statement, values)


def _keys(batch: list[Ended]) -> dict[str, Any]:
    return {"ids": _sql.uuid_array([ended.job_id for ended in batch]), "tokens": [ended.token for ended in batch]}


def _settlement(batch: list[Ended]) -> dict[str, Any]:
    return {
        "statuses": [ended.status for ended in batch],
        "outcomes": [ended.outcome for ended in batch],
        "errors": [ended.error for ended in batch],
        "delays": [ended.delay for ended in batch],
    }


def _unstorable(ended: Ended, error: psycopg.Error) -> None:
    """PostgreSQL refuses this outcome as it is (a NUL in a result): the job fails, and says so."""
    _log.error("an outcome cannot be stored: {}", type(error).__name__)
    ended.status, ended.outcome, ended.result = "failed", "failed", None
    ended.error = error_json("result_not_storable", "the handler's result cannot be stored as JSON in PostgreSQL")
