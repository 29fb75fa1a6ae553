"""What can go wrong around the start of `singr-api` ends in one line, and never in a traceback."""

import contextlib
import json
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

# What all starts load is loaded once, a second of work; each is then a process of its own.
MANY = """
import json, os, sys, tempfile

import singr_api.wiring.cli, singr_api.wiring.serve, singr_comms, singr_db
from singr_api.wiring.start import main

told = []
for words, more in json.load(sys.stdin):
    with tempfile.TemporaryFile() as log, open(os.devnull, "wb") as nothing:
        if (child := os.fork()) == 0:
            os.dup2(nothing.fileno(), 1)
            os.dup2(log.fileno(), 2)
            os.environ.update(more)
            sys.argv[1:] = words
            sys.exit(main())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        log.seek(0)
        told.append((code, log.read().decode()))
json.dump(told, sys.stdout)
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    """What each of `STARTS` came to: the exit code, and what it said on standard error."""
    place = tmp_path_factory.mktemp("starts")
    done = subprocess.run(
        [sys.executable, "-c", MANY],
        input=json.dumps([(("serve", *words), more) for words, more, _ in STARTS]),
        env=environ(place),
        cwd=place,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    return [(code, shown) for code, shown in json.loads(done.stdout)]


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


def test_process_that_supervises_loads_nothing_of_the_api() -> None:
    look = (
        "import sys, singr_api.wiring.serve;"
        "print([name for name in ('litestar', 'sqlalchemy', 'singr_auth', 'singr_jobs') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
