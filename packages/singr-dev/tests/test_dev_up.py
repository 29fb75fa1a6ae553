"""`singr-dev up` as a newcomer meets it: real processes, real signals."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from dev_stand import Stand

from singr_dev.embedded import EmbeddedServers
from singr_dev.embedded import _process as process
from singr_dev.stack import Runtime

ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.xdist_group("singr-dev-up"), pytest.mark.timeout(180)]


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = Stand(tmp_path)
    yield made
    made.end()


def sessions_of(pids: list[int]) -> set[int]:
    """Processes that belong to the sessions of these (workers start processes of their own)."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
        except (OSError, ValueError):
            continue
        if session in pids and process.command_of(int(entry.name)):
            found.add(int(entry.name))
    return found


def until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


def first_start(stand: Stand, child: subprocess.Popen[str]) -> None:
    """It delivers a message; what is run beside it harms nothing."""
    runtime, shown = stand.ready(child)
    times = re.findall(r"(accepted|picked up|delivered)[a-zA-Z ]* after +(\d+) ms", shown)
    assert [name for name, _ in times] == ["accepted", "picked up", "delivered"]
    assert all(address in shown for _, address in runtime.addresses())
    assert runtime.signing_secret in shown
    assert f"open {runtime.inbox}" in shown, "there is no Makefile here"

    # what Resend would do afterwards is a click away, and the delivery log says so
    mail = f"{runtime.inbox}/mail/{httpx.get(f'{runtime.inbox}/api/messages').json()['messages'][0]['id']}"
    pressed = httpx.post(f"{mail}/callbacks", data={"event": "bounce"}, follow_redirects=True)
    assert "204: the API has stored it" in pressed.text
    until(lambda: "status is now bounced" in httpx.get(mail).text, 15)

    # a second one beside it says so, and harms nothing
    second = stand.run("-m", "singr_dev", "up")
    assert second.returncode == 0
    assert "already runs" in second.stdout
    assert runtime.api in second.stdout
    assert stand.run("-m", "singr_dev", "status").stdout.count("ready") == 2

    # a signal that means nothing changes nothing, and the tour finds all as it should be
    child.send_signal(signal.SIGUSR1)
    tour = stand.run(str(ROOT / "scripts" / "try.py"))
    assert tour.returncode == 0, tour.stdout + tour.stderr
    assert "nothing was sent twice" in tour.stdout
    assert "application/problem+json" in tour.stdout

    assert len(stand.processes()) == 5
    until(lambda: states_of_messages(runtime) == ["bounced", "sent", "sent"], 15)


def states_of_messages(runtime: Runtime) -> list[str]:
    with psycopg.connect(runtime.database_url) as connection:
        return [str(row[0]) for row in connection.execute("SELECT status FROM messages ORDER BY 1")]


def start_after_a_kill(stand: Stand, killed: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """A killed run leaves nothing; the next one recovers, and keeps everything."""
    pids = stand.processes()
    family = sessions_of(pids)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    again = stand.up()
    runtime, shown = stand.ready(again)
    assert "First start" not in shown
    assert not set(pids) & set(stand.processes())
    until(lambda: not [pid for pid in family if process.command_of(pid)], 15)
    assert httpx.get(f"{runtime.api}/ready").status_code == 200
    assert states_of_messages(runtime) == ["bounced", "sent", "sent"]
    assert len(httpx.get(f"{runtime.inbox}/api/messages").json()["messages"]) == 2
    return again


def stop(stand: Stand, child: subprocess.Popen[str]) -> None:
    """Ctrl-C ends all of it, and the commands beside it say so."""
    pids = stand.processes()
    family = sessions_of(pids)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    assert child.returncode == 0
    assert not [pid for pid in family | set(pids) if process.command_of(pid)]
    assert stand.run("-m", "singr_dev", "status").returncode == 3
    assert stand.run(str(ROOT / "scripts" / "try.py")).returncode == 1


def crash(name: str, stand: Stand, child: subprocess.Popen[str]) -> None:
    """A crashed child is reported, and everything stops."""
    runtime = stand.state.runtime()
    assert runtime is not None
    pids = stand.processes()
    os.kill(runtime.children[name], signal.SIGKILL)
    shown, _ = child.communicate(timeout=30)
    assert child.returncode == 1
    assert f"the {name} was killed by SIGKILL" in shown
    assert f"{name}.log" in shown
    assert not [pid for pid in pids if process.command_of(pid)]


def test_first_start_delivers_and_the_second_recovers_from_a_kill_keeps_everything_and_stops(stand: Stand):
    first = stand.up()
    first_start(stand, first)
    stop(stand, start_after_a_kill(stand, first))


@pytest.mark.full
@pytest.mark.parametrize("name", ["api", "worker"])
def test_crashed_child_is_reported_and_everything_stops(stand: Stand, name: str):
    child = stand.up()
    stand.ready(child)
    crash(name, stand, child)


# What `up` does about its children, with programs that stand for API and worker.
TWO_CHILDREN = """
import sys
from pathlib import Path
from singr_dev.stack import StateDirectory
from singr_dev.stack._children import start
from singr_dev.stack._progress import Progress
from singr_dev.stack._up import Up

state = StateDirectory(Path(sys.argv[1]))

class Quick(Up):
    def _start(self):
        for name in ("api", "worker"):
            self._children.append(start(name, ["sleep", "60"], environ={}, log=state.logs / f"{name}.log"))
        print(*(child.process.pid for child in self._children), flush=True)

assert state.acquire()
sys.exit(Quick(state, Progress()).run())
"""


def test_child_that_is_killed_is_reported_and_the_other_stops(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", TWO_CHILDREN, str(tmp_path / "state")], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        pids = [int(pid) for pid in child.stdout.readline().split()]
        os.kill(pids[0], signal.SIGKILL)
        shown, _ = child.communicate(timeout=30)
    assert child.returncode == 1
    assert "the api was killed by SIGKILL" in shown
    assert "api.log" in shown
    assert not [pid for pid in pids if process.command_of(pid)]


def test_busy_port_that_was_asked_for_is_named(stand: Stand):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        child = stand.up(PORT=number)
        shown, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert f"port {number} (PORT) is taken" in shown


@pytest.mark.parametrize(
    "signum", [signal.SIGTERM, *(pytest.param(one, marks=pytest.mark.full) for one in (signal.SIGHUP, signal.SIGINT))]
)
def test_stop_in_the_middle_of_the_start_leaves_nothing(stand: Stand, signum: signal.Signals):
    child = stand.up()
    assert child.stdout is not None
    while "PostgreSQL" not in (line := child.stdout.readline()):
        assert line
    until(lambda: EmbeddedServers(stand.state.path).postgres.pid() is not None, 20)
    pids = stand.processes()
    child.send_signal(signum)
    child.communicate(timeout=20)
    assert child.returncode == 0
    assert not [pid for pid in pids if process.command_of(pid)]
