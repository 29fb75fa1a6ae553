"""Up, down, up again; by several at once; as superuser and as an ordinary owner."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex

import psycopg
import pytest
from sqlalchemy import text

from singr_config import DatabaseSettings, Secret
from singr_db import Database, MigrationError, TenantRoleError, downgrade, drop_everything, new_id, upgrade
from singr_db._cli import main
from singr_db._roles import ensure_tenant_role, tenant_role_usable
from singr_db.schema import _migrate
from singr_db.schema._migrate import connected, current_revision, differences, head_revision
from singr_db.tables import Base, Job, Organization

CATALOG = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
            AND NOT a.attisdropped AND NOT c.relispartition AND c.relname <> 'alembic_version'
    """,
    "constraints": """
        SELECT c.relname, k.conname, pg_get_constraintdef(k.oid)
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND c.relname <> 'alembic_version'
    """,
    "indexes": """
        SELECT c.relname, pg_get_indexdef(i.indexrelid)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND c.relname <> 'alembic_version'
    """,
    "partitioning": "SELECT partrelid::regclass::text, pg_get_partkeydef(partrelid) FROM pg_partitioned_table",
}


def catalog(url: str) -> dict[str, set[tuple[object, ...]]]:
    with psycopg.connect(url) as connection:
        return {name: set(connection.execute(query).fetchall()) for name, query in CATALOG.items()}


def tables(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return [name for (name,) in rows]


def test_up_down_and_up_again_gives_the_same_schema(empty_url: str):
    upgrade(empty_url)
    first = catalog(empty_url)
    downgrade(empty_url, "base")
    assert tables(empty_url) == ["alembic_version"]
    upgrade(empty_url)
    assert catalog(empty_url) == first


def test_every_single_revision_goes_up_and_down(empty_url: str):
    with connected(empty_url) as connection:
        while True:
            upgrade(empty_url, "+1")
            after = catalog(empty_url)
            downgrade(empty_url, "-1")
            upgrade(empty_url, "+1")
            assert catalog(empty_url) == after
            if current_revision(connection) == head_revision():
                break


def test_migrations_and_models_agree_to_the_last_constraint(make_empty_database: Callable[..., str]):
    migrated, modelled = make_empty_database(), make_empty_database()
    upgrade(migrated)
    with connected(modelled) as connection:
        Base.metadata.create_all(connection)
        connection.commit()
    assert catalog(migrated) == catalog(modelled)
    with connected(migrated) as connection:
        assert differences(connection) == []
        connection.execute(text("ALTER TABLE jobs DROP COLUMN reference CASCADE"))
        connection.commit()
        assert any("reference" in difference for difference in differences(connection))


def test_what_a_broken_restore_left_out_is_named(migrated_url: str):
    """Rows of a worker that went on stood beside the restored ones: no key could be made, and all seemed well."""
    with connected(migrated_url) as connection:
        connection.execute(text("ALTER TABLE job_gates DROP CONSTRAINT pk_job_gates"))
        connection.execute(text("ALTER TABLE messages DISABLE ROW LEVEL SECURITY"))
        connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'notifications_open'::regclass")
        )
        key, index, fence = differences(connection)
    assert key.startswith("job_gates lacks its primary key (name)")
    assert index.startswith("the index notifications_open of notifications is not valid")
    assert fence.startswith("messages has no row-level security")


# What all starters load is loaded once, half a second of work; each is then a process with a connection of its own.
STARTERS = """
import os, sys

import alembic.autogenerate, alembic.command, alembic.script
from singr_db import upgrade

gate, opens = os.pipe()
starters = []
for url in sys.argv[1:]:
    if (child := os.fork()) == 0:
        os.close(opens)
        os.read(gate, 1)  # until all are there
        upgrade(url)
        os._exit(0)
    starters.append(child)
os.close(opens)
assert [os.waitpid(child, 0)[1] for child in starters] == [0] * len(starters)
"""


def test_starters_on_the_same_and_on_other_databases_do_not_collide(make_empty_database: Callable[..., str]):
    urls = [make_empty_database() for _ in range(2)] * 3
    done = subprocess.run([sys.executable, "-c", STARTERS, *urls], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for url in urls:
        with connected(url) as connection:
            assert current_revision(connection) == head_revision()


def test_waiting_for_another_migration_ends_with_a_clear_message(empty_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_migrate, "_PATIENCE", "100ms")
    with psycopg.connect(empty_url) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [_migrate._ADVISORY_KEY])
        with pytest.raises(MigrationError, match="another process"):
            upgrade(empty_url)


def test_unknown_revision_is_named(empty_url: str):
    with pytest.raises(MigrationError, match="nonsense"):
        upgrade(empty_url, "nonsense")


@pytest.fixture
def from_the_future(migrated_url: str) -> str:
    """The address of a database that a later version has upgraded."""
    with psycopg.connect(migrated_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9000'")
    return migrated_url


def test_upgrade_and_seed_leave_a_newer_schema_and_succeed(from_the_future: str, capsys: pytest.CaptureFixture[str]):
    environ = {"DATABASE_URL": from_the_future}
    assert [main([word], environ=environ) for word in ("upgrade", "seed")] == [0, 0]
    assert "newer than this program" in capsys.readouterr().out
    with connected(from_the_future) as connection:
        assert current_revision(connection) == "9000"


def test_check_says_that_the_schema_is_newer(from_the_future: str, capsys: pytest.CaptureFixture[str]):
    assert main(["check"], environ={"DATABASE_URL": from_the_future}) == 1
    assert f"at 9000, newer than this program ({head_revision()}): install the newer" in capsys.readouterr().out


def test_downgrade_of_a_newer_schema_asks_for_the_newer_release(from_the_future: str):
    with pytest.raises(MigrationError, match="only the newer release can take it back"):
        downgrade(from_the_future, "-1")


def test_schema_of_somebody_elses_is_not_taken_for_a_newer_one(from_the_future: str):
    with psycopg.connect(from_the_future) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ae1027a6acf'")
    with pytest.raises(MigrationError, match="ae1027a6acf"):
        upgrade(from_the_future)


def test_failed_migration_leaves_nothing_behind(empty_url: str):
    with psycopg.connect(empty_url) as connection:
        connection.execute("CREATE TABLE messages (mine text)")
    with connected(empty_url) as connection:
        with pytest.raises(Exception, match="already exists"):
            upgrade(empty_url)
        assert current_revision(connection) is None
    assert set(tables(empty_url)) <= {"messages", "alembic_version"}


def test_drop_everything_takes_a_database_of_any_revision(migrated_url: str):
    with psycopg.connect(migrated_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from the future'")
        connection.execute("CREATE TABLE not_ours (id int)")
    drop_everything(migrated_url)
    assert tables(migrated_url) == ["not_ours"]
    upgrade(migrated_url)


async def use_both_sessions(url: str) -> None:
    ours, theirs = new_id(), new_id()
    settings = DatabaseSettings(url=Secret(url), pool_size=2)
    async with Database(settings, application_name="singr-db-tests") as database:
        async with database.platform() as session:
            for id_ in (ours, theirs):
                session.add(Organization(id=id_, name="x", slug=str(id_)))
                session.add(
                    Job(organization_id=id_, type="t", queue="q", payload={}, max_attempts=1, backoff=1, timeout=1)
                )
        async with database.platform() as session:
            assert await session.scalar(text("SELECT count(*) FROM jobs")) == 2
        async with database.tenant(ours) as session:
            assert await session.scalar(text("SELECT count(*) FROM jobs")) == 1


async def test_ordinary_owner_with_the_role_granted_runs_everything(
    make_empty_database: Callable[..., str], make_login: Callable[..., str], postgres_url: str
):
    login = make_login()
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"GRANT singr_tenant TO {login}")
    url = make_empty_database(owner=login)
    upgrade(url)
    await use_both_sessions(url)
    downgrade(url, "base")


def test_ordinary_owner_may_make_the_role_with_createrole(
    make_empty_database: Callable[..., str], make_login: Callable[..., str], postgres_url: str
):
    role = f"singr_tenant_{token_hex(4)}"
    url = make_empty_database(owner=make_login("CREATEROLE"))
    try:
        with connected(url) as connection:
            assert not tenant_role_usable(connection, role=role)
            for _ in range(2):
                ensure_tenant_role(connection, role=role)
            assert tenant_role_usable(connection, role=role)
            connection.execute(text(f"SET LOCAL ROLE {role}"))
            assert connection.scalar(text("SELECT current_user")) == role
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(f"DROP ROLE {role}")


def test_owner_without_rights_is_told_the_sql_to_run(
    make_empty_database: Callable[..., str], make_login: Callable[..., str], postgres_url: str
):
    login = make_login()
    url = make_empty_database(owner=login)
    with pytest.raises(TenantRoleError) as caught:
        upgrade(url)
    assert "CREATE ROLE" not in str(caught.value)
    assert tables(url) == []
    advice = str(caught.value).rpartition("\n\n")[2]
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(advice)
    upgrade(url)


def test_owner_without_rights_is_told_to_make_a_missing_role(
    make_empty_database: Callable[..., str], make_login: Callable[..., str]
):
    url = make_empty_database(owner=make_login())
    with connected(url) as connection, pytest.raises(TenantRoleError, match="CREATE ROLE singr_missing NOLOGIN;"):
        ensure_tenant_role(connection, role="singr_missing")


def test_role_is_made_once_by_many_databases_at_once(make_empty_database: Callable[..., str], postgres_url: str):
    role = f"singr_tenant_{token_hex(4)}"
    urls = [make_empty_database() for _ in range(2)] * 4
    start = threading.Barrier(len(urls))

    def make(url: str) -> bool:
        with connected(url) as connection:
            connection.execute(text("SELECT 1"))
            start.wait(timeout=30)
            ensure_tenant_role(connection, role=role)
            return tenant_role_usable(connection, role=role)

    try:
        with ThreadPoolExecutor(len(urls)) as threads:
            assert all(threads.map(make, urls))
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(f"DROP ROLE {role}")
