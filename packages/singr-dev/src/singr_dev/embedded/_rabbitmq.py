"""One RabbitMQ node over one directory, from the system's own package: no wheel brings it."""

import base64
import hashlib
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from singr_dev._errors import EmbeddedError
from singr_dev.embedded import _process

_LIBRARY = Path("/usr/lib/rabbitmq/bin")  # beside Debian's program on PATH, which insists on a user and folders
_STOP = ((signal.SIGTERM, 20.0),)
# Below the ports that systems hand out by themselves, so that a node finds its own free again.
_PORTS = range(21_000, 31_999)
_NODE = "singr@localhost"
# No shell to read from; links between nodes stay on this machine; one scheduler is enough.
_ERLANG = "-noinput -kernel inet_dist_use_interface {127,0,0,1} +S 1:1"


# Of each user, what it may configure, write and read: what docs/DEPLOYMENT.md gives Singr's, and nothing.
_USERS: Mapping[str, tuple[str, str, str]] = {
    "singr": (r"^singr\.", r"^(singr\.|amq\.default$)", r"^singr\."),
    "stranger": ("^$", "^$", "^$"),
}


class RabbitServer:
    """A RabbitMQ node on loopback, with a user `singr` who has the rights that it needs, and a `stranger` without any.

    Args:
        state: the state directory; everything lies in it.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._password = secrets.token_urlsafe(12)
        self._port, self._between_nodes, self._names = (_free_port() for _ in range(3))
        self._log = state / "node.log"
        self._node: subprocess.Popen[bytes] | None = None
        self._name_server: subprocess.Popen[bytes] | None = None

    @staticmethod
    def program() -> Path | None:
        """The program that starts a node, where this system has one."""
        found = shutil.which("rabbitmq-server", path=os.pathsep.join([str(_LIBRARY), os.environ.get("PATH", "")]))
        return Path(found) if found and shutil.which("epmd") else None

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return self._port

    def url(self, user: str = "singr") -> str:
        """The address for this user."""
        return f"amqp://{user}:{self._password}@127.0.0.1:{self._port}/"

    def ready(self) -> bool:
        """Whether it greets: one that is asked for a version that there is not says which there is."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=2.0) as client:
                client.sendall(b"AMQP\x00\x00\x00\x00")
                return client.recv(8).startswith(b"AMQP")
        except OSError:
            return False

    def ensure(self) -> None:
        """Start it where it does not run, thaw it where it is frozen."""
        if self._node is None or self._node.poll() is not None:
            self.start()
        else:
            self.thaw()

    def start(self) -> None:
        """Start, on what it left when it was ended or killed, and return once it greets."""
        program = self.program()
        if program is None:
            raise EmbeddedError("no rabbitmq-server is installed here (Debian: apt-get install rabbitmq-server)")
        self._state.mkdir(parents=True, exist_ok=True)
        self._write_settings()
        if self._name_server is None:
            self._name_server = self._run([shutil.which("epmd") or "epmd", "-port", str(self._names)])
        self._node = self._run([str(program)])
        self._wait_ready()

    def stop(self) -> None:
        """Orderly stop."""
        if self._node is not None:
            self.thaw()
        for process in (self._node, self._name_server):
            if process is not None:
                _process.end(process, _STOP)
        self._node = self._name_server = None

    def kill(self) -> None:
        """Kill -9, for tests."""
        self._running().kill()
        self._running().wait()
        self._node = None

    def freeze(self) -> None:
        """Let it answer nothing, without closing a connection."""
        self._running().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """End `freeze`."""
        self._running().send_signal(signal.SIGCONT)

    def control(self, *arguments: str) -> str:
        """What `rabbitmqctl` says to these arguments; each call costs seconds of CPU."""
        return subprocess.run(  # noqa: S603 — a program of the system's package
            [str(_LIBRARY / "rabbitmqctl"), "--quiet", "--node", _NODE, *arguments],
            env=self._environment(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._node is None:
            raise EmbeddedError("this node does not run")
        return self._node

    def _run(self, command: list[str]) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 — programs of the system's package
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=self._environment(),
                start_new_session=True,
                preexec_fn=_process.dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 — only calls prctl
            )

    def _environment(self) -> dict[str, str]:
        state = self._state
        return {
            "PATH": os.environ.get("PATH", ""),
            "LANG": "C.UTF-8",
            "HOME": str(state),  # where the secret that nodes share lies
            "RABBITMQ_NODENAME": _NODE,
            "RABBITMQ_DIST_PORT": str(self._between_nodes),
            "RABBITMQ_MNESIA_BASE": str(state / "data"),
            "RABBITMQ_LOG_BASE": str(state / "logs"),
            "RABBITMQ_CONFIG_FILE": str(state / "rabbitmq"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(state / "settings"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(state / "plugins"),
            "RABBITMQ_PID_FILE": str(state / "pid"),
            "RABBITMQ_ALLOW_INPUT": "1",  # lets the node take the place of the script, and so the signals
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
            "ERL_EPMD_PORT": str(self._names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def _write_settings(self) -> None:
        cookie = self._state / ".erlang.cookie"
        if not cookie.exists():  # made by Erlang, it may be read by a second process before it is closed to others
            cookie.touch(0o600)
            cookie.write_text(secrets.token_hex(16))
        known = self._state / "users.json"
        known.write_text(json.dumps(self._definitions()))
        (self._state / "plugins").write_text("[].")
        (self._state / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._port}\n"
            f"load_definitions = {known}\n"
            "log.console = true\nlog.console.level = warning\nlog.file = false\n"
            "disk_free_limit.absolute = 1MB\n"  # a full machine would otherwise take nothing more
        )

    def _definitions(self) -> dict[str, list[dict[str, Any]]]:
        salt = b"salt"
        hashed = base64.b64encode(salt + hashlib.sha256(salt + self._password.encode()).digest()).decode()
        algorithm = "rabbit_password_hashing_sha256"
        return {
            "vhosts": [{"name": "/"}],
            "users": [
                {"name": name, "password_hash": hashed, "hashing_algorithm": algorithm, "tags": ""} for name in _USERS
            ],
            "permissions": [
                {"user": name, "vhost": "/", "configure": configure, "write": write, "read": read}
                for name, (configure, write, read) in _USERS.items()
            ],
        }

    def _wait_ready(self, seconds: float = 240.0) -> None:
        deadline = time.monotonic() + seconds
        while not self.ready():
            if self._running().poll() is not None:
                raise EmbeddedError(f"RabbitMQ ended while starting ({self._log}):\n{_process.tail(self._log)}")
            if time.monotonic() > deadline:
                raise EmbeddedError(f"RabbitMQ did not greet within {seconds:.0f} s; see {self._log}")
            time.sleep(0.05)


def _free_port() -> int:
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise EmbeddedError("no free port on 127.0.0.1")
