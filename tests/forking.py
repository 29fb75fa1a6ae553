"""Programs of Singr that begin as copies of one process, which has loaded API and worker: a start costs a tenth so.

What a program starts itself, its worker processes, begins likewise, and is its own child as ever. Everything else is as
in a process that was started: environment, arguments, path, open files, signals, session, working directory.
"""

import contextlib
import ctypes
import fcntl
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from multiprocessing import util
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

COPIED = frozenset({"singr_api", "singr_worker"})
# With what they import by themselves, all that API and worker need: also what is first asked for when they run.
LOADED = (
    "encodings.idna",
    "httpcore",
    "multiprocessing.popen_spawn_posix",
    "singr_api.app",
    "singr_api.wiring.cli",
    "singr_api.wiring.serve",
    "singr_auth.accounts.passkeys._webauthn",
    "singr_worker._check",
    "singr_worker._child",
    "singr_worker._cli",
    "uvicorn.lifespan.off",
    "uvicorn.lifespan.on",
    "uvicorn.loops.asyncio",
)
# Of these every module: a worker looks for its standing work in them.
CHORES = (
    "singr_auth.accounts.chores",
    "singr_comms.notifications.chores",
    "singr_comms.notifying.chores",
    "singr_db.chores",
    "singr_jobs.chores",
)

_ENVIRONMENT = {"PATH", "HOME", "LANG", "PYTHONPATH"}
_LARGEST = 1 << 17
_MOST_FILES = 64
_TRIES = 1200  # a minute of them
_ABOVE = 1000  # where files wait until their own numbers are free
_SET_NAME, _SET_CHILD_SUBREAPER = 15, 36  # prctl(2)


class Forked:
    """A process that a `Template` has begun; as much of `subprocess.Popen` as tests need."""

    def __init__(self, status: socket.socket) -> None:
        self._status = status
        self._lock = threading.Lock()
        self.pid = int(status.recv(32))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, as `subprocess` gives it; None while it runs."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end.

        Raises:
            subprocess.TimeoutExpired: it goes on.
        """
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
                said = self._status.recv(32)
                # nothing said: the template is gone, and with it who could tell how this one ended
                self.returncode = os.waitstatus_to_exitcode(int(said)) if said else -signal.SIGKILL
                self._status.close()
            return self.returncode


class Template:
    """A process that has loaded API and worker, and copies itself when it is asked.

    It is gone when nobody is there any more who could ask.

    Args:
        name: that of one which others may have begun; without one it is begun, and this process's alone.

    Raises:
        RuntimeError: it does not begin.
    """

    def __init__(self, name: str = "") -> None:
        self._popen: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        for _ in range(_TRIES):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
                address: str | bytes = (
                    name and f"\0{name}"
                )  # a name for the system alone; where there is none, one is given
                with contextlib.suppress(OSError):  # another has taken it, and begins it
                    listener.bind(address)
                    listener.listen(_TRIES)
                    address = listener.getsockname()
                    self._popen = _begun(listener.fileno())
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with contextlib.suppress(ConnectionError):  # it does not listen yet, or is about to go
                self._socket.connect(address)
                if self._socket.recv(32):
                    return
            self._socket.close()
            time.sleep(0.05)
            # with 0 it ended since whoever else asked it was gone; with anything else, so would the next one
            if self._popen is not None and self._popen.poll():
                raise RuntimeError(f"the process that loads API and worker ended with {self._popen.returncode}")
        raise RuntimeError("there is no process that has loaded API and worker")

    def run(
        self, module: str, arguments: Sequence[str], *, env: Mapping[str, str], output: int, cwd: Path | None = None
    ) -> Forked:
        """`python -m module arguments` in a session of its own, with nothing to read; both outputs go to one file."""
        asked = {"command": ["-m", module, *arguments], "env": dict(env), "cwd": str(cwd or Path.cwd())}
        status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, open(os.devnull, "rb") as nothing, self._lock:  # noqa: PTH123 — no path of ours
            numbers = [nothing.fileno(), output, output, theirs.fileno()]
            socket.send_fds(self._socket, [json.dumps(asked).encode()], numbers)
            theirs.close()
            return Forked(status)

    def end(self) -> None:
        """Let it end, with what it still runs left as it is; whoever began it waits until nobody else needs it."""
        self._socket.close()
        if self._popen is not None:
            self._popen.wait(30)


def _begun(listener: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, __file__, str(listener)],
        env={name: value for name, value in os.environ.items() if name in _ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        pass_fds=(listener,),
        start_new_session=True,
    )


# ---- in the template, and in its copies ----


def _template(listener: socket.socket) -> Callable[[], object]:
    """Copy this process as it is asked; returns in each copy alone, with what that has to do."""
    _adopt()
    woken, wakes = socket.socketpair()
    for end in (woken, wakes):
        end.setblocking(False)  # noqa: FBT003 — the standard library's own form
    signal.set_wakeup_fd(wakes.fileno())
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    running: dict[int, socket.socket] = {}
    asking: set[socket.socket] = set()
    while True:
        ready, _, _ = select.select([woken, listener, *asking], [], [])
        if woken in ready:
            woken.recv(4096)
            _bury(running)
        if listener in ready:
            _welcome(listener, asking)
        for asked in asking.intersection(ready):
            text, files, _, _ = socket.recv_fds(asked, _LARGEST, _MOST_FILES)
            if not text:
                _part(asked, asking, listener)
            elif (program := _copy(json.loads(text), files, running)) is not None:
                return program


def _welcome(listener: socket.socket, asking: set[socket.socket]) -> None:
    """Tell somebody new that all is loaded."""
    who, _ = listener.accept()
    asking.add(who)
    with contextlib.suppress(OSError):  # gone meanwhile, as is seen when it is listened to
        who.send(b"loaded")


def _part(gone: socket.socket, asking: set[socket.socket], listener: socket.socket) -> None:
    """Leave with the last who asks."""
    asking.remove(gone)
    gone.close()
    if not asking and not select.select([listener], [], [], 0)[0]:
        os._exit(0)


def _copy(
    request: dict[str, Any], files: Sequence[int], running: dict[int, socket.socket]
) -> Callable[[], object] | None:
    """Copy this process; returns something in the copy alone: what that has to do."""
    if pid := os.fork():
        for number in files[:3]:
            os.close(number)
        running[pid] = socket.socket(fileno=files[3])
        running[pid].send(str(pid).encode())
        return None
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    _keep_only(dict(enumerate(files[:3])))
    os.chdir(request["cwd"])
    _take_over(request)
    return partial(_program, request["command"])


def _bury(running: dict[int, socket.socket]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:  # also what is left over by a program that was killed
            if (status := running.pop(ended[0], None)) is not None:
                with status, contextlib.suppress(OSError):  # nobody may be there any more who waits
                    status.send(str(ended[1]).encode())


def _program(command: Sequence[str]) -> None:
    """Be a program, beside which a copy of this process waits, as new as it: what the program starts begins as that."""
    _adopt()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        _nursery(theirs)()
        return
    theirs.close()
    popen = subprocess.Popen

    def spawn(command: Sequence[str], files: Sequence[int], *, session: bool = False) -> int:
        asked = {
            "command": list(command),
            "files": list(files),
            "session": session,
            "env": dict(os.environ),
            "blocked": list(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            "ignored": [each for each in signal.valid_signals() if signal.getsignal(each) is signal.SIG_IGN],
        }
        socket.send_fds(ours, [json.dumps(asked).encode()], list(files))
        return int(ours.recv(32))

    def starting(command: Any, *rest: Any, **more: Any) -> Any:
        if isinstance(command, list | tuple) and command[:4] == (sys.executable, "-m", "singr_worker", "serve"):
            return _Child(spawn(command[1:], more["pass_fds"], session=more["start_new_session"]))
        return popen(command, *rest, **more)

    util.spawnv_passfds = lambda _path, command, files: spawn(command[1:], files)  # type: ignore[attr-defined]
    subprocess.Popen = starting  # type: ignore[assignment,misc]
    _run_module(command)


def _nursery(asked: socket.socket) -> Callable[[], object]:
    """Give the parent children as it asks for them; returns in each of these alone, with what it has to do."""
    while True:
        text, files, _, _ = socket.recv_fds(asked, _LARGEST, _MOST_FILES)
        if not text:
            os._exit(0)  # the parent is gone
        request = json.loads(text)
        told, tells = os.pipe()
        if between := os.fork():
            for number in (*files, tells):
                os.close(number)
            os.waitpid(between, 0)  # its child is the parent's from now on, which has adopted all that come after it
            asked.send(os.read(told, 32))
            os.close(told)
            continue
        if child := os.fork():
            os.write(tells, str(child).encode())
            os._exit(0)
        if request["session"]:
            os.setsid()
        for number in request["ignored"]:
            signal.signal(number, signal.SIG_IGN)
        _keep_only({0: 0, 1: 1, 2: 2, **dict(zip(request["files"], files, strict=True))})
        _take_over(request)
        signal.pthread_sigmask(signal.SIG_SETMASK, request["blocked"])
        return partial(_run_module if "-m" in request["command"] else _run_text, request["command"])


class _Child:
    """What asyncio needs of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return what asyncio has learned of its end."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _adopt() -> None:
    """Be the parent of whatever descendant loses its own."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: Any) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _keep_only(wanted: Mapping[int, int]) -> None:
    """Have these files under these numbers, and no others."""
    waiting = {number: fcntl.fcntl(now, fcntl.F_DUPFD, _ABOVE) for number, now in wanted.items()}
    os.closerange(0, _ABOVE)
    for number, now in waiting.items():
        os.dup2(now, number)
        os.close(now)


def _take_over(request: Mapping[str, Any]) -> None:
    """Take the environment that is asked for, and the path that Python makes of it."""
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ.clear()
    os.environ.update(request["env"])
    named = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    here = str(Path.cwd())
    sys.path[:] = [here, *named, *(entry for entry in sys.path if entry not in {*before, *named, here})]


def _run_module(command: Sequence[str]) -> None:
    _, module, *arguments = command
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _run_text(command: Sequence[str]) -> None:
    _, text, *arguments = command[command.index("-c") :]
    sys.argv = ["-c", *arguments]
    # /proc tells it as `comm`; what `cmdline` tells is the template's
    _prctl(_SET_NAME, text.partition("import ")[2].partition(";")[0].encode())
    exec(text, {"__name__": "__main__"})


def _load() -> None:
    """Import what API and worker do, and build the API's routes; nothing is read, connected or begun by it."""
    gc.disable()
    chores = [f"{name}.{found.name}" for name in CHORES for found in iter_modules(import_module(name).__path__)]
    for name in (*LOADED, *chores):
        import_module(name)
    for apart in (False, True):
        sys.modules["singr_api.app"].documented_routes(apart=apart)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    del sys.path[0]
    _load()
    _template(socket.socket(fileno=int(sys.argv[1])))()
