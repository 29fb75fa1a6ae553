"""Statements written by hand are registered where they are written, with the roles that run them.

So one test can prepare all of them against the migrated schema, each under its roles: a misspelt column, a table that a
role may not use or a function that is gone fails there, and not in the one flow that runs it.
"""

import re
import sys
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.dialects import postgresql

RunsAs = Literal["platform", "tenant", "enqueuer"]
"""The user that the processes sign in as; `singr_tenant` behind the fence; a role that `singr-db grant` made."""

_NAMED: Final = re.compile(r"%\((\w+)\)s")
_PARAMETER: Final = re.compile(r"%(?:\((\w+)\))?s|%%")


class Statement(NamedTuple):
    """One statement: its text in psycopg's style, who runs it, and the module and line that register it."""

    sql: str
    roles: tuple[RunsAs, ...]
    where: str

    def numbered(self) -> str:
        """The statement as `PREPARE` takes it, with `$1`, `$2` … in place of its parameters."""
        places: dict[str, int] = {}

        def place(found: re.Match[str]) -> str:
            if found[0] == "%%":
                return "%"
            return f"${places.setdefault(found[1] or f'#{len(places)}', len(places) + 1)}"

        return _PARAMETER.sub(place, self.sql)


_REGISTERED: Final[list[Statement]] = []


def sql(statement: str, *, roles: Sequence[RunsAs] = ("platform",)) -> str:
    """Register a statement for psycopg and return it as it is; parameters are `%(name)s` or `%s`.

    Args:
        statement: one statement; a `%` that is no parameter is written twice.
        roles: who runs it.
    """
    _register(statement, roles)
    return statement


def sql_text(statement: str, *, roles: Sequence[RunsAs] = ("platform",)) -> TextClause:
    """Register a statement and return it for a SQLAlchemy session; parameters are `:name` or `%(name)s`.

    Args:
        statement: one statement.
        roles: who runs it.
    """
    clause = text(_NAMED.sub(r":\1", statement))
    dialect = postgresql.dialect(paramstyle="pyformat")  # type: ignore[no-untyped-call] # SQLAlchemy leaves it untyped
    _register(str(clause.compile(dialect=dialect)), roles)
    return clause


def registered() -> Sequence[Statement]:
    """What the modules that are imported have registered."""
    return tuple(_REGISTERED)


def _register(statement: str, roles: Sequence[RunsAs]) -> None:
    writer = sys._getframe(2)  # noqa: SLF001 - whoever wrote it down, to be named where it is refused
    where = f"{writer.f_globals.get('__name__', '?')}:{writer.f_lineno}"
    _REGISTERED.append(Statement(statement, tuple(roles), where))
