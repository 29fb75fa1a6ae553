"""Which errors of the server say that a table of somebody else's refers to what was to be deleted."""

from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError

from singr_db.schema._ours import is_ours

# https://www.postgresql.org/docs/current/errcodes-appendix.html: a foreign key, and one with ON DELETE RESTRICT
_REFERRED: Final = frozenset({"23503", "23001"})


def still_referred(error: BaseException) -> str | None:
    """Name the table, not one of Singr's, whose rows keep others from being deleted, and say what helps; else None.

    What Singr's own tables refuse is a fault of ours, and none of this.
    """
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if not isinstance(error, psycopg.Error) or error.sqlstate not in _REFERRED or is_ours(error.diag.table_name):
        return None
    table = error.diag.table_name
    return (
        f"The table {table} still refers to what is to be deleted: delete its rows first, or let its foreign key"
        f" {error.diag.constraint_name} say what becomes of them (ON DELETE CASCADE or SET NULL)."
    )
