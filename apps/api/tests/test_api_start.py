"""What can go wrong around the start of `singr-api` ends in one line, and never in a traceback."""

import contextlib
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forking import Template
from sites import template

from singr_api.wiring.serve import _stopped_while_it_loads

SERVE = [sys.executable, "-m", "singr_api", "serve"]

INTERRUPTED = """
import os, signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == "singr_api.wiring.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from singr_api.wiring.start import main
main()
"""


def environ(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "APP_ENV": "test", "TMPDIR": str(tmp_path), "PORT": "0"} | more


STARTS = [
    ((), {"PORT": "99999"}, "PORT"),
    (("--port", "99999"), {}, "--port"),
    (("--port", "٣"), {}, "--port"),
    (("--host", "no.such.host.invalid"), {}, "no.such.host.invalid"),
    (("--host", "198.51.100.1"), {}, "198.51.100.1"),
    (("--host", "x" * 70), {}, "HOST"),
    ((), {"METRICS_HOST": "198.51.100.1", "METRICS_PORT": "9"}, "METRICS_PORT"),
    ((), {"PROMETHEUS_MULTIPROC_DIR": "/dev/null/metrics"}, "PROMETHEUS_MULTIPROC_DIR"),
    (
        (),
        {"PROMETHEUS_MULTIPROC_DIR": "/etc/passwd"},
        "in /etc/passwd (PROMETHEUS_MULTIPROC_DIR): it is not a directory",
    ),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    """What each of `STARTS` came to: the exit code, and what it said. They begin as copies, for none gets far."""
    with contextlib.ExitStack() as stack:
        forking = template()
        if forking is None:
            forking = Template()
            stack.callback(forking.end)
        found = []
        for words, more, _ in STARTS:
            place = tmp_path_factory.mktemp("start")
            with (place / "log").open("wb") as log:
                env = environ(place, **more)
                start = forking.run("singr_api", ["serve", *words], env=env, output=log.fileno(), cwd=place)
            found.append((start.wait(120), (place / "log").read_text(encoding="utf-8")))
        return found


@pytest.mark.parametrize(("number", "names"), [(number, names) for number, (*_, names) in enumerate(STARTS)])
def test_start_that_cannot_be_is_one_line_that_names_what_is_wrong(
    told: list[tuple[int, str]], number: int, names: str
) -> None:
    code, shown = told[number]

    assert code == 2
    assert names in shown
    assert "Traceback" not in shown


def test_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*SERVE, "--port", str(port)],
            env=environ(tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"singr-api: cannot listen on 127.0.0.1:{port} ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("processes", ["1", "2"])
def test_interrupt_at_any_moment_of_the_start_ends_it_without_a_traceback(tmp_path: Path, processes: str) -> None:
    # sent again and again to all of a terminal's processes, it meets every moment
    with subprocess.Popen(
        [*SERVE, "--processes", processes],
        env=environ(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        shown = child.stdout.readline()
        while child.poll() is None:
            os.killpg(child.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.05)
        shown += child.stdout.read()

    assert "Traceback" not in shown


def test_interrupt_while_it_loads_ends_it_in_silence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        env=environ(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


@pytest.fixture
def taken() -> Iterator[Any]:
    """What has taken SIGTERM, as a server that runs."""

    def stop(_number: int, _frame: object) -> None: ...

    before = signal.signal(signal.SIGTERM, stop)
    yield stop
    signal.signal(signal.SIGTERM, before)


def test_process_that_is_supervised_ends_at_once_when_it_is_stopped_while_it_loads(
    taken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _stopped_while_it_loads():
        assert signal.getsignal(signal.SIGTERM) is taken, "one that nobody supervises puts its files away first"
    monkeypatch.setattr("multiprocessing.parent_process", multiprocessing.current_process)
    with _stopped_while_it_loads():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is taken


def test_process_that_supervises_loads_nothing_of_the_api() -> None:
    look = (
        "import sys, singr_api.wiring.serve;"
        "print([name for name in ('litestar', 'sqlalchemy', 'singr_auth', 'singr_jobs') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
