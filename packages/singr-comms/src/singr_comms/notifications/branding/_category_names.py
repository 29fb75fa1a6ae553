"""What other teams' categories are called, kept where processes that do not know their types can read it."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.catalogue._categories import OURS
from singr_db import Database, PlatformSession, sql_text
from singr_observability import get_logger

# Seconds for which it is tried: the message that it comes with is sent already.
_PATIENCE: Final = 2.0
# Seconds after which they are kept once more: the database may have been restored to a moment before they were.
_KEPT_FOR: Final = 600.0
_KEEP: Final = sql_text("""
INSERT INTO category_names AS known (category, names) VALUES (:category, CAST(:names AS jsonb))
ON CONFLICT (category) DO UPDATE SET names = excluded.names, updated_at = now() WHERE known.names <> excluded.names
""")
_READ: Final = sql_text("SELECT names FROM category_names WHERE category = :category")


class CategoryNames:
    """Keeps what categories are called of which this process sends messages: their links lead to pages of the API.

    Args:
        db: the database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._until: dict[str, float] = {}
        self._log = get_logger("singr_comms.sender")

    async def keep(self, kind: str) -> None:
        """Keep the names of the category of a type that says them, now and then; no message fails for it."""
        declared = message_types.named(kind)
        if declared is None or self._until.get(declared.category, 0.0) > time.monotonic():
            return
        names = {} if declared.category in OURS else message_types.category_names(declared.category)
        try:
            if names:
                values = {"category": declared.category, "names": msgspec.json.encode(names).decode()}
                async with asyncio.timeout(_PATIENCE), self._db.platform() as session:
                    await session.execute(_KEEP, values)
            self._until[declared.category] = time.monotonic() + _KEPT_FOR
        except Exception as error:  # noqa: BLE001 - a courtesy, never a reason to fail a message that was sent
            self._log.warning("names of category {} were not kept: {}", declared.category, type(error).__name__)


async def read_category_names(session: PlatformSession, category: str | None) -> Mapping[str, str]:
    """What a category is called, by language: as this process knows it, else as one kept it that sends its messages."""
    if category is None:
        return {}
    return message_types.category_names(category) or await session.scalar(_READ, {"category": category}) or {}
