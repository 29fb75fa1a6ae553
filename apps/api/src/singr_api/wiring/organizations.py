"""Which organizations there are: asked once a minute each, since every job that a platform credential creates asks."""

import time
from typing import Final
from uuid import UUID

from singr_api.http.problems import FieldError, invalid
from singr_db import Database

_REMEMBERED_SECONDS: Final = 60.0
_MOST_REMEMBERED: Final = 100_000


class Organizations:
    """Knows which organizations exist; one that was removed is known for a minute more."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._seen: dict[UUID, float] = {}

    def knows(self, organization_id: UUID) -> bool:
        """Tell whether it was there within the last minute; False says only that `check` has to be asked."""
        return self._seen.get(organization_id, 0.0) > time.monotonic()

    async def check(self, organization_id: UUID) -> None:
        """Return if the organization exists.

        Raises:
            Problem: it does not (422).
        """
        async with self._db.psycopg.connection() as connection:
            cursor = await connection.execute("SELECT 1 FROM organizations WHERE id = %s", (organization_id,))
            found = await cursor.fetchone()
        if found is None:
            message = "must be the id of an organization that exists"
            raise invalid(FieldError("organization_id", message, "body", "not_found"))
        if len(self._seen) >= _MOST_REMEMBERED:
            self._seen.clear()
        self._seen[organization_id] = time.monotonic() + _REMEMBERED_SECONDS
