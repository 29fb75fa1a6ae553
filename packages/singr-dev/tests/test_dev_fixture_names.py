"""Who has fixtures of the same names (pytest-django, pytest-playwright, their own) breaks none of the others."""

import ast
import inspect

import psycopg
import pytest
import redis
from sqlalchemy import text

from singr_db import Database
from singr_dev import pytest_plugin
from singr_dev.embedded import EmbeddedServers


@pytest.fixture
def settings() -> str:
    return "somebody else's"


@pytest.fixture
def database_url() -> str:
    return "somebody else's"


@pytest.fixture
def redis_url() -> str:
    return "somebody else's"


@pytest.fixture
def inbox() -> list[str]:
    return []


@pytest.fixture
def twilio() -> None:
    return None


@pytest.fixture
def shared_servers() -> None:
    return None


async def test_database_opens_beside_foreign_settings(settings: str, inbox: list[str], twilio: None, db: Database):
    assert (settings, inbox, twilio) == ("somebody else's", [], None)
    async with db.platform() as session:
        assert await session.scalar(text("SELECT 1")) == 1


def test_redis_is_clean_beside_a_foreign_address(redis_url: str, clean_redis_url: str):
    with redis.Redis.from_url(clean_redis_url) as client:
        assert client.dbsize() == 0


def test_database_is_migrated_beside_foreign_servers(shared_servers: None, postgres_url: str):
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT to_regclass('jobs')").fetchone() == ("jobs",)


def test_servers_of_a_test_start_beside_foreign_ones(shared_servers: None, own_servers: EmbeddedServers):
    assert own_servers.database_url


def test_every_fixture_stands_on_private_names_only():
    """Public ones lead to nothing but private ones, so that replacing one replaces no other.

    One is there to be replaced, and named as nobody names theirs.
    """
    functions = [
        node
        for node in ast.parse(inspect.getsource(pytest_plugin)).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list)
        and "hookimpl" not in ast.unparse(node.decorator_list[0])
    ]
    assert {"settings", "db", "browser", "inbox"} <= {function.name for function in functions}
    for function in functions:
        public = {argument.arg for argument in function.args.args if not argument.arg.startswith("_")}
        assert public <= {"request", "tmp_path", "tmp_path_factory", "singr_fresh_database"}, function.name
