"""The command line."""

import re
from datetime import timedelta

import psycopg
import pytest

from singr_config import Secret
from singr_config.clock import clock
from singr_config.constants import PERMISSIONS, ROLE_PERMISSIONS, ROLES
from singr_db import DEMO_ORGANIZATION_ID, PLATFORM_ORGANIZATION_ID, PersonKey, Sealer, first_id
from singr_db._cli import main
from singr_db._partitions import Partition, week_of
from singr_db.schema._migrate import head_revision


def rows(url: str, query: str) -> set[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return set(connection.execute(query).fetchall())


GRANTS = "SELECT r.name, p.permission FROM role_permissions p JOIN roles r ON r.id = p.role_id"
EXPECTED_GRANTS = {(role, permission) for role, granted in ROLE_PERMISSIONS.items() for permission in granted}


def test_newcomer_gets_from_an_empty_database_to_a_seeded_one(empty_url: str, capsys: pytest.CaptureFixture[str]):
    environ = {"APP_ENV": "test", "DATABASE_URL": empty_url}
    assert main(["check"], environ=environ) == 1
    assert "singr-db upgrade" in capsys.readouterr().out
    assert main(["upgrade"], environ=environ) == 0
    assert main(["seed"], environ=environ) == 0
    assert main(["check"], environ=environ) == 0
    assert "FAIL" not in capsys.readouterr().out
    assert rows(empty_url, "SELECT name, description FROM permissions") == set(PERMISSIONS.items())
    assert rows(empty_url, "SELECT name, description FROM roles WHERE is_system") == set(ROLES.items())
    assert rows(empty_url, GRANTS) == EXPECTED_GRANTS
    assert rows(empty_url, "SELECT id, name FROM organizations") == {(PLATFORM_ORGANIZATION_ID, "Singr")}


def test_seeding_again_changes_nothing_and_mends_what_was_bent(migrated_url: str):
    environ = {"APP_ENV": "test", "DATABASE_URL": migrated_url}
    main(["seed", "--demo"], environ=environ)
    ids = rows(migrated_url, "SELECT id, name FROM roles")
    with psycopg.connect(migrated_url) as connection:
        connection.execute("UPDATE permissions SET description = 'bent'")
        connection.execute("DELETE FROM organizations WHERE slug = 'singr'")
        connection.execute("DELETE FROM role_permissions WHERE permission = 'venues:read'")
        connection.execute("INSERT INTO role_permissions SELECT id, 'venues:delete' FROM roles WHERE name = 'singer'")
    assert main(["seed", "--demo"], environ=environ) == 0
    assert rows(migrated_url, "SELECT id, name FROM roles") == ids
    assert rows(migrated_url, "SELECT name, description FROM permissions") == set(PERMISSIONS.items())
    assert rows(migrated_url, GRANTS) == EXPECTED_GRANTS
    assert rows(migrated_url, "SELECT id, name FROM organizations") == {
        (PLATFORM_ORGANIZATION_ID, "Singr"),
        (DEMO_ORGANIZATION_ID, "Demo Karaoke"),
    }


def test_reset_gives_a_fresh_seeded_database(migrated_url: str):
    environ = {"APP_ENV": "test", "DATABASE_URL": migrated_url}
    with psycopg.connect(migrated_url) as connection:
        connection.execute("INSERT INTO organizations (id, name, slug) VALUES (gen_random_uuid(), 'a', 'a')")
    assert main(["reset", "--demo"], environ=environ) == 0
    assert rows(migrated_url, "SELECT slug FROM organizations") == {("singr",), ("demo-karaoke",)}
    assert main(["check"], environ=environ) == 0


@pytest.mark.parametrize("command", [["reset"], ["downgrade", "base"]], ids=lambda command: command[0])
def test_production_data_is_destroyed_only_by_force(
    command: list[str], migrated_url: str, capsys: pytest.CaptureFixture[str]
):
    environ = {
        "APP_ENV": "production",
        "DATABASE_URL": migrated_url,
        "APP_URL_WEB": "https://web.example",
        "APP_URL_CUSTOMER": "https://customer.example",
        "APP_URL_API": "https://api.example",
    }
    assert main(["upgrade"], environ=environ) == 0
    assert main(["seed"], environ=environ) == 0
    with psycopg.connect(migrated_url) as connection:
        connection.execute("INSERT INTO organizations (id, name, slug) VALUES (gen_random_uuid(), 'a', 'a')")
    assert main(command, environ=environ) == 2
    assert "--force" in capsys.readouterr().err
    assert rows(migrated_url, "SELECT slug FROM organizations") == {("singr",), ("a",)}
    assert main([*command, "--force"], environ=environ) == 0
    assert rows(migrated_url, "SELECT to_regclass('organizations') IS NULL") == {(command[0] == "downgrade",)}


def test_upgrade_and_downgrade_name_the_revision_that_they_reached(
    migrated_url: str, capsys: pytest.CaptureFixture[str]
):
    environ = {"APP_ENV": "test", "DATABASE_URL": migrated_url}
    newest = head_revision()
    assert main(["downgrade", "-1"], environ=environ) == 0
    assert capsys.readouterr().out == f"The database went down to {int(newest) - 1:04}.\n"
    assert main(["upgrade"], environ=environ) == 0
    assert capsys.readouterr().out == f"The database is at revision {newest}.\n"


def test_retention_says_when_each_week_goes(migrated_url: str, capsys: pytest.CaptureFixture[str]):
    environ = {"APP_ENV": "test", "DATABASE_URL": migrated_url}
    capsys.readouterr()
    assert main(["retention"], environ=environ) == 0
    goes = week_of(clock.now()) + timedelta(weeks=1, days=7)
    said = capsys.readouterr().out
    assert f"jobs_w{goes - timedelta(weeks=2):%Y%m%d}: stays until {goes:%Y-%m-%d} 00:00" in said
    assert "messages_default: messages that go: 0" in said, "other packages say what they let go of"


@pytest.mark.parametrize("name", ["JOBS_COMPLETED_DAYS", "JOBS_FAILED_DAYS", "JOBS_CANCELLED_DAYS"])
def test_keeping_jobs_for_no_time_is_refused_with_what_would_be_right(name, capsys: pytest.CaptureFixture[str]):
    assert main(["retention"], environ={"APP_ENV": "test", "DATABASE_URL": "postgresql://u@h/d", name: "0"}) == 2
    said = capsys.readouterr().err
    assert name in said
    assert "1 to 3650" in said


def test_check_finds_drift_and_strays(migrated_url: str, capsys: pytest.CaptureFixture[str]):
    environ = {"APP_ENV": "test", "DATABASE_URL": migrated_url}
    with psycopg.connect(migrated_url) as connection:
        connection.execute("ALTER TABLE roles DROP COLUMN description")
        connection.execute(
            "INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout)"
            " VALUES (%s, gen_random_uuid(), 't', 'q', '{}', 1, 1, 1)",
            (first_id(clock.now() - timedelta(weeks=3)),),
        )
    capsys.readouterr()
    assert main(["check"], environ=environ) == 1
    printed = capsys.readouterr().out
    assert "FAIL drift" in printed
    assert "FAIL partitions of jobs: rows in the DEFAULT partition" in printed


@pytest.mark.parametrize("weeks", [-3, 0, 3])
def test_a_week_that_somebody_detached_is_told_with_what_brings_it_back(
    weeks: int, migrated_url: str, capsys: pytest.CaptureFixture[str]
):
    environ = {"APP_ENV": "test", "DATABASE_URL": migrated_url}
    week = Partition("message_events", week_of(clock.now()) + timedelta(weeks=weeks))
    with psycopg.connect(migrated_url) as connection:
        if weeks < 0:
            bounds = f"FROM ('{week.lower}') TO ('{week.upper}')"
            connection.execute(f"CREATE TABLE {week.name} PARTITION OF message_events FOR VALUES {bounds}")
        connection.execute(f"ALTER TABLE message_events DETACH PARTITION {week.name}")
    capsys.readouterr()
    assert main(["check"], environ=environ) == 1
    assert f"FAIL partitions of message_events: {week.name} is detached" in capsys.readouterr().out
    assert main(["upgrade"], environ=environ) == 0
    statement = re.search(r"ALTER TABLE message_events ATTACH [^;]*", capsys.readouterr().err)
    assert statement is not None
    with psycopg.connect(migrated_url) as connection:
        connection.execute(statement[0].encode())
    assert main(["upgrade"], environ=environ) == 0
    assert capsys.readouterr().err == ""
    assert main(["check"], environ=environ) == 0


def test_faults_are_told_in_a_line_without_the_password(postgres_url: str, capsys: pytest.CaptureFixture[str]):
    for url in ("mysql://u:canary@h/d", "postgresql://u:canary@127.0.0.1:1/d"):
        assert main(["upgrade"], environ={"APP_ENV": "test", "DATABASE_URL": url}) > 0
        printed = capsys.readouterr()
        assert printed.err
        assert "canary" not in printed.err + printed.out
        assert "Traceback" not in printed.err


SETTINGS = {
    "search path of the connection": ("?options=-c%20search_path%3Dpg_catalog", "", "search_path", "PGOPTIONS"),
    "search path of the database": (
        "",
        "ALTER DATABASE {db} SET search_path = 'nowhere'",
        "search_path",
        "ALTER DATABASE",
    ),
    "read-only connection": ("?options=-c%20default_transaction_read_only%3Don", "", "writes", "PGOPTIONS"),
    "read-only database": (
        "",
        "ALTER DATABASE {db} SET default_transaction_read_only = on",
        "writes",
        "ALTER DATABASE",
    ),
}


@pytest.mark.parametrize(("options", "statement", "finding", "said"), SETTINGS.values(), ids=SETTINGS)
def test_check_says_what_hides_the_tables_or_keeps_writes_away(
    migrated_url: str, capsys: pytest.CaptureFixture[str], options: str, statement: str, finding: str, said: str
):
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        if statement:
            connection.execute(statement.format(db=f'"{connection.info.dbname}"'))
    url = migrated_url + (options.replace("?", "&") if "?" in migrated_url else options)
    capsys.readouterr()
    assert main(["check"], environ={"APP_ENV": "test", "DATABASE_URL": url}) == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert line.startswith(f"FAIL {finding}: ")
    assert said in line
    assert "run singr-db upgrade" not in line


def test_check_takes_the_connections_settings_from_the_environment_too(
    migrated_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    environ = {"APP_ENV": "test", "DATABASE_URL": migrated_url}
    monkeypatch.setenv("PGOPTIONS", "-c search_path=nowhere")
    assert main(["check"], environ=environ) == 1
    assert "the tables are in the schema public" in capsys.readouterr().out
    assert main(["grant", "somebody"], environ=environ) == 1
    assert "would build a second schema" in capsys.readouterr().err


def test_keys_of_people_outlive_a_secret_that_is_taken_out(migrated_url: str, capsys: pytest.CaptureFixture[str]):
    old, new = "o" * 40, "n" * 40
    environ = {"APP_ENV": "test", "DATABASE_URL": migrated_url, "AUTH_SECRET": new, "AUTH_SECRET_PREVIOUS": old}
    main(["seed"], environ=environ)
    capsys.readouterr()
    made = {PersonKey.made(): secret for secret in (old, new, "x" * 40)}
    with psycopg.connect(migrated_url) as connection:
        for key, secret in made.items():
            connection.execute(
                "INSERT INTO data_keys (id, organization_id, wrapped) VALUES (%s, %s, %s)",
                (key.id, PLATFORM_ORGANIZATION_ID, key.wrapped(Sealer(Secret(secret)))),
            )
    theirs, _, lost = made
    sealed = theirs.seal(b"Ada", context="c")
    assert main(["rewrap-keys"], environ=environ) == 1
    said = capsys.readouterr()
    assert said.out.startswith("1 keys")
    assert "1 were wrapped with a secret" in said.err
    with psycopg.connect(migrated_url) as connection:
        connection.execute("UPDATE data_keys SET wrapped = NULL, destroyed_at = now() WHERE id = %s", (lost.id,))
    assert main(["rewrap-keys"], environ=environ) == 0
    assert capsys.readouterr().out.startswith("0 keys")
    [(wrapped,)] = rows(migrated_url, f"SELECT wrapped FROM data_keys WHERE id = '{theirs.id}'")
    assert isinstance(wrapped, bytes)
    opened = PersonKey.unwrapped(Sealer(Secret(new)), theirs.id, wrapped)
    assert opened.open(sealed, context="c") == b"Ada"
    with psycopg.connect(migrated_url) as connection:
        connection.execute(
            "UPDATE data_keys SET wrapped = set_byte(wrapped, 40, 255 - get_byte(wrapped, 40)) WHERE id = %s",
            (theirs.id,),
        )
    assert main(["rewrap-keys"], environ=environ) == 1
    assert f"1 were altered, and nothing opens them: {theirs.id}." in capsys.readouterr().err


def test_after_a_restore_open_inboxes_are_read_anew_and_processes_forget(
    migrated_url: str, capsys: pytest.CaptureFixture[str]
):
    organization, gone, tied = (first_id(clock.now() + timedelta(seconds=number)) for number in range(3))
    with psycopg.connect(migrated_url) as connection:
        connection.execute("INSERT INTO organizations (id, name, slug) VALUES (%s, 'A', 'a')", (organization,))
        for number, (recipient, left_at) in enumerate([(gone, 7), (tied, 3)]):
            connection.execute(
                "WITH k AS (INSERT INTO data_keys (id, organization_id, wrapped) VALUES (%(id)s, %(org)s, 'w')"
                " RETURNING id) INSERT INTO recipients (id, organization_id, external_id, key_id)"
                " SELECT %(id)s, %(org)s, %(number)s, id FROM k",
                {"id": recipient, "org": organization, "number": str(number)},
            )
            connection.execute(
                "INSERT INTO inbox_counters (recipient_id, organization_id, position, left_at) VALUES (%s, %s, 7, %s)",
                (recipient, organization, left_at),
            )
    assert main(["restored"], environ={"APP_ENV": "test", "DATABASE_URL": migrated_url}) == 0
    assert "2 inboxes" in capsys.readouterr().out
    kept = rows(migrated_url, "SELECT recipient_id, position, left_at FROM inbox_counters")
    assert kept == {(gone, 1_000_007, 1_000_007), (tied, 1_000_007, 3)}, "whoever left still finds all as it was"
    assert rows(migrated_url, "SELECT kind, subject FROM access_changes") == {("user", None)}
