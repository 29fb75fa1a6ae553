"""What can go wrong around the start ends in a line and never in a traceback."""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dev_stand import Stand

UP = [sys.executable, "-m", "singr_dev", "up"]


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = Stand(tmp_path)
    yield made
    made.end()


def run(stand: Stand, *words: str, before: Callable[[], None] | None = None, **environ: str) -> tuple[int, str]:
    """Run the command to its end; exit code and all that it said."""
    done = subprocess.run(
        [sys.executable, "-m", "singr_dev", *words],
        cwd=stand.directory, env=stand.environ | environ, preexec_fn=before,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def hold_back(signum: signal.Signals) -> None:
    """SIGINT, as the Makefile does; SIGTERM would end a program that loads without a word, and is ignored till then."""
    if signum == signal.SIGINT:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signum})
    else:
        signal.signal(signum, signal.SIG_IGN)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signals_that_come_from_the_first_moment_on_end_it_without_a_traceback(stand: Stand, signum: signal.Signals):
    # As make run does it: held back until the program can take it. Sent again and again, it meets every moment.
    child = subprocess.Popen(
        UP, preexec_fn=lambda: hold_back(signum),  # noqa: PLW1509 - changes one signal
        cwd=stand.directory, env=stand.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    stand.started.append(child)
    while child.poll() is None:
        child.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.03)
    assert child.stdout is not None
    shown = child.stdout.read()
    assert "Traceback" not in shown
    assert child.returncode in {0, 128 + signal.SIGINT}, shown


def test_port_that_is_none_is_named_with_what_would_be_right(stand: Stand):
    """More of those in test_dev_stack_parts.py."""
    code, shown = run(stand, "up", PORT="9" * 5000)
    assert code == 1
    assert "PORT must be a port from 1 to 65535" in shown
    assert "Traceback" not in shown


def test_one_port_for_two_is_named(stand: Stand):
    code, shown = run(stand, "up", PORT=stand.environ["WORKER_PORT"])
    assert code == 1
    assert "WORKER_PORT" in shown
    assert "another variable" in shown


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing_else(stand: Stand, closed: str):
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *UP[:-1], "status"], env=stand.environ, cwd=stand.directory,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


def no_room() -> None:
    """Whatever is written to a file fails, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_full_disk_is_a_line_that_says_what_to_do(stand: Stand):
    code, shown = run(stand, "up", before=no_room)
    assert code == 1
    assert shown.splitlines()[-1].startswith("singr-dev: ")
    assert "free some space" in shown
    assert "Traceback" not in shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_output_that_cannot_be_written_changes_nothing_else(stand: Stand):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*UP[:-1], "status"], env=stand.environ, cwd=stand.directory, stdout=full, stderr=subprocess.PIPE,
            text=True, check=False, timeout=60,
        )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_state_that_is_not_a_folder_is_named(stand: Stand):
    (stand.directory / ".singr").write_text("a file")
    code, shown = run(stand, "up")
    assert code == 1
    assert str(stand.state.path) in shown
    assert "Traceback" not in shown


def not_everywhere() -> None:
    """Take from root what lets it write everywhere (Linux: capability 1, CAP_DAC_OVERRIDE)."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)  # PR_CAPBSET_DROP


def test_folder_that_may_not_be_written_is_named(stand: Stand):
    stand.directory.chmod(0o500)
    code, shown = run(stand, "up", before=not_everywhere)
    stand.directory.chmod(0o700)
    assert code == 1
    assert "Permission denied" in shown
    assert "Traceback" not in shown


def test_env_file_in_another_encoding_is_named(stand: Stand):
    (stand.directory / ".env").write_bytes(b"EMAIL_FROM=S\xe4nger <a@example.org>\n")
    code, shown = run(stand, "up")
    assert code == 1
    assert ".env is not UTF-8" in shown
    assert "Traceback" not in shown
