"""Run the API under uvicorn: one process, or several that share the port and are started again when they die."""

import contextlib
import gc
import multiprocessing
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import TYPE_CHECKING

import msgspec
import uvicorn
from uvicorn.supervisors import Multiprocess

from singr_api.operations.metrics.apart import metrics_apart, metrics_app
from singr_config import AppEnv, Settings, load_settings
from singr_observability import (
    HANGS_UP,
    MEANS_NOTHING,
    build_metrics,
    configure_logging,
    configure_sentry,
    configure_tracing,
    get_logger,
    mark_process_dead,
    prepare_multiprocess_dir,
    watch_signals,
)
from singr_observability.server import WireLimits, bounded, listen_on

if TYPE_CHECKING:
    from singr_api.http.edge import ASGIApp

GRACE_SECONDS = 25  # less than the 30 s that supervisors such as Kubernetes wait before they kill
_ADDRESSES = "see HOST, PORT, METRICS_HOST and METRICS_PORT"
_log = get_logger("singr_api")


def serve(
    settings: Settings, *, host: str | None = None, port: int | None = None, processes: int | None = None
) -> None:
    """Serve until SIGTERM or SIGINT; requests in hand are finished, 25 s at most.

    Args:
        settings: as the processes will load them again, each for itself: secrets are not handed between processes.
        host: instead of HOST.
        port: instead of PORT; 0 takes a free one.
        processes: instead of API_PROCESSES.
    """
    count = processes or settings.app.processes
    configure_logging(level=settings.app.log_level, json=settings.app.env is AppEnv.PRODUCTION)
    with _metrics_directory(settings, count) as directory:
        app = partial(process_app, directory)
        address = host or settings.app.host, settings.app.port if port is None else port
        config = _config(app, address, count, settings)
        listener = listen_on(config.host, config.port, settings=_ADDRESSES)
        with _metrics_server(settings, directory):
            _log.info("serving on {}:{} with {} process(es)", *listener.getsockname()[:2], count)
            if count == 1:
                _Server(config).run(sockets=[listener])
            else:
                _Supervisor(config, [listener], directory).run()


class _Server(uvicorn.Server):
    """Ends as the first signal asks, once nothing runs any more.

    uvicorn passes on all that came while its loop still runs: the second Ctrl-C would break into what closes there.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ended_by: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; a second Ctrl-C waits for nothing."""
        self._ended_by = self._ended_by or sig
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals while this serves, and no Ctrl-C from then until all is closed."""
        ends = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, ends[signal.SIGTERM])

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal says otherwise, which is then what ended this process."""
        interrupt = signal.getsignal(signal.SIGINT)
        super().run(sockets)
        signal.signal(signal.SIGINT, interrupt)
        if self._ended_by is not None:
            signal.raise_signal(self._ended_by)


class _Supervisor(Multiprocess):
    """Starts a process again when it died, and settles what a dead one counted."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], metrics_directory: str) -> None:
        self._outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup
        super().__init__(config, sockets)
        self._metrics_directory = metrics_directory
        self._is_short = False

    def handle_hup(self) -> None:
        """Stop: what is new is read at the start alone, and a terminal that is gone takes its programs with it."""
        if not self._outlives_terminal:
            _log.info(HANGS_UP)
            self.should_exit.set()

    def handle_usr1(self) -> None:
        """Say that this means nothing."""
        _log.info(MEANS_NOTHING, "SIGUSR1")

    def handle_usr2(self) -> None:
        """Say that this means nothing."""
        _log.info(MEANS_NOTHING, "SIGUSR2")

    def init_processes(self) -> None:
        """Start the processes."""
        with _not_interrupted():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        """Replace dead processes."""
        with _not_interrupted():
            self._replace()

    def _replace(self) -> None:
        for process in self.processes:
            # Our copy of the child's end: while it is open, a process that dies with a question under way is waited for
            # until the question's time is up.
            process.child_conn.close()
        before = {process.pid for process in self.processes}
        try:
            super().keep_subprocess_alive()
        except OSError as error:  # there is no process or descriptor to be had: the next look tries again
            if not self._is_short:
                _log.error("a process that died cannot be replaced just now: {}", error)
            self._is_short = True
        else:
            self._is_short = False
        for pid in before - {process.pid for process in self.processes}:
            if pid is not None:
                mark_process_dead(pid, self._metrics_directory)


@contextlib.contextmanager
def _not_interrupted() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: it goes to all of a terminal's, and this one stops the others."""
    # multiprocessing starts this with the first process, and lets SIGINT through again behind itself
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def process_app(metrics_directory: str) -> "ASGIApp":
    """Build the app of one process: its own settings, logs, error reports and traces."""
    gc.disable()  # nothing of what is loaded now is garbage, and looking costs a tenth of a start
    with _stopped_while_it_loads():
        from singr_api.app import create_app  # noqa: PLC0415 — once the address is ours; a supervisor has no use for it

    settings = load_settings()
    if metrics_directory:
        section = msgspec.structs.replace(settings.app, prometheus_multiproc_dir=metrics_directory)
        settings = msgspec.structs.replace(settings, app=section)
    configure_logging(level=settings.app.log_level, json=settings.app.env is AppEnv.PRODUCTION)
    configure_sentry(settings.observability, app_env=settings.app.env, component="api")
    configure_tracing(settings.observability, component="api")
    watch_signals(partial(signal.raise_signal, signal.SIGTERM))
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        threading.Thread(target=_follow, args=(supervisor,), daemon=True, name="singr-supervisor").start()
    app = create_app(settings)
    # What is loaded by now stays for good: the collector need not look at it again, nor look after every few requests.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()
    return app


@contextlib.contextmanager
def _stopped_while_it_loads() -> Iterator[None]:
    """Let SIGTERM end a supervised process at once: nothing is in hand yet, and uvicorn would load to the end first."""
    if multiprocessing.parent_process() is None:
        yield
        return
    taken = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, taken)


def _follow(supervisor: BaseProcess) -> None:
    """Stop when the supervisor is gone: nobody would be left to stop this process, and it holds the port."""
    supervisor.join()
    signal.raise_signal(signal.SIGTERM)


def _config(app: Callable[[], "ASGIApp"], address: tuple[str, int], workers: int, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=True,
        host=address[0],
        port=address[1],
        workers=workers,
        http=bounded(WireLimits(trusted=settings.app.trusted_proxies)),
        loop="asyncio",
        ws="none",
        lifespan="on",
        access_log=False,  # the middleware logs, with route and request id
        log_config=None,
        server_header=False,
        proxy_headers=False,  # TRUSTED_PROXIES decides, in one place
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=65,  # longer than the idle time of usual load balancers, so that they close first
        backlog=4096,
        timeout_worker_healthcheck=60,  # a process that still imports on a busy machine is not a dead one
    )


@contextlib.contextmanager
def _metrics_directory(settings: Settings, processes: int) -> Iterator[str]:
    """Give the directory in which processes collect their metrics; empty where the one process serves them itself."""
    if settings.app.prometheus_multiproc_dir:
        yield _given_directory(settings.app.prometheus_multiproc_dir)
    elif processes > 1 or metrics_apart(settings):
        try:
            made = tempfile.TemporaryDirectory(prefix="singr-metrics-", ignore_cleanup_errors=True)
        except OSError as error:  # no room on the disk: each process keeps its metrics to itself
            _log.error("there is no room for metrics: {}", error)
            yield ""
            return
        with made as directory:
            yield str(prepare_multiprocess_dir(directory))
    else:
        yield ""


def _given_directory(name: str) -> str:
    try:
        return str(prepare_multiprocess_dir(name))
    except OSError as error:
        why = "it is not a directory" if isinstance(error, FileExistsError) else error.strerror or str(error)
        raise OSError(error.errno, f"cannot keep metrics in {name} (PROMETHEUS_MULTIPROC_DIR): {why}") from error


@contextlib.contextmanager
def _metrics_server(settings: Settings, directory: str) -> Iterator[None]:
    """Serve /metrics on an address of its own, where the settings name one, from the process that supervises."""
    if not metrics_apart(settings):
        yield
        return
    address = settings.app.metrics_host or "127.0.0.1", settings.app.metrics_port or 0
    listener = listen_on(*address, settings=_ADDRESSES)
    config = _config(partial(metrics_app, build_metrics(directory)), address, 1, settings)
    _log.info("serving metrics on {}:{}", *listener.getsockname()[:2])
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True, name="singr-metrics-server")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=5)
