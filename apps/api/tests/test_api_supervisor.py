"""The parent of the API's processes goes on where the system has no room for another just now."""

import errno
from multiprocessing import Pipe
from pathlib import Path

import pytest
import uvicorn
from uvicorn.supervisors import multiprocess

from singr_api.wiring.serve import _Supervisor


class Process:
    """One that has died, or one that lives."""

    exitcode = -9

    def __init__(self, pid: int, *, lives: bool) -> None:
        self.pid = pid
        self._lives = lives
        self.child_conn, _ = Pipe()

    def is_alive(self, timeout: float) -> bool:
        return self._lives

    def start(self) -> None:
        """It runs already."""

    def kill(self) -> None:
        """It is dead already."""

    def join(self) -> None:
        """It has ended already."""


def test_a_process_that_cannot_be_replaced_is_replaced_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent ended by that error, and with it every other process."""
    answers = [
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        OSError(errno.EMFILE, "Too many"),
        None,
    ]

    def made(*_: object) -> Process:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return Process(4713, lives=True)

    monkeypatch.setattr(multiprocess, "Process", made)
    monkeypatch.setattr(multiprocess, "SIGNALS", {})  # it would take those of the tests
    supervisor = _Supervisor(uvicorn.Config("none:app"), [], str(tmp_path))
    supervisor.processes += [Process(4711, lives=True), Process(4712, lives=False)]  # type: ignore[list-item] # alike
    for _ in range(3):
        supervisor.keep_subprocess_alive()
    assert [process.pid for process in supervisor.processes] == [4711, 4713]
