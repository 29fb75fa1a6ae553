"""For tests: whether PostgreSQL would run what was registered by `singr_db.sql` and `singr_db.sql_text`.

import every module that registers statements, then, on a connection to a migrated database:

refused = [said for one in registered() for said in refusals(connection, one, logins={"enqueuer": "billing"})]
"""

from collections.abc import Iterator, Mapping

from psycopg import Connection, Error
from psycopg.rows import TupleRow

from singr_db._roles import TENANT_ROLE
from singr_db._statements import RunsAs, Statement, registered, sql, sql_text

__all__ = ["RunsAs", "Statement", "refusals", "registered", "sql", "sql_text"]

_ARITY = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'checked'"


def refusals(
    connection: Connection[TupleRow], statement: Statement, *, logins: Mapping[RunsAs, str] | None = None
) -> Iterator[str]:
    """What PostgreSQL says against a statement under each of its roles: where it is written, as whom, and why.

    The statement is prepared and explained, never run: names, types and the rights of the role are checked.

    Args:
        connection: in autocommit, of the user that owns the tables.
        statement: one that was registered.
        logins: the role in this database that stands for `enqueuer` (see `singr_db.grant`).
    """
    names: dict[RunsAs, str | None] = {"platform": None, "tenant": TENANT_ROLE, "enqueuer": None, **(logins or {})}
    for role in statement.roles:
        try:
            _explain(connection, statement, names[role])
        except Error as error:
            said = str(error).partition("\n")[0]
            yield f"{statement.where} as {role}: {said}: {' '.join(statement.sql.split())[:100]}"


def _explain(connection: Connection[TupleRow], statement: Statement, name: str | None) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        if name is not None:
            connection.execute(f'SET LOCAL ROLE "{name}"')
        connection.execute("DEALLOCATE ALL")
        connection.execute(f"PREPARE checked AS {statement.numbered()}", prepare=False)
        row = connection.execute(_ARITY).fetchone()
        values = ", ".join(["NULL"] * (row[0] if row is not None else 0))
        connection.execute("EXPLAIN EXECUTE checked" + (f" ({values})" if values else ""))
