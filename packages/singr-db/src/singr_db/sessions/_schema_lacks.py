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

    A table or function that is missing counts where this version's own schema has one of that name, and a column where
    the statement names a table of this version's that has it. Otherwise the statement is at fault: a typing error, or a
    table of another team's. The driver tells no statement (SQLAlchemy does): there a column of any table counts.
    """
    statement = None
    if isinstance(error, DBAPIError) and error.orig is not None:
        statement, error = error.statement, error.orig
    if not isinstance(error, psycopg.Error):
        return None
    named = _NAMED.get(error.sqlstate or "")
    said = error.diag.message_primary
    if named is None or said is None or named(statement).isdisjoint(_WORD.findall(said)):
        return None
    return f"the schema seems older than this version ({said}): run singr-db upgrade"


# The models are loaded when something is missing, and not by whoever opens a session.
@cache
def _columns_by_table() -> dict[str, frozenset[str]]:
    from singr_db.tables import Base  # noqa: PLC0415 — see above

    return {name: frozenset(table.columns.keys()) for name, table in Base.metadata.tables.items()}


def _tables(_statement: str | None) -> frozenset[str]:
    return frozenset(_columns_by_table())


def _columns(statement: str | None) -> frozenset[str]:
    """Those of the tables that the statement names; of all tables where it is not known."""
    known = _columns_by_table()
    named = known if statement is None else known.keys() & _WORD.findall(statement)
    return frozenset().union(*(known[table] for table in named))


def _functions(_statement: str | None) -> frozenset[str]:
    from singr_db.tables import FUNCTIONS  # noqa: PLC0415 — see above

    return frozenset(FUNCTIONS)


# https://www.postgresql.org/docs/current/errcodes-appendix.html
_NAMED: Final[dict[str, Callable[[str | None], frozenset[str]]]] = {
    "42P01": _tables,
    "42703": _columns,
    "42883": _functions,
}
