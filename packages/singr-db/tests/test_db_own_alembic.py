"""The guide's own Alembic migrates a service's tables beside Singr's, and leaves those alone."""

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
