"""What lets tenants at their rows, as the migrations give it: policies, and rights of the tenant role."""

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, Final

import msgspec
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from singr_db._roles import TENANT_ROLE
from singr_db._statements import sql_text
from singr_db.tables import FUNCTIONS, Base

_POLICY: Final = re.compile(r"CREATE POLICY (\w+) ON (\w+)\b")
_NO_POLICY: Final = re.compile(r"DROP POLICY (\w+) ON (\w+)")
_RENAMED: Final = re.compile(r"ALTER TABLE (\w+) RENAME TO (\w+)")
_DROPPED: Final = re.compile(r"DROP TABLE (\w+(?:, \w+)*)")
_ON_TABLE: Final = re.compile(rf"GRANT (.+) ON (\w+) TO {TENANT_ROLE}")
_ON_FUNCTION: Final = re.compile(rf"GRANT EXECUTE ON FUNCTION (\w+\(.*\)) TO {TENANT_ROLE}")
_REVOKED: Final = re.compile(rf"REVOKE ALL ON (\w+) FROM .*\b{TENANT_ROLE}")
_RIGHT: Final = re.compile(r"(\w+)(?: \(([^)]*)\))?(?:, |$)")


class Fence(msgspec.Struct, frozen=True):
    """What the newest migration leaves: of a policy's table and name the statement, and the tenant role's rights."""

    policies: dict[tuple[str, str], str] = {}
    rights: set[tuple[str, str, str]] = set()
    """Table, what may be done (`SELECT`), and the column; '' for all of them."""
    functions: set[str] = set()
    """Signatures."""

    def read(self, statement: str) -> None:
        """Follow one statement of a migration."""
        if found := _POLICY.match(statement):
            self.policies[found[2], found[1]] = statement
        elif found := _NO_POLICY.match(statement):
            del self.policies[found[2], found[1]]
        elif found := _RENAMED.match(statement):
            self._move(found[1], found[2])
        elif found := _DROPPED.match(statement):
            self._drop(found[1].split(", "))
        elif found := _ON_FUNCTION.match(statement):
            self.functions.add(found[1])
        elif found := _ON_TABLE.match(statement):
            self.rights.update(
                (found[2], right, column)
                for right, columns in _RIGHT.findall(found[1])
                for column in columns.split(", ")
            )
        elif found := _REVOKED.match(statement):
            self.rights.difference_update([one for one in self.rights if one[0] == found[1]])

    def _drop(self, tables: Iterable[str]) -> None:
        for table in tables:
            self._move(table, None)

    def _move(self, table: str, name: str | None) -> None:
        for (on, policy), statement in list(self.policies.items()):
            if on == table:
                del self.policies[on, policy]
                if name:
                    self.policies[name, policy] = statement.replace(f" ON {table} ", f" ON {name} ")
        theirs = {one for one in self.rights if one[0] == table}
        self.rights.difference_update(theirs)
        if name:
            self.rights.update((name, right, column) for _, right, column in theirs)


class _Nobody:
    """A connection without a server: whatever a migration asks, it is given nothing."""

    def exec_driver_sql(self, *_: object) -> "_Nobody":
        return self

    execute = scalars = exec_driver_sql

    def scalar_one(self) -> str:
        return "public"

    scalar = scalar_one

    def all(self) -> list[Any]:
        return []

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def begin_nested(self) -> AbstractContextManager[None]:
        return nullcontext()


@cache
def fence(migrations: str) -> Fence:
    """Read what the migrations in this folder give, by running them on no database."""
    given = Fence()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True})
    impl: Any = context.impl
    impl.connection = _Nobody()
    impl.static_output = lambda statement: given.read(" ".join(statement.rstrip().removesuffix(";").split()))
    with Operations.context(context):
        for revision in reversed(list(ScriptDirectory(migrations).walk_revisions())):
            revision.module.upgrade()
    ours = Base.metadata.tables
    return Fence(
        {place: statement for place, statement in given.policies.items() if place[0] in ours},
        {right for right in given.rights if right[0] in ours},
        {signature for signature in given.functions if signature.partition("(")[0] in FUNCTIONS},
    )


_POLICIES = text("""
SELECT relname, polname FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid
 WHERE relnamespace = current_schema()::regnamespace
""")
# A column that is missing is named as such, and lacks no right.
_RIGHTS = sql_text("""
SELECT name, may, col
  FROM unnest(CAST(:tables AS text[]), CAST(:rights AS text[]), CAST(:columns AS text[])) AS w (name, may, col)
  JOIN pg_class c ON c.oid = to_regclass(name)
  LEFT JOIN pg_attribute a ON attrelid = c.oid AND attname = col AND NOT attisdropped
 WHERE CASE WHEN col = '' THEN NOT has_table_privilege(CAST(:role AS name), c.oid, may)
            ELSE attnum IS NOT NULL AND NOT has_column_privilege(CAST(:role AS name), c.oid, attnum, may) END
""")
_SCHEMA = sql_text("""
SELECT quote_ident(nspname) FROM pg_namespace
 WHERE nspname = current_schema() AND NOT has_schema_privilege(CAST(:role AS name), oid, 'USAGE')
""")
_FUNCTIONS = sql_text("""
SELECT signature FROM unnest(CAST(:signatures AS text[])) AS w (signature)
 WHERE NOT has_function_privilege(CAST(:role AS name), to_regprocedure(signature), 'EXECUTE') ORDER BY 1
""")
_NO_ROLE = sql_text("SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")


def without_fence(connection: Connection, migrations: str) -> Iterator[str]:
    """Name the policies that are missing, and what the tenant role may not do that it must, with what mends it."""
    wanted = fence(migrations)
    tables = set(inspect(connection).get_table_names())
    there = {(table, name) for table, name in connection.execute(_POLICIES)}
    for (table, name), statement in sorted(wanted.policies.items()):
        if table in tables and (table, name) not in there:
            yield f"{table} lacks the policy {name}: {statement}"
    role = {"role": TENANT_ROLE}
    if connection.scalar(_NO_ROLE, role):  # said by itself
        return
    schemas = [f"USAGE ON SCHEMA {schema}" for schema in connection.scalars(_SCHEMA, role)]
    names, may, columns = map(list, zip(*wanted.rights, strict=True))
    found = connection.execute(_RIGHTS, role | {"tables": names, "rights": may, "columns": columns})
    on_tables = _by_table((name, right, column) for name, right, column in found)
    functions = connection.scalars(_FUNCTIONS, role | {"signatures": list(wanted.functions)})
    for right in (*schemas, *on_tables, *(f"EXECUTE ON FUNCTION {signature}" for signature in functions)):
        yield f"{TENANT_ROLE} lacks {right}: GRANT {right} TO {TENANT_ROLE}"


def _by_table(rights: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Give what a GRANT says of each table, such as `SELECT, UPDATE (name, slug) ON organizations`."""
    tables: dict[str, dict[str, list[str]]] = {}
    for table, right, column in sorted(rights):
        tables.setdefault(table, {}).setdefault(right, []).append(column)
    for table, of_it in tables.items():
        each = (right if columns == [""] else f"{right} ({', '.join(columns)})" for right, columns in of_it.items())
        yield f"{', '.join(each)} ON {table}"
