"""Does a running process find the schema that it needs?"""

from typing import Final

import psycopg

from singr_db._patience import answered_within
from singr_db._statements import sql
from singr_db.schema._migrate import head_revision, is_newer
from singr_db.sessions._database import Database

_PATIENCE_S: Final = 2.0
_REVISION: Final = sql("SELECT version_num FROM alembic_version")
_NOT_SEEN: Final = "no schema is to be seen: run singr-db check, which tells whether it is missing or hidden"


def behind_words(current: str | None, needed: str) -> str | None:
    """Say that a schema at `current` (None: there is none) lacks what a program needs whose newest is `needed`.

    None where it has that, as one of a later version has: migrations do not break the version before.
    """
    if current is None:
        return _NOT_SEEN
    if current == needed or is_newer(current, needed):
        return None
    return f"the schema is at {current}, this version needs {needed}: run singr-db upgrade"


async def schema_behind(database: Database) -> str | None:
    """Ask the database, 2 s at most, whether its schema lacks what this version needs, and say so; else None.

    Raises:
        psycopg.Error, TimeoutError: no answer, or no free connection, in time; or nobody may look.
    """
    try:
        async with answered_within(_PATIENCE_S, "PostgreSQL"), database.psycopg.connection() as connection:
            row = await (await connection.execute(_REVISION)).fetchone()
    except psycopg.errors.UndefinedTable:
        return _NOT_SEEN
    return behind_words(None if row is None else str(row[0]), head_revision())
