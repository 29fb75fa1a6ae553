"""How many rows of a table were read so far: PostgreSQL counts."""

from typing import Final

from sqlalchemy import text

from singr_db import Database

_FLUSH: Final = "SELECT pg_stat_force_next_flush()"
_READ: Final = text(
    "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_user_tables WHERE relname LIKE :tables"
)


async def rows_read(db: Database, tables: str) -> int:
    """Rows of the tables that are named so (LIKE) that were read so far, by whomever."""
    async with db.psycopg.connection() as connection:
        await connection.execute(_FLUSH)
    async with db.platform() as session:
        await session.execute(text(_FLUSH))
    async with db.platform() as session:
        return int(await session.scalar(_READ, {"tables": tables}) or 0)
