"""What can go wrong around the start of `singr-worker` ends in one line, and never in a traceback."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

RUN = [sys.executable, "-m", "singr_worker", "run"]

INTERRUPTED = """
import os, signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == "singr_worker._cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from singr_worker._start import main
main()
"""


def environ(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "APP_ENV": "test", "TMPDIR": str(tmp_path), "WORKER_PORT": "0"} | more


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"WORKER_PORT": "99999"}, "WORKER_PORT"),
        ({"WORKER_HOST": "no.such.host.invalid"}, "no.such.host.invalid"),
        ({"WORKER_HOST": "198.51.100.1"}, "198.51.100.1"),
    ],
)
def test_address_that_cannot_be_is_named_in_one_line(tmp_path: Path, more: dict[str, str], names: str) -> None:
    done = subprocess.run(
        RUN, env=environ(tmp_path, **more), cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 2
    assert names in done.stderr
    assert "Traceback" not in done.stderr


def test_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            RUN, env=environ(tmp_path, WORKER_PORT=port), capture_output=True, text=True, timeout=120, check=False
        )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"cannot listen on 127.0.0.1:{port} ")


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
