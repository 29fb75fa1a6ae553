"""A database may begin with what a project's tests count on: see `singr_fresh_database`."""

from collections.abc import Callable

import psycopg
import pytest

_filled: list[str] = []


@pytest.fixture(scope="session")
def singr_fresh_database() -> Callable[[str], None]:
    def fill(url: str) -> None:
        _filled.append(url)
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO organizations (id, name, slug) VALUES (uuidv7(), 'Ours', 'ours')")

    return fill


def find_and_take_away(database_url: str) -> None:
    assert _filled == [database_url]
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT slug FROM organizations ORDER BY slug").fetchall()
        assert rows == [("ours",), ("singr",)]
        connection.execute("DELETE FROM organizations WHERE slug = 'ours'")


def test_test_begins_with_what_was_written_once(database_url: str):
    find_and_take_away(database_url)


def test_test_begins_with_it_whatever_another_one_took_away(database_url: str):
    find_and_take_away(database_url)
