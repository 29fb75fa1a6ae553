"""A service's tables beside Singr's: its own Alembic leaves Singr's alone, and `singr-db` leaves its own alone."""

import shutil
import sys
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config

from singr_db import upgrade
from singr_db._cli import main

EXAMPLES = Path(__file__).parents[3] / "docs/guides/examples"


@pytest.fixture
def own_alembic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """What `alembic init migrations` makes, with the guide's env.py."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(EXAMPLES)])
    config = Config(tmp_path / "alembic.ini", stdout=StringIO())
    command.init(config, str(tmp_path / "migrations"))
    shutil.copy(EXAMPLES / "parcel_tables/env.py", tmp_path / "migrations/env.py")
    return Config(tmp_path / "alembic.ini", stdout=StringIO())


@pytest.mark.parametrize("is_first", [True, False], ids=["before Singr's", "after Singr's"])
def test_own_alembic_makes_its_own_tables_and_then_finds_nothing_to_change(
    migrated_url: str, own_alembic: Config, monkeypatch: pytest.MonkeyPatch, *, is_first: bool
):
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    if is_first:
        main(["downgrade", "base"], environ={"APP_ENV": "test", "DATABASE_URL": migrated_url})
        upgrade(migrated_url, "0001")
    made = command.revision(own_alembic, "parcels", autogenerate=True)
    text = Path(made.path).read_text(encoding="utf-8")  # type: ignore[union-attr] # one revision, and not several
    assert text.count("op.create_table(") == 1
    assert "op.drop" not in text.partition("def downgrade")[0]
    command.upgrade(own_alembic, "head")
    upgrade(migrated_url)
    command.check(own_alembic)
    assert main(["check"], environ={"APP_ENV": "test", "DATABASE_URL": migrated_url}) == 0
    command.downgrade(own_alembic, "base")
    with psycopg.connect(migrated_url) as connection:
        left = connection.execute("SELECT to_regclass('parcels_told'), to_regclass('jobs')").fetchone()
    assert left == (None, "jobs")


def test_reset_takes_nothing_from_own_tables_and_views_and_names_them(
    migrated_url: str, capsys: pytest.CaptureFixture[str]
):
    environ = {"APP_ENV": "test", "DATABASE_URL": migrated_url}
    with psycopg.connect(migrated_url) as connection:
        connection.execute("CREATE TABLE loans (organization_id uuid REFERENCES organizations, part int UNIQUE)")
        connection.execute("CREATE TABLE loan_parts (part int REFERENCES loans (part))")
        connection.execute("CREATE SCHEMA lending")
        connection.execute("CREATE TABLE lending.users (id uuid REFERENCES recipients ON DELETE CASCADE)")
        connection.execute("CREATE VIEW busy AS SELECT count(*) FROM jobs")
    assert main(["reset"], environ=environ) == 1
    said = capsys.readouterr().err
    assert "loans (loans_organization_id_fkey)" in said
    assert "lending.users (users_id_fkey)" in said
    assert "busy (a view)" in said
    assert "loan_parts" not in said
    with psycopg.connect(migrated_url) as connection:
        left = connection.execute(
            "SELECT count(*) FROM organizations UNION ALL SELECT count(*) FROM pg_constraint WHERE conname IN"
            " ('loans_organization_id_fkey', 'users_id_fkey') UNION ALL SELECT * FROM busy"
        ).fetchall()
        assert left == [(1,), (2,), (0,)]
        connection.execute("DROP TABLE loan_parts, loans, lending.users")
        connection.execute("DROP VIEW busy")
    assert main(["reset"], environ=environ) == 0
