"""Where tables in the database are not as the models say, in words.

What somebody else added to a table of ours (a column, an index, a constraint, a comment) is theirs, and no difference.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex

from singr_db.schema._ours import is_compared
from singr_db.tables import Base

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy gives it no types
_WHAT = {"index": "index", "constraint": "constraint", "fk": "foreign key"}


def different(connection: Connection) -> Iterator[str]:
    """Name tables, columns, indexes and constraints of the models that are missing or other than these say."""
    context = MigrationContext.configure(
        connection, opts={"include_name": is_compared, "compare_type": True, "compare_server_default": True}
    )
    found = list(_flat(compare_metadata(context, Base.metadata)))
    missing = {one[1].name for one in found if one[0] == "add_table"}
    # What is there under the same name, but other, is taken away and added.
    there = {_place(one) for one in found if one[0].startswith("remove_") and one[0].removeprefix("remove_") in _WHAT}
    for kind, *rest in found:
        action, _, what = kind.partition("_")
        if action == "modify":
            yield from _modified(what, *rest)
        elif kind == "add_table":
            yield f"the table {rest[0].name} is missing"
        elif kind == "add_column":
            yield f"the table {rest[1]} lacks the column {rest[2].name}"
        elif action == "add" and what in _WHAT and rest[0].table.name not in missing:
            yield _added(what, rest[0], changed=_place((kind, *rest)) in there)


def _flat(found: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """Alembic gives what differs of one column in a list of its own."""
    for one in found:
        yield from one if isinstance(one, list) else (one,)


def _place(one: tuple[Any, ...]) -> tuple[str, str, str]:
    return one[0].partition("_")[2], one[1].table.name, str(one[1].name)


def _added(what: str, lacked: Any, *, changed: bool) -> str:
    words = f"the {_WHAT[what]} {lacked.name} of {lacked.table.name}"
    words += " is not as it should be" if changed else " is missing"
    if what != "index":
        return words
    makes = " ".join(str(CreateIndex(lacked).compile(dialect=_DIALECT)).split())
    return f"{words}: {f'DROP INDEX {lacked.name}, and then ' if changed else ''}{makes}"


def _modified(what: str, *rest: Any) -> Iterator[str]:
    _schema, table, column, _existing, old, new = rest
    if what == "type":
        is_, be = (type_.compile(dialect=_DIALECT).lower() for type_ in (old, new))
        yield f"the column {column} of {table} is {is_}, and should be {be}"
    elif what == "nullable":
        is_, be = ("NOT NULL", "nullable") if new else ("nullable", "NOT NULL")
        yield f"the column {column} of {table} is {is_}, and should be {be}"
    elif what == "default":
        yield f"the column {column} of {table} has {_default(old)}, and should have {_default(new)}"


def _default(default: Any) -> str:
    return f"the default {getattr(default, 'arg', default)}" if default else "no default"
