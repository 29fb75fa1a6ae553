"""Which errors of the server say that the schema is older than this program."""

import re
from collections.abc import Callable
from functools import cache
from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError

_WORD: Final = re.compile(r"\w+")


def schema_lacks(error: BaseException) -> str | None:
    """Say what the schema lacks that this version needs, and what makes it; None where this is another error.

    A table, column or function that is missing counts where this version's own schema has one of that name. Otherwise
    the statement is at fault: a typing error, or a table of another team's.
    """
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if not isinstance(error, psycopg.Error):
        return None
    named = _NAMED.get(error.sqlstate or "")
    said = error.diag.message_primary
    if named is None or said is None or named().isdisjoint(_WORD.findall(said)):
        return None
    return f"the schema seems older than this version ({said}): run singr-db upgrade"


# The models are loaded when something is missing, and not by whoever opens a session.
@cache
def _tables() -> frozenset[str]:
    from singr_db.tables import Base  # noqa: PLC0415 — see above

    return frozenset(Base.metadata.tables)


@cache
def _columns() -> frozenset[str]:
    from singr_db.tables import Base  # noqa: PLC0415 — see above

    return frozenset(column.name for table in Base.metadata.tables.values() for column in table.columns)


@cache
def _functions() -> frozenset[str]:
    from singr_db.tables import FUNCTIONS  # noqa: PLC0415 — see above

    return frozenset(FUNCTIONS)


# https://www.postgresql.org/docs/current/errcodes-appendix.html
_NAMED: Final[dict[str, Callable[[], frozenset[str]]]] = {"42P01": _tables, "42703": _columns, "42883": _functions}
