"""Statements written by hand fit the migrated schema, under every role that runs them."""

from __future__ import annotations

import importlib
import pkgutil
import re
import secrets
from collections.abc import Iterator

import psycopg
import pytest
from architecture.repository import distributions
from psycopg.rows import TupleRow

from singr_db import grant
from singr_db.testing import RunsAs, Statement, refusals, registered

# These run when they are imported, or need pytest's own start.
NOT_IMPORTED = ("_migrations", "__main__", "pytest_plugin", "_scheduler", "singr_dev")


@pytest.fixture
def admin(database_url: str) -> Iterator[psycopg.Connection[TupleRow]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def logins(database_url: str, admin: psycopg.Connection[TupleRow]) -> Iterator[dict[RunsAs, str]]:
    """A role of another service, as `singr-db grant` makes it."""
    name = f"statements_{secrets.token_hex(4)}"
    grant(database_url, name)
    yield {"enqueuer": name}
    admin.execute(f"DROP OWNED BY {name}")
    admin.execute(f"DROP ROLE {name}")


def import_everything() -> None:
    for distribution in distributions():
        package = importlib.import_module(distribution.package)
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not any(part in found.name for part in NOT_IMPORTED):
                importlib.import_module(found.name)


def test_every_statement_fits_the_schema_under_the_roles_that_run_it(
    admin: psycopg.Connection[TupleRow], logins: dict[RunsAs, str]
) -> None:
    import_everything()
    statements = {(one.sql, one.roles): one for one in registered() if one.where.startswith("singr_")}
    assert len(statements) >= 40
    refused = [said for one in statements.values() for said in refusals(admin, one, logins=logins)]
    assert refused == [], "mend the statement, or the roles it is registered with:\n" + "\n".join(refused)


@pytest.mark.parametrize(
    ("sql", "roles", "said"),
    [
        ("SELECT staus FROM jobs WHERE id = %(id)s", ("platform",), 'column "staus" does not exist'),
        ("SELECT 1 FROM request_marks", ("tenant",), "permission denied for table request_marks"),
        ("SELECT payload FROM jobs WHERE id = %s", ("enqueuer",), "permission denied for table jobs"),
        ("UPDATE jobs SET run_at = %(when)s::int", ("platform",), "is of type timestamp with time zone but"),
    ],
    ids=["misspelt column", "table kept from tenants", "more than a granted role may", "wrong type"],
)
def test_a_statement_that_does_not_fit_is_named_with_its_place_and_role(
    admin: psycopg.Connection[TupleRow],
    logins: dict[RunsAs, str],
    sql: str,
    roles: tuple[RunsAs, ...],
    said: str,
) -> None:
    [refused] = refusals(admin, Statement(sql, roles, "a_module:12"), logins=logins)
    assert refused.startswith(f"a_module:12 as {roles[0]}: ")
    assert said in refused


FIRST_ANSWERS = {
    *("id", "organization_id", "type", "queue", "priority", "max_attempts", "unique_key", "correlation_id", "payload"),
    "created_at",
}
CHANGES_JOBS = re.compile(
    r"\bUPDATE\s+jobs\b(?:\s+AS\s+\w+)?\s+SET\s+(.*?)(?=\s+(?:FROM|WHERE|RETURNING)\b)", re.DOTALL
)


def changed_columns(statement: str) -> set[str]:
    return {name for found in CHANGES_JOBS.findall(statement) for name in re.findall(r"(?:^|[,(])\s*(\w+)\s*=", found)}


def test_no_statement_changes_what_first_answers_are_built_from() -> None:
    """Decision 57: a key's first answer is given again to the byte."""
    import_everything()
    changed = {(one.where, name) for one in registered() for name in changed_columns(one.sql)}
    assert {name for _, name in changed} > {"status", "run_at"}, "the statements that change jobs were not found"
    assert {name for _, name in changed if name in FIRST_ANSWERS} == {"priority"}


def test_the_statement_that_changes_priorities_keeps_the_first() -> None:
    changing = [one.sql for one in registered() if "priority" in changed_columns(one.sql)]
    assert changing
    assert all("INSERT INTO first_priorities" in sql for sql in changing)


def test_a_statement_that_changes_a_first_answer_is_found() -> None:
    assert changed_columns("UPDATE jobs AS j SET run_at = now(), max_attempts = 9 WHERE id = %s") == {
        "run_at",
        "max_attempts",
    }


ASKS_WHETHER_GIVEN = re.compile(r"(?:CAST\(%\(\w+\)s AS [^)]+\)|%\(\w+\)s\S*) IS NULL OR\b")


def test_no_statement_asks_which_of_its_filters_are_given() -> None:
    """One plan serves all values (decision 113): with `:after IS NULL OR id < :after` it could use no index."""
    import_everything()
    asking = sorted({one.where for one in registered() if ASKS_WHETHER_GIVEN.search(one.sql)})
    assert asking == [], "compare with coalesce(:value, what all are), or write a statement for each choice of filters"
    assert ASKS_WHETHER_GIVEN.search("WHERE (CAST(%(after)s AS uuid) IS NULL OR id < %(after)s)")


def test_a_statement_that_fits_is_not_run(admin: psycopg.Connection[TupleRow]) -> None:
    statement = Statement("INSERT INTO request_marks (mark, expires_at) VALUES (%s, now())", ("platform",), "")
    assert list(refusals(admin, statement)) == []
    assert admin.execute("SELECT count(*) FROM request_marks").fetchone() == (0,)
