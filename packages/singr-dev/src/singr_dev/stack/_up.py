"""`singr-dev up`: starts everything in order, shows it, watches it, stops it in order.

What takes long waits for nothing that it does not need: libraries load while the servers start; API and worker do while
roles are seeded, where the tables are there already.

A signal only leaves its word, which every wait here asks for. An exception raised from a handler of signals would meet
the interpreter anywhere: in a callback of the collector, where it is lost, or with the lock of a module half taken,
which then nobody gives back.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from httpx import HTTPError

from singr_dev._errors import DevError
from singr_dev.embedded import EmbeddedServers
from singr_dev.stack import _children, _environment, _ports
from singr_dev.stack._progress import Progress
from singr_dev.stack._state import Runtime, StateDirectory

if TYPE_CHECKING:
    from singr_dev.inbox import Inbox
    from singr_dev.stack._delivery import Delivery

# A process that ends is told of at once; one that lives may be slow, as on a machine that builds something beside it.
_READY_SECONDS = 180.0
_WATCH_SECONDS = 0.2
_ASK_SECONDS = 0.05
_LEFT_SECONDS = 5.0
_API_STOP_SECONDS = 2.5
# Its own stop is over within 30 s, of which handlers have 25: with less, one at work would outlive its database.
_WORKER_STOP_SECONDS = 32.0
_PORTS = {
    "PORT": 3000,
    "WORKER_PORT": 3100,
    "SMTP_PORT": 1025,
    "INBOX_PORT": 8025,
    "TWILIO_SIMULATOR_PORT": 8026,
    "OBJECTS_PORT": 8027,
    "FCM_SIMULATOR_PORT": 8028,
    "RESEND_SIMULATOR_PORT": 8029,
}
_P = ParamSpec("_P")
_T = TypeVar("_T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(BaseException):  # not an Exception: nothing on the way may take it for an ordinary error
    """A signal asked us to stop."""


class Up:
    """Everything of Singr on this machine, for as long as `run` runs.

    Args:
        state: where data and logs are.
        progress: where lines go.
    """

    def __init__(self, state: StateDirectory, progress: Progress) -> None:
        self._state = state
        self._progress = progress
        self._given = _environment.developers()
        self._servers: EmbeddedServers | None = None
        self._children: list[_children.Child] = []
        self._reaper: _children.Reaper | None = None
        self._extras = contextlib.ExitStack()
        self._asked_to_stop = False
        self._under_way: list[Future[Any]] = []

    def run(self) -> int:
        """Start, wait for a signal, stop; returns the exit code. The caller has acquired the state directory."""
        for signum in _SIGNALS:
            if signum != signal.SIGHUP or signal.getsignal(signum) is not signal.SIG_IGN:  # nohup
                signal.signal(signum, self._stop_soon)
        for signum in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(signum, _go_on)
        failed = False
        try:
            self._start()
            while True:
                self._check()
                time.sleep(_WATCH_SECONDS)
        except _Stopped:
            pass
        except Exception as error:
            if not isinstance(error, (DevError, HTTPError, OSError, *_database_errors())):
                raise
            failed = not self._asked_to_stop  # else it came of the stop: whatever was under way was broken off
            if failed:
                self._progress.say(f"\nsingr-dev: {error}")
        finally:
            for signum in _SIGNALS:
                signal.signal(signum, signal.SIG_IGN)  # the stop runs to its end
            self._stop()
        return 1 if failed else 0

    def _start(self) -> None:
        if self._given.get("APP_ENV") == "production":
            raise DevError("APP_ENV is production: singr-dev is for development, see docs/DEPLOYMENT.md")
        self._state.prepare()
        self._recover()
        ports = self._choose_ports()
        loading = self._beside(import_module, "singr_dev.stack._parts")
        database_url, redis_url = self._start_servers()
        self._result(loading)
        from singr_dev.stack import _parts  # noqa: PLC0415 — loaded meanwhile

        with self._progress.step("Inbox, simulators, object store"):
            secrets = _parts.development_secrets(self._state.secrets)
            delivery = self._extras.enter_context(_parts.delivering(self._state.inbox, ports, secrets, self._given))
            objects = _environment.objects(
                self._given, self._state.objects, ports["OBJECTS_PORT"], secrets.pop("S3_SECRET_ACCESS_KEY")
            )
            if objects:  # a folder in place of an S3 server, and its links served
                self._extras.enter_context(_parts.serving_folder(objects, ports["OBJECTS_PORT"]))
        addresses = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PORT": str(ports["PORT"]),
            "WORKER_PORT": str(ports["WORKER_PORT"]),
            **_environment.sites(ports["PORT"]),
            **objects,
        }
        environ = _environment.combined(self._given, {**secrets, **addresses})
        environ |= delivery.environ(self._given, environ["APP_URL_API"])
        self._start_apps(environ, database_url)
        runtime = self._runtime(environ, delivery)
        delivery.call_back(runtime)
        self._state.publish(runtime)
        self._greet(runtime, delivery.inbox)

    def _start_apps(self, environ: dict[str, str], database_url: str) -> None:
        from singr_dev.stack import _parts  # noqa: PLC0415 — loaded by now

        if self._servers is not None and self._result(self._beside(_parts.is_current, database_url)):
            self._start_children(environ)
        with self._progress.step("Tables, roles and demo organization"):
            self._result(self._beside(_parts.migrate, database_url))
        with self._progress.step("API and worker"):
            if not self._children:
                self._start_children(environ)
            for child, port in zip(self._children, ("PORT", "WORKER_PORT"), strict=True):
                child.wait_ready(
                    f"{_local(environ[port])}/ready", _READY_SECONDS, also=self._check, tell=self._progress.note
                )

    def _runtime(self, environ: dict[str, str], delivery: "Delivery") -> Runtime:
        from singr_dev.stack._parts import DEMO_ORGANIZATION_ID  # noqa: PLC0415 — loaded by now

        api = _local(environ["PORT"])
        return Runtime(
            pid=os.getpid(),
            api=api,
            docs=f"{api}/schema",
            worker=_local(environ["WORKER_PORT"]),
            inbox=delivery.inbox.url,
            smtp=f"{delivery.inbox.smtp_host}:{delivery.inbox.smtp_port}",
            twilio=delivery.twilio.base_url,
            fcm=delivery.fcm.base_url,
            resend=delivery.resend.base_url,
            database_url=environ["DATABASE_URL"],
            redis_url=environ["REDIS_URL"],
            organization_id=str(DEMO_ORGANIZATION_ID),
            key_id="env",
            signing_secret=environ["SIGNING_SECRET"],
            api_key=environ["X_API_KEY"],
            mail_in_inbox=delivery.shows("EMAIL", environ),
            sms_in_simulator=delivery.shows("SMS", environ),
            push_in_simulator=delivery.shows("PUSH", environ),
            children={child.name: child.process.pid for child in self._children},
            environ={name: value for name, value in environ.items() if os.environ.get(name) != value},
        )

    def _recover(self) -> None:
        # a run that was killed leaves its last word; its children should be gone by themselves, but be sure
        if left := self._state.runtime():
            if ended := _children.end_leftovers(left.children):
                self._progress.say(f"  (ended what a killed run had left: {', '.join(ended)})")
            self._state.retract()

    def _choose_ports(self) -> dict[str, int]:
        taken = _ports.Claims()
        self._extras.callback(taken.close)
        # a mail server of the developer's own is used through its own variables; our inbox still needs a port
        given = {
            name: value for name, value in self._given.items() if name != "SMTP_PORT" or "SMTP_HOST" not in self._given
        }
        chosen = {name: _ports.choose(name, usual, given, taken=taken) for name, usual in _PORTS.items()}
        for name, port in chosen.items():
            if port.instead_of is not None:
                self._progress.say(f"  (port {port.instead_of} is taken: {name} is {port.number})")
        return {name: port.number for name, port in chosen.items()}

    def _start_servers(self) -> tuple[str, str]:
        database_url, redis_url = self._given.get("DATABASE_URL", ""), self._given.get("REDIS_URL", "")
        if database_url and redis_url:
            self._progress.say("  using PostgreSQL and Redis of DATABASE_URL and REDIS_URL")
            return database_url, redis_url
        only = "valkey" if database_url else "postgres" if redis_url else None
        names = {"valkey": "Valkey", "postgres": "PostgreSQL", None: "PostgreSQL and Valkey"}
        self._servers = EmbeddedServers(self._state.path, only=only)  # type: ignore[arg-type] # one of the literals
        with self._progress.step(names[only]):
            self._servers.ensure(also=self._heed_stop)
        return database_url or self._servers.database_url, redis_url or self._servers.redis_url

    def _start_children(self, environ: dict[str, str]) -> None:
        self._reaper = _children.Reaper()
        plan = (
            ("api", [*_children.program("singr-api", "singr_api"), "serve"]),
            ("worker", [*_children.program("singr-worker", "singr_worker"), "run"]),
        )
        for name, command in plan:
            child = _children.start(name, command, environ=environ, log=self._state.logs / f"{name}.log")
            self._children.append(child)
            self._reaper.watch(child)

    def _greet(self, runtime: Runtime, inbox: "Inbox") -> None:
        say = self._progress.say
        say(f"Ready in {self._progress.seconds:.1f} s\n")
        self._progress.facts(
            [
                *runtime.addresses(),
                ("Logs and data", _short(self._state.path)),
                ("Development key", f"x-api-key: {runtime.api_key}"),
                ("Organization", f"{runtime.organization_id} (the keys may act for any: say for which)"),
                ("Signing key", f"id {runtime.key_id}, secret {runtime.signing_secret}"),
            ]
        )
        if not self._state.greeted.exists() and runtime.mail_in_inbox:
            from singr_dev.stack._first_message import send_first_message  # noqa: PLC0415 — at a first start only

            say("\nFirst start: one message down the whole path, POST /v1/jobs signed like any service's")
            sending = self._beside(send_first_message, runtime, lambda to, seconds: inbox.wait(to=to, seconds=seconds))
            steps, mail = self._result(sending)
            for name, milliseconds in steps:
                say(f"  {name.ljust(24)} after {milliseconds:6.0f} ms")
            say(f"  {mail.subject!r}: {inbox.url}/mail/{mail.id}")
            self._state.greeted.write_text(f"{mail.id}\n")
        step = "make try" if Path("Makefile").is_file() else f"open {inbox.url}"  # the wheels have no Makefile
        say(f"\nNext, in another window:  {step}      (Ctrl-C here stops everything)")

    def _stop_soon(self, _signum: int, _frame: FrameType | None) -> None:
        self._asked_to_stop = True

    def _heed_stop(self) -> None:
        if self._asked_to_stop:
            raise _Stopped

    def _beside(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Begin what takes long, so that a stop need not wait for it."""
        found: Future[_T] = Future()

        def run() -> None:
            try:
                found.set_result(work(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 — whoever waits for the result is told
                found.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        self._under_way.append(found)
        return found

    def _result(self, found: Future[_T]) -> _T:
        """Wait for what began `_beside`, unless we are asked to stop meanwhile."""
        while not found.done():
            self._heed_stop()
            wait([found], _ASK_SECONDS)
        return found.result()

    def _check(self) -> None:
        self._heed_stop()
        for child in self._children:
            if problem := child.failed():
                raise DevError(problem)
        if self._servers is not None:
            for name, server in (("PostgreSQL", self._servers.postgres), ("Valkey", self._servers.valkey)):
                if (code := server.exit_code()) is not None:
                    raise DevError(f"{name} ended with exit code {code}; see {server.log}")

    def _stop(self) -> None:
        if self._children or self._servers:
            self._progress.say("\nStopping")
        seconds = {"api": _API_STOP_SECONDS, "worker": _WORKER_STOP_SECONDS}
        steps: list[Callable[[], None]] = [
            *(lambda child=child: child.stop(seconds[child.name]) for child in self._children),
            self._extras.close,
            *([self._servers.stop] if self._servers else []),
            *([self._reaper.dismiss] if self._reaper else []),
            self._state.retract,
        ]
        began = time.monotonic()
        for step in steps:
            try:
                step()
            except Exception as error:  # noqa: BLE001 — one that does not stop must not keep the others from it
                self._progress.say(f"singr-dev: {error}")
        if self._children or self._servers:
            self._progress.say(f"Stopped in {time.monotonic() - began:.1f} s; data stays in {_short(self._state.path)}")
        wait(self._under_way, _LEFT_SECONDS)  # a process that ends while a library loads may say so
        self._state.release()


def _database_errors() -> tuple[type[Exception], ...]:
    """Those of the database; none while nothing is loaded that could raise them."""
    found: tuple[type[Exception], ...] = getattr(sys.modules.get("singr_dev.stack._parts"), "DATABASE_ERRORS", ())
    return found


def _go_on(signum: int, _frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):  # not by `print`, which it may have come in the middle of
        os.write(2, f"singr-dev: {signal.Signals(signum).name} means nothing here: going on\n".encode())


def _local(port: str) -> str:
    return f"http://127.0.0.1:{port}"


def _short(path: Path) -> str:
    within = path != Path.cwd() and path.is_relative_to(Path.cwd())  # a bare dot tells nobody where
    return os.path.relpath(path) if within else str(path)
