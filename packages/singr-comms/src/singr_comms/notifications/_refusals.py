"""Tells every process, and `/ready`, whether a provider refuses our account."""

import asyncio
from typing import Any, Final

from singr_comms._errors import SendError
from singr_db import Database, sql_text
from singr_observability import get_logger

# Seconds for which it is tried to tell.
_TELLING: Final = 2.0
_REFUSED: Final = sql_text("""
INSERT INTO provider_refusals (channel, provider, code, message) VALUES (:channel, :provider, :code, :message)
ON CONFLICT (channel, provider) DO UPDATE SET code = excluded.code, message = excluded.message, seen_at = now()
""")
_ACCEPTED: Final = sql_text("DELETE FROM provider_refusals WHERE channel = :channel AND provider = :provider")


class Refusals:
    """Tells others; that it fails changes nothing about the message itself.

    Args:
        db: the database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._log = get_logger("singr_comms.sender")

    async def refused(self, channel: str, provider: str, error: SendError) -> None:
        """Tell that a provider refuses our account."""
        values = {"channel": channel, "provider": provider, "code": error.code, "message": error.message}
        await self._tell(_REFUSED, values)

    async def accepted(self, channel: str, provider: str) -> None:
        """Take that back."""
        await self._tell(_ACCEPTED, {"channel": channel, "provider": provider})

    async def _tell(self, statement: Any, values: dict[str, str]) -> None:
        try:
            async with asyncio.timeout(_TELLING), self._db.platform() as session:
                await session.execute(statement, values)
        except Exception as error:  # noqa: BLE001 - a courtesy, never a reason to fail a message that was sent
            self._log.warning("not told whether a provider refuses our account: {}", type(error).__name__)
