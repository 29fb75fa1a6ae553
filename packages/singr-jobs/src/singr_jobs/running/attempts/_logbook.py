"""What handlers write of their attempts: redacted, bounded, and stored in batches beside the outcomes."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from singr_config.clock import clock
from singr_db import PsycopgPool, is_outage, new_id, sql, storable
from singr_db.chores import Trouble
from singr_jobs._plain import MESSAGE_LENGTH, kind_of, plain_text
from singr_jobs.intake._row import SmallInt, recordset
from singr_jobs.taking._claimed import ClaimedJob
from singr_observability import redact, redact_text

MOST_LINES: Final = 200
MOST_BYTES: Final = 64 * 1024
_LONGEST_FIELDS: Final = 8 * 1024
_LEFT_OUT: Final = "further lines are left out: an attempt keeps 200 lines or 64 KiB"
_LOOKED_AT: Final = 4 * MESSAGE_LENGTH
# So many wait at most while the database is away; a batch; seconds for which lines gather, and between two tries.
_MOST_WAITING: Final = 20_000
_BATCH: Final = 1000
_GATHER: Final = 0.1
_RETRY: Final = 1.0


class LineRow(msgspec.Struct, kw_only=True):
    """A line as it is stored."""

    id: UUID
    job_id: UUID
    organization_id: UUID
    attempt: SmallInt
    at: datetime
    message: str
    fields: msgspec.Raw | None


_WRITE: Final = sql(f"""
INSERT INTO job_logs (id, job_id, organization_id, attempt, at, message, fields)
SELECT id, job_id, organization_id, attempt, at, message, fields FROM {recordset(LineRow, "%(rows)s")}
ON CONFLICT DO NOTHING
""")  # noqa: S608 - constants
_encode: Final = msgspec.json.Encoder().encode


def line_of(job: ClaimedJob, message: object, fields: Mapping[str, object], at: datetime) -> LineRow | None:
    """A line of this attempt as it is stored; None once the attempt has written enough. Never raises."""
    if job.lines >= MOST_LINES:
        return None
    text = redact_text(plain_text(message, limit=_LOOKED_AT))[:MESSAGE_LENGTH]
    kept = _plain(fields) if fields else None
    size = len(text.encode()) + (len(kept) if kept is not None else 0)
    job.lines += 1
    job.line_bytes += size
    if job.lines == MOST_LINES or job.line_bytes > MOST_BYTES:
        job.lines, text, kept = MOST_LINES, _LEFT_OUT, None
    return LineRow(
        id=new_id(),
        job_id=job.id,
        organization_id=job.organization_id,
        attempt=job.attempt,
        at=at,
        message=text,
        fields=None if kept is None else msgspec.Raw(kept),
    )


def _plain(fields: Mapping[str, object]) -> bytes:
    try:
        encoded = _encode(storable(redact(fields)))
    except BaseException:  # noqa: BLE001 - what a handler hands over must not end it
        encoded = _encode({name: _alone(name, value) for name, value in fields.items()})
    if len(encoded) <= _LONGEST_FIELDS:
        return encoded
    return _encode({"fields": f"({len(encoded)} bytes are too many: {_LONGEST_FIELDS} are kept of a line)"})


def _alone(name: str, value: object) -> object:
    try:
        plain = storable(redact({name: value}))
        _encode(plain)
    except BaseException:  # noqa: BLE001 - as above
        return f"({kind_of(value)} that cannot be printed)"
    return next(iter(plain.values())) if isinstance(plain, dict) else None


class Logbook:
    """Stores lines in batches; a job that writes one goes on at once, from the loop or from a thread.

    While the database is away lines wait, up to a bound, and beyond it they are left out: no job waits for its log.
    """

    def __init__(self, pool: PsycopgPool) -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._lines: deque[LineRow] = deque(maxlen=_MOST_WAITING)
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._trouble = Trouble("the writing of job logs", module="jobs.logbook")

    def note(self, job: ClaimedJob, message: object, fields: Mapping[str, object]) -> None:
        """Take a line; from any thread."""
        line = line_of(job, message, fields, clock.now())
        if line is None:
            return
        self._lines.append(line)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody writes any more
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Write until cancelled; no error ends it."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER)
            self._wake.clear()
            if not await self._written():
                await asyncio.sleep(_RETRY)
                self._wake.set()

    async def flush(self, within: float) -> None:
        """Write what is there, for so many seconds at most."""
        if self._lines:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._written()

    async def _written(self) -> bool:
        """Write all that is there; False where the database is away, and nothing is lost."""
        async with self._writing:
            while self._lines:
                batch = [self._lines.popleft() for _ in range(min(_BATCH, len(self._lines)))]
                try:
                    async with self._pool.connection() as connection:
                        await connection.execute(_WRITE, {"rows": _encode(batch).decode()})
                except Exception as error:  # noqa: BLE001 - see Trouble: a log is a courtesy
                    self._trouble.met(error)
                    if is_outage(error):
                        self._lines.extendleft(reversed(batch[: _MOST_WAITING - len(self._lines)]))
                        return False
                else:
                    self._trouble.over()
        return True
