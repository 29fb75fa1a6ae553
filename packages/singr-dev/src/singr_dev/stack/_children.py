"""API and worker as child processes: each in a session of its own, with a log of its own, gone when we are."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from singr_dev._errors import DevError
from singr_dev.embedded import _process

_ANSWER_SECONDS = 5.0
_PATIENCE_SECONDS = 15.0


@dataclass
class Child:
    """A process of ours."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def failed(self) -> str | None:
        """What to say when it has ended by itself; None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        ended = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"the {self.name} {ended}. The end of {self.log}:\n\n{_process.tail(self.log, 2000)}"

    def stop(self, seconds: float) -> None:
        """SIGTERM, and after so many seconds SIGKILL for all of its session."""
        _process.end(self.process, ((signal.SIGTERM, seconds),))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait_ready(
        self, url: str, seconds: float, *, also: Callable[[], None], tell: Callable[[str], None] = lambda _: None
    ) -> None:
        """Wait until `url` answers 200; `also` is called meanwhile and may raise, `tell` now and then with what lacks.

        Raises:
            DevError: the process ended, or the time did; the text says what it last answered.
        """
        began = time.monotonic()
        told, said = began, "nothing"
        with httpx.Client(timeout=_ANSWER_SECONDS, trust_env=False) as client:
            while True:
                also()
                if problem := self.failed():
                    raise DevError(problem)
                try:
                    answer = client.get(url)
                except httpx.HTTPError:
                    pass
                else:
                    if answer.status_code == httpx.codes.OK:
                        return
                    said = f"{answer.status_code} {answer.text[:600]}"
                now = time.monotonic()
                if now - told >= _PATIENCE_SECONDS:
                    tell(f"the {self.name} lives, and is not ready: {url} says {said}")
                    told = now
                if now - began > seconds:
                    raise DevError(
                        f"the {self.name} is not ready after {seconds:.0f} s; {url} says: {said} (see {self.log})"
                    )
                time.sleep(0.03)


def start(name: str, command: Sequence[str], *, environ: Mapping[str, str], log: Path) -> Child:
    """Start a child; its output goes to `log` (begun anew, the last one kept beside it)."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        log.replace(log.with_suffix(".previous.log"))
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 — a program of this workspace
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environ),
            start_new_session=True,
            preexec_fn=_process.dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 — only calls prctl
        )
    return Child(name, log, process)


def program(name: str, module: str) -> list[str]:
    """The command for a program of this workspace, by this interpreter's own installation."""
    beside = Path(sys.executable).with_name(name)
    return [str(beside)] if beside.is_file() else [sys.executable, "-m", module]


def end_leftovers(children: Mapping[str, int]) -> list[str]:
    """End API and worker of a run that was killed, when they are still there; returns whose processes were ended."""
    ended = []
    for name, pid in children.items():
        command = " ".join(_process.command_of(pid))
        if f"singr-{name}" not in command and f"singr_{name}" not in command:
            continue  # gone, or the number is another program's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        _process.wait_until_gone(lambda pid=pid: bool(_process.command_of(pid)), 5)  # type: ignore[misc] # bound now
        ended.append(name)
    return ended


class Reaper:
    """A small process that ends our children, with all that they started, when we are killed (`python -m … reap`)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "singr_dev.stack._reaper"], stdin=subprocess.PIPE, start_new_session=True
        )

    def watch(self, child: Child) -> None:
        """End this child too."""
        assert self._process.stdin is not None  # noqa: S101 — opened above
        self._process.stdin.write(f"{child.process.pid}\n".encode())
        self._process.stdin.flush()

    def dismiss(self) -> None:
        """We have ended our children ourselves."""
        self._process.kill()
        self._process.communicate()
