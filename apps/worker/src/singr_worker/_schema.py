"""A worker begins nothing on a schema that lacks what its version needs."""

import asyncio
import time

from singr_db import Database, schema_behind
from singr_observability import get_logger

# How long a schema that fits is believed to do so: a backup may be restored under a running process.
_FITS_FOR_S = 60.0
_EVERY_S = 1.0

_log = get_logger("worker")


class Schema:
    """Whether the schema of a database is behind what this version needs; said in the log when that changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._behind: str | None = None
        self._look_again_at = 0.0

    async def behind(self) -> str | None:
        """Say what is missing and what makes it; None where nothing is, or where it cannot be told just now."""
        if time.monotonic() < self._look_again_at:
            return None
        try:
            behind = await schema_behind(self._database)
        except Exception:  # noqa: BLE001 - a database that is away, or that does not let us look, is others' matter
            return self._behind
        if behind != self._behind:
            _log.warning("jobs wait: {}", behind) if behind else _log.info("jobs go on: the schema is upgraded")
        self._behind = behind
        self._look_again_at = 0.0 if behind else time.monotonic() + _FITS_FOR_S
        return behind

    async def wait(self, stop: asyncio.Event) -> None:
        """Return once it is not behind, or once told to stop."""
        while not stop.is_set() and await self.behind():
            try:
                async with asyncio.timeout(_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue
