"""The lifecycle of the embedded servers, with real processes."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from singr_dev.embedded import EmbeddedError, EmbeddedServers
from singr_dev.embedded import _process as process
from singr_dev.embedded import _sockets as sockets
from singr_dev.testing import SharedServers

HOLD = """
import sys
from singr_dev.embedded import EmbeddedServers
servers = EmbeddedServers(sys.argv[1], durable=False).ensure()
print(servers.postgres.pid(), servers.valkey.pid(), servers.owner, flush=True)
sys.stdin.read()
servers.stop()
"""


Hold = Callable[[Path], tuple[subprocess.Popen[str], int, int, bool]]


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def running(pid: int) -> bool:
    return bool(process.command_of(pid))


@pytest.fixture
def state(shared_servers: SharedServers) -> Iterator[Path]:
    """A directory that is not there yet, where those of all tests' servers are."""
    with tempfile.TemporaryDirectory(prefix="place-", dir=shared_servers.state) as folder:
        yield Path(folder) / "state"


@pytest.fixture(scope="module")
def made(shared_servers: SharedServers) -> Path:
    """What a first start makes of PostgreSQL's directory."""
    with EmbeddedServers(shared_servers.state / "made", durable=False) as servers:
        pass
    return servers.postgres.data


@pytest.fixture
def started_before(state: Path, made: Path) -> None:
    shutil.copytree(made, state / made.name)


# Half of what a test costs is initdb: those that are about what comes after it begin with a copy of what it makes.
not_the_first = pytest.mark.usefixtures("started_before")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory below which no parent is closed to others (pytest's own are)."""
    path = Path(tempfile.mkdtemp(prefix="singr-place-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Start another process that holds (or attaches to) the servers of a directory."""
    children: list[subprocess.Popen[str]] = []

    def start(state: Path) -> tuple[subprocess.Popen[str], int, int, bool]:
        child = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        children.append(child)
        assert child.stdout is not None
        postgres, valkey, owner = child.stdout.readline().split()
        return child, int(postgres), int(valkey), owner == "True"

    yield start
    for child in children:
        child.communicate(timeout=20)


def test_second_start_finds_its_data_again(state: Path):
    with EmbeddedServers(state) as servers:
        with psycopg.connect(servers.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        with redis.Redis.from_url(servers.redis_url) as client:
            client.set("kept", "7")
    with EmbeddedServers(state) as servers:
        with psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
        with redis.Redis.from_url(servers.redis_url) as client:
            assert client.get("kept") == b"7"


@not_the_first
def test_stop_leaves_no_process(state: Path):
    servers = EmbeddedServers(state, durable=False).ensure()
    postgres, valkey = servers.postgres.pid(), servers.valkey.pid()
    assert postgres is not None
    assert valkey is not None
    with psycopg.connect(servers.database_url):  # a client that stays connected must not hold up the stop
        servers.stop()
        assert "received fast shutdown request" in servers.postgres.log.read_text()
    assert not running(postgres)
    assert not running(valkey)


@not_the_first
def test_second_process_attaches_and_its_end_stops_nothing(state: Path, hold: Hold):
    with EmbeddedServers(state, durable=False) as servers:
        child, postgres, valkey, owner = hold(state)
        assert (postgres, valkey, owner) == (servers.postgres.pid(), servers.valkey.pid(), False)
        child.communicate(timeout=20)
        assert servers.postgres.ready()
        assert servers.valkey.ready()


def test_processes_that_start_at_once_share_one_pair(state: Path):
    children = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    answers = [child.stdout.readline().split() for child in children if child.stdout]
    for child in children:
        child.communicate(timeout=30)
    assert len({(postgres, valkey) for postgres, valkey, _ in answers}) == 1
    assert sorted(owner for _, _, owner in answers) == ["False", "False", "False", "True"]


@pytest.mark.parametrize("parent_mode", [0o700, 0o711], ids=["closed to others", "open to others"])
def test_killed_owner_leaves_nothing_and_the_next_start_recovers(place: Path, hold: Hold, parent_mode: int):
    place.chmod(parent_mode)  # decides, for root, between a user namespace and user nobody
    state = place / "state"
    child, postgres, valkey, owner = hold(state)
    assert owner
    with psycopg.connect(EmbeddedServers(state).database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    child.send_signal(signal.SIGKILL)
    child.communicate()
    with EmbeddedServers(state, durable=False) as servers:  # at once, while the old ones may still be going down
        assert servers.owner
        assert servers.postgres.pid() != postgres
        with psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
        until(lambda: not running(postgres) and not running(valkey))


@not_the_first
def test_killed_owner_alone_is_enough_to_stop_the_servers(state: Path, hold: Hold):
    child, postgres, valkey, _ = hold(state)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    until(lambda: not running(postgres) and not running(valkey))


@not_the_first
@pytest.mark.parametrize("pid", ["1", "this process", "999999999", "not a number"])
def test_stale_pid_file_is_not_believed(state: Path, pid: str):
    with EmbeddedServers(state, durable=False) as servers:
        data = servers.postgres.data
        valkey_file = servers.valkey.data / "server.pid"
    pid = str(os.getpid()) if pid == "this process" else pid
    (data / "postmaster.pid").write_text(f"{pid}\n{data}\n")
    valkey_file.write_text(pid)
    with EmbeddedServers(state, durable=False) as servers:
        assert servers.postgres.ready()
        assert servers.valkey.ready()
    assert running(os.getpid())


@not_the_first
def test_another_ones_server_named_in_our_pid_file_is_neither_believed_nor_harmed(state: Path):
    with (
        EmbeddedServers(state.with_name("other"), durable=False) as other,
        EmbeddedServers(state, durable=False) as servers,
    ):
        theirs = (other.postgres.pid(), other.valkey.pid())
        servers.stop()
        (servers.postgres.data / "postmaster.pid").write_text(f"{theirs[0]}\n")
        (servers.valkey.data / "server.pid").write_text(str(theirs[1]))
        assert servers.postgres.pid() is None
        assert servers.valkey.pid() is None
        servers.ensure()
        assert (other.postgres.pid(), other.valkey.pid()) == theirs
        assert other.postgres.ready()
        assert other.valkey.ready()


@not_the_first
def test_program_that_only_names_our_directory_is_neither_believed_nor_harmed(state: Path):
    servers = EmbeddedServers(state, durable=False)
    code = "print('up', flush=True); import time; time.sleep(60)"
    editor = subprocess.Popen(
        [sys.executable, "-c", code, str(servers.postgres.data), str(servers.valkey.data)], stdout=subprocess.PIPE
    )
    try:
        assert editor.stdout is not None
        editor.stdout.readline()
        with servers:
            files = (servers.postgres.data / "postmaster.pid", servers.valkey.data / "server.pid")
        for file in files:
            file.write_text(f"{editor.pid}\n")
        with servers:
            assert servers.postgres.pid() != editor.pid
        assert editor.poll() is None
    finally:
        editor.kill()
        editor.communicate()


def test_data_of_another_major_version_is_refused_and_left_alone(state: Path):
    data = EmbeddedServers(state).postgres.data
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"PostgreSQL 17.*PostgreSQL 18"):
        EmbeddedServers(state).ensure()
    assert (data / "PG_VERSION").read_text() == "17\n"


def test_data_directory_is_named_after_the_major_version(state: Path):
    servers = EmbeddedServers(state)
    assert servers.postgres.data.name == "pg18"
    assert servers.valkey.data.name == "valkey9"


def test_interrupted_initdb_does_not_look_like_a_database(state: Path):
    servers = EmbeddedServers(state, durable=False)
    half_made = servers.postgres.data.with_name("pg18.init")
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    with servers:
        assert servers.postgres.ready()
    assert not half_made.exists()


@not_the_first
def test_failed_start_names_the_reason_and_leaves_nothing(state: Path):
    servers = EmbeddedServers(state, durable=False, postgres_options={"max_connections": "none"})
    with pytest.raises(EmbeddedError, match="max_connections"):
        servers.ensure()
    assert not servers.owner
    assert servers.valkey.pid() is None
    with EmbeddedServers(state, durable=False) as repaired:
        assert repaired.owner


def test_long_path_gets_a_short_socket_directory(state: Path, made: Path):
    state = state / ("deep" * 20) / ("er" * 20)
    shutil.copytree(made, state / made.name)
    with EmbeddedServers(state, durable=False) as servers:
        address = servers.postgres.sockets / ".s.PGSQL.5432"
        assert address.is_socket()
        assert len(os.fsencode(address)) <= sockets.LONGEST_SOCKET_PATH
        assert len(os.fsencode(servers.valkey.socket)) <= sockets.LONGEST_SOCKET_PATH
        with psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_path_with_spaces_and_quotes_works_and_parent_directories_keep_their_rights(state: Path):
    closed = state / "closed"
    state.mkdir()
    closed.mkdir(mode=0o700)
    with EmbeddedServers(closed / "it's a, place", durable=False) as servers:
        with psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with redis.Redis.from_url(servers.redis_url) as client:
            assert client.ping()
        assert servers.postgres.ready()
    assert closed.stat().st_mode & 0o777 == 0o700


@not_the_first
def test_acknowledged_commit_survives_a_crash_when_durable(state: Path):
    with EmbeddedServers(state) as servers:
        with psycopg.connect(servers.database_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        servers.postgres.kill(signal.SIGKILL)
        servers.postgres.start()
        with psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
            assert connection.execute("SHOW fsync").fetchone() == ("on",)


@not_the_first
def test_watcher_stops_what_a_killed_owner_left(state: Path, hold: Hold):
    """The way of systems without a parent-death signal: the watcher takes the servers over and stops them."""
    child, postgres, valkey, _ = hold(state)
    watcher = subprocess.Popen([sys.executable, "-m", "singr_dev.embedded", "watch", str(state)], stdin=subprocess.PIPE)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    watcher.communicate(timeout=30)
    assert watcher.returncode == 0
    assert not running(postgres)
    assert not running(valkey)
