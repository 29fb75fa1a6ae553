"""What can go wrong around the start of `singr-api` ends in one line, and never in a traceback."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

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


def said(tmp_path: Path, *words: str, **more: str) -> tuple[int, str]:
    """Run it to its end; returns the exit code and what it said on standard error, logs aside."""
    done = subprocess.run(
        [*SERVE, *words],
        env=environ(tmp_path, **more),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("words", "more", "names"),
    [
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
    ],
)
def test_start_that_cannot_be_is_one_line_that_names_what_is_wrong(
    tmp_path: Path, words: tuple[str, ...], more: dict[str, str], names: str
) -> None:
    code, shown = said(tmp_path, *words, **more)

    assert code == 2
    assert names in shown
    assert "Traceback" not in shown


def test_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, shown = said(tmp_path, "--port", str(port))

    assert code == 2
    assert shown.splitlines()[-1].startswith(f"singr-api: cannot listen on 127.0.0.1:{port} ")
    assert "Traceback" not in shown


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


def test_process_that_supervises_loads_nothing_of_the_api() -> None:
    look = (
        "import sys, singr_api.wiring.serve;"
        "print([name for name in ('litestar', 'sqlalchemy', 'singr_auth', 'singr_jobs') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
