"""Others keep their own tables, and their own Alembic, in the same database."""

import psycopg
import pytest

from singr_db import is_ours, upgrade
from singr_db._cli import main
from singr_db.schema._fence import fence
from singr_db.schema._migrate import _MIGRATIONS, connected, differences, head_revision
from singr_db.tables import Base


def checked(url: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["check"], environ={"APP_ENV": "test", "DATABASE_URL": url})
    return code, capsys.readouterr().out


def changed(url: str, *statements: str) -> list[str]:
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement.encode())
    with connected(url) as connection:
        return differences(connection)


THEIRS = {
    "a table": "CREATE TABLE parcels_told (organization_id uuid, number text, PRIMARY KEY (organization_id, number))",
    "the version table of an Alembic": "CREATE TABLE parcels_version (version_num varchar(32) NOT NULL)",
    "PostGIS": "CREATE TABLE spatial_ref_sys (srid integer PRIMARY KEY)",
    "a column of ours": "ALTER TABLE roles ADD COLUMN parcels text",
    "an index on ours": "CREATE INDEX parcels_topics ON topics (created_at)",
    "an index on weeks of ours": "CREATE INDEX parcels_jobs ON jobs (created_at)",
    "a constraint on ours": "ALTER TABLE roles ADD CONSTRAINT parcels_roles UNIQUE (name, description, id)",
    "a key from ours": "ALTER TABLE roles ADD COLUMN kind text REFERENCES permissions (name)",
    "a comment on ours": "COMMENT ON TABLE roles IS 'of Singr'",
    "a policy of ours": "CREATE POLICY parcels ON topics FOR SELECT USING (false)",
}


@pytest.mark.parametrize("statement", THEIRS.values(), ids=THEIRS)
def test_what_others_keep_beside_singrs_tables_is_no_drift(
    migrated_url: str, capsys: pytest.CaptureFixture[str], statement: str
):
    assert changed(migrated_url, statement) == []
    assert checked(migrated_url, capsys)[0] == 0


@pytest.mark.parametrize("table", ["parcels", "topics", "jobs"])
def test_index_of_others_that_is_not_valid_is_no_drift(migrated_url: str, table: str):
    own = ("CREATE TABLE parcels (id uuid)", f"CREATE INDEX others ON {table} (id)")
    invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN (SELECT others.relid FROM"
    assert changed(migrated_url, *own, f"{invalid} (SELECT 'others'::regclass AS relid) AS others)") == []


LACKING = {
    "table": ("DROP TABLE noted_objects", ["the table noted_objects is missing"]),
    "column": ("ALTER TABLE roles DROP COLUMN description", ["the table roles lacks the column description"]),
    "index": ("DROP INDEX notifications_open", ["the index notifications_open of notifications is missing: CREATE"]),
    "other index": (
        "DROP INDEX notifications_ended; CREATE INDEX notifications_ended ON notifications (id)",
        ["the index notifications_ended of notifications is not as it should be: DROP INDEX notifications_ended, and"],
    ),
    "unique constraint": (
        "ALTER TABLE organizations DROP CONSTRAINT uq_organizations_slug",
        ["the constraint uq_organizations_slug of organizations is missing"],
    ),
    "foreign key": (
        "ALTER TABLE roles DROP CONSTRAINT fk_roles_organization_id_organizations",
        ["the foreign key fk_roles_organization_id_organizations of roles is missing"],
    ),
    "type": (
        "ALTER TABLE provider_health ALTER COLUMN provider TYPE varchar(9)",
        ["the column provider of provider_health is varchar(9), and should be text"],
    ),
    "nothing in it": (
        "ALTER TABLE roles ALTER COLUMN name DROP NOT NULL",
        ["the column name of roles is nullable, and should be NOT NULL"],
    ),
    "default": (
        "ALTER TABLE roles ALTER COLUMN is_system DROP DEFAULT",
        ["the column is_system of roles has no default, and should have the default false"],
    ),
    "policy": ("DROP POLICY tenant ON topics", ["topics lacks the policy tenant: CREATE POLICY tenant ON topics TO"]),
    "right": (
        "REVOKE SELECT ON recipients FROM singr_tenant",
        ["singr_tenant lacks SELECT ON recipients: GRANT SELECT ON recipients TO singr_tenant"],
    ),
    "right to columns": (
        "REVOKE ALL ON organizations FROM singr_tenant",
        ["singr_tenant lacks SELECT, UPDATE (name, slug) ON organizations: GRANT"],
    ),
    "right to call": (
        "REVOKE ALL ON FUNCTION known_zone FROM singr_tenant",
        ["singr_tenant lacks EXECUTE ON FUNCTION known_zone(text): GRANT EXECUTE ON FUNCTION known_zone(text) TO"],
    ),
    "the schema": (
        "REVOKE USAGE ON SCHEMA public FROM PUBLIC, singr_tenant",
        ["singr_tenant lacks USAGE ON SCHEMA public: GRANT USAGE ON SCHEMA public TO singr_tenant"],
    ),
    "function": ("DROP FUNCTION known_zone", ["the function known_zone is missing"]),
}


@pytest.mark.parametrize(("statement", "said"), LACKING.values(), ids=LACKING)
def test_what_is_missing_or_other_is_said_in_words(migrated_url: str, statement: str, said: list[str]):
    found = changed(migrated_url, *statement.split("; "))
    assert len(found) == len(said), found
    assert all(one.startswith(start) for one, start in zip(found, said, strict=True)), found


def test_what_check_says_of_rights_and_policies_mends_them(migrated_url: str):
    """What `pg_restore --no-privileges` leaves."""
    found = changed(
        migrated_url,
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM singr_tenant",
        "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC, singr_tenant",
        "DROP POLICY tenant ON jobs",
        "DROP POLICY tenant_reads_system_roles ON roles",
    )
    assert len(found) > 50
    assert changed(migrated_url, *(one.partition(": ")[2] for one in found)) == []


def test_what_tenants_may_is_read_of_the_migrations_to_the_last_right(migrated_url: str):
    wanted = fence(str(_MIGRATIONS))
    with psycopg.connect(migrated_url) as connection:
        policies = connection.execute("SELECT tablename, policyname FROM pg_policies").fetchall()
        rights = connection.execute(
            "SELECT relname, privilege_type, '' FROM pg_class c, aclexplode(relacl)"
            " WHERE grantee = 'singr_tenant'::regrole UNION ALL"
            " SELECT relname, privilege_type, attname FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid,"
            " aclexplode(attacl) WHERE grantee = 'singr_tenant'::regrole"
        ).fetchall()
        functions = connection.execute(
            "SELECT oid FROM pg_proc, aclexplode(proacl) WHERE grantee = 'singr_tenant'::regrole"
        ).fetchall()
        named = connection.execute(
            "SELECT to_regprocedure(one)::oid FROM unnest(%s::text[]) one", (list(wanted.functions),)
        ).fetchall()
    assert set(policies) == set(wanted.policies)
    assert set(rights) == wanted.rights
    assert sorted(functions) == sorted(named)


OWN = "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL); INSERT INTO alembic_version VALUES ('{}')"


@pytest.mark.parametrize("revision", ["c6e8aaacb015", "2026", "0004", head_revision()])
def test_version_table_of_another_alembic_is_told_and_left_alone(
    empty_url: str, capsys: pytest.CaptureFixture[str], revision: str
):
    with psycopg.connect(empty_url) as connection:
        for statement in OWN.format(revision).split("; "):
            connection.execute(statement.encode())
        connection.execute("CREATE TABLE organizations (id bigint)")
    for command in (["upgrade"], ["downgrade", "base"], ["reset"]):
        assert main(command, environ={"APP_ENV": "test", "DATABASE_URL": empty_url}) == 1, command
        assert f"alembic_version (at {revision}) is another program's" in capsys.readouterr().err
    code, said = checked(empty_url, capsys)
    assert code == 1
    assert "give your own Alembic a version_table of its own" in said
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(revision,)]
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (2,)
        connection.execute("DROP TABLE organizations")
        connection.execute("ALTER TABLE alembic_version RENAME TO parcels_version")
    upgrade(empty_url)
    assert checked(empty_url, capsys)[0] == 0


def test_all_tables_of_a_migrated_database_are_ours_and_no_others(migrated_url: str):
    with psycopg.connect(migrated_url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert len(names) > len(Base.metadata.tables)
    assert [name for (name,) in names if not is_ours(name)] == []
    assert not any(map(is_ours, ["parcels_told", "spatial_ref_sys", "jobs_of_mine", "parcels_version", None]))
