"""The servers of a test run: one start, shared by its processes, gone with it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from singr_dev.embedded import _process as process
from singr_dev.testing import Cleaner, SharedServers, absent, clone, drop

TESTS = """
import pathlib, pytest, time

@pytest.mark.parametrize("number", range(4))
def test_servers(shared_servers, redis_url, number):
    pathlib.Path(__file__).with_name(f"seen-{number}").write_text(
        f"{shared_servers.state} {shared_servers.postgres.pid()} {shared_servers.valkey.pid()} {redis_url}"
    )
    time.sleep(0.2)

def test_long(shared_servers):
    pathlib.Path(__file__).with_name("long").write_text(f"{shared_servers.state} {shared_servers.postgres.pid()}")
    time.sleep(LONG)
"""

PLUGINS = ("-p", "no:cacheprovider", "-p", "xdist.plugin", "-p", "singr_dev.pytest_plugin")


def start_run(directory: Path, *arguments: str, long: float = 0) -> subprocess.Popen[bytes]:
    (directory / "test_inner.py").write_text(TESTS.replace("LONG", str(long)))
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", *PLUGINS, f"--rootdir={directory}", *arguments],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )


def gone(state: Path, *pids: int, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while state.exists() or any(process.command_of(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_parallel_run_starts_the_servers_once_and_leaves_nothing(tmp_path: Path):
    run = start_run(tmp_path, "-n", "2")
    output, _ = run.communicate(timeout=90)
    assert run.returncode == 0, output.decode()
    seen = [path.read_text().split() for path in tmp_path.glob("seen-*")]
    assert len({(state, postgres, valkey) for state, postgres, valkey, _ in seen}) == 1
    assert len({redis for *_, redis in seen}) == 2
    state, postgres, valkey, _ = seen[0]
    assert gone(Path(state), int(postgres), int(valkey))


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "parallel"])
def test_killed_run_leaves_nothing(tmp_path: Path, workers: tuple[str, ...]):
    run = start_run(tmp_path, *workers, "-k", "test_long", long=60)
    deadline = time.monotonic() + 60
    while not ((seen := tmp_path / "long").exists() and seen.read_text().strip()):
        assert time.monotonic() < deadline, run.poll()
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    state, postgres = seen.read_text().split()
    assert gone(Path(state), int(postgres))


def test_run_without_server_tests_starts_no_server(tmp_path: Path):
    servers = SharedServers.begin()
    try:
        assert servers.postgres.pid() is None
    finally:
        servers.end()
    assert gone(servers.state)


def migrate(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE roles (name text PRIMARY KEY)")
        connection.execute("INSERT INTO roles VALUES ('admin'), ('singer')")
        connection.execute("CREATE TABLE members (role text REFERENCES roles, number int GENERATED ALWAYS AS IDENTITY)")
        connection.execute("CREATE TABLE events (id int PRIMARY KEY) PARTITION BY RANGE (id)")
        connection.execute("CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10)")


@pytest.fixture
def own_database(shared_servers: SharedServers, tmp_path: Path):
    admin = shared_servers.postgres.url("postgres")
    template, name = f"t_{os.getpid()}", f"c_{os.getpid()}"
    shared_servers.postgres.create_database(template)
    migrate(shared_servers.postgres.url(template))
    clone(admin, template, name)
    yield shared_servers.postgres.url(name)
    drop(admin, name)
    drop(admin, template)


def test_database_comes_back_to_its_template_between_tests(own_database: str):
    with closing(Cleaner(own_database)) as cleaner, psycopg.connect(own_database, autocommit=True) as connection:
        connection.execute("INSERT INTO roles VALUES ('made by a test')")
        connection.execute("DELETE FROM roles WHERE name = 'admin'")
        connection.execute("INSERT INTO members (role) VALUES ('singer')")
        connection.execute("INSERT INTO events VALUES (1)")
        cleaner.clean()
        assert connection.execute("SELECT name FROM roles ORDER BY 1").fetchall() == [("admin",), ("singer",)]
        assert connection.execute("SELECT count(*) FROM members").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)
        row = connection.execute("INSERT INTO members (role) VALUES ('singer') RETURNING number").fetchone()
        assert row == (1,)


def test_transaction_left_open_by_a_test_does_not_stop_the_next(own_database: str):
    forgotten = psycopg.connect(own_database)
    with closing(Cleaner(own_database)) as cleaner, psycopg.connect(own_database, autocommit=True) as connection:
        forgotten.execute("INSERT INTO roles VALUES ('left open')")
        connection.execute("INSERT INTO members (role) VALUES ('singer')")
        forgotten.execute("SELECT * FROM members")
        cleaner.clean()
    with pytest.raises(psycopg.OperationalError):
        forgotten.execute("SELECT 1")
    forgotten.close()


def test_cleaning_goes_on_when_a_test_has_ended_all_connections(own_database: str):
    with closing(Cleaner(own_database)) as cleaner, psycopg.connect(own_database, autocommit=True) as connection:
        connection.execute("INSERT INTO members (role) VALUES ('singer')")
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        cleaner.clean()
        assert connection.execute("SELECT count(*) FROM members").fetchone() == (0,)


def test_large_table_is_emptied_too_and_counts_from_one(own_database: str):
    with closing(Cleaner(own_database)) as cleaner, psycopg.connect(own_database, autocommit=True) as connection:
        connection.execute("INSERT INTO members (role) SELECT 'singer' FROM generate_series(1, 5000)")
        cleaner.clean()
        row = connection.execute("INSERT INTO members (role) VALUES ('singer') RETURNING number").fetchone()
        assert row == (1,)


@pytest.mark.parametrize(("ci", "ends"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_tool_that_is_not_there_fails_in_continuous_integration_and_skips_elsewhere(
    monkeypatch: pytest.MonkeyPatch, ci: str, ends: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(ends, match="apt-get install chromium"):
        absent("apt-get install chromium")
