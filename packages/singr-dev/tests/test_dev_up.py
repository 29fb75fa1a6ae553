"""`singr-dev up` as a newcomer meets it: real processes, real signals."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from dev_stand import Stand

from singr_dev.embedded import EmbeddedServers
from singr_dev.embedded import _process as process

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


def first_start(stand: Stand) -> None:
    """It delivers a message; what is run beside it harms nothing; a signal ends all of it."""
    child = stand.up()
    runtime, shown = stand.ready(child)
    times = re.findall(r"(accepted|picked up|delivered)[a-zA-Z ]* after +(\d+) ms", shown)
    assert [name for name, _ in times] == ["accepted", "picked up", "delivered"]
    assert all(address in shown for _, address in runtime.addresses())
    assert runtime.signing_secret in shown
    assert "make try" in shown

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

    pids = stand.processes()
    family = sessions_of(pids)
    assert len(pids) == 5
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    assert child.returncode == 0
    assert not [pid for pid in family | set(pids) if process.command_of(pid)]
    assert stand.run("-m", "singr_dev", "status").returncode == 3
    assert stand.run(str(ROOT / "scripts" / "try.py")).returncode == 1


def second_start(stand: Stand) -> subprocess.Popen[str]:
    """It keeps everything."""
    again = stand.up()
    runtime, shown = stand.ready(again)
    assert "First start" not in shown
    with psycopg.connect(runtime.database_url) as connection:
        row = connection.execute("SELECT array_agg(status ORDER BY status) FROM messages").fetchone()
    assert row == (["bounced", "sent", "sent"],)
    assert len(httpx.get(f"{runtime.inbox}/api/messages").json()["messages"]) == 2
    return again


def start_after_a_kill(stand: Stand, killed: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """A killed run leaves nothing, and the next one recovers."""
    pids = stand.processes()
    family = sessions_of(pids)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    third = stand.up()
    runtime, _ = stand.ready(third)
    assert not set(pids) & set(stand.processes())
    until(lambda: not [pid for pid in family if process.command_of(pid)], 15)
    assert httpx.get(f"{runtime.api}/ready").status_code == 200
    return third


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


def test_first_start_delivers_the_second_keeps_everything_and_the_third_recovers_from_a_kill(
    stand: Stand,
):
    first_start(stand)
    third = start_after_a_kill(stand, second_start(stand))
    crash("api", stand, third)


@pytest.mark.full
def test_crashed_worker_is_reported_and_everything_stops(stand: Stand):
    """Of the API it is shown above."""
    child = stand.up()
    stand.ready(child)
    crash("worker", stand, child)


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
