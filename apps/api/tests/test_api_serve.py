"""`singr-api serve` as real processes: it answers, replaces what dies, and stops in good order."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from forking import Forked
from sites import template

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes by Linux's /proc")

DEADLINE = 80.0


class Served:
    """A running `singr-api serve` and what it said."""

    def __init__(self, process: subprocess.Popen[bytes] | Forked, log: Path) -> None:
        self.process = process
        self.log = log

    def said(self, pattern: str) -> str:
        """Wait until it says so."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            found = re.search(pattern, self.log.read_text(encoding="utf-8", errors="replace"))
            if found:
                return found[1]
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8", errors="replace")
            time.sleep(0.05)
        raise AssertionError(self.log.read_text(encoding="utf-8", errors="replace"))

    def children(self) -> set[int]:
        """Its serving processes."""
        found = set()
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
                # of a copy this is in its name
                told = (entry / "cmdline").read_bytes() + (entry / "comm").read_bytes()
                if parent == self.process.pid and b"spawn_main" in told:
                    found.add(int(entry.name))
        return found

    def wait_for_another_beside(self, before: set[int], *, within: float = DEADLINE) -> None:
        """Wait until one of these two is replaced."""
        end = time.monotonic() + within
        while len(self.children() - before) != 1 or len(self.children()) != 2:
            assert time.monotonic() < end, f"the dead process was not replaced: {self.children()}"
            time.sleep(0.1)


@contextlib.contextmanager
def serve(tmp_path: Path, environ: dict[str, str], *arguments: str, copied: bool = False) -> Iterator[Served]:
    """Serve; as a copy of a process that has loaded it (see `forking`), where how it starts is not the matter."""
    log = tmp_path / "log.txt"
    arguments = ("serve", "--port", "0", *arguments)
    env = {"PATH": os.environ["PATH"], "APP_ENV": "test", "TMPDIR": str(tmp_path)} | environ
    process: subprocess.Popen[bytes] | Forked
    with log.open("wb") as sink:
        if copied and (forking := template()) is not None:
            process = forking.run("singr_api", arguments, env=env, output=sink.fileno(), cwd=tmp_path)
        else:
            process = subprocess.Popen(
                [sys.executable, "-m", "singr_api", *arguments],
                env=env,
                cwd=tmp_path,
                stdout=sink,
                stderr=sink,
                stdin=subprocess.DEVNULL,
            )
    try:
        yield Served(process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(address: str) -> httpx.Response:
    end = time.monotonic() + DEADLINE
    while True:
        try:
            return httpx.get(address, timeout=5, trust_env=False)
        except httpx.HTTPError:
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.fixture
def environ(database_url: str, clean_redis_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "REDIS_URL": clean_redis_url}


def test_one_process_serves_and_stops_on_sigterm(tmp_path: Path, environ: dict[str, str]) -> None:
    with serve(tmp_path, environ, copied=True) as served:
        port = served.said(r"serving on 127\.0\.0\.1:(\d+)")
        assert wait_for(f"http://127.0.0.1:{port}/ready").json()["status"] == "ready"
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(DEADLINE) in {0, -signal.SIGTERM}


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.full)])
def test_hanging_up_stops_it_as_sigterm_does_and_other_signals_change_nothing(
    tmp_path: Path, environ: dict[str, str], processes: int
) -> None:
    with serve(tmp_path, environ, "--processes", str(processes), copied=True) as served:
        port = served.said(r"serving on 127\.0\.0\.1:(\d+)")
        wait_for(f"http://127.0.0.1:{port}/health")
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            served.process.send_signal(number)
            served.said(rf"({number.name}) means nothing here")
        assert wait_for(f"http://127.0.0.1:{port}/health").status_code == 200
        served.process.send_signal(signal.SIGHUP)
        assert served.process.wait(DEADLINE) in {0, -signal.SIGTERM}
        assert "SIGHUP: stopping" in served.log.read_text(encoding="utf-8")


def test_several_processes_share_the_port_and_the_metrics_and_all_end_with_the_supervisor(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        metrics_port = free.getsockname()[1]
    with serve(tmp_path, environ | {"METRICS_PORT": str(metrics_port)}, "--processes", "2") as served:
        port = served.said(r"serving on 127\.0\.0\.1:(\d+)")
        metrics = served.said(r"serving metrics on 127\.0\.0\.1:(\d+)")
        for _ in range(10):
            assert wait_for(f"http://127.0.0.1:{port}/health").status_code == 200
        assert wait_for(f"http://127.0.0.1:{port}/metrics").status_code == 404
        end = time.monotonic() + DEADLINE
        while 'route="/health"' not in wait_for(f"http://127.0.0.1:{metrics}/metrics").text:
            assert time.monotonic() < end
            time.sleep(0.1)
        children = served.children()
        assert len(children) == 2
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(DEADLINE) == 0
        assert not any(_alive(pid) for pid in children)


def test_process_that_dies_is_replaced_also_while_it_is_asked_for_a_sign_of_life_and_none_outlives_the_supervisor(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    with serve(tmp_path, environ, "--processes", "2", copied=True) as served:
        port = served.said(r"serving on 127\.0\.0\.1:(\d+)")
        wait_for(f"http://127.0.0.1:{port}/health")
        first = served.children()
        assert len(first) == 2
        os.kill(min(first), signal.SIGKILL)
        served.wait_for_another_beside(first)
        for _ in range(10):
            assert wait_for(f"http://127.0.0.1:{port}/health").status_code == 200

        second = served.children()
        silent = min(second)
        os.kill(silent, signal.SIGSTOP)
        time.sleep(2)  # the supervisor asks twice a second, and waits a minute for an answer
        os.kill(silent, signal.SIGKILL)
        served.wait_for_another_beside(second, within=20)

        children = served.children()
        assert len(children) == 2
        served.process.kill()
        served.process.wait()
        end = time.monotonic() + DEADLINE
        while any(_alive(pid) for pid in children):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_wrong_settings_are_told_before_anything_starts(tmp_path: Path) -> None:
    with serve(tmp_path, {"APP_ENV": "production"}) as served:
        assert served.process.wait(DEADLINE) == 2
        assert "DATABASE_URL" in served.log.read_text(encoding="utf-8")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
