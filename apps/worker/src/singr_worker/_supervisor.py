"""The parent of the worker processes: starts them, restarts one that died, serves their health and metrics."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

import uvicorn

from singr_config import Settings
from singr_observability import build_metrics, get_logger, mark_process_dead, prepare_multiprocess_dir, watch_signals
from singr_observability.server import bounded, listen_on
from singr_worker._heartbeat import SILENT, Pulse
from singr_worker._status import StatusApp

# A stop is over within 30 s: 25 s of them for handlers (`WorkerOptions.grace`), the rest to hand back, write and close.
# A child that has not ended a second before that is killed.
_DRAIN_SECONDS = 29.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 5.0
# A child that ran this long was well: its next restart waits the first pause again.
_WELL_AFTER = 60.0

# A process that finds, before it begins, what would stop each of them, has said so and ends with this.
REFUSED = 2

_log = get_logger("worker.supervisor")


class RefusedError(Exception):
    """The first process found what would stop all of them; it has said what."""


class Supervisor:
    """Keeps `count` worker processes running until SIGTERM or SIGINT, then drains them all at once."""

    def __init__(self, settings: Settings, *, queues: list[str], count: int, lease: float, jobs: str = "") -> None:
        self._settings = settings
        self._queues = queues
        self._count = count
        self._lease = lease
        self._jobs = jobs
        self._stop = asyncio.Event()
        self._begun = asyncio.Event()
        self._checked = asyncio.Event()
        self._refused = False
        self._pulses: dict[int, Pulse] = {}
        self._children: dict[int, asyncio.subprocess.Process] = {}
        self.restarts = 0

    async def run(self) -> None:
        """Run until told to stop; returns when every child has ended.

        Raises:
            OSError: the address for health and metrics is taken, or is none of this machine's.
            RefusedError: no process could do its work, as the first one found.
        """
        listener = listen_on(
            self._settings.worker.host, self._settings.worker.port, settings="WORKER_HOST, WORKER_PORT"
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        watch_signals(self._stop.set)
        with _metrics_directory() as metrics_dir:
            server = _Server(
                uvicorn.Config(
                    StatusApp(self, build_metrics(multiprocess_dir=str(metrics_dir))),
                    http=bounded(),
                    ws="none",
                    log_config=None,
                    access_log=False,
                    lifespan="off",
                )
            )
            async with asyncio.TaskGroup() as group:
                keepers = [group.create_task(self._keep(index, metrics_dir)) for index in range(self._count)]
                await self._checked.wait()  # what is asked meanwhile is answered then
                if not self._stop.is_set():
                    _log.info("health and metrics on {}:{}", *listener.getsockname()[:2])
                    group.create_task(server.serve(sockets=[listener]))
                    await self._stop.wait()
                await asyncio.wait(keepers)
                server.stop()
        if self._refused:
            raise RefusedError

    def status(self) -> tuple[bool, list[dict[str, object]]]:
        """Whether every process is well, and what each last said."""
        processes: list[dict[str, object]] = []
        for index in range(self._count):
            pulse, child = self._pulses.get(index), self._children.get(index)
            last = pulse.last if pulse else None
            alive = child is not None and child.returncode is None
            silent = pulse.silent_for if pulse else None
            processes.append(
                {
                    "process": index,
                    "pid": child.pid if child is not None and alive else None,
                    "alive": alive,
                    "responsive": alive and last is not None and silent is not None and silent < SILENT,
                    "database": last.database if last else "unknown",
                    "redis": last.redis if last else "unknown",
                    "rabbitmq": last.rabbitmq if last else "unknown",
                    "in_hand": last.in_hand if last else {},
                    "unknown": last.unknown if last else {},
                    "overrun": last.overrun if last else {},
                }
            )
        return all(process["responsive"] for process in processes), processes

    async def _keep(self, index: int, metrics_dir: Path) -> None:
        pause = _FIRST_PAUSE
        if index:
            await self._begun.wait()  # the first looks whether any of them can begin
        while not self._stop.is_set():
            began = time.monotonic()
            checks = not self._begun.is_set()
            try:
                code = await self._run_child(index, metrics_dir, checks=checks)
            except (OSError, RuntimeError) as error:  # no process, descriptor or (a RuntimeError) thread is to be had
                what = f"could not be started: {error}"
            else:
                what = f"ended with {code}"
                if checks and code == REFUSED and not self._stop.is_set():
                    self._refused = True
                    self._stop.set()
                self._begun.set()
            self._checked.set()
            if self._stop.is_set():
                break
            self.restarts += 1
            pause = _FIRST_PAUSE if time.monotonic() - began > _WELL_AFTER else min(pause * 2, _LONGEST_PAUSE)
            _log.error("worker process {} {}; starting another in {} s", index, what, pause)
            await self._stopped_within(pause)
        self._begun.set()  # whoever waits for that need not any more

    async def _run_child(self, index: int, metrics_dir: Path, *, checks: bool) -> int:
        name = f"{os.uname().nodename}:{os.getpid()}:{index}"
        async with _pipe() as (reader, writing):
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "singr_worker", "serve", "--name", name, "--pipe", str(writing.fileno())),
                *("--metrics-dir", str(metrics_dir), *(["--queues", ",".join(self._queues)] if self._queues else [])),
                *("--lease", str(self._lease), "--jobs", self._jobs),
                *(["--check"] if checks else []),
                pass_fds=(writing.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C reaches the supervisor alone, which drains its children
            )
            writing.close()
            self._children[index] = child
            pulse = self._pulses[index] = Pulse(self._begun, self._checked)
            listening = asyncio.create_task(pulse.listen(reader))
            ended = asyncio.create_task(child.wait())
            stop = asyncio.create_task(self._stop.wait())
            try:
                await asyncio.wait([ended, stop], return_when=asyncio.FIRST_COMPLETED)
                if not ended.done():
                    await _drain(child, ended)
            finally:
                stop.cancel()
                listening.cancel()
                await asyncio.to_thread(mark_process_dead, child.pid, metrics_dir)
            return ended.result()

    async def _stopped_within(self, seconds: float) -> None:
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait([stop], timeout=seconds)
        stop.cancel()


@asynccontextmanager
async def _pipe() -> AsyncIterator[tuple[asyncio.StreamReader, BinaryIO]]:
    """A pipe that is heard here, and its other end for a child; whatever happens, both are closed in the end."""
    hearing, saying = os.pipe()
    with os.fdopen(hearing, "rb") as heard, os.fdopen(saying, "wb", buffering=0) as said:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), heard
        )
        try:
            yield reader, said
        finally:
            transport.close()


@contextmanager
def _metrics_directory() -> Iterator[Path]:
    """Where the processes put their metrics; where the disk has no room for it, they keep them to themselves."""
    try:
        directory = tempfile.TemporaryDirectory(prefix="singr-worker-", ignore_cleanup_errors=True)
    except OSError as error:
        _log.error("there is no room for metrics: {}", error)
        yield Path(os.devnull) / "metrics"  # a place where nothing can be made
        return
    with directory as name:
        try:
            prepare_multiprocess_dir(name)
        except OSError as error:
            _log.error("there is no room for metrics: {}", error)
        yield Path(name)


async def _drain(child: asyncio.subprocess.Process, ended: "asyncio.Task[int]") -> None:
    child.terminate()
    await asyncio.wait([ended], timeout=_DRAIN_SECONDS)
    if not ended.done():
        _log.error("worker process {} did not drain within {} s and is killed", child.pid, _DRAIN_SECONDS)
        child.kill()
        await ended


class _Server(uvicorn.Server):
    """Uvicorn's own looks ten times a second whether it shall end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ended = asyncio.Event()

    def stop(self) -> None:
        """End what `serve` does."""
        self.should_exit = True
        self._ended.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # writes the date that answers bear
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._ended.wait()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # the supervisor has them
        return nullcontext()
