"""A state directory with ports of its own, and `singr-dev` run in it as a person runs it."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

from singr_dev.embedded import EmbeddedServers
from singr_dev.stack import Runtime, StateDirectory

PORTS = (
    "PORT",
    "WORKER_PORT",
    "SMTP_PORT",
    "INBOX_PORT",
    "TWILIO_SIMULATOR_PORT",
    "OBJECTS_PORT",
    "FCM_SIMULATOR_PORT",
    "RESEND_SIMULATOR_PORT",
)
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


def free_ports(number: int) -> list[int]:
    """Ports below the range that the system draws from, so that nobody is given one of them meanwhile."""
    found: set[int] = set()
    while len(found) < number:
        port = random.randrange(10_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.add(port)
    return list(found)


class Stand:
    """A state directory with its own ports, and the commands run in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = StateDirectory(directory / ".singr")
        ports = {name: str(number) for name, number in zip(PORTS, free_ports(len(PORTS)), strict=True)}
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.environ = {**kept, **ports, "SINGR_STATE_DIR": str(self.state.path)}
        self.started: list[subprocess.Popen[str]] = []

    def up(self, **environ: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-m", "singr_dev", "up"],
            cwd=self.directory,
            env=self.environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(child)
        return child

    def ready(self, child: subprocess.Popen[str]) -> tuple[Runtime, str]:
        """Read until it says what to do next."""
        assert child.stdout is not None
        shown = ""
        while "Next, in another window" not in shown:
            line = child.stdout.readline()
            assert line, f"singr-dev up ended with {child.wait()}:\n{shown}"
            shown += line
        runtime = self.state.running(10)
        assert runtime is not None
        return runtime, shown

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def end(self) -> None:
        """Stop what still runs."""
        for child in self.started:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
            child.communicate(timeout=30)

    def processes(self) -> list[int]:
        """Every living process that this state directory's run has started (by session or by what it serves)."""
        runtime = self.state.runtime()
        servers = EmbeddedServers(self.state.path)
        found = [servers.postgres.pid(), servers.valkey.pid()]
        if runtime is not None:
            found += [runtime.pid, *runtime.children.values()]
        return [pid for pid in found if pid is not None]
