"""The process of a parallel run that loads and collects the tests: those that run them are copies of it.

No plugin is imported here before pytest does it: it warns of those, for it could not rewrite their assertions.
"""

import contextlib
import json
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from _pytest.config import _prepareconfig

_FILES = Path("/proc/self/fd")
_THREADS = Path("/proc/self/task")
# What two processes must not hold together: what one reads or is told, the other misses.
_NOT_SHARED = ("socket:", "pipe:", "anon_inode:")
_END_SECONDS = 30.0
_MANY = 5000  # tests: all, or nearly


# In a copy: what xdist talks on, and whether all is told.
_CHANNELS: queue.SimpleQueue[Any] = queue.SimpleQueue()
_DONE = threading.Event()


def main(listening: int, asked: str) -> None:
    """Collect, and copy this process for each connection to the socket; in each copy: run tests as a worker of xdist.

    Args:
        listening: the file number of a socket that listens. What is read from, is a pipe that closes in the end.
        asked: as JSON, what xdist gives its workers.
    """
    listener, pipe = socket.socket(fileno=listening), os.dup(0)
    known = frozenset(open_files())
    given = json.loads(asked)
    sys.path[:] = given["path"]
    config = _prepareconfig(given["args"])
    from xdist import remote  # noqa: PLC0415 — pytest warns of plugins that were imported before it does

    remote.setup_config(config, None)
    config._parser.prog = given["prog"]  # as xdist does
    config.workerinput = given["workerinput"]  # type: ignore[attr-defined]
    config.workeroutput = {}  # type: ignore[attr-defined]
    config.pluginmanager.register(collector := Collector(listener, pipe, known))
    with contextlib.suppress(pytest.UsageError):  # a file that is not there, say: the workers tell
        config.hook.pytest_cmdline_main(config=config)
    collector.end()


def take(channel: Any) -> None:
    """Hand what xdist talks on to the thread that runs the tests, and wait for it; called by execnet's, in a copy."""
    _CHANNELS.put(channel)
    _DONE.wait()


class Collector:
    """Takes over from pytest once the tests are collected, and gives the copies back to it."""

    def __init__(self, listener: socket.socket, pipe: int, known: Container[str]) -> None:
        self._listener = listener
        self._pipe = pipe
        self._known = known
        self._warned = False
        self._gateway: threading.Thread | None = None  # of a copy

    def pytest_warning_recorded(self) -> None:
        """Note that there is something to tell, which the process that prints hears from its workers alone."""
        self._warned = True

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Do once what each copy would do for its first tests: build the API's routes, and look through the tables.

        With all tests there are those of its document too, which takes a second to write.
        """
        if (app := sys.modules.get("singr_api.app")) is not None:
            for apart in (False, True):
                app.documented_routes(apart=apart)
        if (orm := sys.modules.get("sqlalchemy.orm")) is not None:
            orm.configure_mappers()
        documentation: Any = sys.modules.get("singr_api.operations.documentation.routes")
        if documentation is not None and len(session.items) > _MANY:
            from singr_config.testing import settings_for_tests  # noqa: PLC0415 — where it is loaded already

            settings = settings_for_tests()
            for write in (documentation._json, documentation._yaml):  # what it keeps
                write(settings.app.url_api, settings.brand)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Return at once where workers had better collect themselves, and tell what they find."""
        if session.testsfailed or self._warned:
            return True
        if shared := not_to_be_shared(self._known):
            sys.stderr.write(f"Tests are collected by each process, for collecting them left {shared}.\n")
            return True
        files = self._copies()
        return True if files is None else self._work(session, files)

    def end(self) -> None:
        """In a copy: let execnet close what it talks on, once all is told."""
        _DONE.set()
        if self._gateway is not None:
            self._gateway.join()

    def _copies(self) -> Sequence[int] | None:
        """Make a copy for each who asks, until the process that began this one closes its pipe.

        Returns:
            In a copy: its standard files. In this process, after all copies have ended: None.
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the copies, and then the pipe is closed
        made = []
        while True:
            ready, _, _ = select.select([self._listener, self._pipe], [], [])
            if self._pipe in ready:
                break
            with self._listener.accept()[0] as connection:
                files = socket.recv_fds(connection, 1, 3)[1]
                if (pid := os.fork()) == 0:
                    signal.signal(signal.SIGINT, signal.default_int_handler)
                    self._listener.close()
                    os.close(self._pipe)
                    connection.send(b"1")
                    return files
            made.append(pid)
            for number in files:
                os.close(number)
        _await(made)
        return None

    def _work(self, session: pytest.Session, files: Sequence[int]) -> bool:
        """Be the worker that xdist would have started."""
        from xdist import remote  # noqa: PLC0415 — as above

        config: Any = session.config
        capture = config.pluginmanager.getplugin("capturemanager")
        capture.stop_global_capturing()  # into files that the copies would write to together
        for number, now in enumerate(files):
            os.dup2(now, number)
            os.close(now)
        self._gateway = threading.Thread(target=_serve_gateway, name="execnet")
        self._gateway.start()
        channel = _CHANNELS.get()
        capture.start_global_capturing()
        capture.suspend_global_capture()

        workerinput, _args, options, _path = channel.receive()
        config.workerinput.update(workerinput)
        for name, key in (("TESTRUNUID", "testrunuid"), ("WORKER", "workerid"), ("WORKER_COUNT", "workercount")):
            os.environ[f"PYTEST_XDIST_{name}"] = str(workerinput[key])
        config.option.basetemp = options.get("basetemp")
        config._tmp_path_factory = pytest.TempPathFactory.from_config(config, _ispytest=True)  # as pytest
        interactor = remote.WorkerInteractor(config, channel)
        remote.interactor = interactor  # type: ignore[attr-defined] # where its own methods look for it
        interactor.pytest_sessionstart(session)
        interactor.pytest_collection_finish(session)
        return bool(interactor.pytest_runtestloop(session))


def not_to_be_shared(known: Container[str]) -> str:
    """Name what this process has that a copy must not have as well; nothing where there is nothing.

    Args:
        known: the open files that it began with.
    """
    found = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if not found and len(threads := list(_THREADS.iterdir())) > 1:  # not of Python
        found = [(thread / "comm").read_text().strip() for thread in threads]
    if found:
        return f"threads ({', '.join(found)})"
    for what in open_files():
        if what not in known and what.startswith(_NOT_SHARED):
            return f"an open {what}"
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return ""
    return "a process that it started"


def open_files() -> Iterator[str]:
    """What files of this process are: paths, and `socket:[number]`, `pipe:[number]`, `anon_inode:[eventpoll]`."""
    for path in list(_FILES.iterdir()):
        with contextlib.suppress(FileNotFoundError):  # that by which the directory was read
            yield str(path.readlink())


def _serve_gateway() -> None:
    """Do what execnet has a new Python do: run the line that comes first, and what is asked for later."""
    with open(0, closefd=False) as sys.stdin:
        line = sys.stdin.readline()
    exec(eval(line), {})


def _await(pids: Iterable[int]) -> None:
    """Wait for the processes' ends, some time; then kill them."""
    left = set(pids)
    deadline = time.monotonic() + _END_SECONDS
    while left:
        left = {pid for pid in left if os.waitpid(pid, os.WNOHANG)[0] == 0}
        if left and time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            return
        time.sleep(0.02)
