"""Starting, recognising and ending server processes."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from singr_dev._errors import EmbeddedError

_PR_SET_PDEATHSIG = 1
_IS_LINUX = sys.platform == "linux"


def dies_with_parent(signum: signal.Signals) -> Callable[[], None] | None:
    """What a child runs before `exec` so that the kernel sends it `signum` once its parent is gone.

    The kernel watches the *thread* that forked, so on Linux a caller must be on the main thread.

    Raises:
        EmbeddedError: called on another thread than the main one.
    """
    if not _IS_LINUX:
        return None
    if threading.current_thread() is not threading.main_thread():
        raise EmbeddedError("servers must be started from the main thread: the kernel stops them when that thread ends")
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signum))
        if os.getppid() != parent:  # the parent died before the request was in place
            os._exit(1)

    return before_exec


def command_of(pid: int) -> list[str]:
    """The command line of a living process; empty when it is gone (or a zombie) or cannot be read."""
    if _IS_LINUX:
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return []
        return [part.decode(errors="replace") for part in raw.split(b"\0") if part]
    shown = subprocess.run(  # noqa: S603 — fixed program, number as argument
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.split()


def is_server(pid: int, program: str, directory: Path) -> bool:
    """Whether `pid` is a living `program` that serves `directory`; a number alone proves nothing, it may be reused."""
    command = command_of(pid)
    if not command or Path(command[0]).name != program:
        return False
    return str(directory) in command or str(directory) in " ".join(command)


def wait_until_gone(alive: Callable[[], bool], seconds: float) -> bool:
    """Wait until `alive` turns false; returns whether it did in time."""
    deadline = time.monotonic() + seconds
    while alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def end(process: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn and wait its seconds, until the child is gone."""
    for signum, seconds in steps:
        if process.poll() is not None:
            return
        process.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return
    process.kill()
    process.wait()


def end_stranger(pid: int, alive: Callable[[], bool], steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """The same for a process that is not our child (left behind by a starter that was killed)."""
    for signum, seconds in steps:
        if not alive():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
        if wait_until_gone(alive, seconds):
            return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_until_gone(alive, 5)


def tail(log: Path, characters: int = 800) -> str:
    """The end of a log file, for error messages."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - characters))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return "(no log)"
